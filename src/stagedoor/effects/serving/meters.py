"""Prometheus metrics of what is served, by model and version."""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from stagedoor.core.serving import Loadable

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
_WHO = ("model", "version")


class Meters:
    """The counters of one server."""

    def __init__(self) -> None:
        self._all = CollectorRegistry()
        self._requests = Counter(
            "stagedoor_serving_requests", "Calls that were answered.", (*_WHO, "code"), registry=self._all
        )
        self._seconds = Histogram(
            "stagedoor_serving_seconds", "How long a call took, from its last byte to the answer.", _WHO,
            registry=self._all,
        )  # fmt: skip
        self._failures = Counter(
            "stagedoor_serving_load_failures", "How often a version could not be loaded.", _WHO, registry=self._all
        )
        self._up = Gauge("stagedoor_serving_up", "1 while a version answers.", _WHO, registry=self._all)
        self._busy = Gauge("stagedoor_serving_in_flight", "Calls that are being answered.", _WHO, registry=self._all)
        self._restarts = Gauge(
            "stagedoor_serving_restarts", "How often a version's process was started again.", _WHO, registry=self._all
        )

    def answered(self, one: Loadable, code: int, seconds: float) -> None:
        """A call of a version was answered."""
        self._requests.labels(one.model, str(one.version), str(code)).inc()
        self._seconds.labels(one.model, str(one.version)).observe(seconds)

    def failed(self, one: Loadable) -> None:
        """A version could not be loaded."""
        self._failures.labels(one.model, str(one.version)).inc()

    def is_up(self, one: Loadable, up: bool, in_flight: int, restarts: int) -> None:
        """How a version is now."""
        who = (one.model, str(one.version))
        self._up.labels(*who).set(int(up))
        self._busy.labels(*who).set(in_flight)
        self._restarts.labels(*who).set(restarts)

    def is_gone(self, one: Loadable) -> None:
        """A version is not served any more; what was counted stays."""
        for gauge in (self._up, self._busy, self._restarts):
            gauge.remove(one.model, str(one.version))

    def text(self) -> bytes:
        """Everything, as Prometheus reads it."""
        return generate_latest(self._all)

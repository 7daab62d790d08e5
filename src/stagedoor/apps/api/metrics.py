"""Figures for Prometheus: calls and how long they took, and what is done between them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
_SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Meter:
    """The figures of this process. Several workers share a folder of theirs, and any of them answers for all.

    https://prometheus.github.io/client_python/multiprocess/
    """

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        own = CollectorRegistry()
        self._own = own
        self._calls = Counter(
            "stagedoor_requests", "Calls by route and status.", ("method", "route", "status"), registry=own
        )
        self._seconds = Histogram(
            "stagedoor_request_seconds", "How long calls took.", ("method", "route"), buckets=_SECONDS, registry=own
        )
        self._rounds = Counter(
            "stagedoor_rounds", "What is done between calls, and how it went.", ("work", "outcome"), registry=own
        )
        self._told = Counter(
            "stagedoor_deliveries", "What the reconciler told, and what failed.", ("outcome",), registry=own
        )

    def call(self, method: str, route: str, status: int, seconds: float) -> None:
        """One call is over. `route` is a template, so that names of models make no figures of their own."""
        self._calls.labels(method, route, str(status)).inc()
        self._seconds.labels(method, route).observe(seconds)

    def round(self, work: str, outcome: str) -> None:
        """One round of work between calls is over."""
        self._rounds.labels(work, outcome).inc()

    def told(self, delivered: int, failed: int) -> None:
        """What a run of the reconciler told."""
        self._told.labels("delivered").inc(delivered)
        self._told.labels("failed").inc(failed)

    def page(self) -> tuple[bytes, str]:
        """The page that Prometheus reads, and its type."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self._all()), CONTENT_TYPE_LATEST

    def _all(self) -> CollectorRegistry:
        if FOLDER not in os.environ:
            return self._own
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        found = CollectorRegistry()
        MultiProcessCollector(found)  # type: ignore[no-untyped-call]
        return found

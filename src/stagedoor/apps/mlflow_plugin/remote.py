"""A Stagedoor server as MLflow's model registry store: `stagedoor+http://host:port`."""

from __future__ import annotations

from functools import partial

from mlflow.store.model_registry.rest_store import RestStore
from mlflow.utils.credentials import get_default_host_creds

from stagedoor.apps.mlflow_plugin.refusals import refused
from stagedoor.errors import BadInput


class ServerStore(RestStore):  # type: ignore[misc]
    """MLflow's own REST client, with the token of MLFLOW_TRACKING_TOKEN.

    The scheme tells MLflow's users which registry they speak to; the wire is the same as for a plain `http:` URI.
    """

    def __init__(self, store_uri: str) -> None:
        _, plus, address = store_uri.partition("+")
        if not plus or not address.startswith(("http://", "https://")):
            error = BadInput("the URI names no server", where=store_uri[:200], fix="write stagedoor+http://host:port")
            raise refused(error)
        super().__init__(partial(get_default_host_creds, address.rstrip("/")))

"""Refusals as MLflow's clients read them: one table from our errors to MLflow's codes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import ErrorCode

from stagedoor.errors import RegistryError

_STATUS = {"INVALID_STATE": 400, "RESOURCE_CONFLICT": 409}


class Refused(MlflowException):  # type: ignore[misc]
    """A refusal of the registry, with MLflow's code for it."""

    def get_http_status_code(self) -> int:
        """As MLflow says, but INVALID_STATE is no fault of the server, and its client tries a 500 again for minutes."""
        return _STATUS.get(self.error_code) or int(super().get_http_status_code())


def refused(error: RegistryError) -> Refused:
    """One of our errors as MLflow raises it; where and how to mend it stand in the message."""
    where = f" ({error.where})" if error.where else ""
    fix = f"; {error.fix}" if error.fix else ""
    return Refused(f"{error.what}{where}{fix}", error_code=ErrorCode.Value(error.code))


@contextmanager
def refusing() -> Iterator[None]:
    """Raise our errors as MLflow's."""
    try:
        yield
    except RegistryError as error:
        raise refused(error) from error

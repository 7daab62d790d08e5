"""Names that the tests with MLflow share."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException

ClientOf = Callable[[str], MlflowClient]


def code_of(call: Any, *args: Any, **more: Any) -> tuple[str, int]:
    """The code that a call is refused with, and the status that MLflow's server would answer."""
    with pytest.raises(MlflowException) as caught:
        call(*args, **more)
    assert "Traceback" not in caught.value.message
    return caught.value.error_code, caught.value.get_http_status_code()

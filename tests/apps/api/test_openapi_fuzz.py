"""What our OpenAPI promises, tried by schemathesis: whatever is sent, no answer is a fault of the server."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from served import Served
from town import CAROL

schemathesis = pytest.importorskip("schemathesis")


def test_no_call_of_openapi_falls_over(served: Served) -> None:
    """Ten examples of every call: what fits its schema, as somebody who may do all."""
    schema = schemathesis.openapi.from_url(f"{served.url}/openapi.json")
    headers = {"Authorization": f"Bearer {served.token(CAROL)}"}
    tried = 0
    for result in schema.get_all_operations():
        operation = result.ok()

        @settings(max_examples=10, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(case=operation.as_strategy())
        def answers(case: Any) -> None:
            got = case.call(base_url=served.url, headers=headers, timeout=120)
            assert got.status_code < 500, (case.method, case.path, got.text)

        answers()
        tried += 1
    assert tried > 60

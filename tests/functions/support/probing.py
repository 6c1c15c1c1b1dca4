"""Requests that schemathesis makes up from the OpenAPI document, and its checks of the answers."""
# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# pyright: reportUnknownParameterType=false, reportMissingTypeArgument=false

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from schemathesis import Case, GenerationMode, openapi
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

__all__ = ["FailureGroup", "GenerationMode", "probe", "validate"]

PATIENT = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]
CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    negative_data_rejection,
]


def validate(doc: dict[str, Any]) -> None:
    """That it is a document which tools accept."""
    openapi.from_dict(doc).validate()


def probe(
    doc: dict[str, Any],
    method: str,
    path: str,
    mode: GenerationMode,
    *,
    base_url: str,
    token: str,
    aimed: dict[str, str],
    examples: int,
) -> list[int]:
    """Send so many requests; the statuses that came back.

    Args:
        mode: Whether they keep to the document.
        aimed: Parameters of the path that are not made up.
    """
    statuses: list[int] = []

    @given(case=openapi.from_dict(doc)[path][method].as_strategy(mode, path_parameters=aimed or None))
    @settings(max_examples=examples, deadline=None, derandomize=True, suppress_health_check=PATIENT)
    def run(case: Case) -> None:
        headers = {"authorization": f"Bearer {token}"}
        statuses.append(case.call_and_validate(base_url=base_url, headers=headers, checks=CHECKS).status_code)

    run()
    return statuses

"""Errors travel: between processes, into logs."""

from __future__ import annotations

import copy
import pickle
from uuid import UUID

import pytest

from spaces_sdk import errors
from spaces_sdk.errors import JoinRejectedError, OutcomeUnknownError, ProtocolError, RateLimitedError, SpacesError

pytestmark = pytest.mark.unit

ID = UUID("6d1f0f0e-2b5a-4c7e-9d52-7e1c6a1f0001")

SPECIAL: list[SpacesError] = [
    RateLimitedError("cannot send: too many", retry_after_s=4.5),
    JoinRejectedError(topic="spaces:x:1", reason="Unauthorized", code="unauthorized", retryable=False),
    OutcomeUnknownError("cannot send for certain: no answer", operation_id=ID),
    ProtocolError("cannot read it: no JSON", raw="<html>"),
]
PLAIN = [
    kind("cannot do it: no", code="because", hint="do otherwise", retryable=True)
    for kind in vars(errors).values()
    if isinstance(kind, type) and issubclass(kind, SpacesError) and kind not in {type(error) for error in SPECIAL}
]


@pytest.mark.parametrize("error", PLAIN + SPECIAL, ids=lambda error: type(error).__name__)
def test_an_error_is_whole_in_another_process(error: SpacesError) -> None:
    for other in (pickle.loads(pickle.dumps(error)), copy.copy(error)):  # noqa: S301
        assert type(other) is type(error)
        assert (vars(other), other.args, str(other)) == (vars(error), error.args, str(error))


def test_a_text_says_what_and_what_next() -> None:
    assert str(SpacesError("cannot do it: no", hint="do otherwise")) == "cannot do it: no (do otherwise)"
    assert str(SpacesError("cannot do it: no")) == "cannot do it: no"

"""The stable codes of the database, and the error of each."""

from __future__ import annotations

import re

import pytest

from spaces_sdk.codes import STATUS_OF_CODE, error_for_code
from spaces_sdk.errors import (
    ApiError,
    AuthError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    RoomFullError,
    ServerError,
    SessionExpiredError,
    SpacesError,
)
from spaces_sdk.install.package_files import supabase_dir

pytestmark = pytest.mark.unit

KIND_OF_STATUS: dict[int, type[SpacesError]] = {
    400: InvalidRequestError,
    401: AuthError,
    403: PermissionDeniedError,
    404: NotFoundError,
    409: ConflictError,
    429: RateLimitedError,
}


@pytest.mark.parametrize("code", STATUS_OF_CODE)
def test_each_code_has_its_error(code: str) -> None:
    error = error_for_code(code, "cannot do it: no", hint="Do otherwise.")
    assert isinstance(error, KIND_OF_STATUS[STATUS_OF_CODE[code]])
    assert (error.code, error.message, error.hint) == (code, "cannot do it: no", "Do otherwise.")
    assert str(error) == "cannot do it: no (Do otherwise.)"
    if isinstance(error, ApiError):
        assert error.status == STATUS_OF_CODE[code]
    assert error.retryable is (code == "rate_limited")


def test_a_full_room_has_an_error_of_its_own() -> None:
    assert type(error_for_code("room_full", "x")) is RoomFullError


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, InvalidRequestError),
        (401, SessionExpiredError),
        (403, PermissionDeniedError),
        (404, NotFoundError),
        (409, ConflictError),
        (418, InvalidRequestError),
        (429, RateLimitedError),
        (500, ServerError),
        (None, ServerError),
    ],
)
def test_an_unknown_code_is_judged_by_its_status(status: int | None, kind: type[SpacesError]) -> None:
    error = error_for_code("made_up_later", "x", status=status)
    assert type(error) is kind
    assert error.code == "made_up_later"


def test_the_known_status_of_a_code_wins() -> None:
    assert type(error_for_code("not_host", "x", status=500)) is PermissionDeniedError


def test_the_wait_is_kept() -> None:
    error = error_for_code("rate_limited", "x", retry_after_s=4.5)
    assert isinstance(error, RateLimitedError)
    assert error.retry_after_s == 4.5


def test_the_edge_function_has_the_same_table() -> None:
    text = (supabase_dir() / "functions" / "rooms" / "problems.ts").read_text()
    table = re.search(r"DATABASE_CODES = \{(.*?)\}", text, flags=re.S)
    assert table is not None
    assert {code: int(status) for code, status in re.findall(r"(\w+): (\d+)", table[1])} == STATUS_OF_CODE

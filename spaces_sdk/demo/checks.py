"""A check that did not hold, told so that a person sees what was expected and what came instead."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import NoReturn

from spaces_sdk.errors import SpacesError


class CheckFailedError(SpacesError):
    """A step of the demo expected one thing and saw another.

    Attributes:
        expected: What should have been seen.
        seen: What was seen instead.
    """

    default_code = "check_failed"

    def __init__(self, expected: str, seen: str) -> None:
        self.expected = expected
        self.seen = seen
        super().__init__(f"expected {expected}; saw {seen}")


class NotReadyError(CheckFailedError):
    """The step needs what an earlier one should have brought about; that one's report says why it did not."""

    default_code = "not_ready"


def check(is_ok: bool, *, expected: str, seen: object) -> None:
    """Raise unless `is_ok`.

    Raises:
        CheckFailedError: It does not hold.
    """
    if not is_ok:
        fail(expected=expected, seen=seen)


def fail(*, expected: str, seen: object) -> NoReturn:
    """Raise what the report shows as expected and seen."""
    raise CheckFailedError(expected, str(seen))


async def refused(call: Awaitable[object], *codes: str, what: str) -> SpacesError:
    """Await a call that must be refused with one of the codes, and return the refusal.

    Args:
        call: What should not be allowed.
        codes: Any of these is right.
        what: The call in words, for the report.

    Raises:
        CheckFailedError: It was allowed, or failed for another reason.
    """
    expected = f"{what} to be refused with {' or '.join(codes)}"
    try:
        await call
    except CheckFailedError:
        raise
    except SpacesError as error:
        if error.code in codes:
            return error
        raise CheckFailedError(expected, f"{error.code}: {error.message}") from error
    fail(expected=expected, seen="no refusal")

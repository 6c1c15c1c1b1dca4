"""The refusals of the fake database."""

from __future__ import annotations

from spaces_sdk.codes import error_for_code
from spaces_sdk.errors import SpacesError


def refusal(code: str) -> SpacesError:
    """The error of a code, as a call raises it."""
    return error_for_code(code, f"cannot do it: {code}")

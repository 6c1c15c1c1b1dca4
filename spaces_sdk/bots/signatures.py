"""Whether a function can be called as its decorator promises: said when it is registered, not at its first call."""

from __future__ import annotations

import inspect
from typing import Any

from spaces_sdk.errors import UsageError


def check_async(function: Any) -> None:
    """Raises UsageError for what is no `async def`."""
    if not inspect.iscoroutinefunction(function):
        raise UsageError(
            f"cannot register {_name(function)!r}: it is not an async function",
            hint="write `async def`",
        )


def check_handler(function: Any, *given: str) -> None:
    """Raises UsageError for what is no `async def`, or cannot be called with these arguments, in their order."""
    check_async(function)
    signature = inspect.signature(function)
    try:
        signature.bind(*given)
    except TypeError as error:
        takes = ", ".join(signature.parameters)
        raise UsageError(
            f"cannot register {_name(function)!r}: it takes ({takes}), and is called with ({', '.join(given)})",
            hint=f"write `async def {_name(function)}({', '.join(given)})`",
        ) from error


def _name(function: object) -> str:
    return getattr(function, "__name__", repr(function))

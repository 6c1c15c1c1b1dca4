"""Waiting for a fact instead of for a time."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

T = TypeVar("T")

PATIENCE_S = 60.0
"""Longer than anything takes on a slow machine that does other things, too: only a failure waits for so long."""

_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.05


async def eventually(
    predicate: Callable[[], T | Awaitable[T]], within_s: float = PATIENCE_S, *, what: str | Callable[[], str] = ""
) -> T:
    """Ask until the answer is true, and return that answer.

    Args:
        predicate: Asked again and again, with short pauses. A plain function or a coroutine function. An
            `AssertionError` of its own counts as "not yet", and is the cause of the failure at the end.
        within_s: Seconds until it must have come true. It is asked at least once, and once more at the end.
        what: What was waited for, for the message; a function is called at the failure (for logs and the like).

    Raises:
        AssertionError: It did not come true in time; the message has the last answer.
    """
    deadline = time.monotonic() + within_s
    pause_s = _FIRST_PAUSE_S
    while True:
        is_last = time.monotonic() >= deadline
        cause: AssertionError | None = None
        answer: object = None
        try:
            asked = predicate()
            answer = await cast("Awaitable[T]", asked) if inspect.isawaitable(asked) else asked
            if answer:
                return cast("T", answer)
        except AssertionError as error:
            cause = error
        if is_last:
            wanted = what() if callable(what) else what
            raise AssertionError(
                f"not within {within_s} s: {wanted or predicate}; the last answer was {answer!r}"
            ) from cause
        await asyncio.sleep(pause_s)
        pause_s = min(pause_s * 1.5, _LONGEST_PAUSE_S)

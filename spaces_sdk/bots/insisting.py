"""Calls that a bot repeats until they are answered."""

from __future__ import annotations

import random
from collections.abc import Awaitable, Callable, Iterator
from typing import Final, TypeVar

from spaces_sdk.clock import Clock
from spaces_sdk.errors import RateLimitedError, SpacesError
from spaces_sdk.realtime.backoff import backoff

T = TypeVar("T")

FIRST_PAUSE_S: Final = 0.25
LONGEST_PAUSE_S: Final = 10.0


def pauses() -> Iterator[float]:
    """How long to wait between tries, in seconds."""
    return backoff(random.Random(), base_s=FIRST_PAUSE_S, cap_s=LONGEST_PAUSE_S)  # noqa: S311 - spreads retries


async def insist(call: Callable[[], Awaitable[T]], clock: Clock) -> T:
    """Make a call that may be repeated, until it is answered or refused. Cancel-safe.

    Raises:
        SpacesError: Refused, or the session has ended.
    """
    waits = pauses()
    while True:
        try:
            return await call()
        except RateLimitedError as error:
            pause_s = error.retry_after_s
        except SpacesError as error:
            if not error.retryable:
                raise
            pause_s = next(waits)
        await clock.sleep(pause_s)

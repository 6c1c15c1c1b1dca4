"""Waits for a part by asking it, and says what it last answered when it does not come."""

from __future__ import annotations

import asyncio

import httpx

from spaces_sdk.local.errors import StackError
from spaces_sdk.local.loopback import loopback_client
from spaces_sdk.local.process import ManagedProcess

_POLL_S = 0.025
_ANSWER_CHARS = 300


async def wait_until_ready(process: ManagedProcess, url: str, *, within_s: float) -> None:
    """Return once `url` answers 200.

    Raises:
        StackError: The process ended, or the time is up; with the last answer and the tail of its log.
    """
    last = "no answer"
    async with loopback_client(timeout=5.0) as client:
        try:
            async with asyncio.timeout(within_s):
                while process.is_running:
                    try:
                        answer = await client.get(url)
                    except httpx.HTTPError as error:
                        last = f"no answer ({type(error).__name__})"
                    else:
                        if answer.status_code == 200:
                            return
                        last = f"status {answer.status_code}: {answer.text[:_ANSWER_CHARS]}"
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            raise _not_ready(process, f"it was not ready within {within_s:.0f} s; its last answer: {last}") from None
    raise _not_ready(process, f"it ended with status {process.returncode}")


def _not_ready(process: ManagedProcess, reason: str) -> StackError:
    return StackError(
        f"cannot start {process.name}: {reason}",
        part=process.name,
        log_tail=process.log_tail(),
        hint=f"its log is {process.log_path}",
    )

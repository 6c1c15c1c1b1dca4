"""Finds a running stack by its data directory, and stops it."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import httpx

from spaces_sdk.local.errors import StackError
from spaces_sdk.local.folder import StackFolder
from spaces_sdk.local.records import StackState

_POLL_S = 0.05


def running_state(data_dir: Path) -> StackState | None:
    """What runs from the folder; None if nothing does, or while it starts."""
    folder = StackFolder(data_dir)
    holder, state = folder.holder(), folder.read_state()
    # One that was killed left its state behind, which is not that of its successor.
    return state if holder is not None and state is not None and state.pid == holder.pid else None


def stop_running(data_dir: Path, *, within_s: float = 30.0) -> int | None:
    """Stop the stack that runs from the folder, and wait for its end.

    Returns:
        Its process id; None if nothing ran.

    Raises:
        StackError: It has not ended in time, or it may not be stopped by this user.
    """
    folder = StackFolder(data_dir)
    holder = folder.holder()
    if holder is None:
        return None
    if not holder.is_alive:
        raise StackError(
            f"cannot stop the stack: no process {holder.pid} that began at its time is seen from here",
            code="not_seen",
            hint="it runs in another container, or the clock has been set since: end it there, or by its pid",
        )
    try:
        os.kill(holder.pid, signal.SIGTERM)
    except ProcessLookupError:
        return None
    except PermissionError:
        raise StackError(
            f"cannot stop the stack (pid {holder.pid}): it belongs to another user",
            code="not_allowed",
            hint="run `spaces down` as that user",
        ) from None
    give_up_at = time.monotonic() + within_s
    while holder.is_alive or folder.holder() == holder:
        if time.monotonic() > give_up_at:
            raise StackError(
                f"cannot stop the stack (pid {holder.pid}): it has not ended within {within_s:.0f} s",
                code="still_running",
                hint=f"kill -KILL {holder.pid} ends it and all its parts",
            )
        time.sleep(_POLL_S)
    return holder.pid


def ask_health(url: str) -> str | None:
    """None if every part is ready, else what the gateway says."""
    try:
        answer = httpx.get(f"{url}/health", trust_env=False, timeout=5.0)
    except httpx.HTTPError as error:
        return f"no answer ({type(error).__name__})"
    return None if answer.status_code == 200 else answer.text[:300]

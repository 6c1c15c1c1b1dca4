"""Runs a stack in the foreground until a signal, or until one of its parts ends."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

from spaces_sdk.cli.environment import env_lines, keys_json
from spaces_sdk.cli.followed_file import FollowedFile
from spaces_sdk.cli.output import Output
from spaces_sdk.local.parts import TRACE_LOG
from spaces_sdk.local.settings import StackSettings
from spaces_sdk.local.stack import LocalStack

_TRACE_POLL_S = 0.1
_STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def run_stack(settings: StackSettings, output: Output, *, reset: bool) -> None:
    """Start, print address and keys, wait, stop.

    Raises:
        StackError: It did not start, or a part ended unasked; everything has been stopped then.
    """
    logging.basicConfig(level=logging.WARNING, format="%(levelname)s %(name)s: %(message)s")
    asyncio.run(_run(settings, output, reset=reset))


async def _run(settings: StackSettings, output: Output, *, reset: bool) -> None:
    stopped = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in _STOP_SIGNALS:
        if signal.getsignal(number) != signal.SIG_IGN:  # `nohup spaces up` goes on when the terminal closes
            loop.add_signal_handler(number, stopped.set)
    stack = LocalStack(settings)
    showing = asyncio.create_task(_show_trace(stack.folder.logs / TRACE_LOG, output)) if settings.has_trace else None
    try:
        if not await _first(stack.start(reset=reset), stopped):
            output.progress("Stopped before it was ready.")
            return
        _announce(stack, output)
        if await _first(stack.wait_failed(), stopped):
            raise await stack.wait_failed()
        output.progress("Stopping ...")
    finally:
        await stack.stop()
        if showing is not None:
            await asyncio.sleep(2 * _TRACE_POLL_S)  # the goodbyes
            showing.cancel()
            await asyncio.wait([showing])
    output.progress("Stopped.")


async def _show_trace(path: Path, output: Output) -> None:
    trace = FollowedFile(path)
    while True:
        await asyncio.sleep(_TRACE_POLL_S)
        if lines := trace.new_lines():
            output.progress(lines)


async def _first(job: Coroutine[Any, Any, object], stopped: asyncio.Event) -> bool:
    """Run the job until it has ended, which is True, or until the stop is asked for; raises what the job raises."""
    working = asyncio.create_task(job, name="stack-job")
    waiting = asyncio.create_task(stopped.wait(), name="stop-asked")
    await asyncio.wait([working, waiting], return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    is_done = working.done()
    if not is_done:
        working.cancel()
    await asyncio.wait([working, waiting])
    if is_done or not working.cancelled():
        working.result()
    return is_done


def _announce(stack: LocalStack, output: Output) -> None:
    state = stack.folder.read_state()
    if state is None:
        return
    text = [
        f"# Supabase runs at {stack.url} (this machine only; for development, not for production)",
        f"# data, keys and logs: {stack.folder.path}; stop with Ctrl-C or `spaces down`",
        env_lines(state),
    ]
    output.result(
        "\n".join(text), {"ok": True, "pid": os.getpid(), "data_dir": str(stack.folder.path), **keys_json(state)}
    )

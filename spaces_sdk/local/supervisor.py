"""Owns the parts' processes: notices when one ends unasked, ends each for certain."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

from spaces_sdk.local.errors import StackError
from spaces_sdk.local.process import ManagedProcess

_log = logging.getLogger(__name__)

Revive = Callable[[], Awaitable[ManagedProcess]]

_REVIVALS = 5
_REVIVALS_WITHIN_S = 30.0
_REVIVE_PAUSE_S = 0.5


class Supervisor:
    """The running parts of one stack. Made inside a running loop."""

    def __init__(self) -> None:
        self._parts: dict[str, ManagedProcess] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
        self._revivals: dict[str, Revive] = {}
        self._failed: asyncio.Future[StackError] = asyncio.get_running_loop().create_future()

    @property
    def pids(self) -> dict[str, int]:
        """Process id of each running part."""
        return {name: part.pid for name, part in self._parts.items() if part.is_running}

    def part(self, name: str) -> ManagedProcess:
        """The process of a part that was started."""
        return self._parts[name]

    def adopt(self, process: ManagedProcess) -> ManagedProcess:
        """Take over a started process; from now on its end is a failure until `let_go`."""
        self._parts[process.name] = process
        watcher = asyncio.create_task(self._watch(process), name=f"watch-{process.name}")
        self._watchers[process.name] = watcher
        return process

    def revive_with(self, name: str, revive: Revive) -> None:
        """From now on start a part anew that ends of itself: with a status above 0, not by a signal.

        Args:
            revive: Starts it, hands it to `replace`, and returns it when it is ready. It is asked five times in half a
                minute at most.
        """
        self._revivals[name] = revive

    def replace(self, process: ManagedProcess) -> None:
        """The process that a part has from now on; the watcher of the one before looks after it."""
        self._parts[process.name] = process

    async def let_go(self, name: str) -> ManagedProcess | None:
        """Expect the part to end; returns it, None if it was never started. The caller stops it."""
        watcher = self._watchers.pop(name, None)
        if watcher is not None:
            await cancel_and_wait(watcher)
        return self._parts.get(name)

    async def stop(self, name: str, *, grace_s: float) -> None:
        """Stop one part, for certain after `grace_s` seconds. Idempotent."""
        process = await self.let_go(name)
        if process is not None:
            await process.stop(grace_s=grace_s)

    async def kill_all(self) -> None:
        """End what still runs, at once. For the end, after an orderly stop was cut short."""
        for name in list(self._parts):
            process = await self.let_go(name)
            if process is not None:
                await process.stop(grace_s=0.0)

    async def wait_failed(self) -> StackError:
        """Wait until a part ends unasked; returns which, and the tail of its log."""
        return await asyncio.shield(self._failed)

    def log_tail(self, name: str, lines: int) -> str:
        """The last lines of a part's log; empty if it was never started."""
        return self._parts[name].log_tail(lines) if name in self._parts else ""

    async def _watch(self, process: ManagedProcess) -> None:
        tries: deque[float] = deque(maxlen=_REVIVALS)
        while True:
            status = await process.wait()
            failure = _crash(process, status)
            revive = self._revivals.get(process.name)
            revived = None if revive is None or status <= 0 else await self._revived(failure, revive, tries)
            if revived is None:
                break
            process = revived
        if not self._failed.done():
            self._failed.set_result(failure)

    async def _revived(self, failure: StackError, revive: Revive, tries: deque[float]) -> ManagedProcess | None:
        """The process anew; None if it has been tried too often."""
        loop = asyncio.get_running_loop()
        _log.warning("%s; it is started anew", failure.message)
        while len(tries) < _REVIVALS or loop.time() - tries[0] > _REVIVALS_WITHIN_S:
            tries.append(loop.time())
            try:
                return await revive()
            except StackError as error:
                _log.warning("%s", error.message)
                await asyncio.sleep(_REVIVE_PAUSE_S)  # what it needs may be on its way back, too
        return None


def _crash(process: ManagedProcess, status: int) -> StackError:
    how = f"by signal {-status}" if status < 0 else f"with status {status}"
    return StackError(
        f"the part {process.name} ended unasked, {how}",
        code="part_crashed",
        part=process.name,
        log_tail=process.log_tail(),
        hint=f"its log is {process.log_path}",
    )


async def run_together(*jobs: Coroutine[Any, Any, None]) -> None:
    """Run all at once; the first failure cancels the others and is raised as itself, not in a group."""
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(job)
    except BaseExceptionGroup as failures:
        raise failures.exceptions[0] from None


async def cancel_and_wait(task: asyncio.Task[None]) -> None:
    """Cancel a task and await its end; its failure is raised here, a cancellation of the caller goes on."""
    task.cancel()
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()

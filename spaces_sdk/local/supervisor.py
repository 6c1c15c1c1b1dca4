"""Owns the parts' processes: notices when one ends unasked, ends each for certain."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

from spaces_sdk.local.errors import StackError
from spaces_sdk.local.process import ManagedProcess


class Supervisor:
    """The running parts of one stack. Made inside a running loop."""

    def __init__(self) -> None:
        self._parts: dict[str, ManagedProcess] = {}
        self._watchers: dict[str, asyncio.Task[None]] = {}
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
        status = await process.wait()
        if not self._failed.done():
            how = f"by signal {-status}" if status < 0 else f"with status {status}"
            failure = StackError(
                f"the part {process.name} ended unasked, {how}",
                code="part_crashed",
                part=process.name,
                log_tail=process.log_tail(),
                hint=f"its log is {process.log_path}",
            )
            self._failed.set_result(failure)


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

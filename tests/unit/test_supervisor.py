"""A part that ends of itself is started anew where that is known to help; any other end is a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import cast

import pytest

from spaces_sdk.local import supervisor as module
from spaces_sdk.local.errors import StackError
from spaces_sdk.local.process import ManagedProcess
from spaces_sdk.local.supervisor import Supervisor

pytestmark = pytest.mark.unit


class FakeProcess:
    """A part that ends when the test says so."""

    name = "lite"
    log_path = Path("lite.log")

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def is_running(self) -> bool:
        return not self._ended.done()

    def end(self, status: int) -> None:
        self._ended.set_result(status)

    async def wait(self) -> int:
        return await asyncio.shield(self._ended)

    async def stop(self, *, grace_s: float) -> int:
        if self.is_running:
            self.end(0)
        return await self.wait()

    def log_tail(self) -> str:
        return "the end"


class Parts:
    """A supervisor with one part, and what it was started anew as."""

    def __init__(self, *, refuse: Callable[[int], bool] = lambda _: False) -> None:
        self.supervisor = Supervisor()
        self.processes = [FakeProcess(1)]
        self.tries = 0
        self._refuse = refuse
        self.supervisor.adopt(cast("ManagedProcess", self.processes[0]))
        self.supervisor.revive_with("lite", self._revive)

    async def _revive(self) -> ManagedProcess:
        self.tries += 1
        if self._refuse(self.tries):
            raise StackError("cannot start lite: the database is away")
        made = FakeProcess(len(self.processes) + 1)
        self.processes.append(made)
        self.supervisor.replace(cast("ManagedProcess", made))
        return cast("ManagedProcess", made)

    async def failed(self) -> StackError | None:
        try:
            return await asyncio.wait_for(self.supervisor.wait_failed(), 0.05)
        except TimeoutError:
            return None


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_REVIVE_PAUSE_S", 0.0)


async def test_what_ends_of_itself_is_started_anew() -> None:
    parts = Parts(refuse=lambda number: number in (1, 2))
    parts.processes[0].end(1)
    assert await parts.failed() is None
    assert parts.supervisor.pids == {"lite": 2}
    assert parts.tries == 3, "the database was away twice"
    parts.processes[1].end(1)
    assert await parts.failed() is None
    assert parts.supervisor.pids == {"lite": 3}
    await parts.supervisor.stop("lite", grace_s=0)
    assert await parts.failed() is None
    assert not parts.processes[2].is_running, "the one that is there now was stopped"


@pytest.mark.parametrize("status", [0, -9])
async def test_what_was_ended_is_a_failure(status: int) -> None:
    parts = Parts()
    parts.processes[0].end(status)
    failure = await parts.failed()
    assert failure is not None
    assert failure.code == "part_crashed"
    assert parts.tries == 0


async def test_what_ends_again_and_again_is_a_failure() -> None:
    parts = Parts(refuse=lambda _: True)
    parts.processes[0].end(1)
    failure = await parts.failed()
    assert failure is not None
    assert failure.log_tail == "the end"
    assert parts.tries == 5


async def test_a_stop_ends_the_attempts_too() -> None:
    parts = Parts(refuse=lambda number: number < 1000)
    parts.processes[0].end(1)
    await asyncio.sleep(0)
    await parts.supervisor.stop("lite", grace_s=0)
    assert await parts.failed() is None

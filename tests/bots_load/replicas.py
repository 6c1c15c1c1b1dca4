"""Replicas of one bot as processes, of which one after the other is killed and started anew."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from random import Random
from typing import Final

from spaces_sdk.local.process import ManagedProcess
from tests.bots_load.stage import Stage
from tests.support.eventually import eventually

ROOT: Final = Path(__file__).resolve().parents[2]


class Replicas:
    """They have one account and one room.

    Attributes:
        kills: How often one was killed.
    """

    def __init__(self, room_code: str, environment: dict[str, str], folder: Path) -> None:
        self._room_code = room_code
        self._environment = environment
        self._folder = folder
        self._running: dict[int, ManagedProcess] = {}
        self.kills = 0

    @classmethod
    @asynccontextmanager
    async def running(cls, stage: Stage, room_code: str, folder: Path, *, count: int) -> AsyncGenerator[Replicas]:
        """So many, until they are told to end."""
        email, password = await stage.account("Replica", is_bot=True)
        environment = {
            **os.environ,
            "PYTHONPATH": str(ROOT),
            "SUPABASE_URL": stage.stack.url,
            "SUPABASE_PUBLISHABLE_KEY": stage.stack.publishable_key,
            "SPACES_BOT_EMAIL": email,
            "SPACES_BOT_PASSWORD": password,
        }
        replicas = cls(room_code, environment, folder)
        try:
            for number in range(count):
                await replicas.start(number)
            yield replicas
        finally:
            await asyncio.gather(*(process.stop() for process in replicas._running.values()))

    async def start(self, number: int) -> None:
        """Start one, and wait until it is in the room: killed before, it would never answer on a slow machine."""
        log = self._folder / f"replica-{number}.log"

        def entries() -> int:
            return log.read_text("utf-8").count(" is in ") if log.exists() else 0

        before = entries()
        self._running[number] = await ManagedProcess.start(
            f"replica {number}",
            [sys.executable, "-m", "tests.bots_load.replica", self._room_code],
            log_path=log,
            env=self._environment,
            cwd=ROOT,
            orphan_signal=signal.SIGKILL,
        )
        await eventually(lambda: entries() > before, what=self.logs)

    async def kill(self, number: int) -> None:
        """SIGKILL: it leaves no word."""
        process = self._running[number]
        process.send_signal(signal.SIGKILL)
        await process.wait()
        self.kills += 1

    async def trouble(self, enough: asyncio.Event, *, pause_s: float, random: Random) -> None:
        """Kill one, start it anew, and so on until it is enough."""
        while True:
            with suppress(TimeoutError):
                await asyncio.wait_for(enough.wait(), pause_s * random.uniform(0.5, 1.5))
            if enough.is_set():
                return
            number = random.choice(list(self._running))
            await self.kill(number)
            await self.start(number)

    def logs(self) -> str:
        """The last lines of each, for a failure."""
        return "\n".join(f"-- {process.name}\n{process.log_tail()}" for process in self._running.values())

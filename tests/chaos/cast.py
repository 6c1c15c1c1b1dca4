"""The processes of the sessions, as the harness holds them: started, stopped, killed, asked."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

from spaces_sdk.local.process import ManagedProcess
from tests.chaos.commands import Order, Status
from tests.chaos.proxy import Network

ROOT: Final = Path(__file__).resolve().parents[2]


class Actor:
    """One session through all its lives.

    Attributes:
        user_id: Whose session it is; two actors may share a user.
        network: Its own way to the stack.
    """

    def __init__(self, order: Order, user_id: str, network: Network, log: Path, env: Mapping[str, str]) -> None:
        self.order = order
        self.user_id = user_id
        self.network = network
        self._log = log
        self._env = env
        self._process: ManagedProcess | None = None
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._is_asking = asyncio.Lock()
        self._asked = 0

    @property
    def is_alive(self) -> bool:
        return self._process is not None and self._process.is_running

    async def start(self) -> None:
        """Start it, or start it anew."""
        ours, theirs = socket.socketpair()
        with theirs:
            order = replace(self.order, control_fd=theirs.fileno())
            self.order = replace(self.order, life=self.order.life + 1)
            process = await ManagedProcess.start(
                f"session {order.index}",
                [sys.executable, "-m", "tests.chaos.session_process"],
                log_path=self._log,
                env=self._env,
                cwd=ROOT,
                has_input=True,
                pass_fds=[theirs.fileno()],
                orphan_signal=signal.SIGKILL,
            )
        self._process = process
        self._reader, self._writer = await asyncio.open_connection(sock=ours, limit=2**20)
        await process.feed(json.dumps(asdict(order)))

    def send_signal(self, number: signal.Signals) -> None:
        """To this very process; nothing happens if it has ended."""
        if self._process is not None:
            self._process.send_signal(number)

    async def kill(self) -> None:
        """SIGKILL. Idempotent."""
        if self._process is not None:
            self.send_signal(signal.SIGKILL)
            await self._process.wait()
        self._hang_up()

    async def tell(self, **command: Any) -> None:
        """Say something that is not answered."""
        if self._writer is not None and self.is_alive:
            with suppress(ConnectionError):
                self._writer.write(f"{json.dumps(command)}\n".encode())
                await self._writer.drain()

    async def status(self, *, within_s: float = 5.0) -> Status | None:
        """What its session knows; None if it does not answer."""
        async with self._is_asking:
            self._asked += 1
            await self.tell(do="status", number=self._asked)
            try:
                async with asyncio.timeout(within_s):
                    return await self._answer(self._asked)
            except (TimeoutError, ConnectionError):
                return None

    async def _answer(self, number: int) -> Status | None:
        while self._reader is not None and (text := await self._reader.readline()):
            answer: dict[str, Any] = json.loads(text)
            if answer["number"] == number:  # else it was asked for by somebody who has given up
                return Status(**answer["status"])
        return None

    async def quit(self, *, within_s: float = 10.0) -> int | None:
        """Ask it to leave and end; killed if it does not. Its exit status, None if it was not running."""
        process = self._process
        if process is None or not process.is_running:
            return None
        await self.tell(do="quit")
        try:
            async with asyncio.timeout(within_s):
                return await process.wait()
        except TimeoutError:
            await self.kill()
            return None
        finally:
            self._hang_up()

    def log_tail(self) -> str:
        return "" if self._process is None else self._process.log_tail()

    def _hang_up(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._reader = self._writer = None

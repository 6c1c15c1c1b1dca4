"""Starts, hears and kills the process of `guest.py`."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import IO, Any

from spaces_sdk.demo.checks import check, fail


@dataclass(slots=True)
class GuestProcess:
    """A participant in a process of its own.

    Attributes:
        process: The child; its standard error is kept in a file for the report of a failure.
    """

    process: asyncio.subprocess.Process
    _errors: IO[bytes] = field(repr=False)

    async def hello(self, within_s: float) -> dict[str, Any]:
        """What the child tells once it has joined and spoken.

        Raises:
            CheckFailedError: It ended before, or said nothing in time.
        """
        output = self.process.stdout
        line = b""
        if output is not None:
            try:
                line = await asyncio.wait_for(output.readline(), within_s)
            except TimeoutError:
                fail(expected=f"the child process to join within {within_s:g} s", seen=self._tail())
        if not line:
            fail(expected="the child process to join", seen=f"it ended: {self._tail()}")
        return json.loads(line)

    async def kill(self) -> None:
        """SIGKILL: no goodbye of any kind.

        Raises:
            CheckFailedError: It had ended before.
        """
        with suppress(ProcessLookupError):
            self.process.kill()
        code = await self.process.wait()
        check(code == -signal.SIGKILL, expected="the child process to die of SIGKILL", seen=f"exit {code}")

    def _tail(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"


@asynccontextmanager
async def guest_process(order: dict[str, Any]) -> AsyncGenerator[GuestProcess]:
    """Start the child and hand it its order, the token included, over its standard input."""
    with tempfile.TemporaryFile() as errors:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "spaces_sdk.demo.guest",
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
        )
        try:
            if process.stdin is not None:
                process.stdin.write((json.dumps(order) + "\n").encode())
                await process.stdin.drain()
            yield GuestProcess(process, errors)
        finally:
            if process.returncode is None:
                with suppress(ProcessLookupError):
                    process.kill()
            await process.wait()

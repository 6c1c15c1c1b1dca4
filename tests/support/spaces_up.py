"""`spaces up` as a process of its own, as a user has it."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from spaces_sdk.local.lock import ProcessMark
from spaces_sdk.local.postgres import temporary_folder
from tests.support.eventually import PATIENCE_S, eventually

SPACES = (sys.executable, "-m", "spaces_sdk.cli.main")
READY_WITHIN_S = 180.0


@dataclass
class Finished:
    """What a command left behind."""

    status: int
    out: str
    err: str


@dataclass
class SpacesUp:
    """A running `spaces up --json`."""

    process: asyncio.subprocess.Process
    data_dir: Path
    told: dict[str, str] = field(default_factory=dict[str, str])

    @property
    def url(self) -> str:
        return self.told["url"]

    def family(self) -> list[ProcessMark]:
        """Everything that lives because of it: itself, the parts, their watchers, their workers."""
        root = psutil.Process(self.process.pid)
        return [ProcessMark(one.pid, one.create_time()) for one in (root, *root.children(recursive=True))]

    def part(self, name: str) -> int:
        """Process id of a part."""
        state = json.loads((self.data_dir / "state.json").read_text(encoding="utf-8"))
        return int(state["parts"][name])

    async def finish(self, number: signal.Signals | None = None, *, within_s: float = PATIENCE_S) -> Finished:
        """Send a signal, if any, and wait for its end."""
        if number is not None:
            self.process.send_signal(number)
        async with asyncio.timeout(within_s):
            out, err = await self.process.communicate()
        return Finished(self.process.returncode or 0, out.decode(), err.decode())


def heed_signals() -> None:
    """What started the tests may ignore them (`nohup`, a job in the background), and `spaces up` would follow it."""
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)


@contextmanager
def data_folder() -> Generator[Path]:
    """A data folder that Postgres can reach also when the tests run as root, whose temporary folders others may not."""
    base = temporary_folder("spaces-test-")
    try:
        yield base / "data"
    finally:
        shutil.rmtree(base)


@asynccontextmanager
async def spaces_up(data_dir: Path, *arguments: str, env: dict[str, str] | None = None) -> AsyncGenerator[SpacesUp]:
    """Start it on a free port, wait until it says that it is ready; afterwards nothing of it is left."""
    command = (*SPACES, "up", "--json", "--port", "0", "--data-dir", str(data_dir), *arguments)
    process = await asyncio.create_subprocess_exec(
        *command,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
        preexec_fn=heed_signals,
    )
    up = SpacesUp(process, data_dir)
    family: list[ProcessMark] = []
    try:
        if process.stdout is None:
            raise AssertionError("stdout is piped above")
        async with asyncio.timeout(READY_WITHIN_S):
            line = await process.stdout.readline()
        if not line:
            raise AssertionError(f"`spaces up` ended: {await up.finish()}")
        up.told = json.loads(line)
        family = up.family()
        yield up
    finally:
        if process.returncode is None:
            await up.finish(signal.SIGTERM)
        await nothing_lives(family)


async def nothing_lives(family: list[ProcessMark], *, within_s: float = PATIENCE_S) -> None:
    """Wait until none of these processes is left."""
    await eventually(
        lambda: not [mark for mark in family if mark.is_alive],
        within_s,
        what=lambda: f"the end of {[psutil.Process(mark.pid).cmdline() for mark in family if mark.is_alive]}",
    )


async def run_spaces(*arguments: str, env: dict[str, str] | None = None, within_s: float = READY_WITHIN_S) -> Finished:
    """Run a `spaces` command to its end."""
    process = await asyncio.create_subprocess_exec(
        *SPACES,
        *arguments,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, **(env or {})},
    )
    async with asyncio.timeout(within_s):
        out, err = await process.communicate()
    return Finished(process.returncode or 0, out.decode(), err.decode())

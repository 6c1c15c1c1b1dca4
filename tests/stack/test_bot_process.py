"""`spaces bot run` as a process: its console, and starting anew when a file changes."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.stack

WITHIN_S = 120

BOT = """
from spaces_sdk import Bot
bot = Bot("Bea")

@bot.command
async def ping(ctx):
    await ctx.reply("pong")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "bea.py").write_text(BOT, "utf-8")
    return tmp_path


def _start(folder: Path, *options: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "spaces_sdk.cli.main", "bot", "run", "bea:bot", *options],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_the_console_needs_no_server(folder: Path) -> None:
    process = _start(folder, "--console")
    out, _ = process.communicate("!ping\n/as bob\n!pin\n\n", timeout=WITHIN_S)
    assert process.returncode == 0, out
    assert [line for line in out.splitlines() if line.startswith("Bea:")] == [
        "Bea: pong",
        "Bea: there is no command !pin; did you mean !ping?",
    ]


def test_dev_starts_it_anew_when_its_file_changes(folder: Path) -> None:
    process = _start(folder, "--console", "--dev")
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        assert "Bea is here" in process.stdout.readline()
        # In one step, as editors do: a look in the midst of it would see another change, or half a program.
        edited = folder / "edited"
        edited.write_text(BOT.replace("Bea", "Bob"), "utf-8")
        os.utime(edited, ns=(time.time_ns(), time.time_ns() + 10**9))
        edited.replace(folder / "bea.py")
        assert "changed" in process.stdout.readline()
        assert "Bob is here" in process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(WITHIN_S) == 0
    finally:
        process.kill()
        process.communicate()


def test_dev_that_is_killed_leaves_no_bot_behind(folder: Path) -> None:
    process = _start(folder, "--console", "--dev")
    assert process.stdout is not None
    try:
        assert "Bea is here" in process.stdout.readline()
        process.kill()
        ended, _, _ = select.select([process.stdout], [], [], WITHIN_S)
        assert ended, "the bot still holds its end of the pipe"
        assert process.stdout.read() == ""
    finally:
        process.kill()
        process.communicate()

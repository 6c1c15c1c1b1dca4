"""`spaces bot run --dev`: the bot in a process of its own, started anew when its code changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from threading import Thread
from types import FrameType
from typing import Final

import typer

LOOK_EVERY_S: Final = 0.5
STOP_WITHIN_S: Final = 10.0
PARENT_VARIABLE: Final = "SPACES_DEV_PARENT"
_LEFT_OUT: Final = frozenset({"node_modules", "site-packages", "__pycache__"})


def python_files(folder: Path) -> dict[Path, int]:
    """The Python files below a folder with their times of change; hidden folders and what is installed are left out."""
    found: dict[Path, int] = {}
    for root, folders, files in os.walk(folder):
        folders[:] = [
            name
            for name in folders
            if not name.startswith(".") and name not in _LEFT_OUT and not (Path(root, name) / "pyvenv.cfg").exists()
        ]
        for name in files:
            if name.endswith(".py"):
                path = Path(root, name)
                try:
                    found[path] = path.stat().st_mtime_ns
                except FileNotFoundError:
                    continue  # an editor replaces it just now
    return found


def run_and_reload(arguments: Sequence[str], folder: Path) -> None:
    """Run `spaces bot run` with these arguments, again after each change, until Ctrl-C or SIGTERM."""
    before = signal.signal(signal.SIGTERM, _interrupt)
    child: subprocess.Popen[bytes] | None = None
    try:
        while True:
            files = python_files(folder)
            child = subprocess.Popen(
                [sys.executable, "-m", "spaces_sdk.cli.main", "bot", "run", *arguments],
                env={**os.environ, PARENT_VARIABLE: str(os.getpid())},
            )
            _wait_for_change(child, folder, files)
            _stop(child)
            typer.echo("# changed; starting anew", err=True)
    except KeyboardInterrupt:
        return
    finally:
        if child is not None:
            _stop(child)
        signal.signal(signal.SIGTERM, before)


def end_with_parent() -> None:
    """In a process that `run_and_reload` has started: be told to end when that one is gone, however it went.

    Else the bot would go on with old code, and take every other call from the one that is started next.
    """
    parent = os.environ.pop(PARENT_VARIABLE, "")
    if parent:
        Thread(target=_end_after, args=(int(parent),), daemon=True).start()


def _end_after(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_EVERY_S)
    os.kill(os.getpid(), signal.SIGTERM)


def _wait_for_change(child: subprocess.Popen[bytes], folder: Path, files: dict[Path, int]) -> None:
    is_told = False
    while python_files(folder) == files:
        if child.poll() is not None and not is_told:
            is_told = True
            typer.echo(f"# ended with {child.returncode}; it starts again when a file changes", err=True)
        time.sleep(LOOK_EVERY_S)


def _stop(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        child.terminate()
        try:
            child.wait(STOP_WITHIN_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


def _interrupt(_signal: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt

"""Owned processes: they end with their owner, and in time."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import socket
import sys
import textwrap
import threading
from pathlib import Path

import psutil
import pytest

from spaces_sdk.local.errors import StackError
from spaces_sdk.local.folder import StackFolder
from spaces_sdk.local.lock import ProcessMark
from spaces_sdk.local.paths import runs_as_root, unprivileged_can_reach
from spaces_sdk.local.ports import ReservedPort, free_port
from spaces_sdk.local.process import ManagedProcess
from tests.support.eventually import PATIENCE_S, eventually

pytestmark = pytest.mark.stack

STUBBORN = (
    "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"
)


def _python(code: str) -> list[str]:
    return [sys.executable, "-c", code]


def _watchers_of(pid: int) -> list[psutil.Process]:
    return [child for child in psutil.Process(pid).children() if "guard.py" in " ".join(child.cmdline())]


async def test_status_and_output_are_the_programs_own(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = await ManagedProcess.start("p", _python("print('hello'); raise SystemExit(7)"), log_path=log)
    assert await process.wait() == 7
    assert process.log_tail() == "hello"
    assert log.stat().st_mode & 0o077 == 0


async def test_what_it_is_fed_arrives_and_ends() -> None:
    code = "import sys; raise SystemExit(len(sys.stdin.read()))"
    process = await ManagedProcess.start("p", _python(code), has_input=True)
    await process.feed("x" * 42)
    assert await process.wait() == 42


async def test_a_program_that_is_not_there_ends_with_127(tmp_path: Path) -> None:
    process = await ManagedProcess.start("p", ["/nonexistent/program"], log_path=tmp_path / "log")
    assert await process.wait() == 127
    assert "cannot run /nonexistent/program" in process.log_tail()


async def test_stop_kills_what_does_not_listen_and_may_be_repeated(tmp_path: Path) -> None:
    process = await ManagedProcess.start("p", _python(STUBBORN), log_path=tmp_path / "log")
    await eventually(lambda: process.log_tail() == "up")
    assert await process.stop(grace_s=0.2) == -signal.SIGKILL
    assert await process.stop() == -signal.SIGKILL


async def test_a_killed_program_leaves_no_children(tmp_path: Path) -> None:
    code = "import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    process = await ManagedProcess.start(
        "p", _python(f"{code}print('up', flush=True); time.sleep(600)"), log_path=tmp_path / "log"
    )
    await eventually(lambda: process.log_tail() == "up")
    children = psutil.Process(process.pid).children(recursive=True)
    family = [ProcessMark(child.pid, child.create_time()) for child in children]
    assert len(family) == 2, "its watcher and its child"
    await process.stop(signal.SIGKILL)
    # Killed is not yet gone.
    await eventually(lambda: not [mark for mark in family if mark.is_alive])


async def test_its_watcher_ends_with_it(tmp_path: Path) -> None:
    process = await ManagedProcess.start("p", _python(STUBBORN), log_path=tmp_path / "log")
    await eventually(lambda: process.log_tail() == "up")
    (watcher,) = _watchers_of(process.pid)
    mark = ProcessMark(watcher.pid, watcher.create_time())
    await process.stop(grace_s=0.0)
    await eventually(lambda: not mark.is_alive)


@pytest.mark.parametrize("is_stubborn", [False, True])
async def test_it_ends_when_its_owner_is_killed(tmp_path: Path, is_stubborn: bool) -> None:
    program = STUBBORN if is_stubborn else "import time; print('up', flush=True); time.sleep(600)"
    owner_code = textwrap.dedent(f"""
        import asyncio, sys
        from pathlib import Path
        from spaces_sdk.local.process import ManagedProcess
        async def main():
            process = await ManagedProcess.start(
                "p", [sys.executable, "-c", {program!r}], log_path=Path({str(tmp_path / "log")!r}), orphan_grace_s=0.3)
            print(process.pid, flush=True)
            await process.wait()
        asyncio.run(main())
    """)
    owner = await asyncio.create_subprocess_exec(*_python(owner_code), stdout=asyncio.subprocess.PIPE)
    assert owner.stdout is not None
    pid = int(await owner.stdout.readline())
    await eventually(lambda: (tmp_path / "log").read_text() == "up\n")
    mark = ProcessMark(pid, psutil.Process(pid).create_time())
    owner.kill()
    await owner.communicate()
    await eventually(lambda: not mark.is_alive)


async def test_cancelling_a_stop_kills_at_once(tmp_path: Path) -> None:
    process = await ManagedProcess.start("p", _python(STUBBORN), log_path=tmp_path / "log")
    await eventually(lambda: process.log_tail() == "up")
    stopping = asyncio.create_task(process.stop(grace_s=600.0))
    await asyncio.sleep(0)
    stopping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await stopping
    assert await process.wait() == -signal.SIGKILL


def test_postgres_data_is_where_its_user_can_reach_it(tmp_path: Path) -> None:
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    folder = StackFolder(closed / "data")
    folder.acquire()
    try:
        data = folder.postgres_dir()
        assert folder.postgres_dir() == data
        assert closed.stat().st_mode & 0o777 == 0o700, "a folder that is not ours must not be opened to others"
        if runs_as_root():
            assert unprivileged_can_reach(data.parent)
            assert data.parent.is_dir()
            folder.reset()
            assert not data.parent.exists()
        else:
            assert data == folder.path / "postgres"
    finally:
        folder.release()


def test_the_lock_names_its_holder_while_it_is_held(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path)
    assert folder.holder() is None
    folder.acquire()
    try:
        holder = folder.holder()
        assert holder is not None
        assert (holder.pid, holder.is_alive) == (os.getpid(), True)
    finally:
        folder.release()
    assert folder.holder() is None


def test_who_looks_at_the_lock_keeps_nobody_from_it(tmp_path: Path) -> None:
    looker, folder = StackFolder(tmp_path), StackFolder(tmp_path)
    folder.acquire()
    folder.release()
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            looker.holder()

    looking = threading.Thread(target=look)
    looking.start()
    try:
        for _ in range(200):
            folder.acquire()
            folder.release()
    finally:
        done.set()
        looking.join()
    assert folder.holder() is None


def test_a_second_holder_is_refused_and_the_first_stays(tmp_path: Path) -> None:
    folder = StackFolder(tmp_path)
    folder.acquire()
    try:
        for other in (folder, StackFolder(tmp_path)):
            with pytest.raises(StackError, match=f"already.*pid {os.getpid()}"):
                other.acquire()
        assert folder.is_held()
    finally:
        folder.release()
    assert not folder.is_held()


async def test_a_program_with_high_descriptors_ends_with_its_owner_too(tmp_path: Path) -> None:
    kept = [os.open(os.devnull, os.O_RDONLY) for _ in range(5)]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, max(soft, 4096)), hard))
    try:
        kept += [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
        process = await ManagedProcess.start("p", _python("import time; time.sleep(600)"), log_path=tmp_path / "log")
    finally:
        for fd in kept:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    process._release()  # as if its owner had gone  # pyright: ignore[reportPrivateUsage]
    async with asyncio.timeout(PATIENCE_S):
        assert await process.wait() == -signal.SIGTERM


def test_a_reserved_port_is_for_who_names_it_only() -> None:
    reserved = ReservedPort()
    try:
        assert reserved.port not in {free_port() for _ in range(50)}
        with socket.create_server(("127.0.0.1", reserved.port)) as server:  # it sets SO_REUSEADDR, as the parts do
            socket.create_connection(server.getsockname()).close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", reserved.port))
    finally:
        reserved.release()
        reserved.release()

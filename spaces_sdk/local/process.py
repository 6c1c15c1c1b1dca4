"""One program of the stack as an owned process: started behind the guard, logged to a file, ended for certain."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from spaces_sdk.local.errors import StackError

_GUARD = Path(__file__).with_name("guard.py")
_GROUP_GONE_WITHIN_S = 1.0
_MAX_LOG_BYTES = 8 * 1024 * 1024
# Some Pythons find their own library by these; the guard needs them, the program has its own.
_LOADER_VARIABLES = ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
LOG_TAIL_LINES = 15


class ManagedProcess:
    """A running program that ends with its owner, also when the owner is killed.

    Make it with `start`. Its output goes to a log file; the program leads a process group of its own, so that a Ctrl-C
    in the terminal reaches the owner only, who then stops the parts in order.
    """

    def __init__(self, name: str, process: asyncio.subprocess.Process, watch_fd: int, log_path: Path | None) -> None:
        self.name = name
        self.log_path = log_path
        self._process = process
        self._watch_fd = watch_fd

    @classmethod
    async def start(
        cls,
        name: str,
        command: Sequence[str | Path],
        *,
        log_path: Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        uid: int | None = None,
        has_input: bool = False,
        pass_fds: Sequence[int] = (),
        orphan_signal: signal.Signals = signal.SIGTERM,
        orphan_grace_s: float = 5.0,
    ) -> ManagedProcess:
        """Start a program.

        Args:
            name: What messages call it.
            command: Absolute path of the program, and its arguments. Other users can read them: no secrets.
            log_path: File that stdout and stderr are appended to; None throws them away.
            env: The whole environment; None passes on this process's own.
            cwd: Working directory; None keeps it.
            uid: User (and group) id to run as; only root can ask for another.
            has_input: True keeps its stdin open until `feed`; else it is empty.
            pass_fds: File descriptors that the program inherits.
            orphan_signal: What the program gets when its owner has died.
            orphan_grace_s: Seconds after which SIGKILL follows.
        """
        read_fd, write_fd = os.pipe()
        log_fd = os.open(os.devnull, os.O_RDWR) if log_path is None else _open_log(log_path)
        guard = [sys.executable, "-I", "-S", str(_GUARD), str(read_fd), str(-1 if uid is None else uid)]
        guard += [str(int(orphan_signal)), str(orphan_grace_s)]
        loader = (
            {} if env is None else {k: os.environ[k] for k in _LOADER_VARIABLES if k in os.environ and k not in env}
        )
        guard.append(",".join(loader) or "-")
        try:
            process = await asyncio.create_subprocess_exec(
                *guard,
                *(str(part) for part in command),
                stdin=asyncio.subprocess.PIPE if has_input else asyncio.subprocess.DEVNULL,
                stdout=log_fd,
                stderr=log_fd,
                env=None if env is None else {**loader, **env},
                cwd=cwd,
                pass_fds=(read_fd, *pass_fds),
                start_new_session=True,
            )
        except BaseException:
            os.close(write_fd)
            raise
        finally:
            os.close(read_fd)
            os.close(log_fd)
        return cls(name, process, write_fd, log_path)

    @property
    def pid(self) -> int:
        """Process id of the program."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; None while it runs."""
        return self._process.returncode

    @property
    def is_running(self) -> bool:
        """True until the program has ended."""
        return self._process.returncode is None

    async def feed(self, text: str) -> None:
        """Write to the program's stdin, which then ends. A program that has ended already takes nothing."""
        stdin = self._process.stdin
        if stdin is None:
            raise StackError(f"cannot talk to {self.name}: it was started without input", code="usage", part=self.name)
        try:
            stdin.write(text.encode())
            await stdin.drain()
            stdin.close()
            await stdin.wait_closed()
        except (BrokenPipeError, ConnectionResetError):
            return  # whoever waits for its readiness says why

    async def wait(self) -> int:
        """Wait until the program has ended by itself; return its exit status, negative for a signal."""
        status = await self._process.wait()
        self._release()
        return status

    async def stop(self, stop_signal: signal.Signals = signal.SIGTERM, *, grace_s: float = 5.0) -> int:
        """End the program: the signal, then SIGKILL after `grace_s` seconds. Idempotent; returns the exit status.

        SIGKILL goes to its children too, which it can no longer end itself, as those of initdb. If cancelled, the
        program is killed before the cancellation goes on.
        """
        self.send_signal(stop_signal)
        try:
            async with asyncio.timeout(grace_s):
                await self._process.wait()
        except TimeoutError:
            self.send_signal(signal.SIGKILL)
        except asyncio.CancelledError:
            self.send_signal(signal.SIGKILL)
            raise
        status = await self.wait()
        if status == -signal.SIGKILL:
            await self._wait_for_group()
        return status

    def send_signal(self, number: signal.Signals) -> None:
        """Send a signal, SIGKILL to its whole process group; nothing happens if the program has ended."""
        if self.is_running:
            try:
                if number == signal.SIGKILL:
                    os.killpg(self.pid, number)
                else:
                    self._process.send_signal(number)
            except ProcessLookupError:
                return

    async def _wait_for_group(self) -> None:
        give_up_at = asyncio.get_running_loop().time() + _GROUP_GONE_WITHIN_S
        while asyncio.get_running_loop().time() < give_up_at:
            try:
                os.killpg(self.pid, 0)
            except OSError:  # nobody is left in it (on macOS: nobody but the dead)
                return
            await asyncio.sleep(0.005)

    def log_tail(self, lines: int = LOG_TAIL_LINES) -> str:
        """The last lines of the log; empty without one."""
        return "" if self.log_path is None else tail_of(self.log_path, lines)

    def _release(self) -> None:
        if self._watch_fd >= 0:
            os.close(self._watch_fd)
            self._watch_fd = -1


def tail_of(path: Path, lines: int = LOG_TAIL_LINES) -> str:
    """The last lines of a file, of at most 16 KiB; empty if it cannot be read."""
    try:
        with path.open("rb") as file:
            file.seek(0, os.SEEK_END)
            file.seek(max(0, file.tell() - 16_384))
            text = file.read().decode("utf-8", "replace")
    except OSError:
        return ""
    return "\n".join(text.splitlines()[-lines:])


def _open_log(path: Path) -> int:
    """Open for appending, readable by the owner only; one older log of over 8 MiB is kept beside it."""
    try:
        if path.exists() and path.stat().st_size > _MAX_LOG_BYTES:
            path.replace(path.with_name(f"{path.name}.1"))
        return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StackError(
            f"cannot write the log {path}: {error.strerror}", code="unwritable_folder", hint="choose another --data-dir"
        ) from error

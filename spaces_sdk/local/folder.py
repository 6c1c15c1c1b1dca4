"""The stack's data directory: held by one stack, with its secrets, its data and what runs from it."""

from __future__ import annotations

import asyncio
import secrets
import shutil
from dataclasses import asdict
from pathlib import Path

import psutil

from spaces_sdk.local.errors import StackError
from spaces_sdk.local.lock import FolderLock, ProcessMark
from spaces_sdk.local.paths import (
    folder_for_unprivileged,
    make_folder,
    runs_as_root,
    unprivileged_can_reach,
    unwritable_folder,
)
from spaces_sdk.local.records import StackSecrets, StackState, read_record, write_record

_OWNER = "belongs-to"


class StackFolder:
    """A data directory. Hold it with `acquire` before anything in it is changed."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._lock = FolderLock(self.path)

    @property
    def logs(self) -> Path:
        """Folder of the parts' logs."""
        return self.path / "logs"

    def acquire(self) -> None:
        """Make the folder and hold it until `release` or the end of the process.

        Raises:
            StackError: `already_running`, with the pid and address of the other; or `unwritable_folder`.
        """
        # Postgres, which as root runs as somebody else, must be able to walk through; nobody else may list it.
        make_folder(self.path, 0o711 if runs_as_root() else 0o700)
        try:
            is_taken = self._lock.take()
        except OSError as error:
            raise unwritable_folder(self.path, error) from error
        if not is_taken:
            raise self._already_running()
        try:
            (self.path / ".gitignore").write_text("# secrets and data of the local stack\n*\n", encoding="utf-8")
            make_folder(self.logs, 0o700)
        except OSError as error:
            self.release()
            raise unwritable_folder(self.path, error) from error
        except BaseException:
            self.release()
            raise

    def _already_running(self) -> StackError:
        holder, state = self.holder(), self.read_state()
        by = f" (pid {holder.pid})" if holder is not None else ""
        at = f" at {state.url}" if state is not None and holder is not None and state.pid == holder.pid else ""
        return StackError(
            f"cannot use {self.path}: a stack is running from it already{at}{by}",
            code="already_running",
            hint="use that one, end it with `spaces down`, or choose another --data-dir",
        )

    def release(self) -> None:
        """Let go of the folder. Idempotent."""
        self._lock.release()

    def is_held(self) -> bool:
        """True while a stack has the folder: from the beginning of its start to its end, whatever that was."""
        return self._lock.is_held()

    def holder(self) -> ProcessMark | None:
        """The process that holds the folder; None if it is free."""
        return self._lock.holder()

    async def wait_for_old_server(self, *, within_s: float = 10.0) -> None:
        """After a supervisor was killed its Postgres is on its way out: wait until it has let go of the data.

        Raises:
            StackError: It still runs after `within_s` seconds.
        """
        pid_file = self.postgres_dir() / "postmaster.pid"
        if not pid_file.exists():
            return
        give_up_at = asyncio.get_running_loop().time() + within_s
        while pids := await asyncio.to_thread(_servers_on, pid_file.parent):
            if asyncio.get_running_loop().time() > give_up_at:
                named = " ".join(str(pid) for pid in pids)
                raise StackError(
                    f"cannot use {self.path}: a Postgres (pid {named}) still runs on its data",
                    code="already_running",
                    part="postgres",
                    hint=f"end it (kill -QUIT {named}), or choose another --data-dir",
                )
            await asyncio.sleep(0.05)
        pid_file.unlink(missing_ok=True)  # else Postgres would take a stranger with that pid for its old server

    def secrets(self) -> StackSecrets:
        """The folder's secrets, made now if there are none."""
        path = self.path / "secrets.json"
        if path.exists():
            return StackSecrets(**read_record(path))
        made = StackSecrets.new()
        write_record(path, asdict(made))
        return made

    def postgres_dir(self) -> Path:
        """Where Postgres keeps its data: in this folder, or where the unprivileged user can reach it (as root)."""
        inside = self.path / "postgres"
        if not runs_as_root() or unprivileged_can_reach(self.path):
            return inside
        pointer = self.path / "postgres-is-in"
        if pointer.exists():
            return Path(pointer.read_text(encoding="utf-8").strip())
        outside = folder_for_unprivileged(self.path)
        _prune_abandoned(outside)
        base = make_folder(outside / f"postgres-{secrets.token_hex(8)}", 0o711)
        (base / _OWNER).write_text(f"{self.path}\n", encoding="utf-8")
        pointer.write_text(f"{base / 'data'}\n", encoding="utf-8")
        return base / "data"

    def reset(self) -> None:
        """Delete data, secrets and logs. The caller holds the folder."""
        data = self.postgres_dir()
        shutil.rmtree(data if data.parent == self.path else data.parent, ignore_errors=True)
        shutil.rmtree(self.logs, ignore_errors=True)
        for name in ("secrets.json", "postgres-is-in", "state.json"):
            (self.path / name).unlink(missing_ok=True)
        make_folder(self.logs, 0o700)

    def read_state(self) -> StackState | None:
        """What the last supervisor wrote; None if nothing is recorded."""
        path = self.path / "state.json"
        try:
            return StackState(**read_record(path))
        except (OSError, StackError, TypeError):
            return None

    def write_state(self, state: StackState) -> None:
        write_record(self.path / "state.json", asdict(state))

    def clear_state(self) -> None:
        """Forget what runs; only who holds the folder may say that nothing does."""
        if not self._lock.is_ours:
            return
        (self.path / "state.json").unlink(missing_ok=True)


def _servers_on(data_dir: Path) -> list[int]:
    """Every Postgres process on that data directory: the server, or what it left behind when it was killed alone.

    All of them work in that directory; the server has it in its arguments too, which can be read where the other can't.
    """
    found: list[int] = []
    for process in psutil.process_iter():
        try:
            if process.name() == "postgres" and (
                str(data_dir) in process.cmdline() or process.cwd() == str(data_dir.resolve())
            ):
                found.append(process.pid)
        except (psutil.Error, OSError):
            continue  # gone (a zombie has neither), or somebody else's
    return found


def _prune_abandoned(outside: Path) -> None:
    """Delete data whose folder was deleted, which nobody else would. One on a disk that is not there now is kept."""
    for owner in outside.glob(f"postgres-*/{_OWNER}"):
        folder = Path(owner.read_text(encoding="utf-8").strip())
        if folder.parent.is_dir() and not folder.exists():
            shutil.rmtree(owner.parent, ignore_errors=True)

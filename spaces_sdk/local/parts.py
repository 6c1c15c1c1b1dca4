"""How each part of the stack is started; the order is the stack's."""

from __future__ import annotations

import json
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from spaces_sdk.install.package_files import supabase_dir
from spaces_sdk.local.deno import DenoProgram
from spaces_sdk.local.errors import StackError
from spaces_sdk.local.functions.folder import FunctionsFolder
from spaces_sdk.local.functions.settings import FunctionSettings
from spaces_sdk.local.gateway.keys import Role, legacy_key
from spaces_sdk.local.gateway.settings import GatewaySettings
from spaces_sdk.local.ports import HOST
from spaces_sdk.local.postgres import SUPERUSER, PostgresCluster
from spaces_sdk.local.process import ManagedProcess
from spaces_sdk.local.readiness import wait_until_ready
from spaces_sdk.local.records import StackSecrets
from spaces_sdk.local.settings import StackSettings

PARTS = ("postgres", "lite", "realtime", "gateway")
READY_WITHIN_S = 30.0
TRACE_LOG = "trace.log"
_LITE_FOLDER = Path(__file__).with_name("lite")
_IMPORT_ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Ports:
    """The loopback ports of the parts behind the gateway."""

    postgres: int
    lite: int
    realtime: int


class Lite:
    """REST and Auth: Supabase Lite on Deno. It loads while the database is being made, and begins when told to."""

    def __init__(self, settings: StackSettings, secrets: StackSecrets, logs: Path) -> None:
        self.program = DenoProgram(_LITE_FOLDER)
        self._settings = settings
        self._secrets = secrets
        self._log = logs / "lite.log"

    async def start(self, port: int, postgres_port: int) -> ManagedProcess:
        """Start it; it waits for `begin`."""
        await self.program.fetch(self._settings.report)
        command = self.program.command(net=[f"{HOST}:{port}", f"{HOST}:{postgres_port}"])
        # A cheap hash: accounts of a development stack, and each hashing would hold up all requests of that process.
        env = self.program.environment(LITE_TELEMETRY="0", LITE_AUTH_BCRYPT_COST="6")
        return await ManagedProcess.start("lite", command, log_path=self._log, env=env, has_input=True)

    async def begin(self, process: ManagedProcess, cluster: PostgresCluster, port: int, public_url: str) -> None:
        """Tell it where the migrated database is, and wait until it serves."""
        told = {
            "port": port,
            "rest_db_url": cluster.url("authenticator"),
            "auth_db_url": cluster.url("supabase_auth_admin"),
            "schema_db_url": cluster.url("postgres"),
            "jwt_secret": self._secrets.jwt_secret,
            "jwt_expiry_s": self._settings.jwt_expiry_s,
            "publishable_key": self._secrets.publishable_key,
            "secret_key": self._secrets.secret_key,
            "public_url": public_url,
        }
        await process.feed(json.dumps(told))
        try:
            await wait_until_ready(process, f"http://{HOST}:{port}/ready", within_s=READY_WITHIN_S)
        except StackError as error:
            if "--cached-only" in error.log_tail:
                self.program.forget()
                error.hint = f"its cache was incomplete and will be downloaded again: run again ({error.hint})"
            raise


async def start_realtime(
    settings: StackSettings, secrets: StackSecrets, logs: Path, cluster: PostgresCluster, port: int
) -> ManagedProcess:
    """Start the Realtime server on a bootstrapped database; ready when `/ready` on its port says so."""
    env = {
        **_python_environment(),
        **settings.realtime_env,
        "SPACES_REALTIME_HOST": HOST,
        "SPACES_REALTIME_PORT": str(port),
        "SPACES_REALTIME_DB_URL": cluster.url(SUPERUSER),
        "SPACES_REALTIME_JWT_SECRET": secrets.jwt_secret,
    }
    if settings.has_trace:
        env["SPACES_REALTIME_TRACE_FILE"] = str(logs / TRACE_LOG)
    command = [sys.executable, "-m", "spaces_sdk.local.realtime"]
    return await ManagedProcess.start("realtime", command, log_path=logs / "realtime.log", env=env)


async def fetch_functions(settings: StackSettings) -> None:
    """Have what our own functions import in the cache, so that later starts need no network for them."""
    folder = FunctionsFolder(supabase_dir() / "functions")
    for name in folder.names():
        function = folder.find(name)
        if function is None or not (function.entrypoint.parent / "deno.lock").exists():
            continue
        try:
            await DenoProgram.of_function(function.entrypoint).fetch(settings.report)
        except StackError as error:  # it is tried again when the function is asked for
            settings.report(f"The function {name} cannot be served yet: {error.message}")


def function_settings(
    settings: StackSettings, secrets: StackSecrets, logs: Path, url: str, db_url: str
) -> FunctionSettings:
    """What the functions find: the environment that hosted ones have."""
    ours = supabase_dir() / "functions"
    folder = (settings.functions_dir or ours).resolve()
    environment = {
        **settings.functions_env,
        "SUPABASE_URL": url,
        "SUPABASE_DB_URL": db_url,
        "SUPABASE_PUBLISHABLE_KEYS": json.dumps({"default": secrets.publishable_key}),
        "SUPABASE_SECRET_KEYS": json.dumps({"default": secrets.secret_key}),
        "SUPABASE_ANON_KEY": legacy_key(Role.ANON, secrets.jwt_secret),
        "SUPABASE_SERVICE_ROLE_KEY": legacy_key(Role.SERVICE, secrets.jwt_secret),
        "SB_REGION": "local",
    }
    # Our own talk to this stack and to nobody else.
    net = [url.removeprefix("http://")] if folder == ours.resolve() else None
    return FunctionSettings(str(folder), str(logs), environment, net)


async def start_gateway(
    secrets: StackSecrets, logs: Path, listen_fd: int, ports: Ports, functions: FunctionSettings
) -> ManagedProcess:
    """Start the gateway on a listening socket; it answers 503 for parts that are not there yet."""
    command = [sys.executable, "-m", "spaces_sdk.local.gateway"]
    process = await ManagedProcess.start(
        "gateway",
        command,
        log_path=logs / "gateway.log",
        env=_python_environment(),
        has_input=True,
        pass_fds=[listen_fd],
    )
    told = GatewaySettings(
        listen_fd=listen_fd,
        lite_port=ports.lite,
        realtime_port=ports.realtime,
        publishable_key=secrets.publishable_key,
        secret_key=secrets.secret_key,
        jwt_secret=secrets.jwt_secret,
        functions=functions,
    )
    try:
        await process.feed(told.to_json())
    except BaseException:
        await process.stop(grace_s=0.0)  # nobody else knows of it yet
        raise
    return process


def _python_environment() -> dict[str, str]:
    # The parts must import this very package, wherever this process found it.
    path = os.pathsep.join(filter(None, [str(_IMPORT_ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}

"""Runs the stack's TypeScript programs on Deno: from a locked cache, without network, with the rights they need."""

from __future__ import annotations

import asyncio
import fcntl
import hashlib
import os
import signal
import tempfile
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from spaces_sdk.local.errors import StackError, missing_extra
from spaces_sdk.local.paths import cache_dir, make_folder
from spaces_sdk.local.process import ManagedProcess, tail_of

Report = Callable[[str], None]

# What a download through a company's proxy or with its certificates needs.
_NETWORK_VARIABLES = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("http_proxy", "https_proxy", "all_proxy", "no_proxy"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS", "DENO_CERT", "DENO_TLS_CA_STORE"),
    *("NPM_CONFIG_REGISTRY", "npm_config_registry"),
)
_CONFIGS = ("deno.json", "deno.jsonc")
_STALL_S = 60.0
_POLL_S = 0.1
_REPORT_EVERY_S = 2.0


class DenoProgram:
    """A program with `deno.json` and `deno.lock` beside it, whose packages are fetched once and then used offline.

    Args:
        folder: Where it is, with a `main.ts`.
        entrypoint: Another file to run.
        contents: What messages call the packages.
        fingerprint: What the packages may change with where no `deno.lock` pins them.
    """

    def __init__(
        self,
        folder: Path,
        *,
        entrypoint: str = "main.ts",
        contents: str = "Supabase Lite (about 40 MB)",
        fingerprint: str = "",
    ) -> None:
        self.folder = folder
        self._entrypoint = folder / entrypoint
        self._contents = contents
        self._deno = _find_deno()
        self._deno_dir = make_folder(cache_dir() / "deno")
        lock = folder / "deno.lock"
        self._is_locked = lock.exists()
        pinned = lock.read_bytes() if self._is_locked else f"{self._entrypoint} {fingerprint}".encode()
        self._fetched = self._deno_dir / f".fetched-{folder.name}-{hashlib.sha256(pinned).hexdigest()[:16]}"

    @classmethod
    def of_function(cls, entrypoint: Path, *, fingerprint: str = "") -> DenoProgram:
        """An edge function; the user's own ones need no lock."""
        contents = f"what the function {entrypoint.parent.name} imports"
        return cls(entrypoint.parent, entrypoint=entrypoint.name, contents=contents, fingerprint=fingerprint)

    @property
    def is_fetched(self) -> bool:
        """True if the packages are in the cache."""
        return self._fetched.exists()

    async def fetch(self, report: Report) -> None:
        """Download the locked packages unless they are there. Safe to run twice at once.

        Args:
            report: Called with lines for the user while it downloads.

        Raises:
            StackError: `no_network`, with what to do; or `download_failed`.
        """
        if self.is_fetched:
            return
        async with _exclusive(self._deno_dir / ".lock"):
            if not self.is_fetched:
                await self._download(report)
                self._fetched.touch()

    def forget(self) -> None:
        """Fetch again at the next start, after the cache was found to be incomplete."""
        self._fetched.unlink(missing_ok=True)

    def command(self, *, net: list[str] | None, read: Sequence[Path] = ()) -> list[str | Path]:
        """The command that runs the program: no prompt, no download, no network beyond these `host:port`.

        Args:
            net: Where it may connect to and listen; None: anywhere.
            read: Folders that it may read.
        """
        # It may read all variables of its environment, which holds nothing beyond what `environment` puts there.
        options = ["--quiet", "--no-prompt", "--cached-only", "--allow-env"]
        options.append("--allow-net" if net is None else f"--allow-net={','.join(net)}")
        options += [f"--allow-read={','.join(map(str, read))}"] if read else []
        return [self._deno, "run", *options, *self._config(), self._entrypoint]

    def environment(self, **more: str) -> dict[str, str]:
        """The whole environment for `command`."""
        home = str(self._deno_dir)
        own = {"DENO_DIR": home, "HOME": home, "DENO_NO_UPDATE_CHECK": "1", "NO_COLOR": "1"}
        return {"PATH": os.environ.get("PATH", os.defpath), **own, **more}

    def _config(self) -> list[str | Path]:
        config = next((self.folder / name for name in _CONFIGS if (self.folder / name).exists()), None)
        frozen = ["--frozen"] if self._is_locked else ["--no-lock"]
        return [*frozen, "--no-config"] if config is None else [*frozen, "--config", config]

    async def _download(self, report: Report) -> None:
        report(f"Downloading {self._contents}, once, into {self._deno_dir} ...")
        network = network_variables()
        network.setdefault("DENO_TLS_CA_STORE", "mozilla,system")
        if "HOME" in os.environ:
            network["HOME"] = os.environ["HOME"]  # for the user's .npmrc
        with tempfile.TemporaryDirectory(prefix="spaces-deno-") as folder:
            log = Path(folder) / "deno.log"
            command = [self._deno, "cache", *self._config(), self._entrypoint]
            process = await ManagedProcess.start("deno", command, log_path=log, env=self.environment(**network))
            try:
                is_stalled = await self._watch_download(process, report)
            finally:
                status = await process.stop(signal.SIGKILL)
            if is_stalled or status != 0:
                raise _download_error(
                    self._contents, "nothing arrived for a minute" if is_stalled else "", tail_of(log)
                )
        report("Downloaded.")

    async def _watch_download(self, process: ManagedProcess, report: Report) -> bool:
        """Report until it has ended; True if nothing arrived for too long."""
        loop = asyncio.get_running_loop()
        size, grown_at, said_at = 0, loop.time(), loop.time()
        while process.is_running:
            await asyncio.sleep(_POLL_S)
            now = loop.time()
            if now - said_at < _REPORT_EVERY_S:
                continue
            said_at = now
            seen = await asyncio.to_thread(_folder_bytes, self._deno_dir)
            if seen > size:
                size, grown_at = seen, now
                report(f"  {size / 1e6:.0f} MB unpacked ...")
            elif now - grown_at > _STALL_S:
                return True
        return False


def network_variables() -> dict[str, str]:
    """What this process knows of the user's proxies and certificates."""
    return {name: os.environ[name] for name in _NETWORK_VARIABLES if name in os.environ}


def _find_deno() -> Path:
    try:
        from deno import find_deno_bin
    except ImportError as error:
        raise missing_extra("deno") from error
    try:
        return Path(find_deno_bin())
    except FileNotFoundError as error:
        raise missing_extra("deno") from error


def _download_error(contents: str, reason: str, log: str) -> StackError:
    last = next((line for line in reversed(log.splitlines()) if line.strip()), "")
    return StackError(
        f"cannot download {contents.partition(' (')[0]} from the npm registry: {reason or last or 'deno said nothing'}",
        code="no_network",
        part="lite",
        log_tail=log,
        hint="the first start needs network (later ones do not): connect and run again; behind a proxy set "
        "HTTPS_PROXY, behind an inspecting one also SSL_CERT_FILE; NPM_CONFIG_REGISTRY names another "
        "registry; or copy the cache folder from a machine that has it and set SPACES_CACHE_DIR",
    )


def _folder_bytes(folder: Path) -> int:
    total = 0
    for base, _, names in os.walk(folder):
        for name in names:
            try:
                total += os.lstat(os.path.join(base, name)).st_size
            except OSError:
                continue
    return total


@asynccontextmanager
async def _exclusive(path: Path) -> AsyncGenerator[None]:
    """Hold a lock file against other processes; waits without blocking the loop."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        while True:
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                await asyncio.sleep(_POLL_S)
            else:
                break
        yield
    finally:
        os.close(fd)

"""The Supabase CLI as it is published: its platform package from the npm registry, without Node."""

from __future__ import annotations

import base64
import fcntl
import hashlib
import io
import os
import platform
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path

import httpx

from spaces_sdk.local.paths import cache_dir

VERSION = "3.1.0"
REGISTRY = os.environ.get("NPM_CONFIG_REGISTRY", "https://registry.npmjs.org").rstrip("/")

# npm's own integrity of the packages, read from the registry in November 2026. Others are taken at the registry's word.
INTEGRITY = {
    "linux-x64": "sha512-67aBVJQ5psQZ5ezM/uby+xjKlF2Er1GLH9EtQWpUkuOpR3uI7fQjQt9fXTfV6/oqLJA3I+X8O5Fhz/pa8lAiqg==",
}


@dataclass(frozen=True, slots=True)
class Finished:
    """What a command left behind."""

    status: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


@dataclass(frozen=True, slots=True)
class SupabaseCli:
    """The program, with a home folder of its own: nothing of the user's login or settings."""

    program: Path
    home: Path

    def run(self, folder: Path, *arguments: str) -> Finished:
        """Run a command in an app's folder, without questions."""
        environment = {"HOME": str(self.home), "PATH": os.defpath, "SUPABASE_YES": "1", "DO_NOT_TRACK": "1"}
        done = subprocess.run(
            [self.program, *arguments], cwd=folder, env=environment, capture_output=True, text=True, check=False,
            stdin=subprocess.DEVNULL, timeout=120,
        )  # fmt: skip
        return Finished(done.returncode, done.stdout, done.stderr)


def supabase_program() -> Path:
    """The program, downloaded once (65 MB) into the user's cache folder and checked against npm's integrity."""
    machine = {"x86_64": "x64", "amd64": "x64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine().lower()]
    name = f"{sys.platform}-{machine}"
    folder = cache_dir() / f"supabase-cli-{VERSION}"
    program = folder / name / "supabase"
    folder.mkdir(exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not program.exists():
            _unpack(_download(name), program)
    return program


def _download(name: str) -> bytes:
    with httpx.Client(timeout=60, follow_redirects=True) as http:
        integrity = INTEGRITY.get(name)
        if integrity is None:
            described = http.get(f"{REGISTRY}/@supabase%2fcli-{name}/{VERSION}").raise_for_status()
            integrity = str(described.json()["dist"]["integrity"])
        data = http.get(f"{REGISTRY}/@supabase/cli-{name}/-/cli-{name}-{VERSION}.tgz").raise_for_status().content
    kind, _, expected = integrity.partition("-")
    found = base64.b64encode(hashlib.new(kind, data).digest()).decode()
    if found != expected:
        raise AssertionError(f"@supabase/cli-{name} {VERSION} is not what was published: {found}")
    return data


def _unpack(data: bytes, program: Path) -> None:
    with tarfile.open(fileobj=io.BytesIO(data)) as package:
        content = package.extractfile("package/bin/supabase")
        if content is None:
            raise AssertionError("the package has no bin/supabase")
        program.parent.mkdir(parents=True, exist_ok=True)
        staged = program.with_suffix(".new")
        staged.write_bytes(content.read())
        staged.chmod(0o755)
        staged.replace(program)

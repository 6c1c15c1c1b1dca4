"""The migrations and functions that this package brings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from spaces_sdk.install.errors import InstallError

_PACKAGE = Path(__file__).resolve().parents[1]
_FUNCTION_FILES = frozenset({".ts", ".json", ".lock"})


@dataclass(frozen=True, slots=True)
class Migration:
    """One file `<version>_<name>.sql`."""

    path: Path

    @property
    def version(self) -> str:
        return self.path.name.partition("_")[0]

    @property
    def name(self) -> str:
        return self.path.stem.partition("_")[2]


def supabase_dir() -> Path:
    """The folder of both: `spaces_sdk/_supabase` in the wheel, `supabase` in a checkout."""
    for candidate in (_PACKAGE / "_supabase", _PACKAGE.parent / "supabase"):
        if (candidate / "migrations").is_dir():
            return candidate
    raise InstallError(
        f"cannot find the migrations beside {_PACKAGE}",
        code="no_migrations",
        hint="install spaces-sdk again, or run from a full checkout",
    )


def migrations_dir() -> Path:
    """The folder of the migrations."""
    return supabase_dir() / "migrations"


def migrations(directory: Path | None = None) -> list[Migration]:
    """All of them in the order of their versions.

    Args:
        directory: Another folder of `<version>_<name>.sql` files; None takes the package's own.
    """
    folder = directory or migrations_dir()
    found = [Migration(path) for path in sorted(folder.glob("*.sql"))]
    if not found:
        raise InstallError(f"cannot migrate: there is no .sql file in {folder}", code="no_migrations")
    return found


def function_files() -> dict[PurePosixPath, Path]:
    """The files of our edge functions: their place below `functions/`, and where they are here."""
    folder = supabase_dir() / "functions"
    paths = sorted(path for path in folder.rglob("*") if path.is_file() and path.suffix in _FUNCTION_FILES)
    return {PurePosixPath(path.relative_to(folder).as_posix()): path for path in paths}

"""What can go wrong when the package is put into a project."""

from __future__ import annotations

from spaces_sdk.errors import ConfigError, SpacesError


class InstallError(SpacesError):
    """Files could not be copied, or the database refused."""

    default_code = "install_failed"


class DatabaseError(InstallError):
    """The database cannot be reached, or it refused something that is not part of a migration."""

    default_code = "database_failed"


class MigrationError(InstallError):
    """A SQL file failed; the whole file was rolled back.

    Attributes:
        file: Name of the file.
        line: Line of the failing statement, from 1; 0 where it is not known.
    """

    default_code = "migration_failed"

    def __init__(self, message: str, *, file: str, line: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.file = file
        self.line = line


def missing_driver(operation: str) -> ConfigError:
    """The error for a command that talks to Postgres where psycopg is not installed."""
    return ConfigError(
        f"cannot {operation}: it needs psycopg, which is not installed",
        code="missing_extra",
        hint="pip install 'spaces-sdk[migrate]'",
    )

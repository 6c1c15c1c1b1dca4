"""The operations on a user's folder: copy our migrations and functions into it, write the removal."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from spaces_sdk.install.errors import InstallError
from spaces_sdk.install.package_files import Migration, function_files, migrations
from spaces_sdk.install.project import Copied, Project
from spaces_sdk.install.teardown import next_version, teardown_sql

_MIGRATIONS = PurePosixPath("migrations")
_FUNCTIONS = PurePosixPath("functions")


@dataclass(frozen=True, slots=True)
class MigrationsCopied:
    """What `copy_migrations` did.

    Attributes:
        files: What was written and what was there.
        later: Migrations of the app with later versions than a new one of ours: where they are applied already,
            `supabase db push` wants `--include-all`.
    """

    files: Copied
    later: list[str]


@dataclass(frozen=True, slots=True)
class Removal:
    """The teardown migration in the folder.

    Attributes:
        name: Its file name.
        is_new: It was written now.
    """

    name: str
    is_new: bool


def copy_migrations(project: Project, *, force: bool = False) -> MigrationsCopied:
    """Put our migrations into the project's folder under the versions that they have everywhere.

    Raises:
        InstallError: `differs`, `version_taken` or `removed`, before anything is written.
    """
    ours = migrations()
    there = project.versions()
    removal = project.removal()
    if removal is not None:
        undone = [removal.partition("_")[0], *(m.version for m in ours if m.version in there)]
        raise InstallError(
            f"cannot copy: {removal} takes spaces-sdk out of this project again",
            code="removed",
            hint="if it was never pushed, delete that file and run again; to install again after it was, delete it, "
            f"run `supabase migration repair --status reverted {' '.join(undone)}`, then "
            "`supabase db push --include-all`",
        )
    taken = [there[m.version] for m in ours if there.get(m.version, m.path.name) != m.path.name]
    if taken:
        raise InstallError(
            f"cannot copy: other migrations have our versions: {', '.join(taken)}",
            code="version_taken",
            hint="two migrations of one version cannot be pushed: rename those that were not pushed yet",
        )
    files = {_MIGRATIONS / migration.path.name: migration.path for migration in ours}
    copied = project.copy(files, force=force)
    return MigrationsCopied(copied, _later(ours, there))


def copy_functions(project: Project, *, force: bool = False) -> Copied:
    """Put our edge functions into the project's folder.

    Raises:
        InstallError: `differs`, before anything is written.
    """
    return project.copy({_FUNCTIONS / place: path for place, path in function_files().items()}, force=force)


def write_removal(project: Project) -> Removal:
    """Write the migration that takes our schema out again, later than all others. There is one at most.

    Raises:
        InstallError: `not_installed`: our migrations are not in the folder.
    """
    there = project.versions()
    existing = project.removal()
    if existing is not None:
        return Removal(existing, is_new=False)
    ours = migrations()
    if not any(migration.version in there for migration in ours):
        raise InstallError(
            f"cannot remove: there is no migration of spaces-sdk in {project.path}",
            code="not_installed",
            hint="`spaces migrations list --db-url URL` shows whether a database has them",
        )
    name = project.removal_name(next_version(list(there)))
    project.write(_MIGRATIONS / name, teardown_sql(ours))
    return Removal(name, is_new=True)


def _later(ours: list[Migration], there: dict[str, str]) -> list[str]:
    new = [migration.version for migration in ours if migration.version not in there]
    known = {migration.version for migration in ours}
    return [name for version, name in sorted(there.items()) if new and version > new[0] and version not in known]

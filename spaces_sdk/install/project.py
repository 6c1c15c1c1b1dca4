"""A user's own `supabase/` folder: found, read, and written to without touching what is theirs."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from spaces_sdk.install.errors import InstallError

_MIGRATION = re.compile(r"(?P<version>\d+)_(?P<name>.*)\.sql")
_REMOVAL = "spaces_teardown"


@dataclass
class Copied:
    """What a copy did, as paths below the `supabase/` folder.

    Attributes:
        written: Files that were not there.
        replaced: Files that differed, and were overwritten.
        unchanged: Files that were there, and equal.
    """

    written: list[str] = field(default_factory=list[str])
    replaced: list[str] = field(default_factory=list[str])
    unchanged: list[str] = field(default_factory=list[str])


class Project:
    """One `supabase/` folder.

    Attributes:
        path: The folder itself, the one with `config.toml`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def find(cls, named: Path | None) -> Project:
        """The folder that is named, or the one that the Supabase CLI would take: here, or in a folder above.

        Args:
            named: The `supabase` folder or the one that holds it; None looks from the working directory upwards.

        Raises:
            InstallError: `no_project`.
        """
        if named is None:
            here = Path.cwd()
            for base in (here, *here.parents):
                if (base / "supabase").is_dir():
                    return cls(base / "supabase")
            raise InstallError(
                f"cannot find a supabase folder in {here} or above it",
                code="no_project",
                hint="run `supabase init` in your app's folder first, or name the folder",
            )
        if (named / "supabase").is_dir():
            return cls(named / "supabase")
        if named.is_dir() and (named.name == "supabase" or (named / "config.toml").is_file()):
            return cls(named)
        raise InstallError(
            f"cannot find a supabase folder at {named}",
            code="no_project",
            hint="name the folder with your config.toml; `supabase init` makes one",
        )

    def versions(self) -> dict[str, str]:
        """File names of the migrations by version, as the Supabase CLI reads them."""
        found: dict[str, str] = {}
        for path in sorted((self.path / "migrations").glob("*.sql")):
            if match := _MIGRATION.fullmatch(path.name):
                found[match["version"]] = path.name
        return found

    def removal(self) -> str | None:
        """File name of our teardown migration, if there is one."""
        return next((name for name in self.versions().values() if name.endswith(f"_{_REMOVAL}.sql")), None)

    @staticmethod
    def removal_name(version: str) -> str:
        """File name of a teardown migration."""
        return f"{version}_{_REMOVAL}.sql"

    def differing(self, files: Mapping[PurePosixPath, Path]) -> list[str]:
        """Those of the files that are there with other content. Ends of lines do not count: git changes them."""
        return [str(place) for place, source in files.items() if self._state(place, source) is _Differs]

    def copy(self, files: Mapping[PurePosixPath, Path], *, force: bool) -> Copied:
        """Put files into the folder, all or none.

        Args:
            files: Place below the `supabase/` folder, and the file to copy.
            force: Overwrite those that differ.

        Raises:
            InstallError: `differs`, before anything is written; or a file cannot be written.
        """
        differing = self.differing(files)
        if differing and not force:
            raise InstallError(
                f"cannot copy: {len(differing)} of the files are in {self.path} with other content: "
                + ", ".join(differing[:5])
                + (", …" if len(differing) > 5 else ""),
                code="differs",
                hint="look at them; --force overwrites them (what a database has applied already stays as it is)",
            )
        done = Copied()
        for place, source in files.items():
            state = self._state(place, source)
            if state is None:
                self.write(place, source.read_text(encoding="utf-8"))
                done.written.append(str(place))
            elif state is _Differs:
                self.write(place, source.read_text(encoding="utf-8"))
                done.replaced.append(str(place))
            else:
                done.unchanged.append(str(place))
        return done

    def write(self, place: PurePosixPath, text: str) -> None:
        """Write one file, whole or not at all."""
        path = self.path / place
        unfinished: Path | None = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", newline="\n", dir=path.parent, prefix=".spaces-", delete=False
            ) as file:
                unfinished = Path(file.name)
                file.write(text)
            unfinished.chmod(0o644)  # as any file of a project; a temporary one is 0600
            unfinished.replace(path)
        except OSError as error:
            if unfinished is not None:
                unfinished.unlink(missing_ok=True)
            raise InstallError(
                f"cannot write {path}: {error.strerror or error}",
                code="unwritable",
                hint="make the folder writable, and run again",
            ) from error

    def _state(self, place: PurePosixPath, source: Path) -> type[_Equal | _Differs] | None:
        path = self.path / place
        if not path.exists() and not path.is_symlink():
            return None
        try:
            there = path.read_bytes().replace(b"\r\n", b"\n")
        except OSError:  # a folder, or not readable
            return _Differs
        return _Equal if there == source.read_bytes().replace(b"\r\n", b"\n") else _Differs


class _Equal:
    """The file is there already."""


class _Differs:
    """Another file has its place."""

"""A `supabase/functions` folder: which functions are in it, how each is set up, and whether it has changed."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
_VARIABLE = re.compile(r"\s*(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*(?P<value>.*?)\s*")
# What else than the function's own files it may be made of.
_SHARED = ("_shared", ".env", "deno.json", "deno.jsonc", "import_map.json", "../config.toml")

Fingerprint = tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Function:
    """One function.

    Attributes:
        entrypoint: The file that Deno runs.
        verifies_jwt: The gateway lets in only who sends a token of the project, as hosted unless it is switched off.
        fingerprint: Changes with any file that the function may be made of.
    """

    name: str
    entrypoint: Path
    verifies_jwt: bool
    fingerprint: Fingerprint


class FunctionsFolder:
    """Reads the folder anew at each call: it may change while the stack runs."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def names(self) -> list[str]:
        """The functions that are there and not disabled."""
        if not self.path.is_dir():
            return []
        return [each.name for each in sorted(self.path.iterdir()) if self.find(each.name) is not None]

    def find(self, name: str) -> Function | None:
        """The function of that name, if it is there and enabled."""
        if not _NAME.fullmatch(name):
            return None
        config = self._config(name)
        named = config.get("entrypoint")
        entrypoint = self.path.parent / named if isinstance(named, str) else self.path / name / "index.ts"
        if config.get("enabled") is False or not entrypoint.is_file():
            return None
        is_open = config.get("verify_jwt") is False
        return Function(name, entrypoint.resolve(), not is_open, self._fingerprint(entrypoint.parent))

    def variables(self) -> dict[str, str]:
        """What the folder's `.env` sets; names that begin with SUPABASE_ are the platform's, as in the Supabase CLI."""
        try:
            lines = (self.path / ".env").read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            return {}
        found = [match for line in lines if not line.lstrip().startswith("#") and (match := _VARIABLE.fullmatch(line))]
        return {m["name"]: _unquoted(m["value"]) for m in found if not m["name"].startswith("SUPABASE_")}

    def _config(self, name: str) -> dict[str, Any]:
        try:
            settings = tomllib.loads((self.path.parent / "config.toml").read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
            return {}  # half written at this moment, perhaps
        config: Any = settings.get("functions")
        config = cast("dict[str, Any]", config).get(name) if isinstance(config, dict) else None
        return cast("dict[str, Any]", config) if isinstance(config, dict) else {}

    def _fingerprint(self, own: Path) -> Fingerprint:
        seen: list[tuple[str, int, int]] = []
        for root in (own, *(self.path / name for name in _SHARED)):
            for path in sorted(root.rglob("*")) if root.is_dir() else [root]:
                try:
                    stat = path.stat()
                except OSError:
                    continue
                seen.append((str(path), stat.st_mtime_ns, stat.st_size))
        return tuple(seen)


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "\"'":
        return value[1:-1].replace("\\n", "\n") if value[0] == '"' else value[1:-1]
    return value.partition(" #")[0].rstrip()

"""The migration that takes everything of ours out of a database again, made from the migrations that put it in."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from spaces_sdk.install.package_files import Migration

_TEMPLATE = Path(__file__).with_name("teardown.sql")
_COMMENT = re.compile(r"^\s*--.*$", re.MULTILINE)
_TABLE = re.compile(r"\bcreate table public\.(\w+)")
_POLICY = re.compile(r"\bcreate policy (\w+)\s+on realtime\.messages\b")
# Each function's rights are set by its full signature; a test holds that none is left.
_FUNCTION = re.compile(r"\brevoke all on function (public\.\w+\([^)]*\))\s+from")
_JOB = re.compile(r"\bcron\.schedule\('([\w-]+)'")
_VERSION = "%Y%m%d%H%M%S"


def teardown_sql(migrations: Sequence[Migration]) -> str:
    """The SQL of the migration. It removes what any of these migrations made, and fails if the app depends on it."""
    text = "\n".join(_COMMENT.sub("", migration.path.read_text(encoding="utf-8")) for migration in migrations)
    tables = _found(_TABLE, text)
    policies = _found(_POLICY, text)
    functions = [" ".join(signature.split()) for signature in _found(_FUNCTION, text)]
    values = {
        "TABLE_NAMES": ", ".join(tables),
        "TABLES": ", ".join(f"public.{name}" for name in tables),
        "FUNCTIONS": ",\n      ".join(f'"{signature}"' for signature in functions),
        "POLICY_NAMES": ",\n      ".join(policies),
        "JOB_NAMES": ",".join(_found(_JOB, text)),
        "DROP_POLICIES": "\n".join(f"drop policy if exists {name} on realtime.messages;" for name in policies),
        "DROP_FUNCTIONS": "\n".join(f"drop function if exists {signature};" for signature in functions),
    }
    return re.sub(r"%([A-Z_]+)%", lambda match: values[match[1]], _TEMPLATE.read_text(encoding="utf-8"))


def next_version(taken: Sequence[str], now: datetime | None = None) -> str:
    """A version that comes after all that are taken: the time, or a second after the last one."""
    fresh = (now or datetime.now(UTC)).strftime(_VERSION)
    last = max(taken, default="")
    if last < fresh:
        return fresh
    try:
        return (datetime.strptime(last, _VERSION).replace(tzinfo=UTC) + timedelta(seconds=1)).strftime(_VERSION)
    except ValueError:
        return str(int(last) + 1)


def _found(pattern: re.Pattern[str], text: str) -> list[str]:
    return sorted(set(pattern.findall(text)))

"""What a hosted project would refuse, or an older Postgres would not understand, is not in the migrations."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from spaces_sdk.install.package_files import migrations_dir
from spaces_sdk.install.sql_files import SqlFile

pytestmark = pytest.mark.db

FILES = sorted(migrations_dir().glob("*.sql"))
LONGEST = 250


def code_of(path: Path) -> str:
    """The file without its comments, in lower case."""
    return re.sub(r"--[^\n]*|/\*.*?\*/", "", path.read_text(encoding="utf-8"), flags=re.DOTALL).lower()


def refused_by(pattern: str) -> list[str]:
    return [path.name for path in FILES if re.search(pattern, code_of(path))]


def test_there_are_migrations() -> None:
    assert len(FILES) > 5


def test_they_are_named_as_the_cli_wants_and_run_in_order() -> None:
    assert [path.name for path in FILES if not re.fullmatch(r"\d{14}_[a-z0-9_]+\.sql", path.name)] == []
    versions = [path.name[:14] for path in FILES]
    assert len(set(versions)) == len(versions)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_file_is_short_and_says_what_it_is(path: Path) -> None:
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) < LONGEST
    assert lines[0].startswith("--")


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_migration_that_half_exists_fails(path: Path) -> None:
    assert not re.search(
        r"\bcreate\s[^;(]*\bif not exists\b|\bcreate or replace\b|\bdrop\b[^;(]*\bif exists\b", code_of(path)
    )


def test_no_role_is_set() -> None:
    assert refused_by(r"\bset\s+(local\s+|session\s+)?role\b|\bset\s+session\s+authorization\b") == []


def test_row_level_security_is_forced_nowhere() -> None:
    assert refused_by(r"\bforce\s+row\s+level\s+security\b") == []


def test_nothing_is_altered_or_commented_in_schemas_of_the_platform() -> None:
    assert (
        refused_by(r"\b(alter\s+table|comment\s+on\s+(table|column)|create\s+trigger[^;]*\bon)\s+(realtime|auth)\.")
        == []
    )
    assert refused_by(r"\bcomment\s+on\s+policy\s+[^;]*\bon\s+realtime\.") == []
    assert refused_by(r"\bcreate\s+(table|function|index|view)\s+(realtime|auth|extensions)\.") == []
    assert refused_by(r"\b(grant|revoke)\b[^;]*\bon\s+(table\s+)?(realtime|auth)\.") == []


def test_the_policies_on_topics_stand_in_a_file_of_their_own() -> None:
    with_policies = [path for path in FILES if re.search(r"\bon\s+realtime\.messages\b", code_of(path))]
    (path,) = with_policies
    kinds = {" ".join(statement.text.lower().split()[:2]) for statement in SqlFile.read(path).statements}
    assert kinds <= {"create policy", "alter policy", "drop policy"}


# Nothing that came with 16, 17 or 18; Postgres 15 itself runs this category too, but only what a test reaches.
NEWER_THAN_15 = {
    "uuidv7": r"\buuidv[47]\s*\(",
    "returning old or new": r"\breturning\s+(with\b|old\.|new\.)",
    "any_value": r"\bany_value\s*\(",
    "json_table and its kin": r"\b(json_table|json_exists|json_query|json_value|json_scalar|json_serialize)\s*\(",
    "is json": r"\bis\s+(not\s+)?json\b",
    "merge with returning": r"\bmerge_action\s*\(|\bwhen\s+not\s+matched\s+by\s+source\b",
    "virtual columns": r"\)\s*virtual\b",
    "temporal keys": r"\bwithout\s+overlaps\b|\bperiod\s+[a-z_]+\s*[,)]",
    "numeric literals of 16": r"(?<![\w$.'])(0x[0-9a-f]+|0b[01]+|0o[0-7]+|\d+_\d+)\b",
    "pg_input_is_valid": r"\bpg_input_(is_valid|error_info)\s*\(",
    "random in a range": r"\brandom\s*\(\s*[^)\s]",
    "functions of arrays": r"\barray_(sort|reverse|shuffle|sample)\s*\(",
    "other functions": r"\b(casefold|crc32c?|gamma|lgamma|to_bin|to_oct|uuid_extract_\w+)\s*\(",
    "at local": r"\bat\s+local\b",
    "transaction_timeout": r"\btransaction_timeout\b",
    "not null without validation": r"\bnot\s+null\s+[a-z_]*\s*not\s+valid\b|\bnot\s+enforced\b",
}


@pytest.mark.parametrize("feature", sorted(NEWER_THAN_15))
def test_nothing_is_newer_than_15(feature: str) -> None:
    assert refused_by(NEWER_THAN_15[feature]) == []

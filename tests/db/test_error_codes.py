"""The table of error codes is the one that Python knows, and the functions use no other."""

from __future__ import annotations

import pytest

from spaces_sdk.codes import STATUS_OF_CODE
from tests.db.support.database import Database

pytestmark = pytest.mark.db

_FUNCTIONS = "p.pronamespace in ('public'::regnamespace, 'spaces'::regnamespace)"


async def codes_in_functions(db: Database) -> set[str]:
    used = r"(?:spaces\.(?:fail|refusal)\(|'code',|v_code :=)\s*'([a-z_]+)'"
    found = await db.column(
        f"select distinct m[1] from pg_proc p, regexp_matches(p.prosrc, %s, 'g') as m where {_FUNCTIONS}", [used]
    )
    return set(found)


async def test_codes_and_their_statuses_are_the_same_in_python(db: Database) -> None:
    rows = await db.sql("select code, status from spaces.error_codes")
    assert {row["code"]: row["status"] for row in rows} == STATUS_OF_CODE


async def test_each_code_is_described_and_has_a_hint(db: Database) -> None:
    short = "select code from spaces.error_codes where length(description) < 10 or length(hint) < 5"
    assert await db.column(short) == []


async def test_what_passes_by_itself_may_be_tried_again(db: Database) -> None:
    assert await db.column("select code from spaces.error_codes where retryable") == ["rate_limited"]


async def test_functions_use_no_other_codes(db: Database) -> None:
    assert await codes_in_functions(db) - STATUS_OF_CODE.keys() == set()


async def test_functions_use_all_codes(db: Database) -> None:
    assert STATUS_OF_CODE.keys() - await codes_in_functions(db) == set()


async def test_errors_are_raised_in_one_place(db: Database) -> None:
    # It reads the status from the table: no function can raise a code with another status.
    raising = await db.column(
        rf"select proname from pg_proc p where {_FUNCTIONS} and prosrc ~* '\mraise\s+(exception|sqlstate)'"
    )
    assert raising == ["fail"]

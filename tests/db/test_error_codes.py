"""The table of error codes is the one that Python knows."""

from __future__ import annotations

import pytest

from spaces_sdk.codes import STATUS_OF_CODE
from tests.db.support.database import Database

pytestmark = pytest.mark.db


async def test_codes_and_their_statuses_are_the_same_in_python(db: Database) -> None:
    rows = await db.sql("select code, status from spaces.error_codes")
    assert {row["code"]: row["status"] for row in rows} == STATUS_OF_CODE


async def test_each_code_is_described(db: Database) -> None:
    assert await db.column("select code from spaces.error_codes where length(description) < 10") == []


async def test_what_passes_by_itself_may_be_tried_again(db: Database) -> None:
    assert await db.column("select code from spaces.error_codes where retryable") == ["rate_limited"]


async def test_every_code_that_a_function_raises_is_in_the_table(db: Database) -> None:
    raised = await db.column(
        r"""select distinct m[1] from pg_proc p,
              regexp_matches(p.prosrc, 'spaces\.(?:raise|refuse|fail)\w*\(\s*''([a-z_]+)''', 'g') as m
            where p.pronamespace in ('public'::regnamespace, 'spaces'::regnamespace)"""
    )
    assert set(raised) - STATUS_OF_CODE.keys() == set()


async def test_every_state_that_a_function_raises_is_a_status(db: Database) -> None:
    states = await db.column(
        r"""select distinct m[1] from pg_proc p, regexp_matches(p.prosrc, '''PT(\w+)''', 'g') as m
            where p.pronamespace in ('public'::regnamespace, 'spaces'::regnamespace)"""
    )
    assert {int(state) for state in states} <= set(STATUS_OF_CODE.values())

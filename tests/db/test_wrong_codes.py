"""Guessing codes by the thousand, by many, and with their counts undone: it is counted all the same, and exactly."""

from __future__ import annotations

import asyncio
from collections import Counter

import psycopg
import pytest

from tests.db.support.actors import Actor
from tests.db.support.database import Database
from tests.db.support.rooms import open_space

pytestmark = pytest.mark.db

USERS = 10
TRIES_EACH = 100

# How many misses stand in the sequence, counted from a full bucket at the time of the first of them.
COUNTED = """
    select s.last_value - (floor(extract(epoch from now()) * l.refill_per_s) - l.capacity)
    from spaces.code_misses s, spaces.limits l where l.action = 'code_miss_all'"""


async def slow_down(db: Database) -> None:
    """So slow that nothing comes back while a test runs."""
    await db.sql("update spaces.limits set refill_per_s = 0.000001 where action like 'code_miss%'")


async def guess(db: Database, who: Actor, *, code: str = "ABCDEF", is_undone: bool = False) -> str:
    """Look a code up; with `is_undone` in a transaction that is rolled back, as a filter on the answer can do."""
    async with db.api.connection() as connection:
        try:
            async with connection.transaction(force_rollback=is_undone):
                answer = await db.call_on(connection, who, "get_room_by_code", {"p_code": code})
        except psycopg.errors.LockNotAvailable:
            return "busy"
    return "found" if answer["ok"] else answer["code"]


async def test_a_thousand_wrong_codes_by_ten_users(fresh_db: Database) -> None:
    db = fresh_db
    await slow_down(db)
    space = await open_space(db)
    users = [await db.user(f"user {number}") for number in range(USERS)]

    async def try_all(user: Actor) -> list[str]:
        return [await guess(db, user) for _ in range(TRIES_EACH)]

    answers = Counter(answer for each in await asyncio.gather(*map(try_all, users)) for answer in each)
    assert answers == {"room_not_found": 10 * USERS, "rate_limited": (TRIES_EACH - 10) * USERS}
    assert await db.value(COUNTED) == 10 * USERS, "a refused guess is none"
    tokens = await db.column("select tokens::numeric(10, 2) from spaces.rate_buckets where action = 'code_miss'")
    assert [int(each) for each in tokens] == [0] * USERS
    assert await guess(db, await db.user("honest"), code=space.code) == "found"


async def test_a_thousand_that_are_undone_are_counted_for_all(fresh_db: Database) -> None:
    db = fresh_db
    await slow_down(db)
    space = await open_space(db)
    users = [await db.user(f"user {number}") for number in range(USERS)]

    async def try_all(user: Actor) -> list[str]:
        return [await guess(db, user, is_undone=True) for _ in range(TRIES_EACH)]

    answers = Counter(answer for each in await asyncio.gather(*map(try_all, users)) for answer in each)
    assert answers == {"room_not_found": USERS * TRIES_EACH}, "the users' own counts are undone"
    assert await db.value(COUNTED) == USERS * TRIES_EACH
    assert await guess(db, users[0], is_undone=True) == "rate_limited"
    assert await guess(db, await db.user("honest"), code=space.code) == "rate_limited", "as it is with all limits"
    assert await db.column("select 1 from spaces.admissions where room_id = %s", [space.id]) == []


async def test_honest_users_are_served_again_at_the_documented_pace(fresh_db: Database) -> None:
    db = fresh_db
    space = await open_space(db)
    honest = await db.user("honest")
    await guess(db, await db.user("eve"))
    await db.sql("select setval('spaces.code_misses', ceil(extract(epoch from clock_timestamp()) * 10)::bigint + 20)")
    answer = await db.call(honest, "get_room_by_code", p_code=space.code)
    assert answer["code"] == "rate_limited"
    assert 0 < answer["retry_after_s"] <= 2.2, "ten a second, and twenty-two are missing"
    await asyncio.sleep(answer["retry_after_s"])
    assert await guess(db, honest, code=space.code) == "found"


async def test_the_first_misses_at_once_are_all_counted(fresh_db: Database) -> None:
    # The bucket has not been touched for long: whoever comes first sets it up, and nobody does so a second time.
    db = fresh_db
    await slow_down(db)
    users = [await db.user(f"user {number}") for number in range(20)]
    for _ in range(5):
        await db.sql("select setval('spaces.code_misses', 1)")
        await db.sql("delete from spaces.rate_buckets")
        await asyncio.gather(*(guess(db, user) for user in users))
        assert await db.value(COUNTED) == len(users)

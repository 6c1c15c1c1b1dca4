"""Ways of HTTP to have an answer of a look-up and its count undone: what tells a miss from a hit counts as a miss."""

from __future__ import annotations

import httpx
import pytest

from spaces_sdk.models import Room
from tests.integration.people import LocalPeople, Person

pytestmark = pytest.mark.integration

SINGULAR = {"Accept": "application/vnd.pgrst.object+json"}
# Name: HTTP method, headers, query.
WAYS: dict[str, tuple[str, dict[str, str], dict[str, str]]] = {
    "plain": ("POST", {}, {}),
    "singular": ("POST", SINGULAR, {}),
    "csv": ("POST", {"Accept": "text/csv"}, {}),
    "plan": ("POST", {"Accept": "application/vnd.pgrst.plan+json"}, {}),
    "get": ("GET", {}, {}),
    "head": ("HEAD", {}, {}),
    "minimal": ("POST", {"Prefer": "return=minimal"}, {}),
    "count": ("POST", {"Prefer": "count=exact"}, {}),
    "rollback": ("POST", {"Prefer": "tx=rollback"}, {}),
    "strict": ("POST", {"Prefer": "handling=strict, tx=rollback"}, {}),
    "unknown, strict": ("POST", {"Prefer": "handling=strict, anything=goes"}, {}),
    "max-affected": ("POST", {"Prefer": "handling=strict, max-affected=0"}, {}),
    "no rows": ("POST", SINGULAR, {"limit": "0"}),
    "one column": ("POST", {}, {"select": "code"}),
    "a filter": ("POST", SINGULAR, {"code": "eq.room_not_found"}),
    "a filter for hits": ("POST", SINGULAR, {"ok": "eq.true"}),
    "a filter on the scalar": ("POST", SINGULAR, {"pgrst_scalar->>ok": "eq.true"}),
    "a filter that fails": ("POST", {}, {"pgrst_scalar->>code": "like.\\"}),
    "an order that fails": ("POST", {}, {"order": "nothing.asc"}),
    "a range": ("POST", {"Range": "5-6"}, {}),
}


async def look_up(http: httpx.AsyncClient, way: str, code: str) -> tuple[int, str]:
    """What the caller learns: the status, and the answer without what differs from call to call."""
    method, headers, query = WAYS[way]
    if method == "POST":
        answer = await http.post("/rpc/get_room_by_code", json={"p_code": code}, headers=headers, params=query)
    else:
        query = {**query, "p_code": code}
        answer = await http.request(method, "/rpc/get_room_by_code", headers=headers, params=query)
    return answer.status_code, answer.text.replace(code, "")


@pytest.fixture
async def ada(local_people: LocalPeople) -> Person:
    return await local_people.person("Ada")


@pytest.fixture
async def room(ada: Person) -> Room:
    return await ada.spaces.rooms.create_room("Friday jam")


async def operate(local_people: LocalPeople, statement: str) -> int:
    """One number, as the operator."""
    async with local_people.sql() as connection:
        row = await (await connection.execute(statement.encode())).fetchone()
    assert row is not None
    return int(row[0])


async def half_full(local_people: LocalPeople) -> int:
    """Let half of what all users together may try be used up, so that counts are differences; how far that is."""
    now = "floor(extract(epoch from clock_timestamp()) * 10)::bigint"
    return await operate(local_people, f"select setval('spaces.code_misses', {now} - 500)")


async def misses(local_people: LocalPeople) -> int:
    return await operate(local_people, "select last_value from spaces.code_misses")


async def test_what_tells_a_miss_is_counted(local_people: LocalPeople, room: Room) -> None:
    eve, bob = await local_people.person("Eve"), await local_people.person("Bob")
    uncounted: dict[str, object] = {}
    async with (
        local_people.rest(await bob.spaces.auth.access_token()) as bobs,
        local_people.rest(await eve.spaces.auth.access_token()) as eves,
    ):
        for way in WAYS:
            await operate(
                local_people, "with gone as (delete from spaces.rate_buckets returning 1) select count(*) from gone"
            )
            hit = await look_up(bobs, way, room.room_code)
            before = await half_full(local_people)
            miss = await look_up(eves, way, "ABCDEF")
            counted = await misses(local_people) - before
            if counted != 1 and (miss != hit or counted != 0):
                uncounted[way] = (counted, hit, miss)
    assert uncounted == {}


@pytest.mark.parametrize(
    "way", ["plain", "singular", "count", "rollback", "max-affected", "no rows", "a filter that fails"]
)
async def test_guessing_comes_to_an_end(local_people: LocalPeople, room: Room, way: str) -> None:
    """By the user's own limit, or, where a way undoes that, by the one of all together: nothing is free."""
    eve = await local_people.person("Eve")
    async with local_people.rest(await eve.spaces.auth.access_token()) as http:
        before = await half_full(local_people)
        answers = [await look_up(http, way, "ABCDEF") for _ in range(12)]
        counted = await misses(local_people) - before
        last = await look_up(http, "plain", room.room_code)
    if "room_not_found" in answers[0][1]:
        assert "rate_limited" in last[1], "its own limit holds"
        assert counted == 10
    else:
        assert counted in {0, 10, 12}, "either it never got as far as the code, or each try was counted"

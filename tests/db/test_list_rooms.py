"""Lists of rooms: which there are, in what order, and that no page is spoiled by what happens meanwhile."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from tests.db.support.actors import Actor, Json, expect_refusal
from tests.db.support.database import Database, act_as, fetch
from tests.db.support.rooms import Space, open_space, unchanged

pytestmark = pytest.mark.db


# Counted by this backend, not all of it in this transaction.
SCANS = "select seq_scan, idx_tup_fetch from pg_stat_xact_user_tables where relname = 'rooms'"


@pytest.fixture(autouse=True)
async def no_rooms(db: Database) -> None:
    await db.sql("delete from public.rooms")


async def pages(db: Database, who: Actor, **arguments: Any) -> list[Json]:
    """All items, page by page."""
    items: list[Json] = []
    cursor: str | None = None
    for _ in range(50):
        page = await db.call(who, "list_rooms", p_cursor=cursor, **arguments)
        assert set(page) == {"items", "next_cursor"}
        assert len(page["items"]) <= arguments.get("p_limit", 50)
        items += page["items"]
        if (cursor := page["next_cursor"]) is None:
            return items
    raise AssertionError("it does not end")


async def listed(db: Database, who: Actor, scope: str = "public", **arguments: Any) -> list[UUID]:
    return [UUID(item["room"]["id"]) for item in await pages(db, who, p_scope=scope, **arguments)]


async def public(db: Database, name: str = "Jam", **arguments: Any) -> Space:
    return await open_space(db, p_name=name, p_visibility="public", **arguments)


async def act(space: Space, minutes_ago: float) -> None:
    """Let the room's latest activity have been so long ago."""
    await space.db.sql(
        "update public.rooms set last_activity = now() - make_interval(secs => %s) where id = %s",
        [minutes_ago * 60, space.id],
    )


class TestPublicRooms:
    async def test_open_public_rooms_newest_first(self, db: Database) -> None:
        first, second = await public(db), await public(db)
        await open_space(db)
        await open_space(db, p_visibility="private")
        closed = await public(db)
        await closed.call(closed.host, "update_room_state", p_changes={"is_active": False})
        assert await listed(db, await db.user()) == [second.id, first.id]

    async def test_a_room_follows_its_visibility(self, db: Database) -> None:
        space, eve = await open_space(db), await db.user("eve")
        for visibility in ("public", "private", "public", "unlisted"):
            await space.call(space.host, "update_room_state", p_changes={"visibility": visibility})
            assert await listed(db, eve) == ([space.id] if visibility == "public" else [])

    async def test_the_places_taken_and_oneself(self, db: Database) -> None:
        space = await public(db)
        await space.enter(space.host)
        bob, gone = await space.newcomer("Bob"), await space.newcomer("Gone")
        await space.enter(bob.actor, "Bob")
        await space.expire(gone)
        (item,) = await pages(db, await db.user(), p_scope="public")
        assert (item["participant_count"], item["me"]) == (2, None)
        (item,) = await pages(db, bob.actor, p_scope="public")
        assert (item["me"]["display_name"], item["me"]["is_online"]) == ("Bob", True)
        (item,) = await pages(db, gone.actor, p_scope="public")
        assert item["me"]["is_online"] is False

    @pytest.mark.parametrize("word", ["kick", "ban"])
    async def test_who_may_not_come_in_does_not_see_it(self, db: Database, word: str) -> None:
        space = await public(db)
        bob = await space.newcomer("Bob")
        await space.call(space.host, f"{word}_participant", p_user_id=bob.id)
        assert await listed(db, bob.actor) == []
        assert await listed(db, await db.user()) == [space.id]

    async def test_each_room_that_is_listed_can_be_joined(self, db: Database) -> None:
        for _ in range(3):
            await public(db)
        eve = await db.user("Eve")
        for room_id in await listed(db, eve):
            assert (await db.call(eve, "join_room", p_room_id=room_id, p_display_name="Eve"))["ok"]

    async def test_a_room_whose_time_is_over_is_not_listed(self, db: Database) -> None:
        over, occupied = await public(db), await public(db)
        kept = await public(db, p_expires_after_s=None)
        bob = await occupied.newcomer("Bob")
        for space in (over, occupied, kept):
            await act(space, 25 * 60)
        assert await listed(db, bob.actor) == [kept.id, occupied.id]
        await occupied.expire(bob)
        assert await listed(db, bob.actor) == [kept.id]

    @pytest.mark.parametrize("size", [1, 2, 3, 200])
    async def test_pages_do_not_shift(self, db: Database, size: int) -> None:
        made = [await public(db) for _ in range(7)]
        eve = await db.user("eve")
        page = await db.call(eve, "list_rooms", p_scope="public", p_limit=size)
        seen = [item["room"]["id"] for item in page["items"]]
        gone = next(space for space in reversed(made) if str(space.id) in seen)
        await gone.call(gone.host, "delete_room")
        await public(db)
        for space in made[:3]:  # activity does not move them
            await act(space, 0)
        while page["next_cursor"]:
            arguments = {"p_scope": "public", "p_limit": size, "p_cursor": page["next_cursor"]}
            page = await db.call(eve, "list_rooms", **arguments)
            seen += [item["room"]["id"] for item in page["items"]]
        assert seen == [str(space.id) for space in reversed(made)]

    async def test_rooms_of_one_and_the_same_time(self, db: Database) -> None:
        made = {(await public(db)).id for _ in range(5)}
        await db.sql("update public.rooms set created_at = '2026-01-01'")
        found = await listed(db, await db.user(), p_limit=2)
        assert len(found) == 5
        assert set(found) == made

    async def test_it_is_found_by_its_index(self, db: Database) -> None:
        host = await db.user("host")
        await db.sql(
            """insert into public.rooms (room_code, host_user_id, name, visibility, created_at)
               select public.generate_room_code(), %s, 'Jam', case when n %% 40 = 0 then 'public' else 'unlisted' end,
                      now() - make_interval(secs => n) from generate_series(1, 4000) n""",
            [host.id],
        )
        await db.sql("insert into spaces.room_heads (room_id) select id from public.rooms")
        await db.sql("analyze public.rooms")
        async with db.superuser.connection() as connection, connection.transaction():
            await act_as(connection, host)
            before = await fetch(connection, SCANS)
            await fetch(connection, "select public.list_rooms('public')")
            after = await fetch(connection, SCANS)
        scans, rows = (after[0][name] - before[0][name] for name in ("seq_scan", "idx_tup_fetch"))
        assert scans == 0
        assert 51 <= rows < 200


class TestMyRooms:
    async def test_those_that_one_hosts_or_takes_part_in(self, db: Database) -> None:
        ada = await db.user("Ada")
        own, joined, left = await open_space(db, ada), await open_space(db), await open_space(db)
        private = await open_space(db, p_visibility="private")
        await public(db)
        await joined.enter(ada)
        await left.call(await left.enter(ada), "leave_room")
        token = (await private.call(private.host, "create_invitation"))["token"]
        assert (await db.call(ada, "accept_invitation", p_token=token))["ok"]
        await private.call(ada, "join_room", p_display_name="Ada")
        for minutes, space in enumerate((private, own, left, joined)):
            await act(space, minutes)
        items = await pages(db, ada)
        found = [UUID(item["room"]["id"]) for item in items]
        assert found == [private.id, own.id, left.id, joined.id], "latest activity first"
        assert [item["me"] and item["me"]["is_online"] for item in items] == [False, None, False, True]
        assert [item["participant_count"] for item in items] == [0, 0, 0, 1]

    async def test_what_ends_it(self, db: Database) -> None:
        spaces = [await open_space(db) for _ in range(4)]
        bob = await db.user("Bob")
        for space in spaces:
            await space.enter(bob)
        await spaces[0].call(spaces[0].host, "kick_participant", p_user_id=bob.id)
        await spaces[1].call(spaces[1].host, "ban_participant", p_user_id=bob.id)
        await spaces[2].call(bob, "forget_room")
        await spaces[3].call(spaces[3].host, "delete_room")
        assert await listed(db, bob, "mine") == []

    async def test_a_closed_room_is_listed_so_that_it_can_be_opened_again(self, db: Database) -> None:
        space = await open_space(db)
        await space.call(space.host, "update_room_state", p_changes={"is_active": False})
        (item,) = await pages(db, space.host)
        assert (item["room"]["id"], item["room"]["is_active"]) == (str(space.id), False)

    async def test_a_room_whose_time_is_over_is_not(self, db: Database) -> None:
        space = await open_space(db)
        bob = await space.newcomer("Bob")
        await act(space, 25 * 60)
        assert await listed(db, bob.actor, "mine") == [space.id], "somebody is in it"
        await space.expire(bob)
        assert await listed(db, bob.actor, "mine") == []
        await act(space, 23 * 60)
        assert await listed(db, bob.actor, "mine") == [space.id]

    @pytest.mark.parametrize("size", [1, 2, 3])
    async def test_a_room_that_moves_ahead_is_not_lost(self, db: Database, size: int) -> None:
        ada = await db.user("Ada")
        made = [await open_space(db, ada) for _ in range(5)]
        for minutes, space in enumerate(made):
            await act(space, minutes + 1)
        page = await db.call(ada, "list_rooms", p_limit=size)
        seen = [item["room"]["id"] for item in page["items"]]
        await act(made[4], 0)
        await made[3].call(ada, "delete_room")
        while page["next_cursor"]:
            page = await db.call(ada, "list_rooms", p_limit=size, p_cursor=page["next_cursor"])
            seen += [item["room"]["id"] for item in page["items"]]
        assert seen == [str(made[number].id) for number in (0, 1, 2, 4)]


class TestSearch:
    NAMES = ("100% Jazz", "a_b", "axb", "back\\slash", "FRIDAY jam", "Zürich")

    @pytest.mark.parametrize("scope", ["mine", "public"])
    @pytest.mark.parametrize(
        ("search", "found"),
        [
            ("%", {"100% Jazz"}),
            ("_", {"a_b"}),
            ("A_B", {"a_b"}),
            ("\\", {"back\\slash"}),
            ("%a%", set[str]()),
            ("friday", {"FRIDAY jam"}),
            ("  day JAM ", {"FRIDAY jam"}),
            ("rich", {"Zürich"}),
            (".*", set[str]()),
            ("'; drop table public.rooms; --", set[str]()),
            ("", set(NAMES)),
            (" \n", set(NAMES)),
            (None, set(NAMES)),
        ],
    )
    async def test_a_part_of_the_name_as_it_is_written(
        self, db: Database, scope: str, search: str | None, found: set[str]
    ) -> None:
        await db.sql("update spaces.config set active_rooms_per_user = 10")
        await db.sql("update spaces.limits set capacity = 100 where action = 'create'")
        ada = await db.user("Ada")
        for name in self.NAMES:
            await open_space(db, ada, p_name=name, p_visibility="public")
        items = await pages(db, ada, p_scope=scope, p_search=search, p_limit=2)
        assert {item["room"]["name"] for item in items} == found
        assert len(items) == len(found)


@pytest.mark.parametrize(
    "arguments",
    [
        {"p_scope": None},
        {"p_scope": ""},
        {"p_scope": "Mine"},
        {"p_scope": "all"},
        {"p_limit": None},
        {"p_limit": 0},
        {"p_limit": 201},
        {"p_search": "x" * 101},
        *(
            {"p_scope": scope, "p_cursor": cursor}
            for scope in ("mine", "public")
            for cursor in ("", "x", "1_2", "_", "___")
        ),
        {"p_scope": "public", "p_cursor": f"2026-01-01T00:00:00Z_f_1_{uuid4()}"},
        {"p_scope": "mine", "p_cursor": f"2026-01-01T00:00:00Z_{uuid4()}"},
    ],
)
async def test_values_that_cannot_be(db: Database, arguments: dict[str, Any]) -> None:
    user = await db.user()
    async with unchanged(db):
        with expect_refusal("invalid_argument"):
            await db.call(user, "list_rooms", **arguments)


async def test_what_just_fits(db: Database) -> None:
    ada = await db.user("Ada")
    space = await open_space(db, ada, p_name="x" * 100)
    assert await listed(db, ada, "mine", p_search="X" * 100, p_limit=200) == [space.id]


async def test_from_outside_neither_code_nor_settings_are_seen(db: Database) -> None:
    space = await open_space(db, p_visibility="public", p_settings={"prompt": "be kind"})
    stranger = await db.user("stranger")
    (item,) = await pages(db, stranger, p_scope="public")
    assert (item["room"]["room_code"], item["room"]["settings"]) == ("", {})
    bob = await space.newcomer("bob")
    for member in (space.host, bob.actor):
        for scope in ("mine", "public"):
            (item,) = await pages(db, member, p_scope=scope)
            assert (item["room"]["room_code"], item["room"]["settings"]) == (space.code, {"prompt": "be kind"})

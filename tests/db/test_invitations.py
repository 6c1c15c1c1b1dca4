"""Invitations: whom they let in, how long, how many, and what ends them."""

from __future__ import annotations

import hashlib
import re
from contextlib import AsyncExitStack
from typing import Any
from uuid import uuid4

import pytest

from tests.db.support.actors import SERVICE, Actor, Json, expect_refusal
from tests.db.support.barrier import Call, after_the_barrier, pending
from tests.db.support.database import Database, gathered
from tests.db.support.rooms import Space, check_steps, open_space, unchanged

pytestmark = pytest.mark.db

TOKEN = re.compile("[A-Za-z0-9_-]{32}")


@pytest.fixture
async def space(db: Database) -> Space:
    """A private room, whose host is in it."""
    made = await open_space(db, p_visibility="private")
    await made.enter(made.host)
    return made


async def invite(space: Space, who: Actor | None = None, **arguments: Any) -> tuple[str, str]:
    """A new invitation: its id and its token."""
    answer = await space.call(who or space.host, "create_invitation", **arguments)
    assert answer["ok"], answer
    return answer["invitation"]["id"], answer["token"]


async def accept(space: Space, who: Actor, token: str) -> Json:
    answer: Json = await space.db.call(who, "accept_invitation", p_token=token)
    return answer


async def join(space: Space, who: Actor) -> Json:
    answer: Json = await space.call(who, "join_room", p_display_name=who.label, p_connection_id=uuid4())
    return answer


async def use_count(space: Space, invitation_id: str) -> int:
    return await space.db.value("select use_count from spaces.invitations where id = %s", [invitation_id])


async def expire(space: Space, invitation_id: str) -> None:
    """Let the invitation have ended a second ago, and what it had left with those who accepted."""
    await space.db.sql(
        "update spaces.invitations set expires_at = now() - interval '1 second' where id = %s", [invitation_id]
    )
    await space.db.sql(
        "update spaces.admissions set expires_at = now() - interval '1 second' where invitation_id = %s",
        [invitation_id],
    )


async def test_an_invitation_opens_a_private_room(space: Space) -> None:
    _, token = await invite(space)
    bob = await space.db.user("Bob")
    with expect_refusal("room_not_found"):
        await join(space, bob)
    answer = await accept(space, bob, token)
    assert (answer["ok"], answer["room"]["id"], answer["participant_count"]) == (True, str(space.id), 1)
    assert (await join(space, bob))["me"]["display_name"] == "Bob"
    with expect_refusal("room_not_found"):
        await join(space, await space.db.user("Eve"))
    await check_steps(space)


async def test_accepting_takes_no_step_and_makes_nobody_a_participant(space: Space) -> None:
    _, token = await invite(space)
    head, bob = await space.head(), await space.db.user("Bob")
    await accept(space, bob, token)
    assert await space.head() == head
    with expect_refusal("room_not_found"):
        await space.call(bob, "get_room_by_id")


async def test_only_a_hash_of_the_token_is_stored(space: Space) -> None:
    invitation_id, token = await invite(space)
    assert TOKEN.fullmatch(token)
    stored = await space.db.column(
        "select token_hash from spaces.invitation_tokens where invitation_id = %s", [invitation_id]
    )
    assert stored == [hashlib.sha256(token.encode()).digest()]
    tables = await space.db.column(
        """select oid::regclass::text from pg_class where relkind = 'r'
           and (relnamespace in ('public'::regnamespace, 'spaces'::regnamespace)
                or oid = 'realtime.messages'::regclass)"""
    )
    for table in tables:
        assert await space.db.column(f"select 1 from {table} t where t::text like %s", [f"%{token}%"]) == [], table


async def test_tokens_are_random(space: Space) -> None:
    await space.db.sql("update spaces.limits set capacity = 1000 where action = 'moderation'")
    tokens = [(await invite(space))[1] for _ in range(50)]
    assert len(set(tokens)) == 50
    assert all(TOKEN.fullmatch(token) for token in tokens)
    assert len(set("".join(tokens))) > 55, "all of the alphabet comes"


async def test_a_repeat_is_the_same_invitation_with_another_token(space: Space) -> None:
    key = uuid4()
    first = await space.call(space.host, "create_invitation", p_invitation_id=key, p_max_uses=2)
    second = await space.call(space.host, "create_invitation", p_invitation_id=key, p_expires_in_s=5)
    assert first["invitation"] == second["invitation"]
    assert first["token"] != second["token"]
    assert len((await space.call(space.host, "list_invitations"))["items"]) == 1
    users = [await space.db.user(f"user {number}") for number in range(3)]
    answers = [
        await accept(space, user, token)
        for user, token in zip(users, (first["token"], second["token"], first["token"]), strict=True)
    ]
    assert [answer["ok"] for answer in answers] == [True, True, False], "they share the uses"


async def test_ids_that_are_used_for_something_else(space: Space) -> None:
    moderator = await space.appointed("moderator")
    invitation_id, _ = await invite(space)
    other = await open_space(space.db, space.host)
    async with unchanged(space.db):
        with expect_refusal("conflict"):
            await invite(other, p_invitation_id=invitation_id)
        with expect_refusal("conflict"):
            await invite(space, moderator, p_invitation_id=invitation_id)
    for _ in range(4):
        await invite(space, p_invitation_id=invitation_id)
    async with unchanged(space.db):
        with expect_refusal("conflict"):  # five tokens are enough
            await invite(space, p_invitation_id=invitation_id)
    revoked, _ = await invite(space)
    await space.call(space.host, "revoke_invitation", p_invitation_id=revoked)
    async with unchanged(space.db):
        with expect_refusal("conflict"):  # a late repeat does not bring it back
            await invite(space, p_invitation_id=revoked)


async def test_a_second_acceptance_is_no_second_use(space: Space) -> None:
    invitation_id, token = await invite(space, p_max_uses=2)
    bob = await space.db.user("Bob")
    for _ in range(3):
        assert (await accept(space, bob, token))["ok"]
    assert await use_count(space, invitation_id) == 1
    await join(space, bob)
    for who in (bob, space.host):
        assert (await accept(space, who, token))["ok"]
    assert await use_count(space, invitation_id) == 1, "nor is it one for who is in the room"


async def test_who_has_used_the_last_use_may_accept_again(space: Space) -> None:
    _, token = await invite(space, p_max_uses=1)
    bob = await space.db.user("Bob")
    await accept(space, bob, token)
    assert (await accept(space, bob, token))["ok"]
    assert (await accept(space, await space.db.user("Eve"), token))["ok"] is False


@pytest.mark.parametrize("number", [1, 3])
async def test_of_ten_who_accept_at_once_as_many_succeed_as_it_has_uses(space: Space, number: int) -> None:
    invitation_id, token = await invite(space, p_max_uses=number)
    users = [await space.db.user(f"user {each}") for each in range(10)]
    answers = await gathered(*(accept(space, user, token) for user in users))
    assert sum(answer["ok"] for answer in answers) == number
    assert await use_count(space, invitation_id) == number
    for user, answer in zip(users, answers, strict=True):
        if answer["ok"]:
            assert (await join(space, user))["ok"]


async def test_two_who_wait_for_the_lock_do_not_share_the_last_use(space: Space) -> None:
    _, token = await invite(space, p_max_uses=1)
    calls = [Call(await space.db.user(name), "accept_invitation", {"p_token": token}) for name in ("Bob", "Eve")]
    waited, answers = await after_the_barrier(space.db, space.id, *calls)
    assert waited == [True, True]
    assert sorted(answer["ok"] for answer in answers) == [False, True]


async def test_who_waits_for_a_room_holds_up_nobodys_guess(space: Space) -> None:
    _, token = await invite(space)
    acceptance = Call(await space.db.user("Bob"), "accept_invitation", {"p_token": token})
    guess = Call(await space.db.user("Eve"), "get_room_by_code", {"p_code": "AAAAAA"})
    async with AsyncExitStack() as started, space.db.superuser.connection() as holder, holder.transaction():
        await holder.execute("select from spaces.room_heads where room_id = %s for no key update", [space.id])
        for call in (acceptance, guess):
            # The counter of misses has long been idle: whoever counts next sets it up.
            await space.db.sql("select setval('spaces.code_misses', 0)")
            (under_way,) = await started.enter_async_context(pending(space.db, call))
            assert under_way.is_answered is (call is guess)


async def test_an_invitation_does_not_show_the_code(space: Space) -> None:
    # It would open an unlisted room for who has accepted, after the invitation was revoked.
    made = await space.call(space.host, "create_invitation")
    answer = await accept(space, await space.db.user(), made["token"])
    assert answer["ok"]
    assert space.code not in str(answer)


@pytest.mark.parametrize("rpc", ["revoke_invitation", "ban_participant", "update_room_state", "delete_room"])
async def test_an_acceptance_that_waits_behind_its_end_is_a_miss(space: Space, rpc: str) -> None:
    invitation_id, token = await invite(space)
    bob = await space.appointed("Bob")
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    arguments: dict[str, Any] = {
        "revoke_invitation": {"p_invitation_id": invitation_id},
        "ban_participant": {"p_user_id": bob.id},
        "update_room_state": {"p_changes": {"is_active": False}},
        "delete_room": {},
    }[rpc]
    async with AsyncExitStack() as started, space.db.api.connection() as connection:
        async with connection.transaction():
            answer = await space.db.call_on(connection, space.host, rpc, {"p_room_id": space.id, **arguments})
            assert answer["ok"]
            call = Call(bob, "accept_invitation", {"p_token": token})
            (waiting,) = await started.enter_async_context(pending(space.db, call))
            assert not waiting.is_answered
        assert (await waiting.answer())["code"] == "room_not_found"


async def test_revoking_shuts_out_who_has_not_joined_yet(space: Space) -> None:
    invitation_id, token = await invite(space)
    inside, outside, late = [await space.db.user(name) for name in ("inside", "outside", "late")]
    for who in (inside, outside):
        await accept(space, who, token)
    await join(space, inside)
    assert await space.call(space.host, "revoke_invitation", p_invitation_id=invitation_id) == {"ok": True}
    with expect_refusal("room_not_found"):
        await join(space, outside)
    for who in (inside, outside, late):
        assert (await accept(space, who, token))["code"] == "room_not_found"
    await space.say(inside)
    assert (await join(space, inside))["ok"]
    async with unchanged(space.db):  # the same again is done already
        await space.call(space.host, "revoke_invitation", p_invitation_id=invitation_id)


async def test_revoking_one_leaves_the_others(space: Space) -> None:
    revoked, _ = await invite(space)
    _, token = await invite(space)
    bob = await space.db.user("Bob")
    await accept(space, bob, token)
    await space.call(space.host, "revoke_invitation", p_invitation_id=revoked)
    assert (await join(space, bob))["ok"]


async def test_an_acceptance_is_worth_as_much_as_its_invitation(space: Space) -> None:
    invitation_id, token = await invite(space, p_expires_in_s=3600)
    early, bob = await space.db.user("early"), await space.db.user("Bob")
    await accept(space, early, token)
    await accept(space, bob, token)
    await join(space, early)
    await expire(space, invitation_id)
    with expect_refusal("room_not_found"):
        await join(space, bob)
    assert (await accept(space, bob, token))["code"] == "room_not_found"
    assert (await join(space, early))["ok"]
    for_ever, token = await invite(space, p_expires_in_s=None)
    assert await space.db.value("select expires_at from spaces.invitations where id = %s", [for_ever]) is None
    await accept(space, bob, token)
    assert (await join(space, bob))["ok"]


async def misses(space: Space) -> dict[str, tuple[Actor, str]]:
    """A caller and a token for each way in which an invitation can open nothing."""
    db = space.db
    eve = await db.user("eve")
    expired, expired_token = await invite(space)
    await expire(space, expired)
    _, used_token = await invite(space, p_max_uses=1)
    await accept(space, await db.user(), used_token)
    revoked, revoked_token = await invite(space)
    await space.call(space.host, "revoke_invitation", p_invitation_id=revoked)
    gone, closed = await open_space(db), await open_space(db)
    tokens = [(await invite(other))[1] for other in (gone, closed)]
    await gone.call(gone.host, "delete_room")
    await closed.call(closed.host, "update_room_state", p_changes={"is_active": False})
    banned = await space.appointed("banned")
    await space.call(space.host, "ban_participant", p_user_id=banned.id)
    return {
        "unknown": (eve, "A" * 32),
        "expired": (eve, expired_token),
        "used up": (eve, used_token),
        "revoked": (eve, revoked_token),
        "deleted": (eve, tokens[0]),
        "closed": (eve, tokens[1]),
        "banned": (banned, (await invite(space))[1]),
    }


async def test_one_answer_for_all_that_open_nothing(space: Space) -> None:
    answers: dict[str, Json] = {}
    for what, (who, token) in (await misses(space)).items():
        async with unchanged(space.db):
            answers[what] = await accept(space, who, token)
    assert len({repr(answer) for answer in answers.values()}) == 1, answers
    assert (answers["unknown"]["ok"], answers["unknown"]["code"]) == (False, "room_not_found")


async def test_each_of_them_counts_as_a_miss_and_a_hit_does_not(space: Space) -> None:
    await space.db.sql("update spaces.limits set refill_per_s = 0.001 where action = 'code_miss'")
    bob = await space.db.user("Bob")
    _, good = await invite(space)
    for _ in range(12):
        assert (await accept(space, bob, good))["ok"]
    for _, token in (await misses(space)).values():
        eve = await space.db.user("eve")
        await space.db.sql(
            "insert into spaces.bans (room_id, user_id, display_name) values (%s, %s, 'Eve')", [space.id, eve.id]
        )
        codes = [(await accept(space, eve, token))["code"] for _ in range(11)]
        assert codes == ["room_not_found"] * 10 + ["rate_limited"]
        assert (await space.db.call(eve, "get_room_by_code", p_code="ABCDEF"))["code"] == "rate_limited", "codes too"


async def test_misses_of_all_together(fresh_db: Database) -> None:
    await fresh_db.sql("update spaces.limits set capacity = 5, refill_per_s = 0.001 where action = 'code_miss_all'")
    space = await open_space(fresh_db)
    _, good = await invite(space)
    codes = [(await accept(space, await fresh_db.user(), "A" * 32))["code"] for _ in range(7)]
    assert codes == ["room_not_found"] * 5 + ["rate_limited"] * 2
    assert (await accept(space, await fresh_db.user(), good))["code"] == "rate_limited", "or else hits would tell"


async def test_a_miss_that_its_caller_takes_back_counts_for_all(fresh_db: Database) -> None:
    # A filter on the answer that fails on misses rolls the bucket back, and nothing rolls the sequence back.
    arguments = {"p_token": "A" * 32}
    # Hardly refilled: what time gives back would be counted, too.
    await fresh_db.sql("update spaces.limits set refill_per_s = 0.001 where action = 'code_miss_all'")
    await fresh_db.call(await fresh_db.user(), "accept_invitation", **arguments)  # the first one sets the sequence up
    before = await fresh_db.value("select last_value from spaces.code_misses")
    async with fresh_db.api.connection() as connection, connection.transaction(force_rollback=True):
        await fresh_db.call_on(connection, await fresh_db.user(), "accept_invitation", arguments)
    assert await fresh_db.value("select last_value from spaces.code_misses") == before + 1


async def test_after_a_kick_an_invitation_costs_another_use(space: Space) -> None:
    invitation_id, token = await invite(space, p_max_uses=2)
    bob = await space.db.user("Bob")
    for used in (1, 2):
        assert (await accept(space, bob, token))["ok"]
        await join(space, bob)
        assert await use_count(space, invitation_id) == used
        await space.call(space.host, "kick_participant", p_user_id=bob.id)
        with expect_refusal("kicked"):
            await join(space, bob)
    assert (await accept(space, bob, token))["ok"] is False


@pytest.mark.parametrize("word", ["kick", "ban"])
async def test_a_kick_or_a_ban_takes_an_acceptance_away(space: Space, word: str) -> None:
    bob = await space.appointed("Bob")
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    _, token = await invite(space)
    await accept(space, bob, token)
    if word == "ban":
        await space.call(space.host, "ban_participant", p_user_id=bob.id)
        with expect_refusal("banned"):
            await join(space, bob)
        assert await space.db.column("select 1 from spaces.admissions where user_id = %s", [bob.id]) == []
        return
    await join(space, bob)
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    with expect_refusal("kicked"):
        await join(space, bob)


async def test_codes_and_invitations_do_not_spoil_each_other(db: Database) -> None:
    space = await open_space(db)
    bob = await db.user("Bob")
    _, token = await invite(space)
    await accept(space, bob, token)
    await space.admit(bob)  # the code's ten minutes do not shorten it
    await space.call(space.host, "rotate_code")  # nor does another code end it
    await space.call(space.host, "update_room_state", p_changes={"visibility": "private"})
    assert (await join(space, bob))["ok"]

    eve = await db.user("Eve")
    _, short = await invite(space, p_expires_in_s=60)
    await accept(space, eve, short)
    await space.call(space.host, "update_room_state", p_changes={"visibility": "unlisted"})
    again = Space(db, space.id, (await space.call(space.host, "get_room_by_id"))["room"]["room_code"], space.host, 0)
    await again.admit(eve)  # the code lasts longer; and it is a code's admission from then on
    await space.call(space.host, "update_room_state", p_changes={"visibility": "private"})
    with expect_refusal("room_not_found"):
        await join(space, eve)


async def test_is_room_full_answers_who_may_join(space: Space) -> None:
    bob = await space.db.user("Bob")
    with expect_refusal("room_not_found"):
        await space.call(bob, "is_room_full")
    _, token = await invite(space)
    await accept(space, bob, token)
    assert await space.call(bob, "is_room_full") is False


async def test_a_full_room_keeps_the_acceptance(db: Database) -> None:
    space = await open_space(db, p_visibility="private", p_max_participants=1)
    host = await space.enter(space.host)
    _, token = await invite(space)
    bob = await db.user("Bob")
    await accept(space, bob, token)
    with expect_refusal("room_full"):
        await join(space, bob)
    await space.call(host, "leave_room")
    assert (await join(space, bob))["ok"]


async def test_an_open_invitation_more_than_a_hundred(space: Space) -> None:
    await space.db.sql("update spaces.limits set capacity = 1000 where action = 'moderation'")
    dead = [await invite(space, p_max_uses=1) for _ in range(3)]
    await space.db.sql(
        """insert into spaces.invitations (room_id, created_by)
           select %s, %s from generate_series(1, 97)""",
        [space.id, space.host.id],
    )
    async with unchanged(space.db):
        with expect_refusal("not_allowed"):
            await invite(space)
    # Used up, expired and revoked ones do not count.
    await accept(space, await space.db.user(), dead[0][1])
    await expire(space, dead[1][0])
    await space.call(space.host, "revoke_invitation", p_invitation_id=dead[2][0])
    for _ in range(3):
        await invite(space)
    with expect_refusal("not_allowed"):
        await invite(space)


@pytest.mark.parametrize("size", [1, 2, 3, 200])
async def test_they_are_listed_in_pages(space: Space, size: int) -> None:
    made = [await invite(space, p_max_uses=1) for _ in range(5)]
    await accept(space, await space.db.user(), made[1][1])
    await expire(space, made[3][0])
    await space.call(space.host, "revoke_invitation", p_invitation_id=made[4][0])
    seen: list[Json] = []
    cursor: str | None = None
    for _ in range(6):
        page = await space.call(space.host, "list_invitations", p_limit=size, p_cursor=cursor)
        assert len(page["items"]) <= size
        seen += page["items"]
        if (cursor := page["next_cursor"]) is None:
            break
    assert [(item["id"], item["use_count"]) for item in seen] == [(made[0][0], 0), (made[1][0], 1), (made[2][0], 0)]


async def test_the_audit_names_who_invited_whom(space: Space) -> None:
    moderator = await space.appointed("moderator")
    invitation_id, token = await invite(space, moderator)
    bob = await space.db.user("Bob")
    await accept(space, bob, token)
    await accept(space, bob, token)
    await space.call(space.host, "revoke_invitation", p_invitation_id=invitation_id)
    acts = await space.db.sql(
        "select user_id, action from spaces.audit where room_id = %s and detail = %s order by id",
        [space.id, invitation_id],
    )
    assert [(act["user_id"], act["action"]) for act in acts] == [
        (moderator.id, "create_invitation"),
        (bob.id, "accept_invitation"),
        (space.host.id, "revoke_invitation"),
    ]


async def test_dead_ones_are_deleted_a_day_later(fresh_db: Database) -> None:
    space = await open_space(fresh_db, p_expires_after_s=None)
    made = {what: await invite(space, p_max_uses=1) for what in ("open", "expired", "revoked", "used", "waited for")}
    for what in ("used", "waited for"):
        user = await fresh_db.user(what)
        await accept(space, user, made[what][1])
        if what == "used":
            await join(space, user)
    await space.call(space.host, "revoke_invitation", p_invitation_id=made["revoked"][0])
    await expire(space, made["expired"][0])
    await fresh_db.call(SERVICE, "cleanup_inactive_rooms")
    assert await fresh_db.value("select count(*) from spaces.invitations") == 5
    await fresh_db.sql(
        """update spaces.invitations set created_at = created_at - interval '25 hours',
             revoked_at = revoked_at - interval '25 hours',
             expires_at = case when id = %s then expires_at - interval '25 hours' else expires_at end""",
        [made["expired"][0]],
    )
    await fresh_db.call(SERVICE, "cleanup_inactive_rooms")
    left = {str(each) for each in await fresh_db.column("select id from spaces.invitations")}
    assert left == {made["open"][0], made["waited for"][0]}
    assert await fresh_db.value("select count(*) from spaces.invitation_tokens") == 2


@pytest.mark.parametrize("word", ["kick", "ban", "forget, then ban"])
async def test_who_is_removed_takes_their_invitations_along(db: Database, word: str) -> None:
    # Else a moderator who was removed from a private room would come back by one of them, banned with another account.
    space = await open_space(db, p_visibility="private")
    bob, other = await space.appointed("Bob"), await space.appointed("Cem")
    theirs, another = [await space.call(maker, "create_invitation") for maker in (bob, other)]
    waiting, late = await db.user("waiting"), await db.user("late")
    assert (await accept(space, waiting, theirs["token"]))["ok"]
    if word == "forget, then ban":
        await space.call(bob, "forget_room")
    rpc = "kick_participant" if word == "kick" else "ban_participant"
    assert (await space.call(space.host, rpc, p_user_id=bob.id))["ok"]
    assert (await accept(space, late, theirs["token"]))["code"] == "room_not_found"
    with expect_refusal("room_not_found"):
        await space.call(waiting, "join_room", p_display_name="x")
    assert (await accept(space, late, another["token"]))["ok"]
    listed = (await space.call(space.host, "list_invitations"))["items"]
    assert [item["id"] for item in listed] == [another["invitation"]["id"]]


async def test_they_outlast_their_makers_account_and_go_with_the_room(space: Space) -> None:
    moderator = await space.appointed("moderator")
    invitation_id, token = await invite(space, moderator)
    await space.db.sql("delete from auth.users where id = %s", [moderator.id])
    (item,) = (await space.call(space.host, "list_invitations"))["items"]
    assert (item["id"], item["created_by"]) == (invitation_id, None)
    assert (await accept(space, await space.db.user(), token))["ok"]
    await space.call(space.host, "delete_room")
    assert await space.db.column("select 1 from spaces.invitations where id = %s", [invitation_id]) == []


async def test_a_deleted_account_accepts_nothing(space: Space) -> None:
    _, token = await invite(space)
    gone = await space.db.user("gone")
    await space.db.sql("delete from auth.users where id = %s", [gone.id])
    async with unchanged(space.db):
        with expect_refusal("not_authenticated"):
            await accept(space, gone, token)


BAD: list[tuple[str, dict[str, Any]]] = [
    ("create_invitation", {"p_expires_in_s": 0}),
    ("create_invitation", {"p_expires_in_s": -1}),
    ("create_invitation", {"p_expires_in_s": 315_360_001}),
    ("create_invitation", {"p_max_uses": 0}),
    ("create_invitation", {"p_max_uses": -1}),
    ("create_invitation", {"p_max_uses": 10_001}),
    ("list_invitations", {"p_limit": 0}),
    ("list_invitations", {"p_limit": 201}),
    ("list_invitations", {"p_limit": None}),
    ("list_invitations", {"p_cursor": "x"}),
    ("list_invitations", {"p_cursor": ""}),
    ("revoke_invitation", {"p_invitation_id": None}),
    ("revoke_invitation", {"p_invitation_id": uuid4()}),
]


@pytest.mark.parametrize(("rpc", "arguments"), BAD)
async def test_values_that_cannot_be(space: Space, rpc: str, arguments: dict[str, Any]) -> None:
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(space.host, rpc, **arguments)


@pytest.mark.parametrize(
    "token", [None, "", "A" * 31, "A" * 33, "A" * 31 + "+", "A" * 31 + "=", "A" * 30 + "\nB", "ä" * 32]
)
async def test_what_is_no_token_is_no_guess(space: Space, token: str | None) -> None:
    eve = await space.db.user("eve")
    async with unchanged(space.db):
        for _ in range(12):
            with expect_refusal("invalid_argument"):
                await space.db.call(eve, "accept_invitation", p_token=token)


@pytest.mark.parametrize(
    "arguments", [{"p_expires_in_s": 1}, {"p_expires_in_s": 315_360_000}, {"p_max_uses": 1}, {"p_max_uses": 10_000}]
)
async def test_what_just_fits(space: Space, arguments: dict[str, Any]) -> None:
    _, token = await invite(space, **arguments)
    assert (await accept(space, await space.db.user(), f" {token}\n"))["ok"]


async def test_an_invitation_of_another_room_is_not_revoked_from_here(space: Space) -> None:
    other = await open_space(space.db, space.host)
    invitation_id, _ = await invite(other)
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(space.host, "revoke_invitation", p_invitation_id=invitation_id)

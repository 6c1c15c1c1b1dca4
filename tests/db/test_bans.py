"""Bans: what they end, that no door is left open, and how they are lifted."""

from __future__ import annotations

from contextlib import AsyncExitStack
from uuid import uuid4

import pytest

from tests.db.support.actors import expect_refusal
from tests.db.support.barrier import Call, pending
from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import Member, Space, check_steps, open_space, unchanged

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host)
    return made


@pytest.fixture
async def bob(space: Space) -> Member:
    return await space.newcomer("Bob")


async def ban(space: Space, member: Member, reason: str | None = None) -> None:
    assert (await space.call(space.host, "ban_participant", p_user_id=member.id, p_reason=reason))["ok"]


async def look_up(space: Space, member: Member, code: str | None = None) -> dict[str, object]:
    return await space.db.call(member.actor, "get_room_by_code", p_code=code or space.code)


async def test_a_banned_one_may_do_nothing(space: Space, bob: Member) -> None:
    await ban(space, bob)
    async with unchanged(space.db):
        for rpc, arguments in {
            "insert_message": {"p_content": "hello"},
            "set_voice": {"p_on": True},
            "signal": {"p_kind": "typing"},
            "get_participants": {},
            "get_room_messages": {},
            "sync_room": {"p_after": 0},
            "join_room": {"p_display_name": "Bob", "p_connection_id": bob.connection},
            "kick_participant": {"p_user_id": space.host.id},
            "list_bans": {},
        }.items():
            with expect_refusal("banned"):
                await space.call(bob, rpc, **arguments)
        for rpc in ("get_room_by_id", "is_room_full"):
            with expect_refusal("room_not_found"):
                await space.call(bob, rpc)
        batch = await space.call(bob, "insert_messages", p_messages=[{"id": str(uuid4()), "content": "x"}])
        (lease,) = (await space.db.call(bob.actor, "heartbeat", p_connection_ids=[bob.connection]))["leases"]
        assert await space.call(bob, "leave_room") == {"ok": True, "head": None}
    assert [item["code"] for item in batch["results"]] == ["banned"]
    assert (lease["status"], "topic" in lease) == ("banned", False)


async def test_the_code_answers_as_if_it_were_wrong(space: Space, bob: Member) -> None:
    await ban(space, bob)
    wrong = await look_up(space, bob, "A" * 6 if space.code != "A" * 6 else "B" * 6)
    assert await look_up(space, bob) == wrong
    assert (wrong["ok"], wrong["code"]) == (False, "room_not_found")


async def test_looking_up_a_room_that_one_is_banned_from_counts_as_a_miss(space: Space, bob: Member) -> None:
    await ban(space, bob)
    for _ in range(10):
        await look_up(space, bob)
    assert (await look_up(space, bob))["code"] == "rate_limited"


async def test_no_admission_opens_the_door(space: Space, bob: Member) -> None:
    admission = (
        "insert into spaces.admissions (room_id, user_id, expires_at) values (%s, %s, now() + interval '1 hour')"
    )
    await space.db.sql(admission, [space.id, bob.id])
    await ban(space, bob)
    assert await space.db.column("select 1 from spaces.admissions where room_id = %s", [space.id]) == []
    await space.db.sql(admission, [space.id, bob.id])
    with expect_refusal("banned"):
        await space.call(bob, "join_room", p_display_name="Bob", p_connection_id=uuid4())
    with expect_refusal("room_not_found"):
        await space.call(bob, "is_room_full")


async def test_a_public_room_is_shut_too(db: Database) -> None:
    space = await open_space(db, p_visibility="public")
    bob = await space.newcomer("Bob")
    await ban(space, bob)
    with expect_refusal("banned"):
        await space.call(bob, "join_room", p_display_name="Bob")
    with expect_refusal("room_not_found"):
        await space.call(bob, "is_room_full")


async def test_a_ban_outlasts_the_participant(space: Space, bob: Member) -> None:
    await ban(space, bob)
    await space.db.sql("delete from public.room_participants where room_id = %s and user_id = %s", [space.id, bob.id])
    with expect_refusal("banned"):
        await space.call(bob, "join_room", p_display_name="Bob")
    with expect_refusal("banned"):
        await space.call(bob, "insert_message", p_content="hello")
    assert (await look_up(space, bob))["ok"] is False


async def test_unban_lets_them_in_by_the_code(space: Space, bob: Member) -> None:
    await ban(space, bob)
    await space.call(space.host, "unban_participant", p_user_id=bob.id)
    with expect_refusal("kicked"):
        await space.call(bob, "join_room", p_display_name="Bob")
    await space.join(bob)
    await space.say(bob)
    await check_steps(space)


async def test_banning_twice_is_banning_once(space: Space, bob: Member) -> None:
    await ban(space, bob, "first")
    async with unchanged(space.db):
        await ban(space, bob, "second")
    (item,) = (await space.call(space.host, "list_bans"))["items"]
    assert item["reason"] == "first"


async def test_lifting_a_ban_twice_is_lifting_it_once(space: Space, bob: Member) -> None:
    await ban(space, bob)
    await space.call(space.host, "unban_participant", p_user_id=bob.id)
    async with unchanged(space.db):
        await space.call(space.host, "unban_participant", p_user_id=bob.id)


async def test_who_was_kicked_before_is_banned_without_a_step(space: Space, bob: Member) -> None:
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    await space.admit(bob.actor)
    head, epoch = await space.head(), await space.epoch()
    await ban(space, bob)
    assert (await space.head(), await space.epoch()) == (head, epoch)
    with expect_refusal("banned"):
        await space.call(bob, "join_room", p_display_name="Bob")


async def test_a_ban_frees_the_place(db: Database) -> None:
    space = await open_space(db, p_max_participants=1)
    bob = await space.newcomer("Bob")
    await ban(space, bob)
    eve = await space.newcomer("Eve")
    assert (await space.participant(eve))["is_online"]


async def test_a_join_that_waits_behind_a_ban_is_refused(space: Space, bob: Member) -> None:
    call = Call(bob.actor, "join_room", {"p_room_id": space.id, "p_display_name": "Bob", "p_connection_id": uuid4()})
    async with AsyncExitStack() as started, space.db.api.connection() as connection:
        async with connection.transaction():
            arguments = {"p_room_id": space.id, "p_user_id": bob.id}
            assert (await space.db.call_on(connection, space.host, "ban_participant", arguments))["ok"]
            (waiting,) = await started.enter_async_context(pending(space.db, call))
            assert not waiting.is_answered
        answer = await waiting.answer()
    assert getattr(answer, "code", None) == "banned"


@pytest.mark.parametrize("size", [1, 2, 3])
async def test_bans_are_listed_in_pages(space: Space, size: int) -> None:
    members = [await space.newcomer(f"guest {number}") for number in range(4)]
    for member in members:
        await ban(space, member)
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = await space.call(space.host, "list_bans", p_limit=size, p_cursor=cursor)
        assert 1 <= len(page["items"]) <= size
        seen += [item["user_id"] for item in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break
    assert seen == [str(member.id) for member in members]


@pytest.mark.parametrize(
    ("rpc", "arguments"),
    [
        ("list_bans", {"p_limit": 0}),
        ("list_bans", {"p_limit": 201}),
        ("list_bans", {"p_limit": None}),
        ("list_bans", {"p_cursor": "x"}),
        ("unban_participant", {"p_user_id": None}),
        ("ban_participant", {"p_reason": "x" * 501}),
        ("mute_participant", {"p_is_muted": None}),
        ("set_participant_role", {"p_role": "host"}),
        ("set_participant_role", {"p_role": "owner"}),
        ("set_participant_role", {"p_role": None}),
    ],
)
async def test_values_that_cannot_be(space: Space, bob: Member, rpc: str, arguments: dict[str, object]) -> None:
    about = {} if rpc == "list_bans" else {"p_user_id": bob.id}
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await space.call(space.host, rpc, **{**about, **arguments})


@pytest.mark.parametrize("reason", [None, "", " \n ", "x" * 500, "two\nlines"])
async def test_reasons(space: Space, bob: Member, reason: str | None) -> None:
    await ban(space, bob, reason)
    (item,) = (await space.call(space.host, "list_bans"))["items"]
    assert item["reason"] == ((reason or "").strip() or None)


async def test_the_ban_of_a_deleted_account_goes_with_it_and_one_by_it_stays(space: Space, bob: Member) -> None:
    boss, eve = await space.newcomer("boss"), await space.newcomer("Eve")
    await space.call(space.host, "set_participant_role", p_user_id=boss.id, p_role="moderator")
    await space.call(boss, "ban_participant", p_user_id=bob.id)
    await ban(space, eve)
    await space.db.sql("delete from auth.users where id = any(%s)", [[boss.id, eve.id]])
    (item,) = (await space.call(space.host, "list_bans"))["items"]
    assert (item["user_id"], item["banned_by"]) == (str(bob.id), None)


async def test_others_hear_one_step_and_it_says_banned(space: Space, bob: Member) -> None:
    head = await space.head()
    await ban(space, bob)
    left = named(await space.broadcasts(), "room:participant-left")[-1]
    assert (left.pos, left.payload["reason"]) == (head + 1, "banned")

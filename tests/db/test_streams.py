"""Messages that grow: begun once, added to by offset, read as a whole by everybody, ended in one step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID, uuid4

import pytest

from spaces_sdk.models import Message
from tests.db.support.actors import Json, expect_refusal
from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import Member, Space, check_steps, empty_buckets, open_space, unchanged
from tests.db.support.shapes import check_shape

pytestmark = pytest.mark.db


@dataclass(frozen=True, slots=True)
class Writing:
    """A message that somebody is writing."""

    space: Space
    author: Member
    id: UUID

    async def append(self, offset: int, text: str, who: Member | None = None) -> Json:
        answer: Json = await self.space.call(
            who or self.author, "append_stream", p_message_id=self.id, p_offset=offset, p_text=text
        )
        return answer

    async def finish(self, **arguments: Any) -> Json:
        answer: Json = await self.space.call(self.author, "finish_stream", p_message_id=self.id, **arguments)
        return answer

    async def row(self) -> Json:
        """The message as everybody reads it."""
        page = await self.space.call(self.space.host, "get_room_messages", p_limit=200)
        (row,) = [item for item in page["items"] if item["id"] == str(self.id)]
        return row

    async def left_over(self) -> int:
        """Rows that only a message that grows has."""
        return await self.space.db.value(
            """select (select count(*) from spaces.streams where message_id = %(id)s)
                    + (select count(*) from spaces.stream_chunks where message_id = %(id)s)""",
            {"id": self.id},
        )

    async def expire(self) -> None:
        """Let nobody have added anything for too long."""
        await self.space.db.sql(
            "update spaces.streams set expires_at = now() - interval '1 second' where message_id = %s", [self.id]
        )


async def begin(space: Space, author: Member, **arguments: Any) -> Writing:
    answer = await space.call(author, "begin_stream", **{"p_message_type": "user_text", **arguments})
    assert answer["ok"], answer
    return Writing(space, author, UUID(answer["message"]["id"]))


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


@pytest.fixture
async def bob(space: Space) -> Member:
    return await space.newcomer("Bob")


@pytest.fixture
async def writing(space: Space, bob: Member) -> Writing:
    return await begin(space, bob)


# -- the beginning ---------------------------------------------------------------------------------------


async def test_the_beginning_is_one_step_and_an_empty_message(space: Space) -> None:
    bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
    question = await space.say(await space.newcomer("Ada"), "why?")
    head, published, message_id = await space.head(), len(await space.broadcasts()), uuid4()
    answer = await space.call(
        bot, "begin_stream", p_id=message_id, p_reply_to=question["id"], p_metadata={"model": "small"}
    )
    message = answer["message"]
    assert answer == {"ok": True, "message": message, "head": head + 1, "lease_s": 30, "is_repeated": False}
    check_shape(Message, message)
    assert (message["id"], message["content"], message["status"]) == (str(message_id), "", "streaming")
    assert (message["message_type"], message["reply_to"]) == ("ai_response", question["id"])
    assert message["metadata"] == {"model": "small"}
    (event,) = await space.broadcasts(after=published)
    assert (event.event, event.pos, event.payload["message"]) == ("room:message-received", head + 1, message)
    async with unchanged(space.db):
        again = await space.call(bot, "begin_stream", p_id=message_id)
    assert (again["message"], again["is_repeated"]) == (message, True)
    await check_steps(space)


async def test_only_bots_begin_an_answer(space: Space, bob: Member) -> None:
    async with unchanged(space.db):
        with expect_refusal("not_allowed"):
            await space.call(bob, "begin_stream")
    assert (await begin(space, bob, p_message_type="user_voice")).author is bob


@pytest.mark.parametrize("state", ["muted", "kicked", "closed"])
async def test_who_may_not_send_may_not_begin(space: Space, bob: Member, state: str) -> None:
    if state == "muted":
        await space.call(space.host, "mute_participant", p_user_id=bob.id, p_is_muted=True)
    elif state == "kicked":
        await space.call(space.host, "kick_participant", p_user_id=bob.id)
    else:
        await space.call(space.host, "update_room_state", p_changes={"is_active": False})
    async with unchanged(space.db):
        with expect_refusal("room_inactive" if state == "closed" else state):
            await space.call(bob, "begin_stream", p_message_type="user_text")


@pytest.mark.parametrize(
    "arguments",
    [{"p_message_type": "system"}, {"p_message_type": "shout"}, {"p_message_type": None}, {"p_metadata": []}],
    ids=str,
)
async def test_what_no_beginning_can_be(space: Space, bob: Member, arguments: Json) -> None:
    async with unchanged(space.db):
        with expect_refusal("not_allowed" if arguments == {"p_message_type": "system"} else "invalid_argument"):
            await space.call(bob, "begin_stream", **{"p_message_type": "user_text", **arguments})


async def test_an_id_of_somebody_elses_message_is_a_conflict(space: Space, bob: Member) -> None:
    said = await space.say(await space.newcomer("Eve"))
    async with unchanged(space.db):
        with expect_refusal("conflict"):
            await space.call(bob, "begin_stream", p_message_type="user_text", p_id=said["id"])


async def test_one_writes_five_messages_at_once_and_what_is_forsaken_does_not_count(space: Space, bob: Member) -> None:
    writings = [await begin(space, bob) for _ in range(5)]
    async with unchanged(space.db):
        with expect_refusal("not_allowed"):
            await begin(space, bob)
    await begin(space, await space.newcomer("Eve"))
    await writings[0].expire()
    await begin(space, bob)
    assert (await writings[0].row())["status"] == "stopped"
    await check_steps(space)


# -- what is added ---------------------------------------------------------------------------------------


async def test_a_part_takes_no_step_and_everybody_hears_it(space: Space, writing: Writing) -> None:
    head, published = await space.head(), len(await space.broadcasts())
    answer = await writing.append(0, "Hällo")
    assert answer == {"ok": True, "status": "streaming", "length": 5, "lease_s": 30}
    assert (await writing.append(5, " 🌍"))["length"] == 7
    first, second = await space.broadcasts(after=published)
    assert (first.event, first.topic, first.is_private) == ("room:message-chunk", await space.topic(), True)
    told = {key: first.payload[key] for key in ("message_id", "offset", "text", "room_id", "epoch", "head")}
    assert told == {
        "message_id": str(writing.id),
        "offset": 0,
        "text": "Hällo",
        "room_id": str(space.id),
        "epoch": 1,
        "head": head,
    }
    assert set(first.payload) - {"id"} == {*told, "at"}
    assert (second.payload["offset"], second.payload["text"]) == (5, " 🌍")
    assert await space.head() == head
    assert (await writing.row())["content"] == "Hällo 🌍"


async def frozen(writing: Writing) -> Json:
    """All that a part could change, without the time until which the message is kept open."""
    return {
        "row": await writing.row(),
        "chunks": await writing.space.db.sql(
            "select starts_at, text from spaces.stream_chunks where message_id = %s order by 1", [writing.id]
        ),
        "published": len(await writing.space.broadcasts()),
        "head": await writing.space.head(),
    }


@pytest.mark.parametrize(("offset", "text"), [(0, "Hello"), (3, "lo"), (1, "e"), (5, ""), (0, "")])
async def test_the_same_part_again_changes_nothing(writing: Writing, offset: int, text: str) -> None:
    await writing.append(0, "Hel")
    await writing.append(3, "lo")
    before = await frozen(writing)
    answer = await writing.append(offset, text)
    assert (answer["status"], answer["length"]) == ("streaming", 5)
    assert await frozen(writing) == before


async def test_a_part_that_begins_with_what_stands_adds_the_rest(writing: Writing) -> None:
    await writing.append(0, "Hel")
    published = len(await writing.space.broadcasts())
    assert (await writing.append(0, "Hello"))["length"] == 5
    (event,) = await writing.space.broadcasts(after=published)
    assert (event.payload["offset"], event.payload["text"]) == (3, "lo")
    assert (await writing.row())["content"] == "Hello"


@pytest.mark.parametrize(("offset", "text"), [(6, "x"), (100, "x"), (6, ""), (0, "Hallo"), (4, "a!"), (0, "Hella")])
async def test_a_hole_or_another_text_is_a_conflict_that_tells_the_length(
    writing: Writing, offset: int, text: str
) -> None:
    await writing.append(0, "Hello")
    before = await frozen(writing)
    answer = await writing.append(offset, text)
    assert (answer["ok"], answer["code"], answer["status"], answer["length"]) == (False, "conflict", "streaming", 5)
    assert answer["message"].startswith("cannot ")
    assert answer["hint"]
    assert await frozen(writing) == before


@pytest.mark.parametrize(("offset", "text"), [(-1, "x"), (None, "x"), (0, None), (0, "x" * 8001)])
async def test_what_no_part_can_be(writing: Writing, offset: Any, text: Any) -> None:
    async with unchanged(writing.space.db):
        with expect_refusal("invalid_argument"):
            await writing.append(offset, text)


async def test_the_whole_keeps_to_the_limit_of_its_type(writing: Writing) -> None:
    await writing.append(0, "x" * 7999)
    async with unchanged(writing.space.db):
        with expect_refusal("invalid_argument"):
            await writing.append(7999, "yz")
        with expect_refusal("invalid_argument"):
            await writing.finish(p_text="yz")
    assert (await writing.append(7999, "y"))["length"] == 8000
    assert (await writing.finish())["message"]["content"] == "x" * 7999 + "y"


async def test_a_long_answer_is_not_written_anew_with_each_part(space: Space) -> None:
    bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
    await space.db.sql("delete from spaces.limits where action = 'stream'")
    writing, whole, folded = await begin(space, bot, p_message_type="ai_response"), "", list[int]()
    try:
        for number in range(400):
            part = f"{number} " * 40
            assert (await writing.append(len(whole), part))["length"] == len(whole) + len(part)
            whole += part
            stands = await space.db.value(
                "select char_length(content) from public.room_messages where id = %s", [writing.id]
            )
            if not folded or folded[-1] != stands:
                folded.append(stands)
                assert (await writing.row())["content"] == whole
    finally:
        await space.db.sql("insert into spaces.limits values ('stream', 20, 10, 'Parts.')")
    assert len(whole) > 59_000
    assert len(folded) < 8, folded
    assert sum(folded) <= 2 * len(whole), folded
    message = (await writing.finish())["message"]
    assert (message["content"], message["status"]) == (whole, "final")
    assert await writing.left_over() == 0


async def test_over_the_limit_of_parts(writing: Writing) -> None:
    await writing.append(0, "so far")
    await empty_buckets(writing.space.db, writing.author)
    answer = await writing.append(6, "x")
    assert (answer["ok"], answer["code"]) == (False, "rate_limited")
    assert answer["retry_after_s"] > 0
    assert (await writing.row())["content"] == "so far"


@pytest.mark.parametrize("rpc", ["append_stream", "finish_stream"])
async def test_only_its_author_writes_a_message(space: Space, writing: Writing, rpc: str) -> None:
    arguments: Json = {"p_offset": 0, "p_text": "x"} if rpc == "append_stream" else {"p_text": "x"}
    for who in (await space.newcomer("Eve"), await space.enter(space.host)):
        async with unchanged(space.db):
            with expect_refusal("not_allowed"):
                await space.call(who, rpc, p_message_id=writing.id, **arguments)
    with expect_refusal("message_not_found"):
        await space.call(writing.author, rpc, **{**arguments, "p_message_id": uuid4()})


# -- what is read ----------------------------------------------------------------------------------------


async def test_whoever_reads_gets_the_text_so_far(space: Space, bob: Member) -> None:
    bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
    writing = await begin(space, bot, p_message_type="ai_response")
    await writing.append(0, "a" * 5000)
    await writing.append(5000, "tail")
    content = "a" * 5000 + "tail"
    joined = await space.join(await space.enter(await space.db.user("late")))
    before = next(row for row in joined["messages"] if row["id"] == str(writing.id))
    assert (before["content"], before["status"]) == (content, "streaming")
    for after in (0, joined["head"]):
        page = await space.call(bob, "sync_room", p_after=after)
        assert [row["content"] for row in page["messages"] if row["id"] == str(writing.id)] == [content]
    await writing.append(len(content), "!")
    page = await space.call(bob, "sync_room", p_after=joined["head"])
    (row,) = page["messages"]
    assert (row["content"], row["seq"] <= joined["head"], page["cursor"]) == (content + "!", True, None)
    await writing.finish()
    page = await space.call(bob, "sync_room", p_after=joined["head"])
    assert [row["status"] for row in page["messages"]] == ["final"], "once, as a change"


async def test_what_grows_is_paged_like_the_rest(space: Space) -> None:
    bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
    writings = [await begin(space, bot, p_message_type="ai_response") for _ in range(4)]
    for writing in writings:
        for part in range(3):
            await writing.append(part * 8000, "ä" * 8000)
    await space.db.sql("update spaces.config set page_bytes = 120000")
    try:
        after, found, cursor, to = await space.head(), list[str](), None, None
        for _ in range(9):
            page = await space.call(space.host, "sync_room", p_after=after, p_to=to, p_cursor=cursor)
            found += [row["id"] for row in page["messages"]]
            assert all(len(row["content"]) == 24_000 for row in page["messages"])
            assert len(page["messages"]) == 2
            cursor, to = page["cursor"], page["to"]
            if cursor is None:
                break
        latest = await space.call(space.host, "get_room_messages")
    finally:
        await space.db.sql("update spaces.config set page_bytes = 262144")
    assert found == [str(writing.id) for writing in writings]
    assert len(latest["items"]) == 2


# -- the end ---------------------------------------------------------------------------------------------


async def ended(space: Space, writing: Writing, published: int) -> Json:
    """The row after its end, which was one step and one event with all of it."""
    row = await writing.row()
    (event,) = named(await space.broadcasts(after=published), "room:message-updated")
    assert event.payload["message"] == row
    assert event.pos == row["revision"] > row["seq"]
    assert await writing.left_over() == 0
    await check_steps(space)
    return row


async def test_the_author_finishes_with_a_last_part_and_metadata(space: Space, bob: Member) -> None:
    writing = await begin(space, bob, p_metadata={"model": "small", "n": 1})
    await writing.append(0, "Hello")
    published, head = len(await space.broadcasts()), await space.head()
    answer = await writing.finish(p_text=" you", p_metadata={"n": 2, "finish_reason": "stop"})
    row = await ended(space, writing, published)
    assert answer == {"ok": True, "message": row, "head": head + 1}
    assert (row["content"], row["status"]) == ("Hello you", "final")
    assert row["metadata"] == {"model": "small", "n": 2, "finish_reason": "stop"}
    async with unchanged(space.db):
        assert await writing.finish(p_text=" you", p_metadata={"n": 3}) == answer
    late = await writing.append(9, "?")
    assert late == {"ok": True, "status": "final", "length": 9, "lease_s": 30}
    assert (await writing.row())["content"] == "Hello you"


@pytest.mark.parametrize("text", ["", " \n"])
async def test_nothing_said_is_nothing_finished(writing: Writing, text: str) -> None:
    message = (await writing.finish(p_text=text, p_metadata={"finish_reason": "length"}))["message"]
    assert (message["status"], message["metadata"]) == ("stopped", {"finish_reason": "length"})


@pytest.mark.parametrize("metadata", [[], "x", {"text": "x" * 16_384}])
async def test_metadata_that_cannot_be(writing: Writing, metadata: Any) -> None:
    async with unchanged(writing.space.db):
        with expect_refusal("invalid_argument"):
            await writing.finish(p_metadata=metadata)


# Who may stop what a member writes in answer to Ada.
STOPPERS = {"author": True, "asker": True, "moderator": True, "host": True, "member": False}


@pytest.mark.parametrize("who", sorted(STOPPERS))
async def test_who_may_stop_it(space: Space, bob: Member, who: str) -> None:
    people: dict[str, Any] = {name: await space.newcomer(name) for name in ("asker", "moderator", "member")}
    people |= {"author": bob, "host": space.host}
    await space.call(space.host, "set_participant_role", p_user_id=people["moderator"].id, p_role="moderator")
    question = await space.say(people["asker"], "why?")
    await space.call(space.host, "mute_participant", p_user_id=people["asker"].id, p_is_muted=True)
    writing = await begin(space, bob, p_reply_to=question["id"])
    await writing.append(0, "Because")
    published = len(await space.broadcasts())
    if not STOPPERS[who]:
        async with unchanged(space.db):
            with expect_refusal("not_allowed"):
                await space.call(people[who], "stop_stream", p_message_id=writing.id)
        return
    answer = await space.call(people[who], "stop_stream", p_message_id=writing.id)
    row = await ended(space, writing, published)
    assert answer == {"ok": True, "message": row, "head": await space.head()}
    assert (row["content"], row["status"]) == ("Because", "stopped")
    async with unchanged(space.db):
        assert await space.call(people[who], "stop_stream", p_message_id=writing.id) == answer
        assert await writing.append(7, " of you") == {"ok": True, "status": "stopped", "length": 7, "lease_s": 30}
        assert (await writing.finish(p_text=" of you"))["message"] == row


async def test_a_moderator_stops_members_and_themselves_only(space: Space) -> None:
    one, two = await space.newcomer("one"), await space.newcomer("two")
    for moderator in (one, two):
        await space.call(space.host, "set_participant_role", p_user_id=moderator.id, p_role="moderator")
    writings = [await begin(space, each) for each in (await space.enter(space.host), two, one)]
    for writing in writings[:2]:
        async with unchanged(space.db):
            with expect_refusal("not_allowed"):
                await space.call(one, "stop_stream", p_message_id=writing.id)
    assert (await space.call(one, "stop_stream", p_message_id=writings[2].id))["message"]["status"] == "stopped"


STOPPED_BY: dict[str, tuple[str, Json]] = {
    "a kick": ("kick_participant", {}),
    "a ban": ("ban_participant", {}),
    "a mute": ("mute_participant", {"p_is_muted": True}),
    "the end of the room": ("update_room_state", {"p_changes": {"is_active": False}}),
}


@pytest.mark.parametrize("what", sorted(STOPPED_BY))
async def test_what_takes_the_right_to_write_ends_the_message(space: Space, bob: Member, what: str) -> None:
    other = await begin(space, await space.newcomer("Eve"))
    writings = [await begin(space, bob), await begin(space, bob)]
    await writings[0].append(0, "so far")
    rpc, arguments = STOPPED_BY[what]
    whom = {} if rpc == "update_room_state" else {"p_user_id": bob.id}
    answer = await space.call(space.host, rpc, **whom, **arguments)
    assert answer["head"] == await space.head()
    rows = [await writing.row() for writing in writings]
    assert [(row["content"], row["status"]) for row in rows] == [("so far", "stopped"), ("", "stopped")]
    assert (await other.row())["status"] == ("stopped" if rpc == "update_room_state" else "streaming")
    assert [await writing.left_over() for writing in writings] == [0, 0]
    published = len(await space.broadcasts())
    if what in ("a kick", "a ban"):
        with expect_refusal("kicked" if what == "a kick" else "banned"):
            await writings[0].append(6, " and on")
    else:
        assert (await writings[0].append(6, " and on"))["status"] == "stopped"
    assert len(await space.broadcasts()) == published
    await check_steps(space)


async def test_who_is_no_bot_any_more_writes_no_answer(space: Space, bob: Member) -> None:
    await space.call(space.host, "set_participant_kind", p_user_id=bob.id, p_kind="bot")
    writing = await begin(space, bob, p_message_type="ai_response")
    await writing.append(0, "As an AI")
    head = await space.head()
    answer = await space.call(space.host, "set_participant_kind", p_user_id=bob.id, p_kind="human")
    assert answer["head"] == await space.head() == head + 2
    assert (await writing.append(8, "x"))["status"] == "stopped"
    await check_steps(space)


async def test_who_forgets_the_room_leaves_nothing_open(space: Space, writing: Writing) -> None:
    await writing.append(0, "so far")
    answer = await space.call(writing.author, "forget_room")
    assert answer["head"] == await space.head()
    row = await writing.row()
    assert (row["content"], row["status"]) == ("so far", "stopped")
    with expect_refusal("not_participant"):
        await writing.append(6, "!")
    await check_steps(space)


async def test_a_message_that_is_being_written_can_be_deleted(space: Space, writing: Writing) -> None:
    await writing.append(0, "a secret")
    message = (await space.call(space.host, "delete_message", p_message_id=writing.id))["message"]
    assert (message["content"], message["status"]) == ("", "deleted")
    assert await writing.left_over() == 0
    assert (await writing.append(8, "!"))["status"] == "deleted"
    assert (await writing.finish())["message"] == message
    await check_steps(space)


@pytest.mark.parametrize("sweep", ["heartbeat", "join", "the job"])
async def test_what_nobody_goes_on_with_is_stopped(space: Space, writing: Writing, sweep: str) -> None:
    await writing.append(0, "so far")
    await writing.expire()
    published = len(await space.broadcasts())
    if sweep == "heartbeat":
        await space.db.call(writing.author.actor, "heartbeat", p_connection_ids=[writing.author.connection])
    elif sweep == "join":
        await space.enter(space.host)
    else:
        await space.db.sql("select spaces.sweep_rooms()")
    row = await ended(space, writing, published)
    assert (row["content"], row["status"]) == ("so far", "stopped")


async def test_each_part_keeps_it_open_also_an_empty_one(space: Space, writing: Writing) -> None:
    await writing.expire()
    assert (await writing.append(0, ""))["status"] == "streaming"
    await space.db.sql("select spaces.sweep_room(%s)", [space.id])
    assert (await writing.row())["status"] == "streaming"


async def test_an_account_that_goes_leaves_what_it_wrote(space: Space, writing: Writing) -> None:
    await writing.append(0, "so far")
    await space.db.sql("delete from auth.users where id = %s", [writing.author.id])
    await writing.expire()
    await space.db.sql("select spaces.sweep_rooms()")
    row = await writing.row()
    assert (row["content"], row["status"], row["user_id"]) == ("so far", "stopped", None)


async def test_a_room_takes_what_is_being_written_along(space: Space, writing: Writing) -> None:
    await writing.append(0, "so far")
    await space.call(space.host, "delete_room")
    assert await writing.left_over() == 0

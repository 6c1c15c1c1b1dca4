"""Messages that grow: by offset, ended once, stopped by who may."""

from __future__ import annotations

from uuid import uuid4

from spaces_sdk.models import MessageStatus
from tests.contract_suite.stage import Stage, case


@case
async def a_message_grows_by_offset(stage: Stage) -> None:
    room, (ada, _) = await stage.seat("ada", "bob")
    bea = await stage.bot()
    await stage.member(bea, room)
    visit = await stage.enter(ada, room)
    key = uuid4()
    begun = await bea.rooms.begin_stream(room.id, message_id=key, metadata={"model": "m"})
    assert (begun.message.content, begun.message.status, begun.is_repeated) == ("", MessageStatus.STREAMING, False)
    assert (await bea.rooms.append_stream(room.id, key, 0, "one ")).length == 4
    assert (await bea.rooms.append_stream(room.id, key, 0, "one ")).length == 4
    assert (await bea.rooms.append_stream(room.id, key, 2, "e two")).length == 7
    assert (await bea.rooms.begin_stream(room.id, message_id=key)).is_repeated
    await stage.refused("conflict", bea.rooms.append_stream(room.id, key, 9, "three"))
    await stage.refused("conflict", bea.rooms.append_stream(room.id, key, 0, "none"))
    await stage.refused("not_allowed", ada.rooms.append_stream(room.id, key, 7, "!"))
    await stage.refused("not_allowed", bea.rooms.edit_message(room.id, key, "done"))
    await stage.refused("not_allowed", ada.rooms.react(room.id, key, "👍"))
    page = await ada.rooms.sync_room(room.id, await stage.head(room.id))
    assert [m.content for m in page.messages] == ["one two"]
    done = await bea.rooms.finish_stream(room.id, key, text=" three", metadata={"tokens": 3})
    assert (done.content, done.status) == ("one two three", MessageStatus.FINAL)
    assert done.metadata == {"model": "m", "tokens": 3}
    assert await bea.rooms.finish_stream(room.id, key, text=" four") == done
    progress = await bea.rooms.append_stream(room.id, key, 13, " four")
    assert (progress.status, progress.length) == (MessageStatus.FINAL, 13)
    assert await visit.hears(room) == [
        f"{done.seq} + bea:  [streaming ai_response] {{'model': 'm'}}",
        "… 0 one ",
        "… 4 two",
        f"{done.revision} * bea: one two three [final ai_response] {{'model': 'm', 'tokens': 3}}",
    ]


@case
async def nothing_written_is_stopped(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    begun = await bob.rooms.begin_stream(room.id, message_type="user_text")
    await bob.rooms.append_stream(room.id, begun.message.id, 0, "  ")
    ended = await bob.rooms.finish_stream(room.id, begun.message.id)
    assert ended.status is MessageStatus.STOPPED
    await stage.refused("not_allowed", bob.rooms.begin_stream(room.id))
    await stage.refused("message_not_found", bob.rooms.append_stream(room.id, uuid4(), 0, "x"))
    await stage.refused("not_participant", (await stage.person("eve")).rooms.begin_stream(room.id))
    await stage.refused("conflict", ada.rooms.begin_stream(room.id, message_id=begun.message.id))


@case
async def who_stops_whose_message(stage: Stage) -> None:
    room, (ada, bob, eve) = await stage.seat("ada", "bob", "eve")
    bea = await stage.bot()
    await stage.member(bea, room)
    visit = await stage.enter(ada, room)
    question = await bob.rooms.insert_message(room.id, "well?")
    for stopper, code in ((eve, "not_allowed"), (bob, None), (ada, None), (bea, None)):
        begun = await bea.rooms.begin_stream(room.id, reply_to=question.id)
        await bea.rooms.append_stream(room.id, begun.message.id, 0, "so far")
        if code is not None:
            await stage.refused(code, stopper.rooms.stop_stream(room.id, begun.message.id))
        stopped = await (bob if code else stopper).rooms.stop_stream(room.id, begun.message.id)
        assert (stopped.status, stopped.content) == (MessageStatus.STOPPED, "so far")
        assert await bob.rooms.stop_stream(room.id, begun.message.id) == stopped
    assert len(await visit.hears(room)) == 1 + 4 * 3


@case
async def a_moderator_stops_a_members_and_not_the_hosts(stage: Stage) -> None:
    room, (ada, bob, eve) = await stage.seat("ada", "bob", "eve")
    await ada.rooms.set_participant_role(room.id, bob.user_id, "moderator")
    hosts = await ada.rooms.begin_stream(room.id, message_type="user_text")
    members = await eve.rooms.begin_stream(room.id, message_type="user_text")
    await stage.refused("not_allowed", bob.rooms.stop_stream(room.id, hosts.message.id))
    assert (await bob.rooms.stop_stream(room.id, members.message.id)).status is MessageStatus.STOPPED


@case
async def who_loses_the_right_to_write_is_stopped(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    bea = await stage.bot()
    await stage.member(bea, room)
    visit = await stage.enter(ada, room)
    muted = await bob.rooms.begin_stream(room.id, message_type="user_text")
    await ada.rooms.mute_participant(room.id, bob.user_id)
    ended = await bob.rooms.append_stream(room.id, muted.message.id, 0, "x")
    assert ended.status is MessageStatus.STOPPED
    human = await bea.rooms.begin_stream(room.id)
    await ada.rooms.set_participant_kind(room.id, bea.user_id, "human")
    assert (await bea.rooms.finish_stream(room.id, human.message.id)).status is MessageStatus.STOPPED
    await bea.rooms.begin_stream(room.id, message_type="user_text")
    await ada.rooms.kick_participant(room.id, bea.user_id)
    assert [text.split(" ", 1)[1][:8] for text in await visit.hears(room)] == [
        "+ bob:  ",
        "is now b",
        "* bob:  ",
        "+ bea:  ",
        "is now b",
        "* bea:  ",
        "+ bea:  ",
        "* bea:  ",
        "went bea",
    ]


@case
async def five_messages_at_a_time(stage: Stage) -> None:
    room, (_, bob) = await stage.seat("ada", "bob")
    begun = [await bob.rooms.begin_stream(room.id, message_type="user_text") for _ in range(5)]
    await stage.refused("not_allowed", bob.rooms.begin_stream(room.id, message_type="user_text"))
    await bob.rooms.stop_stream(room.id, begun[0].message.id)
    assert (await bob.rooms.begin_stream(room.id, message_type="user_text")).message.seq > begun[4].message.seq


@case
async def a_forsaken_message_is_stopped(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    visit = await stage.enter(ada, room)
    await stage.configure(stream_lease_s=20)
    begun = await bob.rooms.begin_stream(room.id, message_type="user_text")
    assert begun.lease_s == 20
    await stage.configure(stream_lease_s=0.2)
    await bob.rooms.append_stream(room.id, begun.message.id, 0, "so far")
    await stage.let_pass(0.4)
    await stage.sweep()
    assert (await visit.hears(room))[-1].endswith("* bob: so far [stopped user_text]")

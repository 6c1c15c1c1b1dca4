"""What is said: once for its id, by who may, changed by who may."""

from __future__ import annotations

from uuid import uuid4

from spaces_sdk.drafts import MessageDraft
from spaces_sdk.errors import SpacesError
from spaces_sdk.models import MessageStatus, MessageType
from tests.contract_suite.stage import Stage, case


@case
async def a_message_is_stored_once_for_its_id(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    visit = await stage.enter(ada, room)
    key = uuid4()
    first = await bob.rooms.insert_message(room.id, "hello", message_id=key, metadata={"a": 1})
    again = await bob.rooms.insert_message(room.id, "other words", message_id=key)
    assert again == first
    assert (first.seq, first.revision, first.display_name, first.sender_kind) == (
        first.revision,
        first.seq,
        "bob",
        "human",
    )
    await stage.refused("conflict", ada.rooms.insert_message(room.id, "hello", message_id=key))
    answer = await ada.rooms.insert_message(room.id, "hi", reply_to=key, message_type=MessageType.USER_VOICE)
    assert (answer.reply_to, answer.seq) == (key, first.seq + 1)
    await stage.refused("message_not_found", ada.rooms.insert_message(room.id, "hi", reply_to=uuid4()))
    await stage.refused("not_allowed", ada.rooms.insert_message(room.id, "hi", message_type=MessageType.SYSTEM))
    await stage.refused("invalid_argument", ada.rooms.insert_message(room.id, "   "))
    await stage.refused("invalid_argument", ada.rooms.insert_message(room.id, "x" * 8001))
    await stage.refused("not_participant", (await stage.person("eve")).rooms.insert_message(room.id, "hi"))
    assert len(await visit.hears(room)) == 2


@case
async def who_is_muted_is_heard_no_more(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    visit = await stage.enter(ada, room)
    key = uuid4()
    said = await bob.rooms.insert_message(room.id, "before", message_id=key)
    await bob.rooms.react(room.id, said.id, "👍")
    assert (await ada.rooms.mute_participant(room.id, bob.user_id)).is_muted
    await ada.rooms.mute_participant(room.id, bob.user_id)
    await stage.refused("muted", bob.rooms.insert_message(room.id, "after"))
    await stage.refused("muted", bob.rooms.edit_message(room.id, said.id, "after"))
    await stage.refused("muted", bob.rooms.react(room.id, said.id, "🎉"))
    assert (await bob.rooms.react(room.id, said.id, "👍", False)).reactions == {}
    assert (await bob.rooms.insert_message(room.id, "before", message_id=key)).content == "before"
    assert (await bob.rooms.delete_message(room.id, said.id)).status is MessageStatus.DELETED
    assert not (await ada.rooms.mute_participant(room.id, bob.user_id, False)).is_muted
    assert len(await visit.hears(room)) == 6


@case
async def several_messages_are_answered_one_by_one(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    known = await bob.rooms.insert_message(room.id, "known")
    foreign = await ada.rooms.insert_message(room.id, "of somebody else")
    drafts = [
        MessageDraft(content="known", id=known.id),
        MessageDraft(content="one"),
        MessageDraft(content="of somebody else", id=foreign.id),
        MessageDraft(content="no answer", reply_to=uuid4()),
        MessageDraft(content="an answer", reply_to=known.id),
        MessageDraft(content="  "),
        MessageDraft(content="a bot's", message_type=MessageType.AI_RESPONSE),
    ]
    answers = await bob.rooms.insert_messages(room.id, drafts)
    told = [each.code if isinstance(each, SpacesError) else each.content for each in answers]
    stage.note(*told)
    assert told == ["known", "one", "conflict", "message_not_found", "an answer", "invalid_argument", "not_allowed"]
    await stage.refused("invalid_argument", bob.rooms.insert_messages(room.id, [drafts[0], drafts[0]]))


@case
async def twenty_messages_at_once(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    drafts = [MessageDraft(content=str(number)) for number in range(22)]
    answers = await bob.rooms.insert_messages(room.id, drafts)
    codes = [each.code for each in answers if isinstance(each, SpacesError)]
    assert codes == ["rate_limited"] * 2
    again = await bob.rooms.insert_messages(room.id, drafts[:20])  # what is stored costs nothing
    assert not any(isinstance(each, SpacesError) for each in again)
    await stage.let_pass(0.5)
    assert (await bob.rooms.insert_message(room.id, "20", message_id=drafts[20].id)).content == "20"
    assert (await ada.rooms.insert_message(room.id, "another's")).content == "another's"


@case
async def only_its_author_edits_a_message(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    visit = await stage.enter(ada, room)
    said = await bob.rooms.insert_message(room.id, "helo", metadata={"a": 1})
    edited = await bob.rooms.edit_message(room.id, said.id, "hello")
    assert (edited.content, edited.metadata, edited.seq) == ("hello", {"a": 1}, said.seq)
    assert edited.revision == said.revision + 1
    assert edited.updated_at > said.updated_at
    assert await bob.rooms.edit_message(room.id, said.id, "hello") == edited
    assert (await bob.rooms.edit_message(room.id, said.id, "hello", metadata={"b": 2})).metadata == {"b": 2}
    await stage.refused("not_allowed", ada.rooms.edit_message(room.id, said.id, "mine"))
    await stage.refused("message_not_found", bob.rooms.edit_message(room.id, uuid4(), "x"))
    await stage.refused("invalid_argument", bob.rooms.edit_message(room.id, said.id, "x" * 8001))
    await bob.rooms.delete_message(room.id, said.id)
    await stage.refused("message_not_found", bob.rooms.edit_message(room.id, said.id, "x"))
    assert len(await visit.hears(room)) == 4


@case
async def who_deletes_which_message(stage: Stage) -> None:
    room, (ada, bob, eve) = await stage.seat("ada", "bob", "eve")
    visit = await stage.enter(ada, room)
    said = [await bob.rooms.insert_message(room.id, text) for text in "abc"]
    hosts = await ada.rooms.insert_message(room.id, "the host's")
    await stage.refused("not_allowed", eve.rooms.delete_message(room.id, said[0].id))
    gone = await bob.rooms.delete_message(room.id, said[0].id)
    assert (gone.content, gone.metadata, gone.status, gone.user_id) == ("", {}, MessageStatus.DELETED, bob.user_id)
    assert await bob.rooms.delete_message(room.id, said[0].id) == gone
    await ada.rooms.delete_message(room.id, said[1].id)
    await ada.rooms.set_participant_role(room.id, eve.user_id, "moderator")
    await eve.rooms.delete_message(room.id, said[2].id)
    await eve.rooms.delete_message(room.id, hosts.id)
    await stage.refused("message_not_found", bob.rooms.delete_message(room.id, uuid4()))
    await stage.refused("message_not_found", bob.rooms.insert_message(room.id, "hm", reply_to=gone.id))
    assert len(await visit.hears(room)) == 9


@case
async def reactions_are_counted(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    visit = await stage.enter(ada, room)
    said = await bob.rooms.insert_message(room.id, "hello")
    await ada.rooms.react(room.id, said.id, "👍")
    both = await bob.rooms.react(room.id, said.id, "👍")
    assert both.reactions == {"👍": 2}
    assert both.updated_at == said.updated_at
    assert await bob.rooms.react(room.id, said.id, "👍") == both
    assert (await ada.rooms.react(room.id, said.id, "👍", False)).reactions == {"👍": 1}
    for emoji in "🎉🚀🔥💡":
        await bob.rooms.react(room.id, said.id, emoji)
    await stage.refused("not_allowed", bob.rooms.react(room.id, said.id, "🎈"))
    await stage.refused("invalid_argument", bob.rooms.react(room.id, said.id, "ok"))
    await stage.refused("message_not_found", bob.rooms.react(room.id, uuid4(), "👍"))
    assert (await ada.rooms.delete_message(room.id, said.id)).reactions == {}
    await stage.refused("message_not_found", bob.rooms.react(room.id, said.id, "👍"))
    assert len(await visit.hears(room)) == 9

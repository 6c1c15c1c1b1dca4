"""What each change publishes: its name, its payload, its topic."""

from __future__ import annotations

from datetime import datetime
from uuid import uuid4

import pytest

from spaces_sdk.models import Message, Participant, RoomState
from tests.db.support.actors import Json
from tests.db.support.database import Database
from tests.db.support.realtime import Broadcast, named, topic_of
from tests.db.support.rooms import Member, Space, open_space
from tests.db.support.shapes import check_shape

pytestmark = pytest.mark.db

# `id` is what realtime.send adds.
DURABLE = {"room_id", "epoch", "at", "pos", "id"}
FLEETING = {"room_id", "epoch", "at", "head", "id"}


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


async def published_by(space: Space, rpc: str, who: Member, **arguments: object) -> list[Broadcast]:
    before = len(await space.broadcasts())
    await space.call(who, rpc, **arguments)
    return await space.broadcasts(after=before)


def check_payload(event: Broadcast, common: set[str], *own: str) -> Json:
    assert set(event.payload) - {"id"} == (common | set(own)) - {"id"}
    assert event.is_private is True
    assert event.payload["room_id"] == event.topic.split(":")[1]
    assert event.payload["epoch"] == event.epoch
    assert datetime.fromisoformat(event.payload["at"]).tzinfo is not None
    return event.payload


async def test_a_join_says_who_came_and_writes_a_system_message(space: Space) -> None:
    guest = await space.newcomer("Bob")
    joined, system = await space.broadcasts()
    assert (joined.event, system.event) == ("room:participant-joined", "room:message-received")
    assert {joined.topic, system.topic} == {topic_of(space.id, await space.epoch())}
    payload = check_payload(joined, DURABLE, "participant")
    check_shape(Participant, payload["participant"])
    assert payload["participant"]["user_id"] == str(guest.id)
    assert payload["participant"]["is_online"] is True
    message = check_payload(system, DURABLE, "message")["message"]
    check_shape(Message, message)
    assert message["message_type"] == "system"
    assert message["user_id"] is None
    assert "Bob" in message["content"]


async def test_a_leave_says_who_went_and_writes_a_system_message(space: Space) -> None:
    guest = await space.newcomer("Bob")
    left, system = await published_by(space, "leave_room", guest)
    assert (left.event, system.event) == ("room:participant-left", "room:message-received")
    payload = check_payload(left, DURABLE, "participants", "reason")
    assert payload["reason"] == "left"
    (participant,) = payload["participants"]
    check_shape(Participant, participant)
    assert participant["user_id"] == str(guest.id)
    assert participant["is_online"] is False
    assert "Bob" in system.payload["message"]["content"]


async def test_a_message_is_published_whole(space: Space) -> None:
    ada = await space.enter(space.host, "Ada")
    message_id = uuid4()
    (event,) = await published_by(
        space, "insert_message", ada, p_content="hello", p_metadata={"mood": "fine"}, p_id=message_id
    )
    assert event.event == "room:message-received"
    message = check_payload(event, DURABLE, "message")["message"]
    check_shape(Message, message)
    assert message == {
        **message,
        "id": str(message_id),
        "room_id": str(space.id),
        "user_id": str(ada.id),
        "message_type": "user_text",
        "content": "hello",
        "metadata": {"mood": "fine"},
        "seq": event.pos,
        "revision": event.pos,
        "status": "final",
        "reply_to": None,
        "display_name": "Ada",
        "sender_kind": "human",
    }
    answered = await space.call(ada, "get_room_messages", p_limit=1)
    assert answered["items"] == [message]


async def test_a_batch_publishes_each_message_in_order(space: Space) -> None:
    ada = await space.enter(space.host)
    ids = [str(uuid4()) for _ in range(3)]
    drafts = [{"id": each, "content": f"message {number}"} for number, each in enumerate(ids)]
    events = await published_by(space, "insert_messages", ada, p_messages=drafts)
    assert [event.payload["message"]["id"] for event in events] == ids
    assert [event.pos for event in events] == list(range(await space.head() - 2, await space.head() + 1))


async def test_a_change_of_state_is_published_whole(space: Space) -> None:
    ada = await space.enter(space.host)
    (event,) = await published_by(space, "update_room_state", ada, p_changes={"mode": "playful", "settings": {"a": 1}})
    assert event.event == "room:state-updated"
    state = check_payload(event, DURABLE, "state")["state"]
    check_shape(RoomState, state)
    assert state["mode"] == "playful"
    assert state["settings"] == {"a": 1}
    assert state["host"] == str(space.host.id)


@pytest.mark.parametrize(("is_on", "name"), [(True, "room:voice-started"), (False, "room:voice-stopped")])
async def test_voice(space: Space, is_on: bool, name: str) -> None:
    ada = await space.enter(space.host)
    await space.call(ada, "set_voice", p_on=not is_on)
    (event,) = await published_by(space, "set_voice", ada, p_on=is_on)
    assert event.event == name
    assert check_payload(event, DURABLE, "user_id")["user_id"] == str(ada.id)


async def test_a_change_of_kind(space: Space) -> None:
    ada, guest = await space.enter(space.host), await space.newcomer()
    (event,) = await published_by(space, "set_participant_kind", ada, p_user_id=guest.id, p_kind="bot")
    assert event.event == "room:participant-updated"
    participant = check_payload(event, DURABLE, "participant")["participant"]
    check_shape(Participant, participant)
    assert (participant["user_id"], participant["kind"]) == (str(guest.id), "bot")


async def test_a_signal_takes_no_step(space: Space) -> None:
    ada = await space.enter(space.host)
    head = await space.head()
    (event,) = await published_by(space, "signal", ada, p_kind="typing", p_payload={"field": "body"}, p_ttl_s=2.5)
    assert event.event == "room:signal"
    payload = check_payload(event, FLEETING, "user_id", "kind", "payload", "ttl_s")
    assert payload["user_id"] == str(ada.id)
    assert (payload["kind"], payload["payload"], payload["ttl_s"]) == ("typing", {"field": "body"}, 2.5)
    assert payload["head"] == head == await space.head()


@pytest.mark.parametrize(
    ("rpc", "argument", "field", "value"),
    [("mute_participant", "p_is_muted", "is_muted", True), ("set_participant_role", "p_role", "role", "moderator")],
)
async def test_a_change_of_a_participant(space: Space, rpc: str, argument: str, field: str, value: object) -> None:
    ada, guest = await space.enter(space.host), await space.newcomer()
    (event,) = await published_by(space, rpc, ada, p_user_id=guest.id, **{argument: value})
    assert event.event == "room:participant-updated"
    participant = check_payload(event, DURABLE, "participant")["participant"]
    check_shape(Participant, participant)
    assert (participant["user_id"], participant[field]) == (str(guest.id), value)


async def test_a_mute_ends_voice_in_the_same_step(space: Space) -> None:
    ada, guest = await space.enter(space.host), await space.newcomer()
    await space.call(guest, "set_voice", p_on=True)
    (event,) = await published_by(space, "mute_participant", ada, p_user_id=guest.id, p_is_muted=True)
    assert event.payload["participant"]["voice_since"] is None


async def test_another_host(space: Space) -> None:
    ada, guest = await space.enter(space.host), await space.newcomer()
    (event,) = await published_by(space, "transfer_host", ada, p_user_id=guest.id)
    assert event.event == "room:state-updated"
    state = check_payload(event, DURABLE, "state")["state"]
    check_shape(RoomState, state)
    assert state["host"] == str(guest.id)


async def test_another_code(space: Space) -> None:
    ada = await space.enter(space.host)
    (event,) = await published_by(space, "rotate_code", ada)
    assert event.event == "room:state-updated"
    payload = check_payload(event, DURABLE, "state", "room_code")
    check_shape(RoomState, payload["state"])
    assert payload["room_code"] == await space.db.value("select room_code from public.rooms where id = %s", [space.id])
    assert payload["room_code"] != space.code


@pytest.mark.parametrize("word", ["kick", "ban"])
async def test_a_removal_sends_the_old_topic_away_and_goes_on_with_the_new_one(space: Space, word: str) -> None:
    ada, guest = await space.enter(space.host), await space.newcomer()
    old = await space.topic()
    events = await published_by(space, f"{word}_participant", ada, p_user_id=guest.id)
    new = await space.topic()
    assert new != old
    (moved,) = named(events, "room:moved")
    assert moved.topic == old
    assert set(moved.payload) - {"id"} == FLEETING - {"id"}
    (left,) = named(events, "room:participant-left")
    assert left.topic == old, "those who stay are not on the new one yet"
    payload = check_payload(left, DURABLE, "participants", "reason")
    assert payload["reason"] == {"kick": "kicked", "ban": "banned"}[word]
    assert [each["user_id"] for each in payload["participants"]] == [str(guest.id)]
    await space.say(ada, "he is gone")
    assert (await space.broadcasts())[-1].topic == new
    assert [event.event for event in await space.broadcasts() if event.topic == old][-1] == "room:moved"


async def test_a_deleted_room_says_so_before_it_is_gone(space: Space) -> None:
    ada = await space.enter(space.host)
    topic = await space.topic()
    (event,) = await published_by(space, "delete_room", ada)
    assert (event.event, event.topic) == ("room:deleted", topic)
    check_payload(event, FLEETING)


async def test_what_realtime_could_not_carry_goes_without_its_content(space: Space) -> None:
    bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
    message_id = uuid4()
    (event,) = await published_by(
        space, "insert_message", bot, p_content="ä" * 150_000, p_message_type="ai_response", p_id=message_id
    )
    payload = check_payload(event, DURABLE, "message", "message_id", "is_truncated")
    assert payload["message"] is None
    assert payload["message_id"] == str(message_id)
    assert payload["is_truncated"] is True


async def test_what_just_fits_goes_whole(space: Space) -> None:
    bot = await space.newcomer("bot", app_metadata={"spaces_kind": "bot"})
    (event,) = await published_by(space, "insert_message", bot, p_content="a" * 150_000, p_message_type="ai_response")
    assert len(check_payload(event, DURABLE, "message")["message"]["content"]) == 150_000

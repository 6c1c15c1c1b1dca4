"""Rubbish from the wire and lies of a server: counted, logged once a kind, and nothing after them is lost."""

from __future__ import annotations

import logging
from typing import Any, cast
from uuid import uuid4

import pytest

from spaces_sdk.errors import RemovedError
from spaces_sdk.events import ConnectionState
from spaces_sdk.models import JsonObject, LeaseStatus, SyncPage
from spaces_sdk.realtime.events import BroadcastReceived
from tests.support.clock import settle
from tests.support.fake_room import FakeApi, LooseRoom
from tests.unit.session.conftest import World

pytestmark = pytest.mark.unit

HUGE = "x" * 3_000_000
LARGEST = 2**63 - 1

RUBBISH: list[tuple[str, str, Any]] = [
    ("no_object", "room:message-received", [1, 2]),
    ("text", "room:message-received", "hello"),
    ("nothing", "room:message-received", None),
    ("bytes", "room:message-received", b"\x00\xff"),
    ("another_room", "room:message-received", {"room_id": str(uuid4()), "pos": 2}),
    ("no_room", "room:state-updated", {"pos": 2}),
    ("no_pos", "room:message-received", {"message": {}}),
    ("pos_is_text", "room:message-received", {"pos": "2", "message": {}}),
    ("pos_is_true", "room:participant-left", {"pos": True}),
    ("pos_is_zero", "room:participant-left", {"pos": 0}),
    ("pos_is_negative", "room:voice-started", {"pos": -5}),
    ("pos_is_beyond_all", "room:voice-started", {"pos": 2**64}),
    ("signal_without_kind", "room:signal", {"user_id": str(uuid4())}),
    ("signal_for_ever", "room:signal", {"user_id": str(uuid4()), "kind": "typing", "ttl_s": 1e300}),
    ("chunk_of_nothing", "room:message-chunk", {"head": 1}),
    ("chunk_before_the_start", "room:message-chunk", {"message_id": str(uuid4()), "offset": -1, "text": "a"}),
    ("three_megabytes", "room:message-received", {"pos": HUGE, "message": HUGE}),
    ("a_name_of_three_megabytes", HUGE, "x"),
]


def push(world: World, event: str, payload: Any) -> None:
    """Straight to the channels; a dictionary is of this room unless it says so."""
    if isinstance(payload, dict) and event != "room:state-updated":
        payload = {"room_id": str(world.room.id), **cast("JsonObject", payload)}
    for channel in world.room.faults.channels:
        channel.push(BroadcastReceived(event, payload))


@pytest.mark.parametrize(("event", "payload"), [row[1:] for row in RUBBISH], ids=[row[0] for row in RUBBISH])
async def test_rubbish_is_counted_said_once_and_left_behind(
    world: World, caplog: pytest.LogCaptureFixture, event: str, payload: Any
) -> None:
    session, reader = await world.watched()
    with caplog.at_level(logging.INFO, "spaces_sdk.session"):
        for _ in range(3):
            push(world, event, payload)
        await settle()
    world.room.post("after")
    await settle()
    assert reader.told == ["2 after"]
    assert session.is_connected
    assert dict(session.stats.unreadable) == {event[:60]: 3}
    warnings = [record for record in caplog.records if "could not be read" in record.message]
    assert len(warnings) == 1
    assert len(warnings[0].message) < 300


@pytest.mark.parametrize(
    "body", [{}, {"message": None}, {"message": {"id": 1}}, {"message": HUGE}], ids=["empty", "none", "cut", "huge"]
)
async def test_a_step_whose_content_is_rubbish_is_counted_and_read_from_the_database(
    world: World, caplog: pytest.LogCaptureFixture, body: JsonObject
) -> None:
    session, reader = await world.watched()
    world.room.faults.lose(1)
    world.room.post("a")
    push(world, "room:message-received", {"pos": 2, **body})
    await settle()
    assert "2* a" in reader.told
    assert session.is_connected
    assert dict(session.stats.unreadable) == {"room:message-received": 1}
    assert "could not be read" in caplog.text


async def test_events_of_a_later_version_are_counted_and_said_once(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    session, reader = await world.watched()
    with caplog.at_level(logging.INFO, "spaces_sdk.session"):
        for is_durable in (True, True, False, False):
            world.room.say_unknown(is_durable=is_durable)
        await settle()
    world.room.post("after")
    await settle()
    assert reader.told == ["4 after"]
    assert dict(session.stats.unknown) == {"room:poll-opened": 2, "room:weather": 2}
    assert len([record for record in caplog.records if "newer than this version" in record.message]) == 2


async def test_names_from_outside_do_not_fill_the_memory(world: World) -> None:
    session, _ = await world.watched()
    for number in range(500):
        push(world, f"room:x{number}", "rubbish")
        await settle(2)
    counts = session.stats.unreadable
    assert len(counts) <= 51
    assert (sum(counts.values()), counts["other"]) == (500, 450)


async def test_positions_that_go_back_are_counted_and_dropped(world: World) -> None:
    session, reader = await world.watched()
    first = world.room.post("a")
    world.room.post("b")
    await settle()
    body = {"pos": 2, "message": first.model_dump(mode="json")}
    for _ in range(3):
        push(world, "room:message-received", body)
    world.room.post("c")
    await settle()
    assert reader.told == ["2 a", "3 b", "4 c"]
    assert session.stats.duplicates == 3


async def test_a_message_of_three_megabytes_comes_whole(world: World) -> None:
    session, reader = await world.watched()
    world.room.config.max_event_bytes = 2 * len(HUGE)
    world.room.post(HUGE)
    world.room.post("after")
    await settle()
    assert [len(text) for text in reader.told] == [len("2 ") + len(HUGE), len("3 after")]
    assert session.is_connected


@pytest.mark.parametrize("event", ["room:signal", "room:weather"])
async def test_a_head_that_is_a_lie_costs_a_sync_and_nothing_else(world: World, event: str) -> None:
    session, reader = await world.watched()
    push(world, event, {"user_id": str(uuid4()), "kind": "typing", "head": LARGEST})
    await settle()
    world.room.post("after")
    await world.clock.advance(5)
    assert reader.told[-1] == "2 after"
    assert session.is_connected


async def test_a_step_far_above_that_nobody_took_is_not_believed(world: World) -> None:
    session, reader = await world.watched()
    message = world.room.post("a").model_dump(mode="json")
    push(world, "room:message-received", {"pos": LARGEST, "message": {**message, "seq": LARGEST, "revision": LARGEST}})
    await world.clock.advance(5)
    world.room.post("after")
    await world.clock.advance(5)
    assert [text for text in reader.told if text[0].isdigit()] == ["2 a", "3 after"]
    assert session.is_connected
    assert session.position == 3


class LyingApi(FakeApi):
    """Its heartbeats and syncs say what they are told to."""

    head: int | None = None
    reach: int | None = None

    async def heartbeat(self, connection_ids: Any, *, timeout_s: float = 10.0) -> list[LeaseStatus]:
        answers = await super().heartbeat(connection_ids, timeout_s=timeout_s)
        return [a if self.head is None else a.model_copy(update={"head": self.head}) for a in answers]

    async def sync_room(self, *arguments: Any, **named: Any) -> SyncPage:
        page = await super().sync_room(*arguments, **named)
        return page if self.reach is None else page.model_copy(update={"to": self.reach, "head": self.reach})


async def test_heartbeats_that_promise_more_than_there_is(world: World) -> None:
    api = LyingApi(world.room)
    session, reader = await world.watched(api=api)
    api.head = LARGEST
    await world.clock.advance(100)
    world.room.post("after")
    await settle()
    assert reader.told[-1] == "2 after"
    assert session.is_connected
    assert session.stats.gaps["heartbeat_ahead"] <= 8


async def test_a_sync_that_reaches_back_is_told_and_tried_again(world: World) -> None:
    api = LyingApi(world.room)
    session, reader = await world.watched(api=api)
    world.room.post("a")
    await settle()
    api.reach = 0
    world.room.faults.lose(1)
    world.room.post("b")
    world.room.post("c")
    await world.clock.advance(5)
    assert not session.is_connected
    assert reader.told.count("error: protocol") == 1
    api.reach = None
    await world.clock.advance(5)
    assert [text for text in reader.told if "*" in text] == ["3* b", "4* c"]
    assert session.is_connected


async def test_a_database_that_was_set_back_is_no_silent_end(world: World) -> None:
    """Its new steps carry numbers that the session has had: without a word they would all be dropped."""
    session, reader = await world.watched()
    for text in "abc":
        world.room.post(text)
    await settle()
    set_back(world.room, 2)
    world.room.post("never heard of")
    await world.clock.advance(70)
    assert "gap after 4: database_behind" in reader.told
    await world.clock.advance(150)
    assert session.connection_state is ConnectionState.FAILED
    assert isinstance(reader.error, RemovedError)


class BusyApi(FakeApi):
    """Somebody speaks while each answer to a heartbeat is on its way."""

    async def heartbeat(self, connection_ids: Any, *, timeout_s: float = 10.0) -> list[LeaseStatus]:
        answers = await super().heartbeat(connection_ids, timeout_s=timeout_s)
        self.room.post("meanwhile")
        await settle(5)
        return answers


async def test_an_answer_that_is_older_than_what_came_meanwhile_is_no_set_back(world: World) -> None:
    session, reader = await world.watched(api=BusyApi(world.room))
    await world.clock.advance(200)
    assert session.is_connected
    assert session.stats.heartbeats >= 8
    assert all("meanwhile" in text for text in reader.told)


def set_back(room: LooseRoom, head: int) -> None:
    room.head = head
    room.messages = {key: message for key, message in room.messages.items() if message.seq <= head}

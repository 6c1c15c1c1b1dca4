"""The room as a session sees it."""

from __future__ import annotations

import pytest

from spaces_sdk.events import (
    LeftReason,
    MessageChunk,
    MessageReceived,
    MessageUpdated,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    StateUpdated,
    VoiceStarted,
    VoiceStopped,
)
from spaces_sdk.models import MessageStatus, Role
from spaces_sdk.session.view import RoomView
from tests.support.clock import START, FakeClock
from tests.support.fake_room import LooseRoom

pytestmark = pytest.mark.unit


@pytest.fixture
def room() -> LooseRoom:
    return LooseRoom(FakeClock())


def joined_view(room: LooseRoom, *, message_count: int = 200) -> RoomView:
    return RoomView(room.join(room.host, "Ada", None, 200), message_count=message_count)


def test_it_begins_with_what_the_join_answered(room: LooseRoom) -> None:
    room.post("a")
    view = joined_view(room)
    assert [m.content for m in view.messages] == ["a"]
    assert [p.display_name for p in view.participants] == ["Ada"]
    assert view.state.mode == "gangster"
    assert view.me.user_id == room.host


def test_messages_are_kept_in_order_and_the_newest_only(room: LooseRoom) -> None:
    view = joined_view(room, message_count=3)
    rows = [room.post(str(number)) for number in range(5)]
    for row in (rows[0], rows[2], rows[1], rows[4], rows[3]):
        view.apply(MessageReceived(pos=row.seq, message=row))
    assert [m.content for m in view.messages] == ["2", "3", "4"]
    view.apply(MessageUpdated(pos=room.head + 1, message=rows[0].model_copy(update={"content": "old"})))
    assert [m.content for m in view.messages] == ["2", "3", "4"]


def test_an_older_revision_does_not_overwrite_a_newer_one(room: LooseRoom) -> None:
    view = joined_view(room)
    first = room.post("a")
    second = room.edit(first, "b")
    view.apply(MessageReceived(pos=first.seq, message=second))
    view.apply(MessageUpdated(pos=first.seq, message=first))
    assert [m.content for m in view.messages] == ["b"]


def test_reactions_and_tombstones_come_by_revision(room: LooseRoom) -> None:
    view = joined_view(room)
    said = room.post("a")
    liked = room.change(said.id, reactions={"👍": 2})
    gone = room.change(said.id, content="", reactions={}, status=MessageStatus.DELETED)
    for row, expected in ((said, said), (liked, liked), (said, liked), (gone, gone), (liked, gone)):
        view.apply(
            MessageUpdated(pos=row.revision, message=row) if row != said else MessageReceived(pos=1, message=row)
        )
        assert view.messages == [expected]


def test_chunks_grow_a_streaming_message_where_they_fit(room: LooseRoom) -> None:
    view = joined_view(room)
    row = room.post("He").model_copy(update={"status": MessageStatus.STREAMING})
    view.apply(MessageReceived(pos=row.seq, message=row))
    for offset, text, expected in (
        (2, "llo", [(2, "llo")]),
        (2, "llo", []),
        (8, "u?", []),
        (3, "lo yo", [(5, " yo"), (8, "u?")]),
        (0, "Hello", []),
    ):
        told = view.hear(MessageChunk(message_id=row.id, offset=offset, text=text), row.seq)
        assert [(chunk.offset, chunk.text) for chunk in told] == expected, (offset, text)
    assert [m.content for m in view.messages] == ["Hello you?"]
    assert not view.lacks_chunks(row.seq)


def test_an_older_reading_does_not_shorten_what_has_grown(room: LooseRoom) -> None:
    view = joined_view(room)
    row = room.begin()
    view.apply(MessageReceived(pos=row.seq, message=row))
    view.hear(MessageChunk(message_id=row.id, offset=0, text="Hello"), row.seq)
    for content, expected in (("Hel", "Hello"), ("Hello you", "Hello you")):
        view.apply(MessageReceived(pos=row.seq, message=row.model_copy(update={"content": content})))
        assert [m.content for m in view.messages] == [expected]


def test_what_waits_is_bounded_and_what_is_dropped_shows(room: LooseRoom) -> None:
    view = joined_view(room)
    row = room.begin()
    for offset in range(600):
        view.hear(MessageChunk(message_id=row.id, offset=offset, text="x"), row.seq)
    view.apply(MessageReceived(pos=row.seq, message=row))
    assert view.grow(row.id) == []
    assert view.lacks_chunks(row.seq)
    assert len(view.hear(MessageChunk(message_id=row.id, offset=0, text="x" * 400), row.seq)) == 201
    assert not view.lacks_chunks(row.seq)


def test_participants_come_and_go(room: LooseRoom) -> None:
    view = joined_view(room)
    bob = room.participants[room.bring("Bob")]
    view.apply(ParticipantJoined(pos=room.head, participant=bob))
    assert [(p.display_name, p.is_online) for p in view.participants] == [("Ada", True), ("Bob", True)]
    view.apply(ParticipantLeft(pos=room.head + 1, participants=[bob], reason=LeftReason.TIMEOUT))
    assert [(p.display_name, p.is_online) for p in view.participants] == [("Ada", True), ("Bob", False)]
    view.apply(ParticipantLeft(pos=room.head + 2, participants=[bob], reason=LeftReason.KICKED))
    assert [p.display_name for p in view.participants] == ["Ada"]


def test_state_and_voice(room: LooseRoom) -> None:
    view = joined_view(room)
    state = room.state.model_copy(update={"mode": "playful", "name": "New"})
    view.apply(StateUpdated(pos=5, state=state))
    assert (view.room.current_mode, view.room.name, view.state.mode) == ("playful", "New", "playful")
    view.apply(VoiceStarted(pos=6, user_id=room.host), START)
    assert view.me.voice_since == START
    view.apply(VoiceStopped(pos=7, user_id=room.host))
    assert view.me.voice_since is None


def test_a_snapshot_is_not_undone_by_an_event_that_it_contains(room: LooseRoom) -> None:
    view = joined_view(room)
    bob = room.bring("Bob")
    came = ParticipantJoined(pos=room.head, participant=room.participants[bob])
    room.send_home(bob)
    view.apply_snapshot(room.sync(0))
    view.apply(came)
    assert [(p.display_name, p.is_online) for p in view.participants] == [("Ada", True), ("Bob", False)]


def test_what_is_handed_out_is_a_copy(room: LooseRoom) -> None:
    view = joined_view(room)
    view.participants.clear()
    view.messages.append(room.post("x"))
    assert len(view.participants) == 1
    assert view.messages == []


def test_a_new_host_is_host_and_the_old_one_a_member(room: LooseRoom) -> None:
    bob = room.bring("Bob")
    view = joined_view(room)
    view.apply(StateUpdated(pos=room.head + 1, state=room.state.model_copy(update={"host": bob})))
    assert {p.user_id: p.role for p in view.participants} == {bob: Role.HOST, room.host: Role.MEMBER}
    assert (view.me.role, view.room.host_user_id) == (Role.MEMBER, bob)


def test_a_new_code_is_the_rooms(room: LooseRoom) -> None:
    view = joined_view(room)
    view.apply(StateUpdated(pos=room.head + 1, state=room.state, room_code="AAAAAA"))
    assert view.room.room_code == "AAAAAA"
    view.apply(StateUpdated(pos=room.head + 2, state=room.state))
    assert view.room.room_code == "AAAAAA"


def test_who_is_muted_or_banned(room: LooseRoom) -> None:
    bob = room.bring("Bob")
    view = joined_view(room)
    muted = room.participants[bob].model_copy(update={"is_muted": True})
    view.apply(ParticipantUpdated(pos=room.head + 1, participant=muted))
    assert [p.is_muted for p in view.participants if p.user_id == bob] == [True]
    view.apply(ParticipantLeft(pos=room.head + 2, participants=[muted], reason=LeftReason.BANNED))
    assert [p.user_id for p in view.participants] == [room.host]

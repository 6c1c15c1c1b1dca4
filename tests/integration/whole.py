"""What is asked of sessions in live tests: that they are live, whole, and at the room's head."""

from __future__ import annotations

from uuid import UUID

from spaces_sdk.events import CaughtUp, MessageReceived, RoomJoined
from spaces_sdk.session import RoomSession
from tests.integration.people import Visit
from tests.support.eventually import eventually


def heard(visit: Visit) -> list[str]:
    """What people said after this session's join, as its reader told it."""
    return [e.message.content for e in visit.events if isinstance(e, MessageReceived) and e.message.user_id is not None]


def unbroken(visit: Visit) -> None:
    """Every step from the join to the session's position is an event or inside a catch-up, once and in order."""
    first = visit.events[0]
    assert isinstance(first, RoomJoined)
    position = first.pos or 0
    seqs: list[int] = []
    for event in visit.events[1:]:
        if isinstance(event, MessageReceived):
            seqs.append(event.message.seq)
        if isinstance(event, CaughtUp):
            assert event.from_pos == position
            position = event.to_pos
        elif event.pos is not None and not event.is_replayed:
            assert event.pos == position + 1
            position = event.pos
    assert seqs == sorted(set(seqs))
    assert position == visit.session.position


async def is_live(session: RoomSession, within_s: float = 60.0) -> None:
    await eventually(lambda: session.is_connected, within_s, what=lambda: f"LIVE: {session!r}, {session.stats}")


async def same_position(*visits: Visit) -> None:
    """All sessions have heard of the room's last step, and their readers told it."""

    def told(visit: Visit) -> int:
        return max((e.to_pos if isinstance(e, CaughtUp) else e.pos or 0) for e in visit.events)

    async def is_so() -> bool:
        head = (await visits[0].user.spaces.rooms.sync_room(room_of(visits[0]), 0)).head
        return all(visit.session.position == told(visit) == head for visit in visits)

    await eventually(is_so, what=lambda: str([(v.session, told(v)) for v in visits]))


def room_of(visit: Visit) -> UUID:
    room = visit.session.current_room
    assert room is not None
    return room.id

"""Gaps of a hundred thousand messages: told whole, in order, page by page, in memory that does not grow with them."""

from __future__ import annotations

import gc
from collections.abc import AsyncIterator
from uuid import UUID

import pytest

from spaces_sdk.events import CatchUpProgressed, CaughtUp, Event, MessageReceived, RoomJoined
from spaces_sdk.models import JsonObject, Message, MessageType, SyncPage
from spaces_sdk.realtime import CloseReason
from spaces_sdk.session import EventStream, SessionOptions
from tests.support.clock import START, settle
from tests.support.fake_room import FakeApi
from tests.unit.session.conftest import World

pytestmark = pytest.mark.stress

COUNT = 100_000
PAGE = 200
# The log keeps 512 events, the session 200 messages; each reader and the session hold a page.
MOST_MESSAGES = 512 + 200 + 4 * PAGE


class Archive(FakeApi):
    """A room with a long past, whose rows are made when they are asked for."""

    async def sync_room(
        self,
        room_id: UUID | str,
        after: int,
        *,
        to: int | None = None,
        cursor: JsonObject | None = None,
        timeout_s: float = 10.0,
    ) -> SyncPage:
        reach = self.room.head if to is None else to
        first = (after if cursor is None else int(str(cursor["at"]))) + 1
        last = min(first + PAGE - 1, reach)
        page = self.room.sync(self.room.head, self.room.head)
        is_last = last == reach
        return page.model_copy(
            update={
                "messages": [self.row(seq) for seq in range(first, last + 1)],
                "to": reach,
                "cursor": None if is_last else {"phase": 1, "at": last},
                "participants": page.participants if is_last else None,
                "state": page.state if is_last else None,
            }
        )

    def row(self, seq: int) -> Message:
        """The message of a step; not validated, for there are many."""
        return Message.model_construct(
            id=UUID(int=seq),
            room_id=self.room.id,
            user_id=self.room.host,
            message_type=MessageType.USER_TEXT,
            content=str(seq),
            created_at=START,
            updated_at=START,
            seq=seq,
            revision=seq,
            display_name="Ada",
            sender_kind="human",
        )


def messages_alive() -> int:
    return sum(type(each) is Message for each in gc.get_objects())


async def read_to_the_end(stream: EventStream) -> tuple[list[int], list[CatchUpProgressed], int]:
    """The seqs of all messages up to the last `CaughtUp`, the progress told, and the most messages alive at a time."""
    seqs: list[int] = []
    progress: list[CatchUpProgressed] = []
    most = 0
    async for event in stream:
        match event:
            case MessageReceived(message=message):
                seqs.append(message.seq)
                if message.seq % (COUNT // 10) == 0:
                    most = max(most, messages_alive())
            case CatchUpProgressed():
                assert event.at_pos == seqs[-1], "told where it stands"
                progress.append(event)
            case CaughtUp(to_pos=to_pos) if to_pos >= COUNT:
                break
            case _:
                pass
    return seqs, progress, most


async def first_messages(stream: EventStream, count: int) -> AsyncIterator[MessageReceived]:
    """So many messages, whatever stands between them."""
    async for event in stream:
        if isinstance(event, MessageReceived):
            yield event
            count -= 1
        if count == 0:
            return


def check_progress(progress: list[CatchUpProgressed], *, after: int, to: int) -> None:
    assert {(each.from_pos, each.to_pos) for each in progress} == {(after, to)}
    assert [each.message_count for each in progress] == sorted({each.message_count for each in progress})
    assert len(progress) == -(-(to - after) // PAGE) - 1, "one a page but the last, not one a message"


async def test_a_reader_resumes_after_a_hundred_thousand_messages(world: World) -> None:
    world.room.head = COUNT - 1  # the join is the next step
    session = await world.live(api=Archive(world.room))
    stream = session.events(since=3)
    alive = messages_alive()
    seqs, progress, most = await read_to_the_end(stream)
    assert seqs == list(range(4, COUNT + 1))
    check_progress(progress, after=3, to=COUNT)
    assert most - alive <= MOST_MESSAGES
    assert stream.position == COUNT == session.position


async def test_a_session_that_was_away_for_a_hundred_thousand_messages(world: World) -> None:
    api = Archive(world.room)
    session = await world.live(api=api, options=SessionOptions())
    fast, slow = session.events(), session.events()
    first: Event = await anext(slow)
    assert isinstance(first, RoomJoined)
    alive = messages_alive()
    world.room.head = COUNT
    world.room.faults.close_channels(CloseReason.SOCKET_LOST)
    seqs, progress, most = await read_to_the_end(fast)
    assert seqs == list(range(2, COUNT + 1))
    assert most - alive <= MOST_MESSAGES, "the one that is not read holds nothing"
    check_progress(progress, after=1, to=COUNT)
    await settle()
    assert session.is_connected
    assert session.stats.replayed == COUNT - 1
    assert [message.seq for message in session.messages] == list(range(COUNT - 199, COUNT + 1))

    later = [event.message.seq async for event in first_messages(slow, 1000)]
    assert later == list(range(2, 1002)), "the other one has all of it too, when it wants it"

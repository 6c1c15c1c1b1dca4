"""From the events that a reader yields to lines of the journal."""

from __future__ import annotations

import time
import zlib

from spaces_sdk.events import (
    CaughtUp,
    ConnectionStateChanged,
    Event,
    EventsDropped,
    GapDetected,
    MessageReceived,
    MessageUpdated,
    RoomJoined,
)
from tests.chaos.lines import Line, What


def line_of(event: Event, position: int) -> Line | None:
    """The line to write; None for what is not durable and changes nothing."""
    at_s = time.monotonic()
    match event:
        case MessageReceived(message=message) | MessageUpdated(message=message):
            return Line(
                what=What.TOLD,
                at_s=at_s,
                name=type(event).__name__,
                pos=event.pos,
                position=position,
                is_replayed=event.is_replayed,
                message_id=str(message.id),
                seq=message.seq,
                revision=message.revision,
                digest=digest_of(message.content),
            )
        case CaughtUp():
            return Line(
                what=What.CAUGHT_UP,
                at_s=at_s,
                pos=event.to_pos,
                position=position,
                from_pos=event.from_pos,
                count=event.message_count,
            )
        case EventsDropped():
            return Line(what=What.DROPPED, at_s=at_s, count=event.count)
        case RoomJoined():
            return Line(what=What.TOLD, at_s=at_s, name="RoomJoined", pos=event.pos, position=position)
        case Event(pos=pos) if pos is not None:
            return Line(
                what=What.TOLD,
                at_s=at_s,
                name=type(event).__name__,
                pos=pos,
                position=position,
                is_replayed=event.is_replayed,
            )
        case _:
            return None


def state_line_of(event: Event) -> Line | None:
    """The line of what happens to the session itself; None for all else."""
    match event:
        case ConnectionStateChanged():
            return Line(what=What.STATE, at_s=time.monotonic(), name=event.state.value)
        case GapDetected():
            return Line(what=What.GAP, at_s=time.monotonic(), name=event.reason.value)
        case _:
            return None


def digest_of(content: str) -> int:
    """A checksum of what a message says."""
    return zlib.crc32(content.encode())

"""What was said lately: what a bot missed, what was begun and not finished, what a host picked."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from spaces_sdk.bots.port import SessionPort
from spaces_sdk.models import Message, PickedTurn
from spaces_sdk.turns import BotEntry

logger = logging.getLogger("spaces_sdk.bots")

PAGE: Final = 200
MOST_PAGES: Final = 5


@dataclass(frozen=True, slots=True)
class MissedBounds:
    """What of it is handled later.

    Attributes:
        within_s: Seconds since it was said.
        count: Messages, the newest.
    """

    within_s: float = 600.0
    count: int = 100


@dataclass(slots=True)
class Missed:
    """What a replica that starts finds to do, in the room's order.

    Attributes:
        messages: Said by others after the kept position.
        begun: Older ones, with the purposes that were claimed for them and not finished.
    """

    messages: list[Message] = field(default_factory=list[Message])
    begun: list[tuple[Message, frozenset[str]]] = field(default_factory=list[tuple[Message, frozenset[str]]])


async def find_missed(
    session: SessionPort, entry: BotEntry, messages: Sequence[Message], head: int, since: datetime, count: int
) -> Missed:
    """What was said up to a step and is not known to be handled.

    Args:
        session: Reads what is older than the messages.
        entry: Where the bot stands in the room.
        messages: The newest, as the session joined.
        head: The step up to which this looks; what comes after it comes as an event.
        since: Older ones are left.
        count: At most so many messages, the newest.
    """
    if entry.position is None:
        return Missed()
    position = entry.position
    purposes: dict[int, set[str]] = {}
    for claim in entry.open:
        if claim.message_id is not None and claim.position <= position:
            purposes.setdefault(claim.position, set()).add(claim.purpose)
    oldest = min([*purposes, position + 1])
    recent = [message for message in messages if message.seq <= head]
    for _ in range(MOST_PAGES):
        if not recent or recent[0].seq <= oldest or recent[0].created_at < since:
            break
        page = await session.history(before=recent[0].seq, limit=PAGE)
        if not page.items:
            break
        recent = [*page.items, *recent]
    recent = [message for message in recent if message.updated_at >= since]
    me = session.me
    newer = [m for m in recent if m.seq > position and m.user_id not in (None, me and me.user_id)]
    return Missed(
        messages=newer[-count:] if count > 0 else [],
        begun=[(m, frozenset(purposes[m.seq])) for m in recent if m.seq in purposes],
    )


async def find_picked(session: SessionPort, pick: PickedTurn) -> Message | None:
    """The message of a pick: one that the session has, or an older one; at most 1000 back."""
    before: int | None = None
    for _ in range(MOST_PAGES):
        found = session.find_message(pick.message_id)
        page = await session.history(before=before, limit=PAGE)
        found = found or next((message for message in page.items if message.id == pick.message_id), None)
        if found is not None:
            return found
        if page.next_cursor is None:
            break
        before = int(page.next_cursor)
    logger.warning("the message %s was picked, and is not to be found", pick.message_id)
    return None

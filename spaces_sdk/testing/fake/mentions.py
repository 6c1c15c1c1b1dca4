"""What a message says about who answers it: whom it names, and how many bots have answered bots before it."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from spaces_sdk.models import Kind, Message, Participant
from spaces_sdk.testing.fake.messages import Messages

MOST_MENTIONS: Final = 50
LOOKED_AT: Final = 120
"""Characters after an @: more than a name and what follows it."""
DEEPEST: Final = 101


def mentioned_bots(room: Messages, message: Message) -> set[UUID]:
    """The bots that a message is for: those that it names, and the author of what it replies to."""
    answered = room.messages.get(message.reply_to) if message.reply_to else None
    ids = named_users(room.participants.values(), message.content) | {answered.user_id if answered else None}
    return {p.user_id for p in room.participants.values() if p.kind is Kind.BOT and p.user_id in ids}


def named_users(people: Iterable[Participant], content: str) -> set[UUID | None]:
    """Whose name stands behind an @, in any case and whole; the longest, where one begins with another."""
    named: set[UUID | None] = set()
    names = [(p.display_name.lower(), p.user_id) for p in people]
    for at in [m.start() for m in re.finditer("@", content)][:MOST_MENTIONS]:
        if at and re.match(r"\w", content[at - 1]):
            continue
        said = content[at + 1 :][:LOOKED_AT].lower()
        found = [(n, who) for n, who in names if said.startswith(n) and not re.match(r"\w", said[len(n) : len(n) + 1])]
        longest = max((len(name) for name, _ in found), default=0)
        named |= {who for name, who in found if len(name) == longest}
    return named


def depth_of(room: Messages, message: Message) -> int:
    """How many times in a row bots have answered bots, up to a message."""
    depth, at = 0, message
    while at.sender_kind == Kind.BOT and depth < DEEPEST:
        depth += 1
        if at.reply_to is None:
            return min(DEEPEST, depth + _bots_before(room, at))
        answered = room.messages.get(at.reply_to)
        if answered is None:
            break
        at = answered
    return depth


def _bots_before(room: Messages, message: Message) -> int:
    """Messages of bots since a human has spoken."""
    count = 0
    for each in reversed(room.rows):
        if each.seq < message.seq and each.sender_kind != "system":
            if each.sender_kind != Kind.BOT or count == DEEPEST:
                break
            count += 1
    return count

"""Who says what, as a model reads it: marks that a name or a message cannot forge."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from typing import Final
from uuid import UUID

from spaces_sdk.models import Message, Participant

RESERVED: Final = ("system", "assistant", "user", "developer", "tool")
"""The roles of chat models: nobody is marked with one of them."""

_LINES: Final = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029]")
"""Where `str.splitlines` sees the end of a line."""


class Speakers:
    """The name under which a model hears each user, the same in every message, and of no two users the same.

    A name is NFKC, without control, format and line characters and without `<` and `>`. Of several users with one
    name the first who joined keeps it, the others are `Ada #2`, `Ada #3`; the bot's own name and the roles of chat
    models are taken from the beginning. Letters of other scripts that look alike are different names.

    Args:
        own: The bot's name.
        participants: Who is in the room.
    """

    def __init__(self, own: str, participants: Iterable[Participant]) -> None:
        self._taken = {name.casefold() for name in RESERVED}
        self._names: dict[UUID | str, str] = {}
        self.own = clean_name(own)
        self._taken.add(self.own.casefold())
        for participant in sorted(participants, key=lambda p: (p.joined_at, p.id)):
            self._name(participant.user_id, participant.display_name)

    def name_of(self, message: Message) -> str:
        """Who wrote it."""
        return self._name(message.user_id or f"gone: {message.display_name}", message.display_name)

    def _name(self, key: UUID | str, name: str) -> str:
        if key not in self._names:
            self._names[key] = self._free(name)
        return self._names[key]

    def _free(self, name: str) -> str:
        name = clean_name(name)
        free, number = name, 1
        while free.casefold() in self._taken:
            number += 1
            free = f"{name} #{number}"
        self._taken.add(free.casefold())
        return free


def clean_name(name: str) -> str:
    """A name that stands in one line between `<` and `>`."""
    visible = (c for c in unicodedata.normalize("NFKC", name) if c.isspace() or unicodedata.category(c)[0] != "C")
    return " ".join("".join(c for c in visible if c not in "<>").split()) or "somebody"


def marked(name: str, text: str) -> str:
    """What somebody says, under their mark. Further lines are set in, so that a mark in them is seen to be no mark."""
    return f"<{name}> " + _LINES.sub("\n  ", text)

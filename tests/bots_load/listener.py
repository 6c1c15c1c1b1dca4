"""Somebody who watches one message grow, and holds every moment of it against the one before."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Final
from uuid import UUID

from spaces_sdk.errors import SpacesError
from spaces_sdk.events import (
    Event,
    EventsDropped,
    GapDetected,
    MessageChunk,
    MessageReceived,
    MessageUpdated,
    RoomJoined,
)
from spaces_sdk.models import Message, MessageStatus
from spaces_sdk.session import RoomSession
from tests.bots_load.stage import Guest

_SHOWN: Final = 40


class Listener:
    """Joins, and reads until the message has ended.

    What is told by events and what `find_message` shows are followed apart. Both may only ever grow: then each of them
    was at every moment the beginning of what it is at the end.

    Attributes:
        told: The text by the events alone.
        shown: The text in the session's messages.
        is_there: True from the first join on.
        wrong: What must not be: a hole, something twice, a text that is no continuation.
        gaps: How often it had to ask the database, by reason.
    """

    def __init__(self, guest: Guest, room_code: str, message_id: UUID) -> None:
        self.guest = guest
        self.told = ""
        self.shown = ""
        self.is_there = False
        self.message: Message | None = None
        self.wrong: list[str] = []
        self.gaps: Counter[str] = Counter()
        self._room_code = room_code
        self._message_id = message_id
        self._has_dropped = False
        self._session: RoomSession | None = None

    async def watch(self) -> None:
        """From the join to the end of the message; anew after a failure to join."""
        while self.message is None:
            try:
                async with self.guest.spaces.join(self._room_code, display_name=self.guest.name) as session:
                    self._session = session
                    async for event in session.events():
                        self._follow(event)
                        self._look(session)
                        if self.message is not None:
                            break
            except SpacesError as error:
                if not error.retryable:
                    raise
                await asyncio.sleep(0.2)

    def _follow(self, event: Event) -> None:
        match event:
            case RoomJoined(messages=messages):
                self.is_there = True
                for message in messages:
                    self._take(message)
            case MessageReceived(message=message) | MessageUpdated(message=message):
                self._take(message)
            case MessageChunk() if event.message_id == self._message_id:
                if event.offset > len(self.told) or (event.offset < len(self.told) and not self._has_dropped):
                    self.wrong.append(f"a part for {event.offset} came at {len(self.told)}")
                self._grow("told", event.added_to(self.told))
            case GapDetected(reason=reason):
                self.gaps[reason.value] += 1
            case EventsDropped():
                self._has_dropped = True
            case _:
                pass

    def _take(self, message: Message) -> None:
        if message.id == self._message_id:
            self._grow("told", message.content)
            if message.status is not MessageStatus.STREAMING:
                self.message = message

    def _look(self, session: RoomSession) -> None:
        found = session.find_message(self._message_id)
        if found is not None:
            self._grow("shown", found.content)

    def _grow(self, which: str, text: str) -> None:
        before: str = getattr(self, which)
        if not text.startswith(before):
            self.wrong.append(f"{which} {len(before)} characters …{before[-_SHOWN:]!r}, then …{text[-_SHOWN:]!r}")
        setattr(self, which, text)

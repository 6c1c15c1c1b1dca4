"""Reads one session's `events()` and remembers when each came, so that a step can ask what was seen."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from spaces_sdk.demo.checks import fail
from spaces_sdk.demo.ledger import Ledger, Sighting
from spaces_sdk.errors import SpacesError
from spaces_sdk.events import (
    Event,
    MessageChunk,
    MessageReceived,
    MessageUpdated,
    ParticipantJoined,
    ParticipantLeft,
    RoomJoined,
    SessionEnded,
    VoiceStarted,
    VoiceStopped,
)
from spaces_sdk.models import JsonObject
from spaces_sdk.session import RoomSession

E = TypeVar("E", bound=Event)

# The whole demo brings some hundred events to each witness; more means that something loops.
MAX_EVENTS = 5_000


class Witness:
    """What one participant really saw.

    Attributes:
        name: Of the participant.
        ended_by: The error that ended the iterator; None while it runs, and after an own leave.
    """

    def __init__(self, name: str, session: RoomSession, ledger: Ledger) -> None:
        self.name = name
        self.ended_by: SpacesError | None = None
        self._ledger = ledger
        self._seen: list[tuple[float, Event]] = []
        self._mark = 0
        self._is_over = False
        self._news = asyncio.Event()
        self._task = asyncio.create_task(self._watch(session), name=f"witness of {name}")

    async def _watch(self, session: RoomSession) -> None:
        try:
            async for event in session.events():
                if len(self._seen) >= MAX_EVENTS:
                    return
                self._seen.append((self._ledger.now_ms(), event))
                self._tell()
        except SpacesError as error:
            self.ended_by = error
        finally:
            self._is_over = True
            self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = asyncio.Event()

    def mark(self) -> None:
        """Begin a step: what came before does not count for it."""
        self._mark = len(self._seen)

    async def sees(
        self, kind: type[E], where: Callable[[E], bool] = lambda _: True, *, what: str, within_s: float
    ) -> tuple[E, float]:
        """Wait for an event of this step, note it in the ledger, and return it with its time in ms.

        Args:
            kind: The event's class.
            where: Which of them.
            what: Told when it does not come.
            within_s: Seconds from now; an event that has come already is returned at once.

        Raises:
            CheckFailedError: It did not come in time, or the iterator ended without it.
        """
        try:
            async with asyncio.timeout(within_s):
                while (found := self._find(kind, where)) is None:
                    if self._is_over:
                        fail(expected=f"{self.name} to see {what}", seen=self.recent())
                    await self._news.wait()
        except TimeoutError:
            fail(expected=f"{self.name} to see {what} within {within_s:g} s", seen=self.recent())
        at_ms, event = found
        self._ledger.record(
            Sighting(who=self.name, event=type(event).__name__, pos=event.pos, at_ms=at_ms, ids=_ids_of(event))
        )
        return event, at_ms

    def seen(self, kind: type[E], where: Callable[[E], bool] = lambda _: True) -> list[E]:
        """Those of this step that have come so far."""
        return [event for _, event in self._seen[self._mark :] if isinstance(event, kind) and where(event)]

    def recall(self, kind: type[E]) -> list[E]:
        """Those of the whole visit so far."""
        return [event for _, event in self._seen if isinstance(event, kind)]

    def recent(self) -> str:
        """This step's events in short, for the report of a failure."""
        names = [_short(event) for _, event in self._seen[self._mark :]]
        text = ", ".join(names[-8:]) or "no event"
        return f"{text}; then it ended: {self.ended_by}" if self.ended_by else text

    async def wait_ended(self, within_s: float) -> SpacesError | None:
        """Wait until the iterator has ended, and return the error that it raised, None for an own leave.

        Raises:
            CheckFailedError: It still runs.
        """
        done, _ = await asyncio.wait([self._task], timeout=within_s)
        if not done:
            fail(expected=f"the events of {self.name} to end within {within_s:g} s", seen=self.recent())
        return self.ended_by

    async def aclose(self) -> None:
        """Stop watching. Idempotent."""
        self._task.cancel()
        await asyncio.wait([self._task])

    def _find(self, kind: type[E], where: Callable[[E], bool]) -> tuple[float, E] | None:
        for at_ms, event in self._seen[self._mark :]:
            if isinstance(event, kind) and where(event):
                return at_ms, event
        return None


def _ids_of(event: Event) -> JsonObject:
    match event:
        case MessageReceived(message=message) | MessageUpdated(message=message):
            return {"message_id": str(message.id), "user_id": str(message.user_id) if message.user_id else None}
        case MessageChunk(message_id=message_id, offset=offset):
            return {"message_id": str(message_id), "offset": offset}
        case ParticipantJoined(participant=participant):
            return {"user_id": str(participant.user_id)}
        case ParticipantLeft(participants=participants, reason=reason):
            return {"user_ids": [str(p.user_id) for p in participants], "reason": str(reason)}
        case VoiceStarted(user_id=user_id) | VoiceStopped(user_id=user_id):
            return {"user_id": str(user_id)}
        case RoomJoined(messages=messages):
            return {"message_ids": [str(message.id) for message in messages]}
        case SessionEnded(reason=reason):
            return {"reason": reason}
        case _:
            return {}


def _short(event: Event) -> str:
    match event:
        case MessageReceived(message=message):
            return f'{message.display_name or message.message_type}: "{message.content[:40]}"'
        case ParticipantJoined(participant=participant):
            return f"{participant.display_name} joined"
        case ParticipantLeft(participants=participants, reason=reason):
            return f"{', '.join(p.display_name for p in participants)} went offline ({reason})"
        case SessionEnded(reason=reason):
            return f"the session ended ({reason})"
        case _:
            return type(event).__name__

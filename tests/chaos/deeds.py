"""What a session does by itself: it says things, one at a time and many at once, edits, reacts, switches voice."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from random import Random
from typing import Final
from uuid import UUID

from spaces_sdk.errors import OutcomeUnknownError, SessionClosedError, SpacesError
from spaces_sdk.models import MessageType
from spaces_sdk.session import RoomSession
from tests.chaos.commands import Order
from tests.chaos.journal import Journal
from tests.chaos.lines import Line, What

_KEPT: Final = 20
# Over the room's limit for one event (`max_event_bytes`, lowered for this): it goes out without its content.
_LARGE: Final = "ж" * 7500


class Deeds:
    """The deeds of one session."""

    def __init__(self, session: RoomSession, order: Order, random: Random, journal: Journal) -> None:
        self._session = session
        self._order = order
        self._random = random
        self._journal = journal
        self._own: deque[UUID] = deque(maxlen=_KEPT)
        self._has_voice = False

    async def run(self, is_quiet: Callable[[], bool]) -> None:
        """Until cancelled, or until the session ends; rests while it is to be quiet."""
        while True:
            await asyncio.sleep(self._random.uniform(0.1, 1.2))
            if is_quiet():
                continue
            try:
                await self._do()
            except SessionClosedError:
                return
            except SpacesError:
                continue  # of what has no outcome that anybody is promised

    async def _do(self) -> None:
        random = self._random
        rare = ["burst", "flood", "large", "edit", "react", "delete", "voice", "signal", "state", "leave", "grow"]
        match random.choice(["send"] * 12 + rare):
            case "send":
                await self._send("x" * random.choice([1, 40, 400]))
            case "burst":
                await asyncio.gather(*(self._send("y" * 20) for _ in range(random.randint(5, 20))))
            case "flood" if random.random() < 0.3:
                await asyncio.gather(*(self._send("z") for _ in range(100)))  # two requests, several pages
            case "large":
                await self._send(_LARGE)
            case "edit" if self._own:
                await self._session.edit(random.choice(self._own), f"edited {random.random()}", timeout_s=5.0)
            case "react" if self._session.messages:
                message = random.choice(self._session.messages)
                await self._session.react(message.id, random.choice("👍🎉"), timeout_s=5.0)
            case "delete" if self._own and random.random() < 0.3:
                await self._session.delete(random.choice(self._own), timeout_s=5.0)
            case "voice":
                self._has_voice = not self._has_voice
                await (self._session.start_voice() if self._has_voice else self._session.stop_voice())
            case "signal":
                await self._session.typing()
            case "state" if self._order.is_host:
                await self._session.update_room_state(settings={"turn": random.random()}, timeout_s=5.0)
            case "grow":
                await self._grow()
            case "leave" if random.random() < 0.3:
                await self._session.leave()  # and come back
            case _:
                pass

    async def _grow(self) -> None:
        """A message that is written while all watch; a process that is killed meanwhile leaves it to the database."""
        async with self._session.stream(message_type=MessageType.USER_TEXT, timeout_s=5.0) as out:
            for number in range(self._random.randint(3, 15)):
                await out.write(f"{number} ")
                await asyncio.sleep(self._random.uniform(0.02, 0.3))

    async def _send(self, text: str) -> None:
        """Send, and write down what became of it, before and after."""
        message_id = UUID(int=self._random.getrandbits(128), version=4)
        token = f"{self._order.index}.{self._order.life}.{message_id.hex[:12]}"
        self._note(What.TRYING, message_id, token=token)
        try:
            message = await self._session.send(
                f"{token} {text}",
                metadata={"token": token},
                message_id=message_id,
                timeout_s=self._random.choice([1.0, 3.0, 10.0]),
            )
        except OutcomeUnknownError:
            self._note(What.UNKNOWN, message_id)
        except SpacesError as error:
            self._note(What.REFUSED, message_id, name=error.code)
            if isinstance(error, SessionClosedError):
                raise
        else:
            self._own.append(message.id)
            self._note(What.STORED, message_id, seq=message.seq)

    def _note(self, what: What, message_id: UUID, *, token: str = "", name: str = "", seq: int | None = None) -> None:
        self._journal.write(
            Line(what=what, at_s=time.monotonic(), message_id=str(message_id), token=token, name=name, seq=seq)
        )

"""A bot that writes, and those who listen to it."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Final

from benchmarks.session.people import Stage
from spaces_sdk.session import PresenceMode, RoomSession, SessionOptions
from spaces_sdk.session.writer import SHORTEST_PAUSE_S

LISTENERS: Final = (1, 20)
PAUSE_S: Final = 0.02
"""Of the model, between two tokens."""


@asynccontextmanager
async def audience(stage: Stage, name: str, listeners: int) -> AsyncGenerator[tuple[RoomSession, list[RoomSession]]]:
    """A room with so many listeners, each on a socket of their own, and a bot; the first one is the host."""
    options = SessionOptions(presence=PresenceMode.OFF)
    async with AsyncExitStack() as held:
        people = [await stage.person(f"Listener {number}") for number in range(listeners)]
        bot = await stage.person("Bot", is_bot=True)
        room = await people[0].rooms.create_room(name, max_participants=max(2, listeners + 1))
        sessions = [
            await held.enter_async_context(person.join(room.room_code, display_name="Listener", options=options))
            for person in people
        ]
        yield await held.enter_async_context(bot.join(room.room_code, display_name="Bot", options=options)), sessions


def interval_ms(listeners: int) -> float:
    """Between two parts, with so many listeners and the bot itself: the default of `stream_messages_per_s`."""
    return max(SHORTEST_PAUSE_S, (listeners + 2) / SessionOptions().stream_messages_per_s) * 1000


def named(listeners: int) -> str:
    """For a row."""
    return f"{listeners} listener{'s' if listeners > 1 else ''}"

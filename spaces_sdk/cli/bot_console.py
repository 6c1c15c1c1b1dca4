"""`spaces bot run --console`: a room without a server, in the terminal."""

from __future__ import annotations

import asyncio
import logging
import sys
from threading import Thread
from typing import Final
from uuid import UUID

import typer

from spaces_sdk.bots import Bot
from spaces_sdk.bots.plain_log import log_to_terminal
from spaces_sdk.cli.growing_lines import GrowingLines
from spaces_sdk.clock import SystemClock
from spaces_sdk.errors import SpacesError
from spaces_sdk.events import Event, MessageChunk, MessageReceived, MessageUpdated
from spaces_sdk.models import MessageStatus, Role
from spaces_sdk.session import RoomSession
from spaces_sdk.testing import TalkRoom

YOU: Final = "you"
LAST_WORDS_S: Final = 5.0
HELP: Final = (
    "/as bob speaks as somebody else, /mode philosopher changes the mode, /stop ends what grows, Ctrl-D leaves."
)


class Console:
    """Shows what the bot says, answers as they grow."""

    def __init__(self, room: TalkRoom) -> None:
        self.room = room
        self._lines = GrowingLines(lambda text: typer.echo(text, nl=False))
        self._texts: dict[UUID, str] = {}

    async def show(self, session: RoomSession) -> None:
        """All that the session hears, until its end."""
        async for event in session.events():
            self._show(event)

    def _show(self, event: Event) -> None:
        bot = self.room.bot
        match event:
            case MessageReceived(message=message) if message.user_id == bot.user_id:
                if message.status is MessageStatus.STREAMING:
                    self._texts[message.id] = message.content
                else:
                    self._lines.line(f"{message.display_name}: {message.content}")
            case MessageChunk(message_id=message_id) if message_id in self._texts:
                text = self._texts[message_id] = event.added_to(self._texts[message_id])
                self._lines.grow(message_id, bot.name, text)
            case MessageUpdated(message=message) if message.id in self._texts:
                del self._texts[message.id]
                note = "(stopped)" if message.status is MessageStatus.STOPPED else ""
                self._lines.end(message.id, message.display_name, message.content, note)
            case _:
                pass

    def stop_growing(self) -> None:
        """End what the bot is saying."""
        for message_id in tuple(self._texts):
            self.room.stop(message_id)

    def remark(self, text: str) -> None:
        """What nobody said."""
        self._lines.line(f"# {text}")


async def talk(bot: Bot) -> None:
    """Say each line of stdin to the bot, until its end or Ctrl-C."""
    log_to_terminal(logging.WARNING)
    clock = SystemClock()
    room = TalkRoom(clock, bot.name, [YOU], bot_role=Role.MODERATOR)
    console = Console(room)
    async with room.join() as session:
        served = bot.serve(session, clock=clock)
        typer.echo(f"# {bot.name} is here; you are the host. {HELP}", err=True)
        lines: asyncio.Queue[str] = asyncio.Queue()
        # A daemon: nothing can wake a thread that waits for the terminal, and the command must end all the same.
        Thread(target=_read, args=(asyncio.get_running_loop(), lines), daemon=True).start()
        serving = asyncio.create_task(served.run(), name="console")
        showing = asyncio.create_task(console.show(session), name="console-show")
        name = YOU
        try:
            while line := await lines.get():
                try:
                    name = _act(console, name, line.strip())
                except SpacesError as error:
                    console.remark(str(error))
            for _ in range(int(LAST_WORDS_S / 0.05)):
                await asyncio.sleep(0.05)
                if session.position == room.head and served.activity.is_quiet:
                    break
        finally:
            serving.cancel()
            await asyncio.wait({serving})
            await session.aclose()
            await asyncio.wait({showing})


def _act(console: Console, name: str, text: str) -> str:
    """Do what a line says, and return who speaks from then on."""
    word, _, rest = text.partition(" ")
    match word:
        case "":
            pass
        case "/as":
            return rest.strip() or YOU
        case "/mode":
            console.room.steer(mode=rest.strip())
        case "/stop":
            console.stop_growing()
        case _:
            console.room.say(name, text)
    return name


def _read(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str]) -> None:
    """Hands over each line, and an empty text at the end."""
    for line in sys.stdin:
        loop.call_soon_threadsafe(lines.put_nowait, line)
    loop.call_soon_threadsafe(lines.put_nowait, "")

"""Makes `streamed_answer.svg`: a conversation on a stack of its own, drawn from what two sessions heard, and when.

    python docs/images/streamed_answer.py

Ada sees two bots answer; Eve comes in the middle, has what was written so far, and sees the rest grow with the others.
One answer ends, the other is stopped by who has asked.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

from drawing import COLUMNS, Drawing, rows_of

from spaces_sdk import Bot, ChatMessage, Context, MessageStatus, RoomSession, Spaces
from spaces_sdk.events import Event, MessageChunk, MessageReceived, MessageUpdated, RoomJoined
from spaces_sdk.local.stack import LocalStack
from spaces_sdk.models import Message, MessageType

SKY = (
    "Sunlight is all colours at once. Air scatters the blue ones far more than the red ones, "
    "so blue comes to you from every side, and red from the sun alone."
)
TEA = (
    "Gladly. It begins in China, some say with an emperor into whose cup a leaf fell. Monks took it to Japan, "
    "traders to Persia, ships to London, where a queen drank it. Then there was the matter of Boston, of which "
    "I shall speak at some length, and of the clippers, which raced each other home with the first leaves of spring."
)


class Reciter:
    """A model that is none: recites a text, a word at a time."""

    name = "canned"

    def __init__(self, text: str, pause_s: float) -> None:
        self._words = text.split(" ")
        self._pause_s = pause_s

    async def answer(self, messages: Sequence[ChatMessage], /) -> AsyncIterator[str]:
        for word in self._words:
            yield f"{word} "
            await asyncio.sleep(self._pause_s)


def reciting_bot(name: str, text: str, pause_s: float) -> Bot:
    bot = Bot(name)

    @bot.on_turn
    async def answer(ctx: Context) -> None:
        await ctx.answer(Reciter(text, pause_s))

    return bot


class Heard:
    """What one session heard of each message, and when: (seconds, text) for each part."""

    def __init__(self, began: float) -> None:
        self._began = began
        self.names: dict[object, str] = {}
        self.parts: dict[object, list[tuple[float, str]]] = {}
        self.stopped: dict[object, float] = {}

    async def read(self, session: RoomSession) -> None:
        async for event in session.events():
            self._take(event)

    def _take(self, event: Event) -> None:
        at_s = time.monotonic() - self._began
        match event:
            case RoomJoined(messages=messages):
                for message in messages:
                    self._message(at_s, message)
            case MessageReceived(message=message):
                self._message(at_s, message)
            case MessageChunk(message_id=key, text=text):
                self.parts[key].append((at_s, text))
            case MessageUpdated(message=message):
                shown = sum(len(text) for _, text in self.parts[message.id])
                self.parts[message.id].append((at_s, message.content[shown:]))  # the last words may come with the end
                if message.status is MessageStatus.STOPPED:
                    self.stopped[message.id] = at_s
            case _:
                pass

    def _message(self, at_s: float, message: Message) -> None:
        if message.message_type is not MessageType.SYSTEM:
            self.names[message.id] = message.display_name
            self.parts[message.id] = [(at_s, message.content)]


async def play() -> tuple[Heard, Heard]:
    async with AsyncExitStack() as held:
        stack = await held.enter_async_context(LocalStack.temporary())

        async def account(name: str, kind: str = "human") -> Spaces:
            email, password = f"{name.lower()}@example.com", secrets.token_urlsafe(18)
            async with Spaces(stack.url, stack.secret_key) as operator:
                app_metadata = {"spaces_kind": kind}
                await operator.auth.admin.create_user(email=email, password=password, app_metadata=app_metadata)
            spaces = await held.enter_async_context(Spaces(stack.url, stack.publishable_key))
            await spaces.auth.sign_in_with_password(email=email, password=password)
            return spaces

        host = await account("Ada")
        room = await host.rooms.create_room("Friday jam", settings={"spaces": {"turn_mode": "mention"}})
        ada = await held.enter_async_context(host.join(room.id, display_name="Ada"))
        bob = await held.enter_async_context((await account("Bob")).join(room.room_code, display_name="Bob"))
        eve = (await account("Eve")).join(room.room_code, display_name="Eve")
        tasks = [
            asyncio.create_task(bot.start(await account(bot.name, "bot"), room.room_code))
            for bot in (reciting_bot("Sage", SKY, 0.16), reciting_bot("Zeno", TEA, 0.11))
        ]
        async for _ in ada.events():
            if len(ada.participants) == 4:
                break
        await asyncio.sleep(1)

        began = time.monotonic() - 0.5
        first, late = Heard(began), Heard(began)
        readers = [asyncio.create_task(first.read(ada))]
        await ada.send("@Sage why is the sky blue?")
        await asyncio.sleep(1)
        await bob.send("@Zeno all about tea, please")
        await asyncio.sleep(1.5)
        await held.enter_async_context(eve)
        readers.append(asyncio.create_task(late.read(eve)))
        await asyncio.sleep(2.2)
        growing = next(message for message in bob.messages if message.display_name == "Zeno")
        await bob.stop_stream(growing.id)
        await asyncio.sleep(0.8)
        await eve.send("I know all of it, and came late.")
        await asyncio.sleep(1.5)
        for task in (*readers, *tasks):
            task.cancel()
        await asyncio.gather(*readers, *tasks, return_exceptions=True)
        return first, late


NAME_COLUMNS = 6
COLOURS = {"Ada": "#98729f", "Bob": "#608ab1", "Eve": "#68a0b3", "Sage": "#d0b344", "Zeno": "#98a84b"}
AFTER_S = 5.0
STOPPED = "■ stopped by Bob"
TITLE = "one room, seen by two of its people: a real run, with canned answers"


def draw_pane(drawing: Drawing, pane: int, title: str, heard: Heard) -> None:
    drawing.put(pane, 0, 0, title, 0, "#868887")
    row = 2
    for key, name in heard.names.items():
        parts = heard.parts[key]
        text = "".join(part for _, part in parts)
        rows = rows_of(text, COLUMNS - NAME_COLUMNS)
        drawing.put(pane, row, 0, name, parts[0][0], COLOURS[name])
        begin = 0
        for at_s, part in parts:
            end = begin + len(part)
            for n, (first, last) in enumerate(rows):
                if max(first, begin) < min(last, end):
                    piece = text[max(first, begin) : min(last, end)]
                    drawing.put(pane, row + n, NAME_COLUMNS + max(first, begin) - first, piece, at_s)
            begin = end
        if key in heard.stopped:
            last = rows[-1][1] - rows[-1][0]
            if last + 1 + len(STOPPED) > COLUMNS - NAME_COLUMNS:
                rows.append((0, 0))
                last = -1
            drawing.put(pane, row + len(rows) - 1, NAME_COLUMNS + last + 1, STOPPED, heard.stopped[key], "#cc555a")
        row += len(rows)


def main() -> None:
    first, late = asyncio.run(play())
    ends = [at_s for heard in (first, late) for parts in heard.parts.values() for at_s, _ in parts]
    drawing = Drawing(TITLE, max(ends) + AFTER_S)
    draw_pane(drawing, 0, "Ada, there from the beginning", first)
    draw_pane(drawing, 1, "Eve, who comes in the middle", late)
    Path(__file__).with_suffix(".svg").write_text(drawing.svg(), "utf-8")


if __name__ == "__main__":
    main()

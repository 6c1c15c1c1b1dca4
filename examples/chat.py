"""A person in the terminal: makes a room, or joins one, and sees answers as they grow.

    python examples/chat.py [NAME [ROOM_CODE]]

It reads SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY (`spaces up` prints both). What you type is said; Ctrl-D leaves.
/stop ends what grows. For the host: /mode philosopher, /turns everyone (mention, first, round_robin, host_picks),
/pick NAME lets a bot answer, /moderator NAME.
"""

import asyncio
import sys
from contextlib import suppress
from threading import Thread
from uuid import UUID

from spaces_sdk import Message, MessageStatus, RoomSession, Spaces, SpacesError
from spaces_sdk.events import MessageChunk, MessageReceived, MessageUpdated, RoomJoined


def show(text: str) -> None:
    """Not as it is: a terminal obeys control characters, and others have written this."""
    print("".join(c if c.isprintable() or c == "\n" else " " for c in text), end="", flush=True)


async def watch(session: RoomSession) -> None:
    growing: UUID | None = None  # whose line it is
    shown: dict[UUID, int] = {}  # characters of each message that grows
    async for event in session.events():
        match event:
            case RoomJoined(messages=messages):
                shown = {message.id: 0 for message in messages if message.status is MessageStatus.STREAMING}
            case MessageReceived(message=message) if message.status is MessageStatus.STREAMING:
                shown[message.id] = 0
            case MessageReceived(message=message):
                if session.me is None or message.user_id != session.me.user_id:
                    show(f"\n{message.display_name}: {message.content}\n")
                    growing = None
            case MessageChunk(message_id=key) | MessageUpdated(message=Message(id=key)) if key in shown and (
                message := session.find_message(key)
            ):
                more = message.content[shown[key] :]
                show(more if growing == key else f"\n{message.display_name}: {more}")
                growing, shown[key] = key, len(message.content)
                if message.status is not MessageStatus.STREAMING:
                    show(" (stopped)\n" if message.status is MessageStatus.STOPPED else "\n")
                    growing = None
                    del shown[key]
            case _:
                pass


async def act(session: RoomSession, line: str) -> None:
    word, _, rest = line.partition(" ")
    match word:
        case "":
            pass
        case "/stop":
            for message in session.messages:
                if message.status is MessageStatus.STREAMING:
                    await session.stop_stream(message.id)
        case "/mode":
            await session.update_room_state(mode=rest)
        case "/turns":
            await session.update_room_state(settings={"spaces": {"turn_mode": rest}})
        case "/pick" | "/moderator":
            for user_id in [person.user_id for person in session.participants if person.display_name == rest]:
                await (session.give_turn(user_id) if word == "/pick" else session.set_role(user_id, "moderator"))
        case _:
            await session.send(line)


def read_lines(loop: asyncio.AbstractEventLoop, lines: asyncio.Queue[str]) -> None:
    for line in sys.stdin:
        loop.call_soon_threadsafe(lines.put_nowait, line)
    loop.call_soon_threadsafe(lines.put_nowait, "")


async def main(name: str = "Ada", code: str = "") -> None:
    loop, lines = asyncio.get_running_loop(), asyncio.Queue[str]()
    async with Spaces.from_env() as spaces:
        await spaces.auth.sign_in_anonymously()
        code = code or (await spaces.rooms.create_room(f"{name}'s room")).room_code
        async with spaces.join(code, display_name=name) as session:
            show(f"# this is room {code}; Ctrl-D leaves\n")
            watching = asyncio.create_task(watch(session))
            # A daemon: nothing can wake a thread that waits for the terminal, and the program must end all the same.
            Thread(target=read_lines, args=(loop, lines), daemon=True).start()
            while line := await lines.get():
                try:
                    await act(session, line.strip())
                except SpacesError as error:
                    show(f"# {error}\n")
            watching.cancel()


if __name__ == "__main__":
    with suppress(KeyboardInterrupt):
        asyncio.run(main(*sys.argv[1:]))

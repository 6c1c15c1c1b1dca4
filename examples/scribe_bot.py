"""A bot that writes the room's minutes to Markdown: who said what when, as it stands now.

    python examples/scribe_bot.py ROOM_CODE

`!minutes` writes a file into the folder minutes/ beside the bot; what is edited or deleted later is changed there, too.
Environment as in echo_bot.py. Without any server: spaces bot run examples/scribe_bot.py --console
"""

import asyncio
import sys
from itertools import groupby
from pathlib import Path
from uuid import UUID

from spaces_sdk import Bot, Context, Message, MessageStatus, MessageType, MessageUpdated

FOLDER, MOST = Path("minutes"), 5000
HIDDEN = [*range(0x20), *range(0x7F, 0xA0), *range(0x202A, 0x202F), *range(0x2066, 0x206A)]  # control, turned writing
SHOWN = {**dict.fromkeys(HIDDEN, " "), **{ord(mark): f"\\{mark}" for mark in "\\`*_[]<>&~$"}}

bot = Bot("Scribe")
changed: set[UUID] = set()
one_at_a_time = asyncio.Lock()


def plain(text: str) -> str:
    """A text on one line that Markdown shows as it was written: it makes no heading, no entry, no link and no HTML."""
    lines = (line.translate(SHOWN).strip() for line in text.splitlines())
    return "<br>".join(line for line in lines if line)


def line_of(message: Message) -> str:
    at = f"- {message.created_at:%H:%M}"
    if message.message_type is MessageType.SYSTEM:
        return f"{at} *{plain(message.content)}*"
    who = f"{at} **{plain(message.display_name)}**{' (bot)' if message.sender_kind == 'bot' else ''}"
    if message.status is MessageStatus.DELETED:
        return f"{who}: *deleted*"
    is_edited = message.message_type is MessageType.USER_TEXT and message.updated_at > message.created_at
    note = " *(edited)*" if is_edited else "" if message.status is MessageStatus.FINAL else f" *({message.status})*"
    return f"{who}: {plain(message.content)}{note}"


def minutes_of(name: str, messages: list[Message]) -> str:
    text = f"# Minutes of {plain(name)}\n"
    for day, said in groupby(messages, lambda message: message.created_at.date()):
        text += "\n".join([f"\n## {day} (UTC)\n", *map(line_of, said), ""])
    return text


def save(path: Path, text: str) -> None:
    """All of it or nothing: who reads it meanwhile has the old one."""
    path.parent.mkdir(mode=0o700, exist_ok=True)
    fresh = path.with_suffix(".tmp")
    fresh.write_text(text, "utf-8")
    fresh.replace(path)


async def write(ctx: Context) -> str:
    """Write the room's last messages as the database has them now, and say where."""
    async with one_at_a_time:
        page = await ctx.history(limit=200)
        messages = page.items
        while page.next_cursor is not None and len(messages) < MOST:
            page = await ctx.history(before=int(page.next_cursor), limit=200)
            messages = page.items + messages
        path = FOLDER / f"{ctx.room.id}.md"
        await asyncio.to_thread(save, path, minutes_of(ctx.room.name, messages))
        return f"{len(messages)} entries in {path}"


@bot.command(cooldown_s=10)
async def minutes(ctx: Context) -> None:
    """Write the minutes of this room to a file beside the bot."""
    await ctx.reply(await write(ctx))


@bot.on_ready
async def begin(ctx: Context) -> None:
    changed.add(ctx.room.id)  # perhaps, while the bot was away


@bot.on(MessageUpdated, from_bots=True, from_self=True, claim=False)
async def note_change(ctx: Context, event: MessageUpdated) -> None:
    changed.add(ctx.room.id)


@bot.every(seconds=5)
async def correct(ctx: Context) -> None:
    if ctx.room.id in changed:
        changed.discard(ctx.room.id)
        if (FOLDER / f"{ctx.room.id}.md").exists():
            await write(ctx)


if __name__ == "__main__":
    bot.run(*sys.argv[1:])

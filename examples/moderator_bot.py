"""A bot that mutes for a minute who writes too much at once.

    python examples/moderator_bot.py ROOM_CODE

The host makes it a moderator: `session.set_role(user_id, "moderator")`. Environment as in echo_bot.py.
Without any server: spaces bot run examples/moderator_bot.py --console, then speak as somebody else with `/as bob`.
"""

import sys
from collections import deque
from contextlib import suppress
from datetime import datetime, timedelta
from uuid import UUID

from spaces_sdk import ApiError, Bot, Context, MessageReceived, Role, moderators_only
from spaces_sdk.models import Participant

MOST, WITHIN, PAUSE = 5, timedelta(seconds=10), timedelta(seconds=60)

bot = Bot("Guard")
# By room and user; who has been silent for a while is forgotten.
lately: dict[tuple[UUID, UUID], deque[datetime]] = {}
muted: dict[tuple[UUID, UUID], datetime] = {}


@bot.on_ready
async def ask_for_the_role(ctx: Context) -> None:
    if ctx.session.me is not None and ctx.session.me.role is Role.MEMBER:
        await ctx.send("Make me a moderator, and I stop floods.")


@bot.on(MessageReceived)
async def watch(ctx: Context, event: MessageReceived) -> None:
    author = ctx.author
    if author is None or author.role is not Role.MEMBER:
        return
    key = (ctx.room.id, author.user_id)
    times = lately.setdefault(key, deque(maxlen=MOST + 1))
    times.append(event.message.created_at)
    if len(times) > MOST and times[-1] - times[0] < WITHIN and key not in muted:
        await ctx.session.mute(author.user_id)
        muted[key] = ctx.now + PAUSE
        times.clear()
        await ctx.send(f"{author.display_name} takes a break of a minute.")


@bot.every(seconds=5)
async def unmute(ctx: Context) -> None:
    for key, until in list(muted.items()):
        if key[0] == ctx.room.id and until <= ctx.now:
            await let_speak(ctx, key[1])
    for key, times in list(lately.items()):
        if key[0] == ctx.room.id and (not times or ctx.now - times[-1] > WITHIN):
            del lately[key]


@bot.on_close
async def unmute_all(ctx: Context) -> None:
    """Who was muted by a bot that goes would be silent for ever."""
    for room_id, user_id in list(muted):
        if room_id == ctx.room.id:
            await let_speak(ctx, user_id)


async def let_speak(ctx: Context, user_id: UUID) -> None:
    muted.pop((ctx.room.id, user_id), None)
    with suppress(ApiError):  # they have left for good, or the bot is a moderator no more
        await ctx.session.unmute(user_id)


@bot.command(checks=[moderators_only])
async def pardon(ctx: Context, person: Participant) -> None:
    """Let somebody speak again."""
    muted.pop((ctx.room.id, person.user_id), None)
    await ctx.session.unmute(person.user_id)
    await ctx.reply(f"{person.display_name} may speak again.")


if __name__ == "__main__":
    bot.run(*sys.argv[1:])

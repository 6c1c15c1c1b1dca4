"""A bot that greets who comes for the first time, in the host's own words.

    python examples/greeter_bot.py ROOM_CODE

The words are a setting of the room: `session.update_room_state(settings={"greeting": "Hello {name}, mind the step."})`.
Environment as in echo_bot.py. Without any server: spaces bot run examples/greeter_bot.py --console
"""

import sys

from spaces_sdk import Bot, Context, Kind, ParticipantJoined

GREETING = "Welcome, {name}!"
LONGEST = 500

bot = Bot("Greeter")


def greeting_of(ctx: Context) -> str:
    """What the host has set, if it is a text; settings hold whatever an app puts there."""
    words = ctx.state.settings.get("greeting")
    return words[:LONGEST] if isinstance(words, str) and words.strip() else GREETING


@bot.on(ParticipantJoined)
async def greet(ctx: Context, event: ParticipantJoined) -> None:
    person = event.participant
    # Both are the database's times: who has been here before was seen after the first join.
    if person.kind is Kind.HUMAN and person.last_seen <= person.joined_at:
        # Not str.format: the words are the host's, and a template can reach into what it is given.
        await ctx.send(greeting_of(ctx).replace("{name}", person.display_name))


@bot.command
async def who(ctx: Context) -> None:
    """Who is here now."""
    here = [person for person in ctx.participants if person.is_online]
    names = [person.display_name + (" (bot)" if person.kind is Kind.BOT else "") for person in here]
    await ctx.reply(f"{len(here)} here: {', '.join(names)}")


if __name__ == "__main__":
    bot.run(*sys.argv[1:])

"""A bot with commands: dice, coins and a guessing game. `!help` lists them.

    python examples/dice_bot.py ROOM_CODE

Environment as in echo_bot.py. Without any server: spaces bot run examples/dice_bot:bot --console
"""

import random
import sys

from spaces_sdk import Bot, CommandError, Context, MessageReceived

bot = Bot("Dice")
chance = random.SystemRandom()


@bot.command
async def roll(ctx: Context, sides: int = 6, times: int = 1) -> None:
    """Roll dice: their sides, and how many."""
    if not (1 <= sides <= 1000 and 1 <= times <= 20):
        raise CommandError("at most 20 dice, with 1 to 1000 sides")
    await ctx.reply(", ".join(str(chance.randint(1, sides)) for _ in range(times)))


@bot.command(cooldown_s=5)
async def choose(ctx: Context, first: str, *others: str) -> None:
    """Choose one of several; quotes hold words together."""
    await ctx.reply(chance.choice([first, *others]))


@bot.command
async def guess(ctx: Context, highest: int = 100) -> None:
    """Think of a number up to the highest, and let you guess it."""
    if not 1 <= highest <= 1_000_000:
        raise CommandError("the highest is 1 to 1000000")
    number = chance.randint(1, highest)
    text = f"I think of a number from 1 to {highest}."
    while True:
        await ctx.reply(text)
        try:
            said = await ctx.wait_for(
                MessageReceived,
                lambda event: event.message.user_id == ctx.message.user_id and event.message.content.isdecimal(),
                timeout_s=60,
            )
        except TimeoutError:
            await ctx.reply(f"It was {number}.")
            return
        tried = int(said.message.content[:10])
        if tried == number:
            await ctx.reply("Yes!")
            return
        text = "More." if tried < number else "Less."


if __name__ == "__main__":
    bot.run(*sys.argv[1:])

"""A bot that repeats what people say.

    spaces bot create Echo >> .env          # once, with SUPABASE_SECRET_KEY
    python examples/echo_bot.py ROOM_CODE

It reads SPACES_BOT_EMAIL and SPACES_BOT_PASSWORD, SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY.
Without any server: spaces bot run examples/echo_bot:bot --console
"""

import sys

from spaces_sdk import Bot, Context

bot = Bot("Echo")


@bot.on_message
async def echo(ctx: Context) -> None:
    await ctx.reply(f"{ctx.message.display_name} said: {ctx.message.content}")


if __name__ == "__main__":
    bot.run(*sys.argv[1:])

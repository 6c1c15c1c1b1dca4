"""An AI that answers when it is its turn, as the personality of the room's mode.

    OPENAI_MODEL=gpt-5-mini OPENAI_API_KEY=... python examples/ai_host_bot.py ROOM_CODE
    OPENAI_MODEL=llama3.2 OPENAI_BASE_URL=http://127.0.0.1:11434/v1 python examples/ai_host_bot.py ROOM_CODE

Needs `pip install "spaces-sdk[ai]"`. Without OPENAI_MODEL it has no model, and says canned lines. Environment as in
echo_bot.py. Without any server: spaces bot run examples/ai_host_bot.py --console

The host changes the mode (`/mode philosopher` in chat.py), and the next answer has the other personality. A room that
is the bot's own (`session.transfer_host(bot_id)`) takes `!mode philosopher` from anybody.
"""

import os
import sys

from spaces_sdk import Bot, CannedModel, CommandError, Context, InvalidRequestError, OpenAIModel, PermissionDeniedError

INSTRUCTIONS = "You are the host of the evening: keep everybody in the conversation. Answer in at most four sentences."

model_name = os.environ.get("OPENAI_MODEL")
model = OpenAIModel(model_name) if model_name else CannedModel()
bot = Bot("Host")


@bot.on_turn
async def talk(ctx: Context) -> None:
    await ctx.answer(model, instructions=INSTRUCTIONS, max_tokens=400)


@bot.command(cooldown_s=10)
async def mode(ctx: Context, name: str = "") -> None:
    """Tell the mode; with a name, change it."""
    state = ctx.state
    if name:
        try:
            state = await ctx.session.update_room_state(mode=name.lower())
        except PermissionDeniedError:
            raise CommandError("only the room's host changes its mode") from None
        except InvalidRequestError as error:
            raise CommandError(f"there is no such mode. {error.hint}") from None
    await ctx.reply(f"The mode is {state.mode}.")


if __name__ == "__main__":
    bot.run(*sys.argv[1:])

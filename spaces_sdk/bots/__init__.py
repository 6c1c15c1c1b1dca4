"""Bots: handlers for what happens in rooms, and commands from signatures.

```python
bot = Bot("Dice")

@bot.command
async def roll(ctx: Context, sides: int = 6) -> None:
    \"\"\"Roll a die.\"\"\"
    await ctx.reply(str(randint(1, sides)))

bot.run("XJ9K2M")
```
"""

from spaces_sdk.bots.answers import Answer, AnswerOptions
from spaces_sdk.bots.bot import Bot
from spaces_sdk.bots.canned import CannedModel
from spaces_sdk.bots.checks import Check, host_only, moderators_only
from spaces_sdk.bots.context import Context
from spaces_sdk.bots.dispatcher import Dispatcher
from spaces_sdk.bots.errors import CommandError, HandlerOverflowError, ModelError
from spaces_sdk.bots.models import AnswerEnd, ChatMessage, LimitedModel, Model
from spaces_sdk.bots.openai_model import OpenAIModel
from spaces_sdk.bots.port import SessionPort, WriterPort

__all__ = [
    "Answer",
    "AnswerEnd",
    "AnswerOptions",
    "Bot",
    "CannedModel",
    "ChatMessage",
    "Check",
    "CommandError",
    "Context",
    "Dispatcher",
    "HandlerOverflowError",
    "LimitedModel",
    "Model",
    "ModelError",
    "OpenAIModel",
    "SessionPort",
    "WriterPort",
    "host_only",
    "moderators_only",
]

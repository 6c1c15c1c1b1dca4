"""A bot that repeats what people say, as `ai_response`.

    python examples/echo_bot.py ROOM_CODE

It signs in with the account of a bot: SPACES_BOT_EMAIL and SPACES_BOT_PASSWORD, beside SUPABASE_URL and
SUPABASE_PUBLISHABLE_KEY. An account is a bot's if its `app_metadata` says `{"spaces_kind": "bot"}`, which only
the project's secret key can write: `spaces.auth.admin.create_user(..., app_metadata={"spaces_kind": "bot"})`.
"""

from __future__ import annotations

import asyncio
import os
import sys

from spaces_sdk import MessageReceived, MessageType, RemovedError, RoomSession, Spaces


async def echo(session: RoomSession) -> None:
    """Answer each thing that a person says, until the bot is removed or the room is deleted."""
    async for event in session.events():
        match event:
            case MessageReceived(message=said) if said.message_type is MessageType.USER_TEXT:
                await session.send(
                    f"{said.display_name} said: {said.content}",
                    message_type=MessageType.AI_RESPONSE,
                    reply_to=said.id,
                )
            case _:
                pass


async def main(code: str) -> None:
    async with Spaces.from_env() as spaces:
        await spaces.auth.sign_in_with_password(
            email=os.environ["SPACES_BOT_EMAIL"], password=os.environ["SPACES_BOT_PASSWORD"]
        )
        async with spaces.join(code, display_name="Echo") as session:
            print(f"listening in {code}", flush=True)
            try:
                await echo(session)
            except RemovedError as removed:
                print(f"the room has ended for the bot: {removed.code}")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))

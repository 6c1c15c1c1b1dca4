"""Two AIs in a debate, and a host who gives each the word in turn.

    OPENAI_MODEL=llama3.2 OPENAI_BASE_URL=http://127.0.0.1:11434/v1 python examples/debate_bots.py "Is tea better?"

Needs `pip install "spaces-sdk[ai]"`; without OPENAI_MODEL it has no model, and says canned lines. It makes the room and
the accounts of both (SUPABASE_SECRET_KEY); chat.py in another terminal watches, or puts a word in. In a room of your
own `spaces bot run examples/debate_bots.py:pro --room CODE` brings one of them, and `/pick Pro` in chat.py picks it.
"""

import asyncio
import os
import secrets
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, suppress
from uuid import UUID

from spaces_sdk import Bot, CannedModel, Context, Event, OpenAIModel, RoomSession, Spaces
from spaces_sdk.events import MessageChunk, MessageReceived, MessageUpdated

ROUNDS, LONGEST_TURN_S = 2, 120.0


def debater(name: str, side: str, *canned: str) -> Bot:
    """A bot that speaks when it is its turn; here, when the host picks it."""
    bot, model_name = Bot(name), os.environ.get("OPENAI_MODEL")
    model = OpenAIModel(model_name) if model_name else CannedModel(canned)

    @bot.on_turn
    async def argue(ctx: Context) -> None:
        await ctx.answer(model, instructions=f"In this debate you are {side}. At most three sentences.", max_tokens=300)

    return bot


pro = debater("Pro", "for it", "I am for it.", "That speaks for it.", "Who has tried it is for it.")
con = debater("Con", "against it", "Nobody has asked the cat.", "Not all who tried it are.", "I am against it.")


async def bring(bot: Bot, held: AsyncExitStack, code: str) -> asyncio.Task[None]:
    """Make an account for the bot, and let it into the room."""
    email, password = f"{bot.name.lower()}-{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(24)
    async with Spaces(os.environ["SUPABASE_URL"], os.environ["SUPABASE_SECRET_KEY"]) as operator:
        await operator.auth.admin.create_user(email=email, password=password, app_metadata={"spaces_kind": "bot"})
    spaces = await held.enter_async_context(Spaces.from_env())
    await spaces.auth.sign_in_with_password(email=email, password=password)
    return asyncio.create_task(bot.start(spaces, code))


async def moderate(session: RoomSession, question: str) -> None:
    """Ask, and give each the word in turn: it answers what was said last."""
    await session.update_room_state(settings={"spaces": {"turn_mode": "host_picks"}})
    events, ids = session.events(), dict[str, UUID]()
    while not {pro.name, con.name} <= ids.keys():
        await anext(events)
        ids = {person.display_name: person.user_id for person in session.participants}
    await session.send(question)
    for name in [pro.name, con.name] * ROUNDS:
        show(f"\n{name}: ")
        await session.give_turn(ids[name])
        with suppress(TimeoutError):  # a model that fails says so in the log; the debate goes on
            await asyncio.wait_for(show_answer(events, ids[name]), LONGEST_TURN_S)


async def show_answer(events: AsyncIterator[Event], user_id: UUID) -> None:
    shown: dict[UUID, int] = {}  # characters of what they say from now on; others may write bit by bit, too
    async for event in events:
        if isinstance(event, MessageReceived) and event.message.user_id == user_id:
            shown[event.message.id] = 0
        elif isinstance(event, MessageChunk) and event.message_id in shown:
            show(event.text)
            shown[event.message_id] += len(event.text)
        elif isinstance(event, MessageUpdated) and event.message.id in shown and event.message.status != "streaming":
            show(event.message.content[shown[event.message.id] :])  # the last words may come with the end
            return


def show(text: str) -> None:
    print("".join(c for c in text if c.isprintable() or c == "\n"), end="", flush=True)


async def main(question: str = "Is tea better than coffee?") -> None:
    async with Spaces.from_env() as spaces, AsyncExitStack() as held:
        await spaces.auth.sign_in_anonymously()
        room = await spaces.rooms.create_room("Debate")
        print(f"# to watch: python examples/chat.py Eve {room.room_code}\n\nHost: {question}")
        session = await held.enter_async_context(spaces.join(room.id, display_name="Host"))
        tasks = [await bring(bot, held, room.room_code) for bot in (pro, con)]
        await moderate(session, question)
        print()
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)


if __name__ == "__main__":
    if not os.environ.get("SUPABASE_SECRET_KEY"):
        sys.exit("set SUPABASE_SECRET_KEY, which `spaces up` prints: the bots need accounts")
    asyncio.run(main(*sys.argv[1:]))

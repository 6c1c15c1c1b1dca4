"""Sends on the real parts: what shares a request, what an outage does to them, and that each is stored once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import httpx
import pytest

from spaces_sdk import Spaces
from spaces_sdk.errors import SendCancelledError
from spaces_sdk.session import RoomSession, SessionOptions
from tests.integration.lossy import LossyTransport
from tests.integration.people import WITHIN_S, LocalPeople, People, contents
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


@asynccontextmanager
async def lossy_session(
    people: People, options: SessionOptions | None = None
) -> AsyncGenerator[tuple[RoomSession, LossyTransport]]:
    """A bot's own room on a network that loses what it is told to."""
    bot = await people.person("Bot", is_bot=True)
    transport = LossyTransport()
    async with (
        httpx.AsyncClient(transport=transport) as http,
        Spaces(
            people.project.url,
            people.project.publishable_key,
            access_token=bot.spaces.auth.access_token,
            http_client=http,
        ) as spaces,
    ):
        room = await spaces.rooms.create_room("Sending")
        async with spaces.join(room.id, display_name="Bot", options=options) as session:
            yield session, transport


async def stored(session: RoomSession) -> list[str]:
    return contents((await session.history(limit=200)).items)


async def test_sends_at_once_share_requests_and_a_lost_answer_makes_none_twice(people: People) -> None:
    async with lossy_session(people) as (session, transport):
        transport.lose["insert_messages"] = 1
        texts = [str(number) for number in range(35)]
        messages = await asyncio.gather(*(session.send(text) for text in texts))
        assert contents(messages) == await stored(session) == texts
        assert [m.seq for m in messages] == sorted(m.seq for m in messages)
        assert transport.sent.count("insert_message") + transport.sent.count("insert_messages") <= 3
        assert session.pending == []


async def test_sends_of_an_outage_are_stored_when_it_is_over(local_people: LocalPeople) -> None:
    options = SessionOptions(queue_while_offline=True)
    async with lossy_session(local_people, options) as (session, transport):
        await session.send("before")
        transport.is_cut = True
        await local_people.stack.stop_part("realtime")
        await eventually(lambda: not session.is_connected, WITHIN_S, what=lambda: repr(session))
        tasks = [asyncio.create_task(session.send(text, timeout_s=2)) for text in ("a", "b", "c")]
        await eventually(lambda: len(session.pending) == 3, WITHIN_S, what=lambda: str(session.pending))
        await asyncio.sleep(3)  # longer than their timeout
        assert session.pending[1].cancel()
        transport.is_cut = False
        await local_people.stack.start_part("realtime")
        results = await asyncio.gather(*tasks, return_exceptions=True)
        assert isinstance(results[1], SendCancelledError)
        assert await stored(session) == ["before", "a", "c"]
        assert session.pending == []


async def test_a_queue_longer_than_the_limit_of_messages_empties_in_order(people: People) -> None:
    async with lossy_session(people, SessionOptions(queue_while_offline=True)) as (session, _):
        texts = [str(number) for number in range(60)]  # a bot's bucket holds 40
        assert contents(await asyncio.gather(*(session.send(text) for text in texts))) == texts
        assert await stored(session) == texts

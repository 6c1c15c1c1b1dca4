"""supabase-js and realtime-py, unchanged, in one room with a session: what they hear, may do, and may not."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from typing import Any

import pytest
import pytest_asyncio

from spaces_sdk.events import MessageReceived, ParticipantJoined
from spaces_sdk.local.stack import LocalStack
from tests.integration.people import LocalPeople
from tests.interop.guest import Guest, JsGuest, PyGuest
from tests.support.eventually import eventually

pytestmark = [
    pytest.mark.integration,
    # Of the library's own making: it hands itself a parameter that it no longer wants.
    pytest.mark.filterwarnings("ignore:The 'timeout' parameter is deprecated:DeprecationWarning"),
]

TOKEN_LIFE_S = 25
BEFORE_REFRESH_S = 3
"""A token is minted for whole seconds: one of the same second would be the same, and not be sent again."""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def short_lived() -> AsyncGenerator[LocalStack]:
    """A stack whose tokens run out within the test."""
    async with LocalStack.temporary(jwt_expiry_s=TOKEN_LIFE_S) as stack:
        yield stack


def _told(guest: Guest, kind: str, text: str) -> list[dict[str, Any]]:
    return [each for each in guest.heard if each["heard"] == kind and text in str(each)]


async def test_clients_of_others_live_in_a_room_with_a_session(short_lived: LocalStack) -> None:
    async with JsGuest.on(short_lived) as supabase_js, PyGuest.on(short_lived) as realtime_py:
        # At once, each in a room of its own: most of it is waiting for tokens to run out.
        await asyncio.gather(_visit(supabase_js, short_lived), _visit(realtime_py, short_lived))


async def _visit(guest: Guest, stack: LocalStack) -> None:
    people = LocalPeople(stack)
    try:
        ada = await people.person("Ada")
        room = await ada.spaces.rooms.create_room("Mixed")
        elsewhere = await ada.spaces.rooms.create_room("Elsewhere")
        visit = await people.enter(ada, room)
        email, password = await people.account("Gus")
        await guest.do("sign_in", email=email, password=password)

        joined = await guest.do("join", code=room.room_code, name="Gus")
        assert joined["status"] == "SUBSCRIBED", joined
        assert (await visit.sees(ParticipantJoined)).participant.display_name == "Gus"

        assert (await guest.do("track", mood="curious"))["status"] == "ok"
        await eventually(lambda: _told(guest, "presence", "curious"), what=lambda: str(guest.heard))

        await visit.session.send("hello Gus")
        await eventually(lambda: _told(guest, "broadcast", "hello Gus"), what=lambda: str(guest.heard))
        await guest.do("say", room_id=str(room.id), content="hello Ada")
        await visit.sees(MessageReceived, lambda event: event.message.content == "hello Ada")

        # Its first token runs out, the channel lives on with the new one.
        await asyncio.sleep(BEFORE_REFRESH_S)
        await guest.do("refresh")
        await asyncio.sleep(TOKEN_LIFE_S - BEFORE_REFRESH_S + 1)
        await visit.session.send("still there?")
        await eventually(lambda: _told(guest, "broadcast", "still there?"), what=lambda: str(guest.heard))
        await visit.sees(MessageReceived, lambda event: event.message.content == "still there?")

        # It may hear nothing of another room, and nobody hears what it says on its own in this one.
        other = await guest.do("listen", topic=f"spaces:{elsewhere.id}:1")
        assert other["status"] == "CHANNEL_ERROR", other
        assert "You do not have permissions to read from this Channel topic" in other["error"]
        before = len(visit.events)
        await guest.do("forge", event="room:message")
        await visit.session.send("last")
        await visit.sees(MessageReceived, lambda event: event.message.content == "last")
        assert len(visit.events) == before + 1
    finally:
        await people.aclose()

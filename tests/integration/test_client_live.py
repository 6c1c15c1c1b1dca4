"""`Spaces` against the real parts: what is left when it closes, and whose token it carries."""

from __future__ import annotations

import asyncio
import gc

import psutil
import pytest

from spaces_sdk import Spaces
from spaces_sdk.errors import UsageError
from spaces_sdk.events import ConnectionState
from spaces_sdk.session import RoomSession
from tests.integration.people import WITHIN_S, People
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


def sockets_to(url: str) -> set[int]:
    """Connections of this process to a project, each by its own port."""
    port = int(url.rsplit(":", 1)[1])
    connections = psutil.Process().net_connections("tcp")
    return {
        one.laddr.port for one in connections if one.raddr and one.raddr.port == port and one.status == "ESTABLISHED"
    }


async def test_leaving_with_sessions_open_closes_them_and_leaves_nothing(people: People) -> None:
    ada = await people.person("Ada")
    rooms = [await ada.spaces.rooms.create_room(f"Room {number}") for number in range(2)]
    gc.collect()
    tasks, sockets = asyncio.all_tasks(), sockets_to(people.project.url)
    sessions: list[RoomSession] = []
    async with Spaces(
        people.project.url, people.project.publishable_key, access_token=ada.spaces.auth.access_token
    ) as spaces:
        for room in rooms:
            session = spaces.join(room.room_code, display_name="Ada")
            await session.__aenter__()
            sessions.append(session)
        assert [session.connection_state for session in sessions] == [ConnectionState.LIVE] * 2
        assert sockets_to(people.project.url) - sockets
    assert [session.connection_state for session in sessions] == [ConnectionState.CLOSED] * 2
    await eventually(lambda: asyncio.all_tasks() <= tasks, WITHIN_S, what="no task left")
    await eventually(lambda: sockets_to(people.project.url) <= sockets, WITHIN_S, what="no socket left")
    for room in rooms:
        assert (await ada.spaces.rooms.get_room_by_id(room.id)).participant_count == 0, "their places are free again"
    with pytest.raises(UsageError, match="not open"):
        await spaces.rooms.is_host(rooms[0].id)


async def test_a_refreshed_token_keeps_a_session_live(people: People) -> None:
    ada = await people.person("Ada")
    room = await ada.spaces.rooms.create_room("Jam")
    visit = await people.enter(ada, room.room_code)
    for number in range(3):
        await ada.spaces.auth.refresh_session()
        await visit.session.send(f"after refresh {number}")
    assert visit.session.connection_state is ConnectionState.LIVE
    assert await eventually(lambda: len([m for m in visit.session.messages if m.user_id]) == 3, WITHIN_S)

"""How soon a session is live again after an outage: the whole of it on one clock, over many seeds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from random import Random
from statistics import median

import pytest

from spaces_sdk.errors import ServerError
from spaces_sdk.events import ConnectionState
from spaces_sdk.realtime import RealtimeClient, RealtimeOptions
from spaces_sdk.realtime.wire import Wire
from spaces_sdk.session import RoomSession
from tests.support.clock import FakeClock
from tests.support.fake_room import FakeApi, FakeRoom
from tests.support.memory_wire import MemoryServer

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

SEEDS = 60
STEP_S = 0.25


class Network:
    """A server in memory that can be out of reach."""

    def __init__(self) -> None:
        self.server = MemoryServer()
        self.is_down = False

    async def connect(self, url: str, options: RealtimeOptions) -> Wire:
        if self.is_down:
            raise OSError("no route")
        return await self.server.connect(url, options)

    def cut(self) -> None:
        self.is_down = True
        self.server.wire.cut()


@asynccontextmanager
async def session_of(seed: int) -> AsyncGenerator[tuple[RoomSession, Network, FakeApi, FakeClock]]:
    """A LIVE session on the whole client: only the socket and the database are in memory."""
    clock, network = FakeClock(), Network()
    api = FakeApi(FakeRoom(clock))

    async def token() -> str:
        return "token"

    client = RealtimeClient(
        "ws://realtime.test/realtime/v1/websocket",
        api_key="hush",
        token=token,
        clock=clock,
        random=Random(seed),  # noqa: S311
        connector=network.connect,
    )
    session = RoomSession(
        api=api,
        realtime=client,
        room=api.room.code,
        display_name="Bob",
        clock=clock,
        random=Random(1000 + seed),  # noqa: S311
    )
    try:
        await session.__aenter__()
        yield session, network, api, clock
    finally:
        closing = asyncio.create_task(session.aclose())
        await clock.advance(10)
        await closing
        await client.aclose()


async def until(is_so: Callable[[], bool], clock: FakeClock, *, within_s: float) -> float:
    """Turn the clock until it is so; how long that took."""
    begun = clock.monotonic()
    while not is_so():
        assert clock.monotonic() - begun < within_s, "not in time"
        await clock.advance(STEP_S)
    return clock.monotonic() - begun


async def recovery_s(seed: int, *, outage_s: float, is_database_away: bool) -> float:
    async with session_of(seed) as (session, network, api, clock):
        await clock.advance(40 + seed % 7)
        network.cut()
        if is_database_away:
            api.down = ServerError("cannot do it: down", status=503)
        await clock.advance(0.1)
        assert session.connection_state is not ConnectionState.LIVE
        await clock.advance(outage_s - 0.1)
        network.is_down, api.down = False, None
        return await until(lambda: session.is_connected, clock, within_s=30)


@pytest.mark.parametrize("is_database_away", [False, True], ids=["realtime", "everything"])
@pytest.mark.parametrize("outage_s", [1.0, 30.0])
async def test_recovery_after_an_outage(outage_s: float, is_database_away: bool) -> None:
    took = sorted(
        [await recovery_s(seed, outage_s=outage_s, is_database_away=is_database_away) for seed in range(SEEDS)]
    )
    assert median(took) < 3.0
    assert took[int(SEEDS * 0.95)] < 8.0


async def test_a_half_open_connection_is_noticed_and_mended_within_35_s_and_a_recovery() -> None:
    async with session_of(1) as (session, network, _, clock):
        await clock.advance(60)
        network.server.wire.manners.override = lambda _: []  # what is sent vanishes, and nothing comes
        noticed_s = await until(lambda: not session.is_connected, clock, within_s=40)
        assert noticed_s <= 35.0 + STEP_S
        await until(lambda: session.is_connected, clock, within_s=8)

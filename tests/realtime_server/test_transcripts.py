"""The recorded scenarios, played against the server: the same frames must come back."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from typing import Any

import psycopg
import pytest
import pytest_asyncio

from spaces_sdk.local.postgres import PostgresCluster
from spaces_sdk.local.realtime.server import RealtimeServer
from tests.realtime_server.conftest import SETUP, ServerFactory, started
from tests.realtime_server.support.transcript import Outcome, Player

pytestmark = pytest.mark.stack

QUICK: dict[str, Any] = {"join_error_delay_s": 0.03}
SCENARIOS = [
    "02-broadcast.v1",
    "02-broadcast.v2",
    "02-broadcast-binary.v2",
    "02-broadcast-odd-payloads.v2",
    "03-presence.v1",
    "03-presence.v2",
    "03-presence-batching.v1",
    "04-private-rls.v1",
    "04-private-rls.v2",
    "04-policy-cache.v1",
    "04-rls-policy-error.v1",
    "05-broadcast-from-database.v1",
    "05-broadcast-from-database.v2",
    "07-connect-auth",
    "07-token-expiry.v2",
]
WITH_SETTINGS: dict[str, dict[str, Any]] = {
    "06-http-broadcast": {"max_events_per_second": 100},
    "08-limit-channels.v1": {"max_channels_per_client": 3},
    "08-limit-users.v1": {"max_concurrent_users": 1},
    "08-limit-payload.v1": {"max_payload_size_in_kb": 1},
    "08-limit-payload.v2": {"max_payload_size_in_kb": 1},
}
UNTIL = {
    # From there on the recordings join with postgres_changes, which is refused here.
    "08-bad-frames.v1": 22.0,
    "08-bad-frames.v2": 22.0,
    # After that they wait for an apikey to expire.
    "07-access-token.v1": 59.1,
    "07-access-token.v2": 59.1,
}


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def shared(realtime_cluster: PostgresCluster) -> AsyncGenerator[RealtimeServer]:
    """One server for all scenarios that need no settings of their own."""
    async with started(realtime_cluster.url(), **QUICK) as server:
        yield server


@pytest.fixture(autouse=True)
async def recorded_setup(database: psycopg.AsyncConnection[Any]) -> None:
    """The set-up as the recordings began with it, whatever a scenario left behind."""
    await database.execute("drop policy members_read on realtime.messages")
    await database.execute("drop policy members_write on realtime.messages")
    await database.execute("drop table public.room_members, public.room_rows")
    await database.execute("drop function public.room_rows_changed")
    await database.execute("delete from realtime.messages")
    await database.execute(SETUP.read_bytes())


def _check(outcome: Outcome) -> None:
    assert outcome.compared > 4
    assert not outcome.differences, "\n".join(map(str, outcome.differences))


@pytest.mark.parametrize("name", SCENARIOS)
async def test_it_comes_back_frame_by_frame(name: str, shared: RealtimeServer, db_url: str) -> None:
    _check(await Player(f"http://127.0.0.1:{shared.port}", db_url).play(name))


@pytest.mark.parametrize("name", UNTIL)
async def test_it_comes_back_so_far(name: str, shared: RealtimeServer, db_url: str) -> None:
    _check(await Player(f"http://127.0.0.1:{shared.port}", db_url).play(name, until=UNTIL[name]))


@pytest.mark.parametrize("name", WITH_SETTINGS)
async def test_it_comes_back_under_its_settings(name: str, start_server: ServerFactory, db_url: str) -> None:
    async with start_server(**QUICK, **WITH_SETTINGS[name]) as server:
        _check(await Player(f"http://127.0.0.1:{server.port}", db_url).play(name))


async def test_a_refused_join_makes_the_socket_stand_still_as_recorded(
    start_server: ServerFactory, db_url: str
) -> None:
    scale = 1 / 20
    async with start_server(join_error_delay_s=5 * scale) as server:
        player = Player(f"http://127.0.0.1:{server.port}", db_url, time_scale=scale)
        _check(await player.play("08-join-backoff-blocks.v1"))

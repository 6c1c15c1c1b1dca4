"""The recorded scenarios, played against the server: the same frames must come back."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.realtime_server.conftest import SETUP, ServerFactory
from tests.realtime_server.support.transcript import Player

pytestmark = pytest.mark.stack

REAL_LIMITS: dict[str, Any] = {"max_events_per_second": 100, "join_error_delay_s": 0.05}
SCENARIOS: list[tuple[str, dict[str, Any]]] = [
    ("02-broadcast.v1", {}),
    ("02-broadcast.v2", {}),
    ("02-broadcast-binary.v2", {}),
    ("02-broadcast-odd-payloads.v2", {}),
    ("03-presence.v1", {}),
    ("03-presence.v2", {}),
    ("03-presence-batching.v1", {}),
    ("04-private-rls.v1", {}),
    ("04-private-rls.v2", {}),
    ("04-policy-cache.v1", {}),
    ("04-rls-policy-error.v1", {}),
    ("05-broadcast-from-database.v1", {}),
    ("05-broadcast-from-database.v2", {}),
    ("06-http-broadcast", {}),
    ("07-connect-auth", {}),
    ("07-token-expiry.v2", {}),
    ("08-limit-channels.v1", {"max_channels_per_client": 3}),
    ("08-limit-users.v1", {"max_concurrent_users": 1}),
    ("08-limit-payload.v1", {"max_payload_size_in_kb": 1}),
    ("08-limit-payload.v2", {"max_payload_size_in_kb": 1}),
]


@pytest.fixture(autouse=True)
async def recorded_setup(database: psycopg.AsyncConnection[Any]) -> None:
    """The set-up as the recordings began with it, whatever a scenario left behind."""
    await database.execute("drop policy members_read on realtime.messages")
    await database.execute("drop policy members_write on realtime.messages")
    await database.execute("drop table public.room_members, public.room_rows")
    await database.execute("drop function public.room_rows_changed")
    await database.execute("delete from realtime.messages")
    await database.execute(SETUP.read_bytes())


@pytest.mark.parametrize(("name", "settings"), SCENARIOS, ids=[name for name, _ in SCENARIOS])
async def test_scenario_comes_back_frame_by_frame(
    name: str, settings: dict[str, Any], start_server: ServerFactory, db_url: str
) -> None:
    async with start_server(**(REAL_LIMITS | settings)) as server:
        outcome = await Player(f"http://127.0.0.1:{server.port}", db_url).play(name)
    assert outcome.compared > 4
    assert not outcome.differences, "\n".join(map(str, outcome.differences))


@pytest.mark.parametrize("name", ["08-bad-frames.v1", "08-bad-frames.v2"])
async def test_malformed_frames_are_answered_as_recorded(name: str, start_server: ServerFactory, db_url: str) -> None:
    async with start_server(**REAL_LIMITS) as server:
        # From there on the recording joins with postgres_changes.
        outcome = await Player(f"http://127.0.0.1:{server.port}", db_url).play(name, until=22.0)
    assert outcome.compared > 20
    assert not outcome.differences, "\n".join(map(str, outcome.differences))


@pytest.mark.parametrize("name", ["07-access-token.v1", "07-access-token.v2"])
async def test_tokens_are_judged_as_recorded(name: str, start_server: ServerFactory, db_url: str) -> None:
    async with start_server(**REAL_LIMITS) as server:
        # After that the recording waits for an apikey to expire.
        outcome = await Player(f"http://127.0.0.1:{server.port}", db_url).play(name, until=59.1)
    assert outcome.compared > 40
    assert not outcome.differences, "\n".join(map(str, outcome.differences))


async def test_a_refused_join_makes_the_socket_stand_still_as_recorded(
    start_server: ServerFactory, db_url: str
) -> None:
    scale = 1 / 20
    async with start_server(**(REAL_LIMITS | {"join_error_delay_s": 5 * scale})) as server:
        player = Player(f"http://127.0.0.1:{server.port}", db_url, time_scale=scale)
        outcome = await player.play("08-join-backoff-blocks.v1")
    assert not outcome.differences, "\n".join(map(str, outcome.differences))

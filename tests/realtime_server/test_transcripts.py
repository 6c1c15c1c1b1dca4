"""The recorded scenarios that need no waiting, played against the server; `make conformance` plays all."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from tests.conformance.reasons import reason_of
from tests.conformance.scenarios import play
from tests.realtime_server.conftest import SETUP

pytestmark = pytest.mark.stack

SCENARIOS = [
    "02-broadcast.v1",
    "02-broadcast.v2",
    "02-broadcast-binary.v2",
    "02-broadcast-odd-payloads.v2",
    "03-presence.v1",
    "03-presence.v2",
    "03-presence-batching.v1",
    "03-presence-enabled-flag.v1",
    "04-private-only.v1",
    "04-private-rls.v1",
    "04-private-rls.v2",
    "04-policy-cache.v1",
    "04-rls-policy-error.v1",
    "05-broadcast-from-database.v1",
    "05-broadcast-from-database.v2",
    "06-http-broadcast",
    "07-connect-auth",
    "08-limit-channels.v1",
    "08-limit-frame.v1",
    "08-limit-payload.v1",
    "08-limit-payload.v2",
    "08-limit-users.v1",
    "09-join-burst.v1",
    "09-replay.v1",
    "09-replay.v2",
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


@pytest.mark.parametrize("name", SCENARIOS)
async def test_it_comes_back_frame_by_frame(name: str, db_url: str) -> None:
    recording, outcome = await play(name, db_url)
    faults = [difference for difference in outcome.differences if reason_of(difference, recording) is None]
    assert outcome.equal > 4
    assert not faults, "\n".join(map(str, faults))

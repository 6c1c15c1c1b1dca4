"""Each scenario's server, pace and management of the tenant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import psycopg

from spaces_sdk.local.realtime.replication import APPLICATION_NAME
from spaces_sdk.local.realtime.server import RealtimeServer, serve
from spaces_sdk.local.realtime.settings import RealtimeSettings
from tests.conformance.comparison import Outcome
from tests.conformance.player import Pace, Player
from tests.conformance.recording import Entry, Kind, Recording, load
from tests.conformance.unlogged import IGNORED, fill
from tests.realtime_server.support.tokens import OTHER_SECRET, SECRET
from tests.support.eventually import eventually

_QUICK: dict[str, Any] = {"join_error_delay_s": 0.03, "connect_error_delay_s": 0.03}
_SCALE = 1 / 20
_TERMINATE = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = %s"


@dataclass(frozen=True, slots=True)
class Scenario:
    """How a recording is played.

    Attributes:
        pace: Real time for the limits, whose rates are per second; a twentieth where the recording
            waits for timers, which are then set to a twentieth; else as fast as the answers come.
        settings: Of the server. What is not named has its default, which is the real server's.
        lives: Of tokens, where a message says for how many seconds one has expired.
    """

    pace: Pace = field(default_factory=Pace)
    settings: dict[str, Any] = field(default_factory=dict[str, Any])
    lives: dict[str, float] = field(default_factory=dict[str, float])


_REAL_TIME = Scenario(Pace(1.0))
_SCENARIOS: dict[str, Scenario] = {
    # The apikey has expired, in whole seconds: two after 2.4 s in one recording, three in the other.
    "07-access-token.v1": Scenario(Pace(1.0, from_t=55.53), _QUICK, {"anon-4s": 4.0}),
    "07-access-token.v2": Scenario(Pace(1.0, from_t=59.52), _QUICK, {"anon-4s": 3.3}),
    "08-join-backoff-blocks.v1": Scenario(Pace(_SCALE), {"join_error_delay_s": 5 * _SCALE}),
    "08-no-heartbeat.v1": Scenario(Pace(_SCALE), {"idle_timeout_s": 60 * _SCALE}),
    "08-no-channel-idle.v1": Scenario(
        Pace(_SCALE), {"idle_timeout_s": 60 * _SCALE, "no_channel_check_s": 600 * _SCALE}
    ),
    "08-slow-consumer.v1": Scenario(settings={"send_timeout_s": 30 * _SCALE, "max_events_per_second": 10_000_000}),
    "08-limit-events.v1": _REAL_TIME,
    "08-limit-events-deliveries.v1": _REAL_TIME,
    "08-limit-joins.v1": _REAL_TIME,
    "08-limit-presence.v1": _REAL_TIME,
    "10-server-disconnect.v1": Scenario(Pace(1 / 10), _QUICK | {"faithful_loss": True}),
}


async def play(name: str, db_url: str) -> tuple[Recording, Outcome]:
    """Play one scenario on a server of its own.

    Args:
        name: As `recording.names` has it.
        db_url: Superuser's URL of a database with the recordings' set-up, for this scenario alone.
    """
    scenario = _SCENARIOS.get(name, Scenario(settings=_QUICK))
    recording = load(name)
    fill(recording)
    for entry in recording.entries:
        if entry.kind is Kind.MANAGE:
            _manage(entry)
    settings = RealtimeSettings(
        db_url=db_url, jwt_secret=SECRET, slot_name=f"conformance_{abs(hash(name)) % 10**8}", **scenario.settings
    )
    async with _served(settings) as server:
        player = Player(server, db_url, pace=scenario.pace, ignored=IGNORED.get(name), lives=scenario.lives)
        return recording, await player.play(recording)


@asynccontextmanager
async def _served(settings: RealtimeSettings) -> AsyncGenerator[RealtimeServer]:
    async with serve(settings) as server:
        await eventually(lambda: server.hub.follower.is_streaming, 10, what=lambda: server.hub.follower.fault)
        yield server
    if not settings.faithful_loss:
        async with await psycopg.AsyncConnection.connect(settings.db_url, autocommit=True) as connection:

            async def is_gone() -> bool:
                await connection.execute(
                    "select pg_drop_replication_slot(slot_name) from pg_replication_slots"
                    " where slot_name = %s and not active",
                    (settings.slot_name,),
                )
                query = "select from pg_replication_slots where slot_name = %s"
                return await (await connection.execute(query, (settings.slot_name,))).fetchone() is None

            await eventually(is_gone, 5)


def _manage(entry: Entry) -> None:
    """Do by a call in this process what the recording did by the tenant management API."""
    request = str(entry.frame["request"])
    body: dict[str, Any] = entry.frame.get("body") or {}
    changes: dict[str, Any] = {**body.get("tenant", {})}
    if "suspend" in changes:
        changes["suspended"] = changes.pop("suspend")

    async def change(player: Player) -> None:
        hub = player.server.hub
        if request.endswith("/reload"):
            hub.disconnect_all()
        elif request.endswith("/shutdown"):
            hub.follower.pause()
            await player.database.execute(_TERMINATE, (APPLICATION_NAME,))
            await eventually(lambda: not hub.follower.is_streaming, 5)
        elif "jwt_secret" in changes:
            is_first = hub.settings.jwt_secret == SECRET
            hub.adjust(**(changes | {"jwt_secret": OTHER_SECRET if is_first else SECRET}))
        else:
            hub.adjust(**changes)
        await asyncio.sleep(0)

    if request.startswith(("PUT", "POST")):
        entry.kind, entry.call = Kind.CALL, change

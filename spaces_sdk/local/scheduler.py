"""What pg_cron does on a hosted project: sweeps of expired leases, clean-up of old rooms."""

from __future__ import annotations

import asyncio
import logging

import psycopg

_log = logging.getLogger(__name__)

_CLEAN_EVERY_S = 3600.0
_CONNECT_TIMEOUT_S = 10
_SWEEP = "select spaces.sweep_rooms()"
_CLEAN = "select public.cleanup_inactive_rooms()"
_MAX_BATCHES = 100


async def run_schedule(url: str, *, sweep_interval_s: float) -> None:
    """Run for ever; cancel it to end it. A failing run is logged and tried again at its next time.

    Args:
        url: The superuser's connection URL.
        sweep_interval_s: Seconds between two sweeps.
    """
    loop = asyncio.get_running_loop()
    clean_at = loop.time()
    while True:
        await asyncio.sleep(sweep_interval_s)
        try:
            async with await psycopg.AsyncConnection.connect(
                url, autocommit=True, connect_timeout=_CONNECT_TIMEOUT_S, application_name="spaces-scheduler"
            ) as conn:
                if await _has_pg_cron(conn):
                    return
                await _sweep(conn)
                if loop.time() >= clean_at:
                    await _clean(conn)
                    clean_at = loop.time() + _CLEAN_EVERY_S
        except psycopg.Error as error:
            _log.warning("a scheduled run failed: %s", str(error).partition("\n")[0])


async def _has_pg_cron(conn: psycopg.AsyncConnection) -> bool:
    cursor = await conn.execute("select exists (select from pg_extension where extname = 'pg_cron')")
    return await cursor.fetchone() == (True,)


async def _sweep(conn: psycopg.AsyncConnection) -> None:
    for _ in range(_MAX_BATCHES):
        cursor = await conn.execute(_SWEEP)
        if await cursor.fetchone() == (0,):
            return


async def _clean(conn: psycopg.AsyncConnection) -> None:
    for _ in range(_MAX_BATCHES):
        cursor = await conn.execute(_CLEAN)
        row = await cursor.fetchone()
        if row is None or not row[0].get("has_more"):
            return

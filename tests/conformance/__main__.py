"""Play the recordings of the real Realtime server against the local one, and compare frame by frame.

    python -m tests.conformance [-v] [--postgres-bin DIR] [NAME ...]

The last line is JSON. Exit 0: at least 97 % of the frames are equal, and each difference has its reason.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import sys
import time
from collections import Counter
from pathlib import Path

import psycopg

from spaces_sdk.local.bootstrap import bootstrap
from spaces_sdk.local.postgres import PostgresCluster
from tests.conformance.comparison import Difference, Outcome
from tests.conformance.reasons import reason_of
from tests.conformance.recording import Kind, load, names
from tests.conformance.scenarios import play

BAR = 0.97
LANES = 4
"""Scenarios at once, each in a database of its own: most of them wait most of the time."""
_SETUP = Path(__file__).parents[1] / "realtime_server" / "support" / "setup.sql"
_TEMPLATE = "conformance"


class Run:
    """All scenarios, or those that were named."""

    def __init__(self, cluster: PostgresCluster, *, is_verbose: bool) -> None:
        self._cluster = cluster
        self._is_verbose = is_verbose
        self._lanes = asyncio.Semaphore(LANES)
        self._copying = asyncio.Lock()
        self.total = Outcome()
        self.reasons: Counter[str] = Counter()
        self.faults: list[Difference] = []

    async def play_all(self, chosen: list[str]) -> None:
        """Play them, the slowest first."""
        await _admin(self._cluster, f"create database {_TEMPLATE}")
        await bootstrap(self._cluster.url(dbname=_TEMPLATE))
        async with await psycopg.AsyncConnection.connect(
            self._cluster.url(dbname=_TEMPLATE), autocommit=True
        ) as connection:
            await connection.execute(_SETUP.read_bytes())
        chosen.sort(key=lambda name: -load(name).entries[-1].t)
        await asyncio.gather(*(self._play(name) for name in chosen))

    async def _play(self, name: str) -> None:
        database = name.replace("-", "_").replace(".", "_")
        async with self._lanes:
            async with self._copying:
                await _admin(self._cluster, f'create database "c_{database}" template {_TEMPLATE}')
            began = time.monotonic()
            recording, outcome = await play(name, self._cluster.url(dbname=f"c_{database}"))
        self.total.add(outcome)
        found: Counter[str] = Counter()
        for difference in outcome.differences:
            reason = reason_of(difference, recording)
            found["?" if reason is None else reason.name] += 1
            if reason is None:
                self.faults.append(difference)
            if reason is None or self._is_verbose:
                print(f"    {difference}"[:600])
        self.reasons.update(found)
        notes = ", ".join(f"{count} {name}" for name, count in found.items())
        seconds = time.monotonic() - began
        print(f"{name:32} {outcome.equal:4} of {outcome.compared:4} equal  {seconds:5.1f} s  {notes}", flush=True)


async def _admin(cluster: PostgresCluster, statement: str) -> None:
    async with await psycopg.AsyncConnection.connect(cluster.url(), autocommit=True) as connection:
        await connection.execute(statement.encode())


async def _main(arguments: argparse.Namespace) -> int:
    chosen = [name for name in names() if not arguments.names or name in arguments.names]
    managed = sum(entry.kind is Kind.MANAGE for name in chosen for entry in load(name).entries)
    began = time.monotonic()
    async with PostgresCluster.temporary(arguments.postgres_bin) as cluster:
        run = Run(cluster, is_verbose=arguments.verbose)
        await run.play_all(chosen)
    total = run.total
    share = total.equal / total.compared if total.compared else 0.0
    is_good = share >= BAR and not run.faults
    print(
        json.dumps(
            {
                "ok": is_good,
                "scenarios": len(chosen),
                "frames_compared": total.compared,
                "frames_equal": total.equal,
                "share": round(share, 4),
                "moved_within_a_step": total.moved,
                "calls_of_the_management_api_replaced": managed,
                "differences": [
                    {"reason": None if name == "?" else name, "frames": count}
                    for name, count in sorted(run.reasons.items())
                ],
                "without_reason": [str(fault)[:300] for fault in run.faults],
                "seconds": round(time.monotonic() - began, 1),
            }
        )
    )
    return 0 if is_good else 1


def main() -> int:
    """Parse the arguments and run."""
    parser = argparse.ArgumentParser(prog="python -m tests.conformance", description=__doc__)
    parser.add_argument("names", nargs="*", help="scenarios; all if none is named")
    parser.add_argument("-v", "--verbose", action="store_true", help="print differences with a reason too")
    parser.add_argument("--postgres-bin", type=Path, default=None)
    logging.disable(logging.WARNING)
    return asyncio.run(_main(parser.parse_args()))


if __name__ == "__main__":
    sys.exit(main())

"""Measure what the database costs, as ratios within one run.

    python -m benchmarks.db [--full] [--json PATH] [--write-docs] [--postgres-bin DIR]

Exit 0: the cost of a call stays the same as the database grows. Exit 1: one does not keep its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.db import costs
from benchmarks.db.report import Report
from spaces_sdk.local.postgres import PostgresCluster

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
# All data fits: what is measured is work, not the disk. WAL as on a hosted project, and no checkpoint meanwhile; nor an
# autovacuum, which would come to one of the databases while it is measured.
SERVER = {"shared_buffers": "2GB", "max_wal_size": "8GB", "checkpoint_timeout": "1h", "autovacuum": "off"}


def options_of(arguments: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.db", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--full", action="store_true", help="also ten million messages (20 GB of disk, 15 minutes)")
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the numbers to a file, too")
    parser.add_argument("--write-docs", action="store_true", help=f"write the tables into {DOCS.name}, too")
    parser.add_argument("--postgres-bin", metavar="DIR", type=Path, help="folder with initdb and postgres")
    return parser.parse_args(arguments)


async def measure(options: argparse.Namespace) -> Report:
    """Make the databases, ask all questions, print the answers as they come."""
    started = time.monotonic()
    async with PostgresCluster.temporary(options.postgres_bin, settings=SERVER) as cluster:
        facts = {
            "postgres": f"Postgres {cluster.binaries.major}",
            "machine": f"{os.cpu_count()} cores",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "note": "without fsync, inside the database",
        }
        report = Report(facts)
        report.begin()
        small, large = await costs.subjects(report, cluster, options.full)
        await costs.of_a_send(report, small)
        await costs.of_sends_at_once(report, small)
        await costs.of_growth(report, [small, *large])
        await costs.of_row_level_security(report, large[-1])
        await costs.of_heartbeats(report, large[-1])
    report.end(time.monotonic() - started)
    return report


def main(arguments: list[str]) -> int:
    """Run it; the exit code."""
    options = options_of(arguments)
    report = asyncio.run(measure(options))
    if options.json is not None:
        options.json.write_text(report.to_json(), encoding="utf-8")
    if options.write_docs:
        report.write_into(DOCS)
    return 1 if report.over() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Measure what the database costs, as ratios within one run.

    python -m benchmarks.db [--full] [--json PATH] [--write-docs] [--postgres-bin DIR]

Exit 0: the cost of a call stays the same as the database grows. Exit 1: one does not keep its limit.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from benchmarks.command import parser_of, run
from benchmarks.db import costs
from benchmarks.report import Report
from spaces_sdk.local.postgres import PostgresCluster

# All data fits: what is measured is work, not the disk. WAL as on a hosted project, and no checkpoint meanwhile; nor an
# autovacuum, which would come to one of the databases while it is measured.
SERVER = {"shared_buffers": "2GB", "max_wal_size": "8GB", "checkpoint_timeout": "1h", "autovacuum": "off"}


async def measure(options: argparse.Namespace) -> Report:
    """Make the databases, ask all questions, print the answers as they come."""
    report = Report("bench-db")
    async with PostgresCluster.temporary(options.postgres_bin, settings=SERVER) as cluster:
        report.begin("without fsync, inside the database", f"Postgres {cluster.binaries.major}")
        small, large = await costs.subjects(report, cluster, options.full)
        await costs.of_a_send(report, small)
        await costs.of_sends_at_once(report, small)
        await costs.of_growth(report, [small, *large])
        await costs.of_row_level_security(report, large[-1])
        await costs.of_heartbeats(report, large[-1])
    return report


if __name__ == "__main__":
    parser = parser_of("benchmarks.db", __doc__)
    parser.add_argument("--full", action="store_true", help="also ten million messages (20 GB of disk, 15 minutes)")
    parser.add_argument("--postgres-bin", metavar="DIR", type=Path, help="folder with initdb and postgres")
    sys.exit(run(parser.parse_args(), measure))

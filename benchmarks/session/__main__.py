"""Measure what sessions cost, as ratios within one run.

    python -m benchmarks.session [--json PATH] [--write-docs] [--only hearing|sending|crowd]

Exit 1: a number is beyond its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.db.report import Report
from benchmarks.session import crowd, hearing, sending
from benchmarks.session.people import Stage

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
PARTS = ("hearing", "sending", "crowd")


def options_of(arguments: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.session", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the numbers to a file, too")
    parser.add_argument("--write-docs", action="store_true", help=f"write the tables into {DOCS.name}, too")
    parser.add_argument("--only", choices=PARTS, help="one part")
    return parser.parse_args(arguments)


async def measure(only: str | None) -> Report:
    """Ask all questions, print the answers as they come."""
    started = time.monotonic()
    facts = {
        "python": f"Python {platform.python_version()}",
        "machine": f"{os.cpu_count()} cores",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "note": "the local stack on the same machine",
    }
    report = Report(facts, "bench-session")
    report.begin()
    if only != "hearing":
        async with Stage.running() as stage:
            # First of all: memory that others have let go would be taken again, and not be seen.
            if only in (None, "crowd"):
                await crowd.of_many(report, stage)
            if only in (None, "sending"):
                await sending.of_sends(report, stage)
    if only in (None, "hearing"):
        await hearing.of_a_message(report)
    report.end(time.monotonic() - started)
    return report


def main(arguments: list[str]) -> int:
    """Run it; the exit code."""
    options = options_of(arguments)
    report = asyncio.run(measure(options.only))
    if options.json is not None:
        options.json.write_text(report.to_json(), encoding="utf-8")
    if options.write_docs:
        report.write_into(DOCS)
    return 1 if report.over() else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

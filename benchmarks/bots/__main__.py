"""Measure how soon an answer is heard, stopped and claimed, as ratios within one run.

    python -m benchmarks.bots [--json PATH] [--write-docs] [--only growing|stopping|claiming]

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

from benchmarks.bots import claiming, growing, stopping
from benchmarks.db.report import Report
from benchmarks.session.people import Stage

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
PARTS = {"growing": growing.of_tokens, "stopping": stopping.of_stops, "claiming": claiming.of_claims}


def options_of(arguments: list[str]) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.bots", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the numbers to a file, too")
    parser.add_argument("--write-docs", action="store_true", help=f"write the tables into {DOCS.name}, too")
    parser.add_argument("--only", choices=list(PARTS), help="one part")
    return parser.parse_args(arguments)


async def measure(only: str | None) -> Report:
    """Ask all questions, print the answers as they come."""
    started = time.monotonic()
    facts = {
        "python": f"Python {platform.python_version()}",
        "machine": f"{os.cpu_count()} cores",
        "date": f"{datetime.now(UTC):%Y-%m-%d}",
        "note": "stack, bot and listeners on the same machine",
    }
    report = Report(facts, "bench-bots")
    report.begin()
    async with Stage.running() as stage:
        for name, part in PARTS.items():
            if only in (None, name):
                await part(report, stage)
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

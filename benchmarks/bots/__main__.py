"""Measure how soon an answer is heard, stopped and claimed, as ratios within one run.

    python -m benchmarks.bots [--json PATH] [--write-docs] [--only growing|stopping|claiming]

Exit 1: a number is beyond its limit.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.bots import claiming, growing, stopping
from benchmarks.command import parser_of, run
from benchmarks.report import Report
from benchmarks.session.people import Stage

PARTS = {"growing": growing.of_tokens, "stopping": stopping.of_stops, "claiming": claiming.of_claims}


async def measure(options: argparse.Namespace) -> Report:
    """Ask all questions, print the answers as they come."""
    report = Report("bench-bots")
    report.begin("stack, bot and listeners on the same machine")
    async with Stage.running() as stage:
        for name, part in PARTS.items():
            if options.only in (None, name):
                await part(report, stage)
    return report


if __name__ == "__main__":
    parser = parser_of("benchmarks.bots", __doc__)
    parser.add_argument("--only", choices=list(PARTS), help="one part")
    sys.exit(run(parser.parse_args(), measure))

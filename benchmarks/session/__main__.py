"""Measure what sessions cost, as ratios within one run.

    python -m benchmarks.session [--json PATH] [--write-docs] [--only hearing|sending|crowd]

Exit 1: a number is beyond its limit.
"""

from __future__ import annotations

import argparse
import sys

from benchmarks.command import parser_of, run
from benchmarks.report import Report
from benchmarks.session import crowd, hearing, sending
from benchmarks.session.people import Stage


async def measure(options: argparse.Namespace) -> Report:
    """Ask all questions, print the answers as they come."""
    report = Report("bench-session")
    report.begin("the local stack on the same machine")
    if options.only != "hearing":
        async with Stage.running() as stage:
            # First of all: memory that others have let go would be taken again, and not be seen.
            if options.only in (None, "crowd"):
                await crowd.of_many(report, stage)
            if options.only in (None, "sending"):
                await sending.of_sends(report, stage)
    if options.only in (None, "hearing"):
        await hearing.of_a_message(report)
    return report


if __name__ == "__main__":
    parser = parser_of("benchmarks.session", __doc__)
    parser.add_argument("--only", choices=["hearing", "sending", "crowd"], help="one part")
    sys.exit(run(parser.parse_args(), measure))

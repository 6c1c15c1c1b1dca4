"""The command line of `make chaos`."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from tests.chaos.schedule import Kind

NO_LIMIT: Final = 100_000
EXAMPLE: Final = 'make chaos ARGS="--seconds 600 --sessions 12 --seed 1"'


@dataclass(frozen=True, slots=True)
class ChaosOptions:
    """How a run goes.

    Attributes:
        seconds: How long faults are injected; healing and the verdict come on top.
        seed: Makes the schedule, and what the sessions do by themselves.
        kinds: The faults that are injected.
        message_limit: Messages a second that Realtime allows all sessions together; 100 on the Free plan. Over it
            their channels are shut, and stay away for 30 s and more.
        keep: Folder for journals and logs; None throws them away.
    """

    seconds: float
    sessions: int
    seed: int
    kinds: tuple[Kind, ...]
    keep: Path | None
    is_schedule_only: bool
    message_limit: int = NO_LIMIT


def parse_options(arguments: list[str]) -> ChaosOptions:
    """Read the command line; ends the process with a usage text if it is wrong."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.chaos", description="Break everything, then count.", epilog=f"Example: {EXAMPLE}"
    )
    parser.add_argument("--seconds", type=float, default=60.0, help="how long faults are injected (default 60)")
    parser.add_argument("--sessions", type=int, default=6, help="sessions, each in its own process (default 6)")
    parser.add_argument("--seed", type=int, default=20261123, help="the same seed gives the same schedule")
    parser.add_argument("--kinds", default="", help=f"only these faults, by comma, of: {', '.join(Kind)}")
    parser.add_argument("--keep", type=Path, default=None, help="folder to keep journals and logs in")
    parser.add_argument("--schedule", action="store_true", help="print the schedule and end")
    parser.add_argument("--message-limit", type=int, default=NO_LIMIT, help="of Realtime (Free plan: 100)")
    told = parser.parse_args(arguments)
    if not 5 <= told.seconds <= 86_400:
        parser.error("--seconds must be 5 to 86400")
    if not 2 <= told.sessions <= 100:
        parser.error("--sessions must be 2 to 100")
    try:
        kinds = tuple(Kind(name) for name in told.kinds.split(",") if name) or tuple(Kind)
    except ValueError as error:
        parser.error(f"{error}; there are: {', '.join(Kind)}")
    return ChaosOptions(told.seconds, told.sessions, told.seed, kinds, told.keep, told.schedule, told.message_limit)

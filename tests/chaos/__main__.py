"""Break everything that can break around the sessions, then hold what each was told against the table.

    make chaos ARGS="--seconds 600 --sessions 12 --seed 1"

The last line is JSON. Exit 0: nothing lost, doubled, out of order or made up, and each kind of fault was injected.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import tempfile
from pathlib import Path

from tests.chaos.options import parse_options
from tests.chaos.report import say_schedule
from tests.chaos.runner import run_chaos
from tests.chaos.schedule import make_schedule


def main(arguments: list[str]) -> int:
    options = parse_options(arguments)
    # The stack's own clean-up runs into the restarts of its database: that is as it should be.
    logging.getLogger("spaces_sdk.local.scheduler").setLevel(logging.ERROR)
    if options.is_schedule_only:
        say_schedule(
            make_schedule(seed=options.seed, seconds=options.seconds, sessions=options.sessions, kinds=options.kinds)
        )
        return 0
    if options.keep is not None:
        options.keep.mkdir(parents=True, exist_ok=True)
        return 0 if asyncio.run(run_chaos(options, options.keep)) else 1
    with tempfile.TemporaryDirectory(prefix="spaces-chaos-") as folder:
        return 0 if asyncio.run(run_chaos(options, Path(folder))) else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m spaces_sdk.local.realtime`: settings from `SPACES_REALTIME_*`, ends on SIGTERM with status 0."""

from __future__ import annotations

import argparse
import asyncio
import dataclasses
import logging
import sys

from spaces_sdk.errors import ConfigError
from spaces_sdk.local.realtime.server import run_until_signal
from spaces_sdk.local.realtime.settings import RealtimeSettings


def main(arguments: list[str] | None = None) -> int:
    """Run the server; 0 after a clean end, 1 if it could not start, 2 for wrong settings."""
    parser = argparse.ArgumentParser(prog="python -m spaces_sdk.local.realtime", description=__doc__)
    parser.add_argument(
        "--faithful-loss",
        action="store_true",
        help="follow the database by a temporary slot and lose what the real server loses",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(stream=sys.stderr, level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("uvicorn", "psycopg", "psycopg.pool", "websockets"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        settings = RealtimeSettings.from_environment()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    if options.faithful_loss:
        settings = dataclasses.replace(settings, faithful_loss=True)
    try:
        asyncio.run(run_until_signal(settings))
    except OSError as error:
        sys.stderr.write(f"cannot listen on {settings.host}:{settings.port}: {error.strerror or error}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

"""The command line of a benchmark: what all of them take, and how they end."""

from __future__ import annotations

import argparse
import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from benchmarks.report import Report

DOCS = Path(__file__).resolve().parents[1] / "docs" / "benchmarks.md"


def parser_of(module: str, about: str | None) -> argparse.ArgumentParser:
    """Takes `--json` and `--write-docs`; the first line of the module's docstring says what it is."""
    parser = argparse.ArgumentParser(prog=f"python -m {module}", description=(about or "").splitlines()[0])
    parser.add_argument("--json", metavar="PATH", type=Path, help="write the numbers to a file, too")
    parser.add_argument("--write-docs", action="store_true", help=f"write the tables into {DOCS.name}, too")
    return parser


def run(options: argparse.Namespace, measure: Callable[[argparse.Namespace], Awaitable[Report]]) -> int:
    """Measure, and write the numbers where they are wanted; the exit code, 1 if one is beyond its limit."""

    async def measured() -> Report:
        return await measure(options)

    report = asyncio.run(measured())
    report.end()
    if options.json is not None:
        options.json.write_text(report.to_json(), encoding="utf-8")
    if options.write_docs:
        report.write_into(DOCS)
    return 1 if report.over() else 0

"""`spaces demo`: a real conversation on a fresh stack, step by step."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

if TYPE_CHECKING:
    from spaces_sdk.demo.report_human import HumanReport
    from spaces_sdk.demo.stage import DemoSettings
    from spaces_sdk.demo.step import StepResult


def demo(
    *,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON document: ids, positions, who saw what when.")
    ] = False,
    svg: Annotated[
        Path | None, typer.Option("--svg", metavar="FILE", help="Also write what is printed as a picture.")
    ] = None,
    without_part: Annotated[
        str | None,
        typer.Option(
            metavar="PART",
            help="Self-test: stop this part of the stack (realtime) before the live steps, which must fail then.",
        ),
    ] = None,
) -> None:
    """Show three people and a bot holding one conversation, on a fresh local stack in a temporary folder.

    Each step checks what each of them really saw. Ends with 0 if all steps are ok, else with 1.
    """
    # Imported here: `spaces --help` must not wait for the stack and the SDK.
    from spaces_sdk.demo.report_human import HumanReport
    from spaces_sdk.demo.stage import DemoSettings

    settings = DemoSettings.self_test(without_part) if without_part else DemoSettings()
    if as_json:
        results = asyncio.run(_run_json(settings))
    else:
        console = Console(highlight=False, record=svg is not None)
        report = HumanReport(console)
        results = asyncio.run(_run_human(settings, report))
        if svg is not None:
            report.save_svg(svg)
    raise typer.Exit(0 if all(result.is_ok for result in results) else 1)


async def _run_human(settings: DemoSettings, report: HumanReport) -> Sequence[StepResult]:
    from spaces_sdk.demo.runner import walk
    from spaces_sdk.demo.scenario import SCENARIO
    from spaces_sdk.demo.stage import open_stage

    _end_on_sigterm()
    began = asyncio.get_running_loop().time()
    report.open()
    async with open_stage(settings) as stage:
        report.begin(stage)
        results = await walk(stage, SCENARIO, on_begin=report.begin_step, on_end=report.end_step)
    report.end(results, asyncio.get_running_loop().time() - began)
    return results


async def _run_json(settings: DemoSettings) -> Sequence[StepResult]:
    from spaces_sdk.demo.report_json import document
    from spaces_sdk.demo.runner import walk
    from spaces_sdk.demo.scenario import SCENARIO
    from spaces_sdk.demo.stage import open_stage

    _end_on_sigterm()
    began = asyncio.get_running_loop().time()
    async with open_stage(settings) as stage:
        results = await walk(stage, SCENARIO)
        told = document(stage, results, asyncio.get_running_loop().time() - began)
    sys.stdout.write(json.dumps(told, indent=2) + "\n")
    return results


def _end_on_sigterm() -> None:
    """Let SIGTERM end the run as Ctrl-C does: with the stack stopped and the folder removed."""
    task = asyncio.current_task()
    if task is not None:
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)

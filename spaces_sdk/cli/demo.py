"""`spaces demo`: a real conversation on a fresh stack, step by step."""

from __future__ import annotations

import asyncio
import json
import signal
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from spaces_sdk.cli.output import EXIT_FAILED, EXIT_OK, Output
from spaces_sdk.errors import SpacesError

if TYPE_CHECKING:
    from spaces_sdk.demo.report_human import HumanReport
    from spaces_sdk.demo.stage import DemoSettings
    from spaces_sdk.demo.step import StepResult


class Part(StrEnum):
    """The parts of the stack that the self-test can do without."""

    REALTIME = "realtime"
    LITE = "lite"
    GATEWAY = "gateway"


_Json = Annotated[bool, typer.Option("--json", help="One JSON document on stdout: ids, positions, who saw what when.")]
_Svg = Annotated[Path | None, typer.Option("--svg", metavar="FILE", help="Also save what is printed as a picture.")]
_WithoutPart = Annotated[
    Part | None,
    typer.Option(
        "--without-part",
        help="Self-test: stop this part of the stack before the live steps; each of them must fail then.",
    ),
]


def demo(as_json: _Json = False, svg: _Svg = None, without_part: _WithoutPart = None) -> None:
    """Show three people and a bot in one room, on a Supabase of its own in a temporary folder.

    Every step checks what each of them really saw. Exits 0 if all steps are ok, 1 if one is not.

    \b
    Examples:
      spaces demo
      spaces demo --json | python -m json.tool
    """
    output = Output(is_json=as_json)
    try:
        results = _run(output, svg, without_part)
    except SpacesError as error:
        output.error(error)
        raise typer.Exit(Output.exit_status(error)) from error
    except asyncio.CancelledError:
        output.progress("Stopped.")
        raise typer.Exit(EXIT_FAILED) from None
    raise typer.Exit(EXIT_OK if all(result.is_ok for result in results) else EXIT_FAILED)


def _run(output: Output, svg: Path | None, without_part: Part | None) -> Sequence[StepResult]:
    # Imported here: `spaces --help` must not wait for the stack and the SDK.
    from spaces_sdk.local.errors import missing_extra

    try:
        from spaces_sdk.demo.report_human import HumanReport
        from spaces_sdk.demo.stage import DemoSettings
    except ModuleNotFoundError as error:
        raise missing_extra(error.name or "psycopg") from error

    settings = DemoSettings.self_test(without_part) if without_part else DemoSettings()
    if output.is_json:
        return asyncio.run(_run_json(settings))
    console = Console(highlight=False)
    report = HumanReport(console) if svg is None else HumanReport.with_picture(console)
    results = asyncio.run(_run_human(settings, report))
    if svg is not None:
        report.save_svg(svg)
    return results


async def _run_human(settings: DemoSettings, report: HumanReport) -> Sequence[StepResult]:
    from spaces_sdk.demo.runner import walk
    from spaces_sdk.demo.scenario import SCENARIO
    from spaces_sdk.demo.stage import open_stage

    _end_on_signals()
    began = asyncio.get_running_loop().time()
    try:
        async with open_stage(settings, report=report.progress) as stage:
            report.begin(stage)
            results = await walk(stage, SCENARIO, on_begin=report.begin_step, on_end=report.end_step)
    finally:
        report.close()
    report.end(results, asyncio.get_running_loop().time() - began)
    return results


async def _run_json(settings: DemoSettings) -> Sequence[StepResult]:
    from spaces_sdk.demo.report_json import document
    from spaces_sdk.demo.runner import walk
    from spaces_sdk.demo.scenario import SCENARIO
    from spaces_sdk.demo.stage import open_stage

    _end_on_signals()
    began = asyncio.get_running_loop().time()
    async with open_stage(settings) as stage:
        results = await walk(stage, SCENARIO)
        told = document(stage, results, asyncio.get_running_loop().time() - began)
    typer.echo(json.dumps(told, indent=2))
    return results


def _end_on_signals() -> None:
    """Let SIGTERM and a closed terminal end the run as Ctrl-C does: with the stack stopped and the folder removed."""
    task = asyncio.current_task()
    if task is None:
        return
    for number in (signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) != signal.SIG_IGN:
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)

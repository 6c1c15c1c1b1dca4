"""The demo as a person reads it: one line a step, what was seen below it, and a verdict at the end."""

from __future__ import annotations

import re
from collections.abc import Sequence
from io import StringIO
from pathlib import Path

from rich.console import Console
from rich.status import Status
from rich.text import Text

from spaces_sdk.demo.stage import Stage
from spaces_sdk.demo.step import Failure, Step, StepResult

WIDTH = 78
PICTURE_WIDTH = 96
INDENT = "       "
SPEAKERS = {"Ada": "magenta", "Bob": "blue", "Sage": "yellow", "Dora": "cyan"}
_SPOKEN = re.compile(rf"^({'|'.join(SPEAKERS)})(?: \([^)]*\))?: ")


class HumanReport:
    """Writes to a console; colours and the running step's line only where a person watches.

    Args:
        console: Where people read.
        picture: Gets the same, in colours, for `save_svg`.
    """

    def __init__(self, console: Console, picture: Console | None = None) -> None:
        self._console = console
        self._picture = picture
        self._status: Status | None = None

    @classmethod
    def with_picture(cls, console: Console) -> HumanReport:
        """A report that can be saved as a picture."""
        picture = Console(
            record=True, file=StringIO(), force_terminal=True, color_system="truecolor", width=PICTURE_WIDTH
        )
        return cls(console, picture)

    def progress(self, line: str) -> None:
        """What the stack tells while it starts: downloads, parts, migrations."""
        self._line(line, style="dim")

    def begin(self, stage: Stage) -> None:
        """The stack is up."""
        settings = stage.settings
        self._line(f"Ready at {stage.stack.url} after {stage.started_in_s:.1f} s, in a temporary folder.", style="dim")
        self._line(
            f"Short leases for the demo: {settings.lease_s:g} s with a heartbeat every {settings.heartbeat_s:g} s"
            f" (a real room: 75 s and 30 s).",
            style="dim",
        )
        if settings.without_part:
            self._line(f"Self-test: the part {settings.without_part} is stopped, live steps must fail.", style="yellow")
        self._line("")

    def begin_step(self, number: int, step: Step) -> None:
        """Say what is going on, where a person watches; nothing in a log."""
        if self._console.is_terminal:
            self._status = self._console.status(Text(f"{number:>2}  {step.title}", style="dim"))
            self._status.start()

    def end_step(self, result: StepResult) -> None:
        """The step's line, and what was seen."""
        self.close()
        for console in self._consoles:
            is_plain = not console.is_terminal or "utf" not in console.encoding
            console.print(_headline(result, is_plain=is_plain), soft_wrap=True)
        for note in result.notes:
            self._note(note)
        if result.failure is not None:
            self._explain(result.failure)

    def close(self) -> None:
        """Take away the line of the running step. Idempotent."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def end(self, results: Sequence[StepResult], total_s: float) -> None:
        """The verdict."""
        ok = sum(result.is_ok for result in results)
        self._line("")
        style = "bold green" if ok == len(results) else "bold red"
        self._line(f"{total_s:.1f} s, the start of the stack included", style="dim")
        self._line(f"demo: {ok} of {len(results)} steps ok", style=style)

    def save_svg(self, path: Path) -> None:
        """Write all that was printed as a picture, if it was kept for one."""
        if self._picture is None:
            return
        picture = self._picture.export_svg(title="spaces demo")
        # Rich names a font on a public server; a page that shows the picture should ask nobody for it.
        path.write_text(re.sub(r"@font-face \{.*?\}\n?", "", picture, flags=re.DOTALL), "utf-8")

    def _note(self, note: str) -> None:
        text = Text(INDENT + note, style="dim" if note.startswith(" ") else "")
        if spoken := _SPOKEN.match(note):
            text.stylize(SPEAKERS[spoken[1]], len(INDENT), len(INDENT) + spoken.end())
        self._print(text)

    def _explain(self, failure: Failure) -> None:
        self._line(f"{INDENT}expected: {failure.expected}", style="red")
        self._line(f"{INDENT}seen:     {failure.seen}", style="red")
        if failure.log_tail:
            self._line(f"{INDENT}the log of {failure.part} ends with:", style="dim")
            for line in failure.log_tail:
                self._line(f"{INDENT}  | {line}", style="dim")

    def _line(self, text: str, style: str = "") -> None:
        self._print(Text(text, style=style))

    def _print(self, text: Text) -> None:
        for console in self._consoles:
            console.print(text, soft_wrap=True)

    @property
    def _consoles(self) -> list[Console]:
        return [self._console] if self._picture is None else [self._console, self._picture]


def _headline(result: StepResult, *, is_plain: bool) -> Text:
    ok, failed = ("ok  ", "FAIL") if is_plain else ("✓", "✗")
    mark = Text(ok, style="green") if result.is_ok else Text(failed, style="bold red")
    title = Text(result.title, style="bold")
    took = Text(_duration(result.took_ms), style="cyan")
    gap = max(2, WIDTH - 6 - mark.cell_len - title.cell_len - took.cell_len)
    return Text.assemble(f"{result.number:>3} ", mark, " ", title, " " * gap, took)


def _duration(ms: float) -> str:
    return f"{ms:.0f} ms" if ms < 1000 else f"{ms / 1000:.1f} s"

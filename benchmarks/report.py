"""Tables that grow on the terminal while it works, and the same as JSON and Markdown."""

from __future__ import annotations

import json
import math
import os
import platform
import sys
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Limit:
    """A ratio, and what it must not exceed or not fall short of."""

    ratio: float
    most: float = math.inf
    least: float = 0.0

    @property
    def is_kept(self) -> bool:
        """Rounded as it is shown."""
        return self.least <= round(self.ratio, 2) <= self.most

    def __str__(self) -> str:
        verdict = "ok" if self.is_kept else "OVER" if self.ratio > self.most else "UNDER"
        return f"{self.ratio:.2f} {verdict}"


Cell = str | Limit
_FIRST = 42


@dataclass
class Table:
    """One question, and a row for each thing asked.

    Attributes:
        columns: Headings; the first column is the widest and stands left.
    """

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[Cell, ...]] = field(default_factory=list[tuple[Cell, ...]])


@dataclass
class Report:
    """All tables of a run of the benchmark with that name.

    Attributes:
        facts: On what it was measured; filled by `begin`.
    """

    name: str
    facts: dict[str, str] = field(default_factory=dict[str, str])
    tables: list[Table] = field(default_factory=list[Table])
    _began: float = field(default_factory=time.monotonic, init=False)

    def begin(self, note: str, runtime: str = f"Python {platform.python_version()}") -> None:
        """Say what is measured, and on what."""
        self.facts = {
            "runtime": runtime,
            "machine": f"{os.cpu_count()} cores",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "note": note,
        }
        print(f"{self.name}: " + " · ".join(self.facts.values()), flush=True)

    def working_on(self, what: str) -> None:
        """A word while it lasts, on a terminal only."""
        if sys.stdout.isatty():
            print(f"\r\033[K  {what} ...", end="", flush=True)

    def table(self, title: str, *columns: str) -> None:
        """Begin a table."""
        self.tables.append(Table(title, (title, *columns)))
        self._line()
        self._line(title, *columns)

    def row(self, what: str, *cells: Cell) -> None:
        """Add a row to the last table."""
        self.tables[-1].rows.append((what, *cells))
        self._line(f"  {what}", *cells)

    def end(self) -> None:
        """Say how it went."""
        seconds = time.monotonic() - self._began
        over = self.over()
        verdict = "all limits kept" if not over else f"{len(over)} beyond their limit: {', '.join(over)}"
        self._line()
        print(f"{self.name}: {verdict} ({seconds:.0f} s)", flush=True)

    def over(self) -> list[str]:
        """The rows that broke a limit."""
        return [
            str(row[0])
            for table in self.tables
            for row in table.rows
            if any(isinstance(cell, Limit) and not cell.is_kept for cell in row)
        ]

    def to_json(self) -> str:
        """Everything, numbers as they are shown."""
        tables = [
            {"title": table.title, "rows": [dict(zip(table.columns, map(str, row), strict=True)) for row in table.rows]}
            for table in self.tables
        ]
        return json.dumps({**self.facts, "tables": tables, "over": self.over()}, indent=2, ensure_ascii=False) + "\n"

    def write_into(self, path: Path) -> None:
        """Replace what stands between the markers.

        Raises:
            ValueError: The file has no markers.
        """
        text = path.read_text(encoding="utf-8")
        begin, end = f"<!-- {self.name}:begin -->", f"<!-- {self.name}:end -->"
        before, found, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        if not found or not found_end:
            raise ValueError(f"cannot write the results: {path} has no {begin} … {end}")
        path.write_text(f"{before}{begin}\n{self._markdown()}\n{end}{after}", encoding="utf-8")

    def _markdown(self) -> str:
        lines = [" · ".join(self.facts.values())]
        for table in self.tables:
            lines += ["", f"| {' | '.join(table.columns)} |", f"|---{'|--:' * (len(table.columns) - 1)}|"]
            lines += [f"| {' | '.join(map(str, row))} |" for row in table.rows]
        return "\n".join(lines)

    def _line(self, first: str = "", *cells: Cell) -> None:
        start = "\r\033[K" if sys.stdout.isatty() else ""
        headings = self.tables[-1].columns[1:] if cells else ()
        columns = (f"{cell!s:>{max(len(heading), 11) + 3}}" for heading, cell in zip(headings, cells, strict=True))
        print((start + first.ljust(_FIRST) + "".join(columns)).rstrip(), flush=True)

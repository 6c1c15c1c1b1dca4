"""Reads expected.txt: what each actor is answered to each action."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from tests.db.matrix.actors import ACTORS, IMPOSTORS

FILE: Final = Path(__file__).with_name("expected.txt")

THROUGH: Final = "Y"
DENIED: Final = "x"
SHUT_OUT: Final = "s"
NOTHING: Final = "0"
MISS: Final = "w"
UNKNOWN_TOKEN: Final = "t"
NO_CHANNEL: Final = "j"
UNEXPOSED: Final = "n"

# What the marks stand for among our own codes; the other marks are explained in the file.
MARK_OF_CODE: Final[Mapping[str, str]] = {
    "not_authenticated": "u",
    "not_participant": "p",
    "not_host": "h",
    "not_allowed": "a",
    "kicked": "k",
    "banned": "b",
    "muted": "m",
    "room_not_found": "r",
    "message_not_found": "f",
    "participant_not_found": "f",
    "lease_expired": "l",
    "conflict": "c",
    "invalid_argument": "i",
}
REFUSALS: Final = frozenset(
    {*MARK_OF_CODE.values(), DENIED, SHUT_OUT, NOTHING, MISS, UNKNOWN_TOKEN, NO_CHANNEL, UNEXPOSED}
)

_COLUMNS: Final[Mapping[str, tuple[str, ...]]] = {
    "tables": ACTORS,
    "calls": ACTORS,
    "private functions": ACTORS,
    "topics": ACTORS,
    "realtime": (*ACTORS, *IMPOSTORS),
    "rest": (*ACTORS, *IMPOSTORS),
    "impostors": IMPOSTORS,
}


@dataclass
class Section:
    """One grid: a line for each action; what has no line is denied to everybody."""

    name: str
    actors: tuple[str, ...]
    lines: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])
    asked: set[str] = field(default_factory=set[str])

    def marks(self, *names: str) -> dict[str, str]:
        """The marks of the first of the names that has a line."""
        for name in names:
            if name in self.lines:
                self.asked.add(name)
                return self.lines[name]
        return dict.fromkeys(self.actors, DENIED)

    def unasked(self) -> set[str]:
        """Lines that nothing has been tried for."""
        return self.lines.keys() - self.asked


def read_grids(text: str | None = None) -> dict[str, Section]:
    """All sections of the file.

    Raises:
        ValueError: A line does not have a mark for each column, or stands twice.
    """
    sections = {name: Section(name, actors) for name, actors in _COLUMNS.items()}
    section: Section | None = None
    for number, line in enumerate((FILE.read_text(encoding="utf-8") if text is None else text).splitlines(), 1):
        if line.startswith("== "):
            section = sections[line.removeprefix("== ").split(":")[0]]
        elif section is not None and "|" in line and not line.startswith("#"):
            name, _, rest = line.partition("|")
            marks = rest.split()
            if len(marks) != len(section.actors) or name.strip() in section.lines:
                raise ValueError(f"{FILE.name}, line {number}: {len(marks)} marks, or a second line of this name")
            unknown = set(marks) - REFUSALS - {THROUGH}
            if unknown:
                raise ValueError(f"{FILE.name}, line {number}: nobody knows the mark {', '.join(sorted(unknown))}")
            section.lines[name.strip()] = dict(zip(section.actors, marks, strict=True))
    return sections

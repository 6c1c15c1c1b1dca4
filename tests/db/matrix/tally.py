"""Counts what was tried, and says what came out otherwise than it stands in expected.txt."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Final, cast

from tests.db.matrix.grid import REFUSALS, THROUGH

# Of a test's report: reports reach the process that prints the summary.
PROPERTY: Final = "access matrix"


@dataclass
class Tally:
    """All cells of one part of the matrix."""

    tried: int = 0
    let_through: list[str] = field(default_factory=list[str])
    otherwise: list[str] = field(default_factory=list[str])
    found: dict[str, dict[str, str]] = field(default_factory=dict[str, dict[str, str]])

    def add(self, line: str, expected: Mapping[str, str], outcomes: Mapping[str, str]) -> None:
        """Compare one line, actor by actor."""
        self.found[line] = dict(outcomes)
        for actor, outcome in outcomes.items():
            self.tried += 1
            wanted = expected[actor]
            if outcome == wanted:
                continue
            told = f"{actor} · {line}: {outcome}, expected {wanted}"
            # Whatever is no refusal has come to where the refused must not come, be it to a plain error.
            is_through = wanted != THROUGH and outcome not in REFUSALS
            (self.let_through if is_through else self.otherwise).append(told)

    def check(self) -> None:
        """Fail with each cell that came out otherwise."""
        wrong = [f"LET THROUGH {each}" for each in self.let_through] + self.otherwise
        assert not wrong, f"{len(wrong)} of {self.tried} cells are not as in expected.txt:\n" + "\n".join(wrong)

    @property
    def counts(self) -> tuple[int, int, int]:
        """Tried, let through, refused otherwise."""
        return self.tried, len(self.let_through), len(self.otherwise)


def summary(properties: Iterable[tuple[str, object]]) -> str | None:
    """The one line for the terminal, from what tests have said of themselves; None if nothing was tried."""
    counts = [cast("tuple[int, int, int]", value) for name, value in properties if name == PROPERTY]
    if not counts:
        return None
    tried, let_through, otherwise = (sum(column) for column in zip(*counts, strict=True))
    text = f"access matrix: {tried:,} cells tried, {let_through} let through"
    return f"{text}, {otherwise} refused otherwise than expected" if otherwise else text

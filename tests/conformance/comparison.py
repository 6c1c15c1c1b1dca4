"""Compares what one connection got with what it got in the recording."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import pairwise, zip_longest

from tests.conformance.frames import Comparable

_REACH = 8
"""How far the frames of a step are looked for after a difference, in frames."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A frame that did not come, one that came and should not have, or one in place of the other."""

    scenario: str
    conn: str
    wanted: Comparable | None
    got: Comparable | None

    @property
    def frames(self) -> list[Comparable]:
        """The one or the two."""
        return [frame for frame in (self.wanted, self.got) if frame is not None]

    def __str__(self) -> str:
        wanted, got = ("nothing" if frame is None else frame.text for frame in (self.wanted, self.got))
        return f"{self.scenario} {self.conn}: recorded {wanted}; came {got}"


@dataclass(slots=True)
class Outcome:
    """The comparison of one scenario, or of all."""

    compared: int = 0
    equal: int = 0
    moved: int = 0
    """Of the equal ones, those that came in another order within one step, as independent senders may."""
    differences: list[Difference] = field(default_factory=list[Difference])

    def add(self, other: Outcome) -> None:
        """Count another one's frames here too."""
        self.compared += other.compared
        self.equal += other.equal
        self.moved += other.moved
        self.differences += other.differences


def compare(
    scenario: str, conn: str, expected: Sequence[Comparable], received: Sequence[Comparable], steps: Sequence[int]
) -> Outcome:
    """Compare frame by frame.

    Args:
        scenario: Its name, for the differences.
        conn: The connection's name, for the differences.
        expected: As recorded.
        received: As they came.
        steps: Indices into `expected` at which somebody acted. Within one step, frames of one
            channel keep their order among themselves; fanned-out ones may come between anywhere.
    """
    outcome = Outcome()
    aligned = _aligned(list(expected), list(received), [*steps, len(expected)], outcome)
    want = [frame.text for frame in expected]
    got = [frame.text for frame in aligned]
    surplus = 0
    for tag, i1, i2, j1, j2 in SequenceMatcher(None, want, got, autojunk=False).get_opcodes():
        if tag == "equal":
            outcome.equal += i2 - i1
            continue
        pairs = zip_longest(expected[i1:i2], aligned[j1:j2])
        outcome.differences += [Difference(scenario, conn, wanted, came) for wanted, came in pairs]
        surplus += (j2 - j1) - (i2 - i1)
    outcome.compared = len(expected) + max(0, surplus)
    return outcome


def _aligned(
    expected: list[Comparable], received: list[Comparable], steps: list[int], outcome: Outcome
) -> list[Comparable]:
    result: list[Comparable] = []
    at = 0
    for start, end in pairwise(steps):
        wanted = expected[start:end]
        for begin in range(at, at + _REACH):
            window = received[begin : begin + len(wanted)]
            if _is_same_step(wanted, window):
                outcome.moved += sum(a != b for a, b in zip(wanted, window, strict=True))
                result += received[at:begin] + wanted
                at = begin + len(wanted)
                break
        else:
            remaining = Counter(wanted)
            while at < len(received) and remaining[received[at]]:
                remaining[received[at]] -= 1
                result.append(received[at])
                at += 1
    return result + received[at:]


def _is_same_step(wanted: list[Comparable], got: list[Comparable]) -> bool:
    if Counter(wanted) != Counter(got):
        return False
    own = [[frame for frame in frames if not frame.is_fanned_out] for frames in (wanted, got)]
    return own[0] == own[1]

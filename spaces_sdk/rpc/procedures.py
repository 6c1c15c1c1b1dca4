"""What can be called: functions of the database, tables to read, and whether a call may be repeated."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum, auto


class Repeat(Enum):
    """Whether a call whose answer is missing may be made again."""

    READ = auto()
    """It changes nothing; a missing answer is a transport error."""
    SAFE = auto()
    """It carries an idempotency key, or sets what the first call has set already."""
    NEVER = auto()
    """A second call would do it twice; a missing answer is a transport error, nothing durable hangs on it."""


@dataclass(frozen=True, slots=True)
class Procedure:
    """A function of the database, and how it may be called.

    Attributes:
        name: Its name in schema `public`.
        operation: What it does, for errors: `cannot <operation>: …`.
        done_codes: Errors which say, after a try without an answer, that that try has done it.
    """

    name: str
    operation: str
    repeat: Repeat
    done_codes: frozenset[str] = field(default_factory=frozenset[str])


@dataclass(frozen=True, slots=True)
class TableRead(Procedure):
    """A table that may be read under row level security; its call's arguments are the filters, `{"name": "eq.ada"}`.

    Attributes:
        name: Its name in schema `public`.
        columns: What is read of each row, separated by commas.
        order: The column that orders the rows.
        most: Rows that are read.
    """

    columns: str = "*"
    order: str = "id"
    most: int = 1000

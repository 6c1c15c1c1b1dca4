"""What a session's process writes down: one line for each thing that its reader was told or that became of a send."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any


class What(StrEnum):
    """The kinds of lines."""

    OPENED = "opened"
    """A reader begins: `pos` is its `since`, None for the head of the join."""
    TOLD = "told"
    """An event of the room came out of the reader."""
    CAUGHT_UP = "caught_up"
    STATE = "state"
    """The session moved to the state `name`."""
    GAP = "gap"
    DROPPED = "dropped"
    """The reader was too slow; `count` events follow from the database."""
    TRYING = "trying"
    """A send begins: `message_id`, and `token`, which its message carries."""
    STORED = "stored"
    """It returned, with `seq`."""
    UNKNOWN = "unknown"
    """It raised OutcomeUnknownError."""
    REFUSED = "refused"
    """It raised something that says: not stored. `name` is the code."""
    ENTER_FAILED = "enter_failed"
    ENDED = "ended"
    """The session ended unasked; `name` is the reason."""
    GARBLED = "garbled"
    """The parts of a message that grew did not add up to it; `name` says how."""
    CRASHED = "crashed"
    """What is no error of the SDK came out of it; `name` says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One line of a journal.

    Attributes:
        at_s: The machine's monotonic clock, the same for all processes.
        position: The reader's position after this line.
        digest: Checksum of what the message says.
    """

    what: What
    at_s: float
    name: str = ""
    pos: int | None = None
    position: int | None = None
    is_replayed: bool = False
    message_id: str = ""
    token: str = ""
    seq: int | None = None
    revision: int | None = None
    digest: int | None = None
    from_pos: int | None = None
    count: int | None = None

    def to_json(self) -> str:
        """In one line, without what is as by default."""
        said = {name: getattr(self, name) for name, default in _DEFAULTS.items() if getattr(self, name) != default}
        return json.dumps({"what": self.what, "at_s": round(self.at_s, 4), **said}, separators=(",", ":"))

    @classmethod
    def from_json(cls, text: str) -> Line:
        said: dict[str, Any] = json.loads(text)
        return cls(what=What(said.pop("what")), **said)


_DEFAULTS = {field.name: field.default for field in fields(Line) if field.name not in ("what", "at_s")}

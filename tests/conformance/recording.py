"""The recorded scenarios as steps to play and frames to expect."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum, auto
from pathlib import Path
from typing import Any, cast

TRANSCRIPTS = Path(__file__).parents[1] / "fixtures" / "realtime-transcripts"

_RUN = re.compile(r"<(\d+) x '(.)'>")
_DROP = re.compile(r"abnormal drop of (\w+)")
_RELOAD, _SHUTDOWN, _TENANT = "/reload", "/shutdown", "/api/tenants/"
_GOODBYE = "Server requested disconnect"
_CLOSE_IS_NOTED_S = 0.02
_REQUEST_TAKES_S = 0.015
_RELOAD_TAKES_S = 0.08


class Kind(Enum):
    """What a line of a recording is."""

    OPEN = auto()
    SEND = auto()
    PING = auto()
    RECEIVE = auto()
    CLOSED_BY_CLIENT = auto()
    CLOSED_BY_SERVER = auto()
    DROP = auto()
    SQL = auto()
    HTTP = auto()
    MANAGE = auto()
    CALL = auto()
    NOTE = auto()


Call = Callable[[Any], Coroutine[Any, Any, None]]


@dataclass(slots=True)
class Entry:
    """One line, or one that stands for what a note says was not logged."""

    t: float
    kind: Kind
    conn: str = ""
    frame: Any = None
    note: str = ""
    is_binary: bool = False
    is_raw_text: bool = False
    call: Call | None = None

    @property
    def is_effect(self) -> bool:
        """True for what the server did."""
        return self.kind in (Kind.RECEIVE, Kind.CLOSED_BY_SERVER)

    @property
    def is_action(self) -> bool:
        """True for what somebody did to the server."""
        return not self.is_effect and self.kind is not Kind.NOTE


@dataclass(slots=True)
class Recording:
    """One scenario."""

    name: str
    entries: list[Entry] = field(default_factory=list[Entry])


def names() -> list[str]:
    """All scenarios, in their order."""
    return sorted(path.name.removesuffix(".jsonl") for path in TRANSCRIPTS.glob("*.jsonl"))


def load(name: str) -> Recording:
    """Read a scenario; causes come before their effects."""
    lines = (TRANSCRIPTS / f"{name}.jsonl").read_text().strip().split("\n")
    dropped: set[str] = set()
    entries: list[Entry] = []
    for line in lines:
        entry = _entry(json.loads(line), dropped)
        if entry is not None:
            entries.append(entry)
    return Recording(name, causes_first(entries))


def _entry(line: dict[str, Any], dropped: set[str]) -> Entry | None:
    t, conn, note = float(line["t"]), str(line.get("conn", "")), str(line.get("note", ""))
    frame: Any = line.get("frame")
    match line["dir"]:
        case "send":
            binary, raw = bool(line.get("binary")), bool(line.get("raw_text"))
            content = base64.b64decode(frame) if binary else frame if raw else expand(frame)
            return Entry(t, Kind.SEND, conn, content, note, is_binary=binary, is_raw_text=raw)
        case "recv":
            binary = bool(line.get("binary"))
            content = base64.b64decode(frame) if binary else expand(frame)
            return Entry(t, Kind.RECEIVE, conn, content, note, is_binary=binary)
        case "sql":
            return None if note == "result" else Entry(t, Kind.SQL, conn, frame, note)
        case "http":
            return _http(t, conn, cast("dict[str, Any]", frame), note)
        case "close":
            if conn in dropped:
                return None
            kind = Kind.CLOSED_BY_SERVER if "server" in note else Kind.CLOSED_BY_CLIENT
            return Entry(t, kind, conn, frame, note)
        case _:
            if found := _DROP.search(note):
                dropped.add(found[1])
                return Entry(t, Kind.DROP, found[1], note=note)
            return Entry(t, Kind.NOTE, conn, note=note)


def _http(t: float, conn: str, frame: dict[str, Any], note: str) -> Entry:
    request = str(frame["request"])
    if conn:
        return Entry(t, Kind.OPEN, conn, frame, note)
    kind = Kind.MANAGE if _TENANT in request else Kind.HTTP
    return Entry(t, kind, conn, frame, note)


def causes_first(entries: list[Entry]) -> list[Entry]:
    """Put what was noted at its end, after what others had heard of it by then, to where it began."""
    ordered: list[Entry] = []
    for entry in entries:
        place = len(ordered)
        began = _began(entry)
        if began is not None:
            while place and _came_of(ordered[place - 1], entry, began):
                place -= 1
            if place < len(ordered):
                entry.t = ordered[place].t
        ordered.insert(place, entry)
    return ordered


def _began(entry: Entry) -> float | None:
    match entry.kind:
        case Kind.CLOSED_BY_CLIENT:
            return entry.t - _CLOSE_IS_NOTED_S
        case Kind.HTTP | Kind.OPEN:
            return entry.t - entry.frame.get("elapsed_ms", 0) / 1000 - _REQUEST_TAKES_S
        case Kind.MANAGE:
            return entry.t - _RELOAD_TAKES_S
        case _:
            return None


def _came_of(earlier: Entry, entry: Entry, began: float) -> bool:
    if entry.kind is Kind.MANAGE:
        is_goodbye = earlier.kind is Kind.CLOSED_BY_SERVER or _GOODBYE in str(earlier.frame)
        return earlier.is_effect and is_goodbye and earlier.t >= began
    return earlier.is_effect and earlier.conn != (entry.conn or None) and earlier.t >= began


def expand(value: Any) -> Any:
    """Write shortened runs of one character out."""
    return json.loads(_RUN.sub(lambda found: found[2] * int(found[1]), json.dumps(value)))

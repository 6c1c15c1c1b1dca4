"""Frames in a form that can be compared: what is made anew at each run is declared here, as key paths."""

from __future__ import annotations

import json
import re
from typing import Any, NamedTuple, cast

WILDCARDS: tuple[tuple[str, ...], ...] = (
    # Presence keys that the server makes where the client gives none: `{key}` is the name of the key itself.
    ("presence_state", "{key}"),
    ("presence_diff", "joins", "{key}"),
    ("presence_diff", "leaves", "{key}"),
    # References of presence metas.
    ("presence_state", "*", "metas", "*", "phx_ref"),
    ("presence_state", "*", "metas", "*", "phx_ref_prev"),
    ("presence_diff", "joins", "*", "metas", "*", "phx_ref"),
    ("presence_diff", "joins", "*", "metas", "*", "phx_ref_prev"),
    ("presence_diff", "leaves", "*", "metas", "*", "phx_ref"),
    ("presence_diff", "leaves", "*", "metas", "*", "phx_ref_prev"),
    # Ids of rows of realtime.messages.
    ("broadcast", "meta", "id"),
    ("broadcast", "payload", "id"),
)
"""Event, then keys of the payload; `*` is any key or index.

They let a value differ only where both are of one kind, a UUID or a reference of presence, and two
that are the same within a frame have to stay the same. The header, the event, and every status,
reason and message are compared as they are.
"""

_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_PHX_REF = re.compile(r"[A-Za-z0-9_=-]{16}")
_USER_BROADCAST = 4
_FANNED_OUT = ("broadcast", "presence_diff", "postgres_changes")


class Comparable(NamedTuple):
    """A frame as text, and whether it came by fan-out: then its place among others of one step is chance."""

    text: str
    is_fanned_out: bool
    topic: str = ""


def comparable(message: Any) -> Comparable:
    """Read what came over a socket: text, bytes, or JSON that is parsed already."""
    if isinstance(message, bytes):
        return _binary(message)
    if isinstance(message, str):
        try:
            message = json.loads(message)
        except ValueError:
            return Comparable(f"text {message}", is_fanned_out='"broadcast"' in message)
    if isinstance(message, list):
        parts = cast("list[Any]", message)
        if len(parts) == 5 and isinstance(parts[3], str):
            head, payload = parts[:4], masked(parts[3], parts[4])
            return _made(f"2.0.0 {json.dumps(head)}", parts[3], payload, str(parts[2]))
    elif isinstance(message, dict):
        fields = cast("dict[str, Any]", message)
        event = str(fields.get("event"))
        masked_fields = fields | {"payload": masked(event, fields.get("payload"))}
        text = f"1.0.0 {json.dumps(masked_fields)}"
        return _made(text, event, fields.get("payload"), str(fields.get("topic")), is_whole=True)
    return Comparable(f"json {json.dumps(message)}", is_fanned_out=False)


def _made(head: str, event: str, payload: Any, topic: str, *, is_whole: bool = False) -> Comparable:
    is_replayed = isinstance(payload, dict) and "replayed" in str(cast("dict[str, Any]", payload).get("meta"))
    text = head if is_whole else f"{head} {json.dumps(payload)}"
    return Comparable(text, event in _FANNED_OUT and not is_replayed, topic)


def _binary(data: bytes) -> Comparable:
    """Kind 4 field by field, with its layout; the other kinds carry nothing that is made anew."""
    if data[0] != _USER_BROADCAST:
        return Comparable(f"binary {data!r}", is_fanned_out=True)
    at = 5
    fields: list[str] = []
    for length in data[1:4]:
        fields.append(data[at : at + length].decode())
        at += length
    topic, event, metadata = fields
    rest: Any = data[at:].decode() if data[4] else repr(data[at:])
    if data[4]:
        try:
            rest = json.loads(rest)
        except ValueError:
            rest = f"text {rest}"
    content = {"meta": json.loads(metadata) if metadata else None, "payload": rest}
    lengths = list(data[1:4])
    text = f"kind 4 {lengths} encoding {data[4]} {topic} {event} {json.dumps(masked('broadcast', content))}"
    return Comparable(text, is_fanned_out="replayed" not in metadata, topic=topic)


def masked(event: str, payload: Any) -> Any:
    """The payload with what may differ replaced by its kind and its number within the frame."""
    numbers: dict[str, str] = {}
    return _masked(payload, [path[1:] for path in WILDCARDS if path[0] == event], numbers)


def _masked(value: Any, paths: list[tuple[str, ...]], numbers: dict[str, str]) -> Any:
    if any(not path for path in paths):
        return _number(value, numbers)
    if isinstance(value, dict):
        result: dict[str, Any] = {}
        items = cast("dict[str, Any]", value)
        made_anew = {key for key in items if ("{key}",) in paths and _UUID.fullmatch(key)}
        # Keys are sorted: the place of one that is made anew is made anew too.
        for key in sorted(items, key=made_anew.__contains__):
            below = [path[1:] for path in paths if path[0] in ("*", key)]
            name = _number(key, numbers) if key in made_anew else key
            result[name] = _masked(items[key], below, numbers)
        return result
    if isinstance(value, list):
        below = [path[1:] for path in paths if path[0] == "*"]
        return [_masked(item, below, numbers) for item in cast("list[Any]", value)]
    return value


def _number(value: Any, numbers: dict[str, str]) -> Any:
    if not isinstance(value, str):
        return value
    kind = "uuid" if _UUID.fullmatch(value) else "phx_ref" if _PHX_REF.fullmatch(value) else None
    if kind is None:
        return value
    return numbers.setdefault(value, f"<{kind} {len(numbers) + 1}>")

"""The two wire protocols, without I/O: 1.0.0 (JSON objects) and 2.0.0 (JSON arrays, binary kinds 0 to 4).

What comes in is a `ClientFrame` or `None` (the real server drops what it cannot read, without a word);
what goes out is the bytes of one websocket message.
"""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from enum import Enum
from typing import NamedTuple, NoReturn, cast

MAX_FIELD_BYTES = 255
"""Every length in a binary frame is one unsigned byte."""

BROADCAST = "broadcast"
_PUSH, _REPLY, _BROADCAST, _USER_PUSH, _USER_BROADCAST = range(5)


class Version(Enum):
    """The `vsn` of a connection."""

    V1 = "1.0.0"
    V2 = "2.0.0"


@dataclass(frozen=True, slots=True)
class RawPayload:
    """The data of a binary push of kind 0."""

    data: bytes


@dataclass(frozen=True, slots=True)
class UserPayload:
    """A user broadcast of kind 3; JSON is passed on unread."""

    event: str
    is_json: bool
    data: bytes


class ClientFrame(NamedTuple):
    """One message of a client. `ref` and `join_ref` are given back as they came."""

    join_ref: object
    ref: object
    topic: str
    event: str
    payload: object


def dumps(value: object) -> str:
    """JSON as it goes over the wire, keys in the order given."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def dumps_sorted(value: object) -> str:
    """JSON with sorted keys: how what a client sent comes out of the real server."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def loads(text: str) -> object:
    """Parse JSON strictly: no NaN, no infinity, no lone surrogates.

    Raises:
        ValueError: Not JSON, or nested too deeply to be handled.
    """
    try:
        value: object = json.loads(text, parse_constant=_no_constant, parse_float=_finite)
        if "\\ud" in text or "\\uD" in text:
            dumps(value).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError(f"{text} is out of range")
    return value


def decode(version: Version, data: str | bytes) -> ClientFrame | None:
    """Read one websocket message, text or binary; None for what is not a frame of that version."""
    try:
        if version is Version.V1:
            return _decode_object(data if isinstance(data, str) else data.decode())
        return _decode_array(data) if isinstance(data, str) else _decode_binary(data)
    except (ValueError, IndexError):
        return None


def _decode_object(text: str) -> ClientFrame | None:
    value = loads(text)
    if not isinstance(value, dict):
        return None
    message = cast("dict[str, object]", value)
    if not ("payload" in message and "ref" in message):
        return None
    return _frame(
        message.get("join_ref"), message["ref"], message.get("topic"), message.get("event"), message["payload"]
    )


def _decode_array(text: str) -> ClientFrame | None:
    value = loads(text)
    if not isinstance(value, list):
        return None
    parts = cast("list[object]", value)
    # What follows the fifth part is passed over.
    return _frame(*parts[: len(ClientFrame._fields)]) if len(parts) >= len(ClientFrame._fields) else None


def _frame(join_ref: object, ref: object, topic: object, event: object, payload: object) -> ClientFrame | None:
    if not isinstance(topic, str) or not isinstance(event, str):
        return None
    return ClientFrame(join_ref, ref, topic, event, payload)


def _decode_binary(data: bytes) -> ClientFrame | None:
    if data[0] == _PUSH:
        (join_ref, ref, topic, event), rest = _fields(data, 1, 4)
        return ClientFrame(join_ref, ref, topic, event, RawPayload(rest))
    if data[0] == _USER_PUSH:
        is_json = data[6] != 0
        (join_ref, ref, topic, event, metadata), rest = _fields(data, 1, 5, skip=1)
        if metadata:
            loads(metadata)
        return ClientFrame(join_ref, ref, topic, BROADCAST, UserPayload(event, is_json, rest))
    return None


def _fields(data: bytes, start: int, count: int, *, skip: int = 0) -> tuple[list[str], bytes]:
    lengths = data[start : start + count]
    offset = start + count + skip
    if len(lengths) < count or len(data) < offset + sum(lengths):
        raise ValueError("the frame is cut short")
    fields: list[str] = []
    for length in lengths:
        fields.append(data[offset : offset + length].decode())
        offset += length
    return fields, data[offset:]


def push(version: Version, join_ref: object, ref: object, topic: str, event: str, payload_json: str) -> bytes:
    """A text message to one client; 1.0.0 has no place for the join_ref."""
    if version is Version.V2:
        text = f"[{dumps(join_ref)},{dumps(ref)},{dumps(topic)},{dumps(event)},{payload_json}]"
    else:
        text = f'{{"ref":{dumps(ref)},"event":{dumps(event)},"payload":{payload_json},"topic":{dumps(topic)}}}'
    return text.encode()


def reply(version: Version, join_ref: object, ref: object, topic: str, status: str, response: object) -> bytes:
    """The answer to one message."""
    return push(version, join_ref, ref, topic, "phx_reply", dumps({"status": status, "response": response}))


def user_broadcast(topic: str, event: str, metadata: str, *, is_json: bool, data: bytes) -> bytes | None:
    """Kind 4; None when a field does not fit its one-byte length."""
    fields = [topic.encode(), event.encode(), metadata.encode()]
    if any(len(field) > MAX_FIELD_BYTES for field in fields):
        return None
    head = bytes([_USER_BROADCAST, *(len(field) for field in fields), int(is_json)])
    return b"".join([head, *fields, data])


def raw_broadcast(topic: str, event: str, data: bytes) -> bytes | None:
    """Kind 2; None when a field does not fit its one-byte length."""
    fields = [topic.encode(), event.encode()]
    if any(len(field) > MAX_FIELD_BYTES for field in fields):
        return None
    return b"".join([bytes([_BROADCAST, *(len(field) for field in fields)]), *fields, data])


def user_broadcast_json(event: str, metadata: str, data: bytes) -> str:
    """The payload that a 1.0.0 client gets for a JSON user broadcast, its own bytes unread."""
    meta = f'"meta":{metadata},' if metadata else ""
    text = data.decode("utf-8", "replace")
    return f'{{"event":{dumps(event)},{meta}"payload":{text},"type":"broadcast"}}'

"""The five binary kinds of vsn 2.0.0, both ways.

A header of one-byte lengths, the fields, then the data up to the frame's end. All lengths are in bytes, so no field is
longer than 255. Two pairs of layouts share a kind: a push (0) has a `ref` only on its way to the server.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum
from typing import Final

from spaces_sdk.errors import ProtocolError

FIELD_LIMIT: Final = 255


class Kind(IntEnum):
    """The first byte."""

    PUSH = 0
    REPLY = 1
    BROADCAST = 2
    USER_BROADCAST_PUSH = 3
    USER_BROADCAST = 4


class Sender(Enum):
    """Who wrote the frame."""

    CLIENT = "client"
    SERVER = "server"


@dataclass(frozen=True, slots=True)
class BinaryFrame:
    """A binary frame with its fields named.

    Attributes:
        event: The event; the status for a reply; the user's event for kinds 3 and 4.
        metadata: JSON object or empty, kinds 3 and 4 only.
        is_json: `data` is JSON text, kinds 3 and 4 only.
    """

    kind: Kind
    topic: str
    event: str
    data: bytes = b""
    join_ref: str = ""
    ref: str = ""
    metadata: bytes = b""
    is_json: bool = False


@dataclass(frozen=True, slots=True)
class _Layout:
    fields: tuple[str, ...]
    has_encoding: bool = False


_LAYOUTS: Final[dict[tuple[Kind, Sender], _Layout]] = {
    (Kind.PUSH, Sender.CLIENT): _Layout(("join_ref", "ref", "topic", "event")),
    (Kind.PUSH, Sender.SERVER): _Layout(("join_ref", "topic", "event")),
    (Kind.REPLY, Sender.SERVER): _Layout(("join_ref", "ref", "topic", "event")),
    (Kind.BROADCAST, Sender.SERVER): _Layout(("topic", "event")),
    (Kind.USER_BROADCAST_PUSH, Sender.CLIENT): _Layout(("join_ref", "ref", "topic", "event", "metadata"), True),
    (Kind.USER_BROADCAST, Sender.SERVER): _Layout(("topic", "event", "metadata"), True),
}


def encode_binary(frame: BinaryFrame, *, sender: Sender) -> bytes:
    """The frame's bytes.

    Raises:
        ValueError: A field is over 255 bytes, or this sender has no such kind.
    """
    layout = _LAYOUTS.get((frame.kind, sender))
    if layout is None:
        raise ValueError(f"the {sender.value} sends no frame of kind {frame.kind}")
    texts = {"join_ref": frame.join_ref, "ref": frame.ref, "topic": frame.topic, "event": frame.event}
    fields = [frame.metadata if name == "metadata" else texts[name].encode() for name in layout.fields]
    for name, field in zip(layout.fields, fields, strict=True):
        if len(field) > FIELD_LIMIT:
            raise ValueError(f"{name} is {len(field)} bytes long; a binary frame holds {FIELD_LIMIT}")
    header = bytes([frame.kind, *map(len, fields)])
    encoding = bytes([frame.is_json]) if layout.has_encoding else b""
    return header + encoding + b"".join(fields) + frame.data


def decode_binary(data: bytes, *, sender: Sender) -> BinaryFrame:
    """The frame's fields.

    Raises:
        ProtocolError: Unknown kind, a frame shorter than its header says, or a field that is not UTF-8.
    """
    if not data:
        raise ProtocolError("cannot read a binary frame: it is empty")
    try:
        kind = Kind(data[0])
        layout = _LAYOUTS[kind, sender]
    except (ValueError, KeyError):
        raise ProtocolError(f"cannot read a binary frame: unknown kind {data[0]}", raw=data[:64]) from None
    offset = 1 + len(layout.fields) + layout.has_encoding
    lengths = data[1 : 1 + len(layout.fields)]
    if len(data) < offset + sum(lengths):
        raise ProtocolError(f"cannot read a binary frame of kind {data[0]}: it is cut short", raw=data[:64])
    parts: dict[str, bytes] = {}
    is_json = layout.has_encoding and data[offset - 1] != 0
    for name, length in zip(layout.fields, lengths, strict=True):
        parts[name] = data[offset : offset + length]
        offset += length
    try:
        return BinaryFrame(
            kind=kind,
            topic=parts["topic"].decode(),
            event=parts["event"].decode(),
            data=data[offset:],
            join_ref=parts.get("join_ref", b"").decode(),
            ref=parts.get("ref", b"").decode(),
            metadata=parts.get("metadata", b""),
            is_json=is_json,
        )
    except UnicodeDecodeError:
        raise ProtocolError(
            f"cannot read a binary frame of kind {data[0]}: a field is not UTF-8", raw=data[:64]
        ) from None

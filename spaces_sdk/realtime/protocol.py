"""The Phoenix protocol of Supabase Realtime, vsn 1.0.0 and 2.0.0: bytes in, typed values out, and back. No I/O.

Source: the grammar in the notes of the recorded transcripts (tests/fixtures/realtime-transcripts/README.md); a test
parses every received frame there.
"""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import Any, Final, cast

from spaces_sdk.errors import RAW_LIMIT, ProtocolError
from spaces_sdk.realtime.binary import BinaryFrame, Kind, Sender, decode_binary
from spaces_sdk.realtime.frames import (
    Broadcast,
    ChannelCrashed,
    ChannelEnded,
    Message,
    OtherPush,
    PresenceDiffPush,
    PresenceStatePush,
    Reply,
    ServerFrame,
    SystemPush,
    UnreadablePush,
)

TOPIC_PREFIX: Final = "realtime:"
PHOENIX_TOPIC: Final = "phoenix"

_V2_LENGTH: Final = 5
_KIND_4_HEADER: Final = 5

# The hot path in these two: half of what a small message cost went into json.loads' care for blanks around a value,
# and into a JSON parse of the metadata, which from the database is always this.
_raw_decode = json.JSONDecoder().raw_decode
_plain_metadata = re.compile(rb'\{"id":"([0-9a-f-]{36})"\}').fullmatch


class Vsn(StrEnum):
    """The protocol's version, as the query parameter `vsn` names it."""

    V1 = "1.0.0"
    V2 = "2.0.0"


def encode(vsn: Vsn, message: Message) -> str:
    """A text frame for the server."""
    fields: object
    if vsn is Vsn.V2:
        fields = [message.join_ref, message.ref, message.topic, message.event, message.payload]
    else:
        fields = {
            "topic": message.topic,
            "event": message.event,
            "payload": message.payload,
            "ref": message.ref,
            "join_ref": message.join_ref,
        }
    return json.dumps(fields, separators=(",", ":"))


def decode(vsn: Vsn, data: str | bytes) -> ServerFrame:
    """A frame of the server as a typed value.

    What a topic is known for but cannot be read otherwise is an `UnreadablePush`, so that the topic's channel hears of
    it.

    Raises:
        ProtocolError: Not even the topic can be read.
    """
    if isinstance(data, bytes) and vsn is Vsn.V2:
        return _decode_user_broadcast(data) if data[:1] == b"\x04" else _classify_binary(data)
    return classify(decode_text(vsn, data))


def decode_text(vsn: Vsn, data: str | bytes) -> Message:
    """A text frame with its fields named.

    Raises:
        ProtocolError: Not JSON, or of another shape than this version's.
    """
    try:
        fields: object = _loads(data if isinstance(data, str) else data.decode())
    except (ValueError, RecursionError):
        raise ProtocolError("cannot read a frame: it is not JSON", raw=_cut(data)) from None
    if vsn is Vsn.V2:
        if isinstance(fields, list) and len(row := cast("list[Any]", fields)) == _V2_LENGTH:
            join_ref, ref, topic, event, payload = row
            if isinstance(topic, str) and isinstance(event, str):
                return Message(_ref(join_ref), _ref(ref), topic, event, payload)
    elif isinstance(fields, dict):
        named = cast("dict[str, Any]", fields)
        topic, event = named.get("topic"), named.get("event")
        if isinstance(topic, str) and isinstance(event, str) and "payload" in named:
            return Message(_ref(named.get("join_ref")), _ref(named.get("ref")), topic, event, named["payload"])
    raise ProtocolError(f"cannot read a frame: it has not the shape of {vsn.value}", raw=_cut(data))


def classify(message: Message) -> ServerFrame:
    """The typed value of a text frame; never raises."""
    topic, join_ref, payload = message.topic, message.join_ref, message.payload
    if message.event == "phx_close":
        # 1.0.0 has no join_ref: there the ref is the join's.
        return ChannelEnded(topic, join_ref if join_ref is not None else message.ref)
    if not isinstance(payload, dict):
        if message.event in _NEEDS_OBJECT:
            return _unreadable(message, "its payload is no object")
        return OtherPush(topic, join_ref, message.event, payload)
    fields = cast("dict[str, Any]", payload)
    match message.event:
        case "broadcast":
            return _broadcast(message, fields)
        case "phx_reply":
            return Reply(topic, join_ref, message.ref, fields.get("status") == "ok", fields.get("response"))
        case "presence_state":
            return PresenceStatePush(topic, join_ref, fields)
        case "presence_diff":
            joins, leaves = fields.get("joins", {}), fields.get("leaves", {})
            if not isinstance(joins, dict) or not isinstance(leaves, dict):
                return _unreadable(message, "joins or leaves is no object")
            return PresenceDiffPush(topic, join_ref, cast("dict[str, Any]", joins), cast("dict[str, Any]", leaves))
        case "system":
            return SystemPush(
                topic,
                join_ref,
                message=str(fields.get("message", "")),
                is_error=fields.get("status") == "error",
                extension=str(fields.get("extension", "")),
            )
        case "phx_error":
            return ChannelCrashed(
                topic, join_ref if join_ref is not None else message.ref, str(fields.get("reason", ""))
            )
        case _:
            return OtherPush(topic, join_ref, message.event, fields)


_NEEDS_OBJECT: Final = frozenset({"broadcast", "phx_reply", "presence_state", "presence_diff", "system", "phx_error"})


def _broadcast(message: Message, fields: dict[str, Any]) -> Broadcast | UnreadablePush:
    event = fields.get("event")
    if not isinstance(event, str):
        return _unreadable(message, "it names no event")
    message_id, is_replayed = _meta(fields.get("meta"))
    return Broadcast(message.topic, message.join_ref, event, fields.get("payload"), message_id, is_replayed)


def _meta(meta: object) -> tuple[str | None, bool]:
    if not isinstance(meta, dict):
        return None, False
    fields = cast("dict[str, Any]", meta)
    message_id = fields.get("id")
    return (message_id if isinstance(message_id, str) else None), fields.get("replayed") is True


def _decode_user_broadcast(data: bytes) -> ServerFrame:
    """Kind 4, which carries every message from the database: read here without the detour of `decode_binary`."""
    if len(data) < _KIND_4_HEADER:
        raise ProtocolError("cannot read a binary frame of kind 4: it is cut short", raw=data)
    event_at = _KIND_4_HEADER + data[1]
    metadata_at = event_at + data[2]
    payload_at = metadata_at + data[3]
    if payload_at > len(data):
        raise ProtocolError("cannot read a binary frame of kind 4: it is cut short", raw=data[:64])
    try:
        topic = data[_KIND_4_HEADER:event_at].decode()
        event = data[event_at:metadata_at].decode()
    except UnicodeDecodeError:
        raise ProtocolError("cannot read a binary frame of kind 4: a field is not UTF-8", raw=data[:64]) from None
    try:
        message_id, is_replayed = (None, False)
        if payload_at > metadata_at:
            metadata = data[metadata_at:payload_at]
            if (plain := _plain_metadata(metadata)) is not None:
                message_id = plain[1].decode()
            else:
                message_id, is_replayed = _meta(_loads(metadata.decode()))
        payload: Any = _loads(data[payload_at:].decode()) if data[4] else data[payload_at:]
    except (ValueError, RecursionError):
        return UnreadablePush(topic, None, event, "its content is not JSON", _cut(data[metadata_at:]))
    return Broadcast(topic, None, event, payload, message_id, is_replayed)


def _classify_binary(data: bytes) -> ServerFrame:
    frame: BinaryFrame = decode_binary(data, sender=Sender.SERVER)
    join_ref = frame.join_ref or None
    if frame.kind is Kind.REPLY:
        return Reply(frame.topic, join_ref, frame.ref or None, frame.event == "ok", frame.data)
    return OtherPush(frame.topic, join_ref, frame.event, frame.data)


def _unreadable(message: Message, problem: str) -> UnreadablePush:
    return UnreadablePush(message.topic, message.join_ref, message.event, problem, _cut(message.payload))


def _loads(text: str) -> Any:
    try:
        value, end = _raw_decode(text)
    except ValueError:
        return json.loads(text)
    return value if end == len(text) else json.loads(text)


def _ref(value: object) -> str | None:
    """A ref comes back as it was sent, a number too; ours are texts."""
    return value if value is None or isinstance(value, str) else str(value)


def _cut(value: object) -> str:
    if isinstance(value, bytes):
        return value[:RAW_LIMIT].decode(errors="replace")
    return (value if isinstance(value, str) else str(value))[:RAW_LIMIT]

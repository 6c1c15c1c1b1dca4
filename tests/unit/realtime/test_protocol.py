"""Frames: round trips of everything, and nonsense."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces_sdk.errors import ProtocolError
from spaces_sdk.realtime.binary import FIELD_LIMIT, BinaryFrame, Kind, Sender, decode_binary, encode_binary
from spaces_sdk.realtime.frames import (
    Broadcast,
    ChannelCrashed,
    ChannelEnded,
    Message,
    OtherPush,
    Reply,
    SystemPush,
    UnreadablePush,
)
from spaces_sdk.realtime.protocol import Vsn, classify, decode, decode_text, encode
from tests.support.phoenix import database_broadcast, server_text

pytestmark = pytest.mark.unit

texts = st.text(max_size=40)
refs = st.none() | st.text(min_size=1, max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=8,
)
fields = texts.filter(lambda text: len(text.encode()) <= FIELD_LIMIT)
messages = st.builds(Message, join_ref=refs, ref=refs, topic=texts, event=texts, payload=json_values)


def assert_value_or_protocol_error(vsn: Vsn, data: bytes | str) -> None:
    problem: ProtocolError | None = None
    try:
        decode(vsn, data)
    except ProtocolError as error:
        problem = error
    assert problem is None or len(problem.raw) <= 200


@given(messages, st.sampled_from(Vsn))
def test_text_frames_come_back(message: Message, vsn: Vsn) -> None:
    assert decode_text(vsn, encode(vsn, message)) == message


@st.composite
def binary_frames(draw: st.DrawFn) -> tuple[BinaryFrame, Sender]:
    kind, sender = draw(
        st.sampled_from(
            [
                (Kind.PUSH, Sender.CLIENT),
                (Kind.PUSH, Sender.SERVER),
                (Kind.REPLY, Sender.SERVER),
                (Kind.BROADCAST, Sender.SERVER),
                (Kind.USER_BROADCAST_PUSH, Sender.CLIENT),
                (Kind.USER_BROADCAST, Sender.SERVER),
            ]
        )
    )
    is_user = kind in (Kind.USER_BROADCAST_PUSH, Kind.USER_BROADCAST)
    has_join_ref = kind not in (Kind.BROADCAST, Kind.USER_BROADCAST)
    has_ref = has_join_ref and (kind, sender) != (Kind.PUSH, Sender.SERVER)
    frame = BinaryFrame(
        kind,
        topic=draw(fields),
        event=draw(fields),
        data=draw(st.binary(max_size=60)),
        join_ref=draw(fields) if has_join_ref else "",
        ref=draw(fields) if has_ref else "",
        metadata=draw(st.binary(max_size=FIELD_LIMIT)) if is_user else b"",
        is_json=draw(st.booleans()) if is_user else False,
    )
    return frame, sender


@given(binary_frames())
def test_binary_frames_come_back(case: tuple[BinaryFrame, Sender]) -> None:
    frame, sender = case
    assert decode_binary(encode_binary(frame, sender=sender), sender=sender) == frame


@given(binary_frames(), st.data())
def test_a_binary_frame_cut_in_its_header_or_fields_is_refused(
    case: tuple[BinaryFrame, Sender], data: st.DataObject
) -> None:
    frame, sender = case
    whole = encode_binary(frame, sender=sender)
    cut = data.draw(st.integers(0, len(whole) - len(frame.data) - 1))
    with pytest.raises(ProtocolError):
        decode_binary(whole[:cut], sender=sender)


@given(st.binary(max_size=80) | st.text(max_size=80), st.sampled_from(Vsn))
def test_noise_is_a_value_or_a_protocol_error(noise: bytes | str, vsn: Vsn) -> None:
    assert_value_or_protocol_error(vsn, noise)


@given(json_values, st.sampled_from(Vsn))
def test_json_of_any_shape_is_a_value_or_a_protocol_error(value: Any, vsn: Vsn) -> None:
    assert_value_or_protocol_error(vsn, json.dumps(value))


known_events = st.sampled_from(
    ["broadcast", "phx_reply", "presence_state", "presence_diff", "system", "phx_close", "phx_error", "other"]
)


@given(st.builds(Message, join_ref=refs, ref=refs, topic=texts, event=known_events, payload=json_values))
def test_every_payload_under_every_event_is_a_typed_value(message: Message) -> None:
    assert classify(message).topic == message.topic


@given(fields, fields, json_values, fields)
def test_a_database_broadcast_reads_the_same_by_the_short_way(
    topic: str, event: str, payload: Any, message_id: str
) -> None:
    short_id = message_id[:20]
    frame = decode(Vsn.V2, database_broadcast(topic, event, payload, message_id=short_id))
    assert frame == Broadcast(topic, None, event, payload, short_id, is_replayed=False)


@pytest.mark.parametrize(
    ("vsn", "data", "problem"),
    [
        (Vsn.V2, "{", "not JSON"),
        (Vsn.V2, "[" * 100_000, "not JSON"),
        (Vsn.V2, "[" + "9" * 5000 + "]", "not JSON"),
        (Vsn.V2, '{"topic":"t","event":"e","payload":{},"ref":"1"}', "shape of 2.0.0"),
        (Vsn.V2, '[null,null,"t","e"]', "shape of 2.0.0"),
        (Vsn.V2, '[null,null,1,"e",{}]', "shape of 2.0.0"),
        (Vsn.V1, '[null,null,"t","e",{}]', "shape of 1.0.0"),
        (Vsn.V1, '{"topic":"t","event":"e"}', "shape of 1.0.0"),
        (Vsn.V1, b"\x04\x00\x00\x00\x01", "not JSON"),
        (Vsn.V2, b"", "empty"),
        (Vsn.V2, b"\x09\x00", "unknown kind 9"),
        (Vsn.V2, b"\x03\x00\x00\x00\x00\x00\x00", "unknown kind 3"),
        (Vsn.V2, b"\x04\x05", "cut short"),
        (Vsn.V2, b"\x04\x05\x05\x05\x01abc", "cut short"),
        (Vsn.V2, b"\x04\x01\x01\x00\x01\xff\xfe{}", "not UTF-8"),
        (Vsn.V2, b"\x02\x01\x01\xff\xfe{}", "not UTF-8"),
    ],
)
def test_what_cannot_be_read_says_why(vsn: Vsn, data: str | bytes, problem: str) -> None:
    with pytest.raises(ProtocolError, match=problem) as caught:
        decode(vsn, data)
    assert len(caught.value.raw) <= 200


@pytest.mark.parametrize(
    ("message", "frame"),
    [
        (Message("1", "1", "t", "phx_close", {}), ChannelEnded("t", "1")),
        (Message(None, "7", "t", "phx_close", {}), ChannelEnded("t", "7")),
        (Message(None, "7", "t", "phx_close", None), ChannelEnded("t", "7")),
        (Message("1", "1", "t", "phx_error", {"reason": "channel_crash"}), ChannelCrashed("t", "1", "channel_crash")),
        (Message(None, "1", "t", "phx_error", {}), ChannelCrashed("t", "1", "")),
        (Message("1", "2", "t", "phx_reply", {"status": "ok", "response": {}}), Reply("t", "1", "2", True, {})),
        (
            Message("1", "2", "t", "phx_reply", {"status": "error", "response": "payload_size_exceeded"}),
            Reply("t", "1", "2", False, "payload_size_exceeded"),
        ),
        (Message("1", "2", "t", "phx_reply", {}), Reply("t", "1", "2", False, None)),
        (
            Message("1", None, "t", "system", {"message": "m", "status": "error", "extension": "system"}),
            SystemPush("t", "1", "m", is_error=True, extension="system"),
        ),
        (
            Message(None, None, "t", "postgres_changes", {"ids": []}),
            OtherPush("t", None, "postgres_changes", {"ids": []}),
        ),
        (
            Message("1", None, "t", "broadcast", {"event": "e", "meta": {"id": "x", "replayed": True}, "payload": [1]}),
            Broadcast("t", "1", "e", [1], "x", is_replayed=True),
        ),
        (
            Message(None, None, "t", "broadcast", {"event": "e", "meta": []}),
            Broadcast("t", None, "e", None, None, False),
        ),
    ],
)
def test_classification(message: Message, frame: object) -> None:
    assert classify(message) == frame


@pytest.mark.parametrize(
    ("metadata", "message_id", "is_replayed"),
    [
        (b"", None, False),
        (b'{"id":"69b00512-8cad-41b1-8bcb-4f6895e58250"}', "69b00512-8cad-41b1-8bcb-4f6895e58250", False),
        (b' {"id": "69b00512-8cad-41b1-8bcb-4f6895e58250"} ', "69b00512-8cad-41b1-8bcb-4f6895e58250", False),
        (
            b'{"id":"69b00512-8cad-41b1-8bcb-4f6895e58250","replayed":true}',
            "69b00512-8cad-41b1-8bcb-4f6895e58250",
            True,
        ),
        (b'{"id":"a","replayed":true,"x":"bbbbbbbbbbb"}', "a", True),
        (b'{"id":5}', None, False),
        (b"[]", None, False),
    ],
)
def test_metadata_in_every_form(metadata: bytes, message_id: str | None, is_replayed: bool) -> None:
    raw = BinaryFrame(Kind.USER_BROADCAST, topic="t", event="e", data=b" [1] ", metadata=metadata, is_json=True)
    frame = decode(Vsn.V2, encode_binary(raw, sender=Sender.SERVER))
    assert frame == Broadcast("t", None, "e", [1], message_id, is_replayed)


def test_a_push_whose_topic_is_clear_is_never_silent() -> None:
    text = Message(None, None, "realtime:t", "broadcast", "text")
    assert classify(text) == UnreadablePush("realtime:t", None, "broadcast", "its payload is no object", "text")
    broken = b"\x04\x01\x01\x00\x01te{nope" + b"x" * 500
    frame = decode(Vsn.V2, broken)
    assert isinstance(frame, UnreadablePush)
    assert (frame.topic, frame.event, len(frame.raw)) == ("t", "e", 200)


def test_a_binary_message_keeps_its_bytes() -> None:
    frame = decode(Vsn.V2, b"\x04\x01\x01\x00\x00te\x00\xff")
    assert frame == Broadcast("t", None, "e", b"\x00\xff", None, is_replayed=False)


def test_what_is_too_long_for_a_binary_frame_is_refused() -> None:
    frame = BinaryFrame(Kind.USER_BROADCAST, topic="t" * 256, event="e")
    with pytest.raises(ValueError, match="topic is 256 bytes long"):
        encode_binary(frame, sender=Sender.SERVER)
    with pytest.raises(ValueError, match="the client sends no frame of kind 4"):
        encode_binary(BinaryFrame(Kind.USER_BROADCAST, "t", "e"), sender=Sender.CLIENT)


def test_the_servers_texts_of_the_test_support_are_readable() -> None:
    message = Message("1", "2", "t", "phx_reply", {"status": "ok"})
    assert decode_text(Vsn.V2, server_text(Vsn.V2, message)) == message
    assert decode_text(Vsn.V1, server_text(Vsn.V1, message)) == Message(None, "2", "t", "phx_reply", {"status": "ok"})

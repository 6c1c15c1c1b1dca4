"""The codecs of both protocol versions."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces_sdk.local.realtime import wire
from spaces_sdk.local.realtime.outgoing import RawBroadcast, TextMessage, UserBroadcast
from spaces_sdk.local.realtime.wire import ClientFrame, RawPayload, UserPayload, Version

pytestmark = pytest.mark.unit

TRANSCRIPTS = Path(__file__).parents[2] / "fixtures" / "realtime-transcripts"


def test_an_array_and_an_object_give_the_same_frame() -> None:
    expected = ClientFrame("1", "2", "realtime:a", "broadcast", {"x": 1})
    array = json.dumps(list(expected))
    message = {"topic": "realtime:a", "event": "broadcast", "payload": {"x": 1}, "ref": "2", "join_ref": "1"}
    assert wire.decode(Version.V2, array) == expected
    assert wire.decode(Version.V1, json.dumps(message)) == expected
    assert wire.decode(Version.V1, json.dumps(message).encode()) == expected, "binary frames may hold the JSON too"


def test_what_follows_the_fifth_part_of_an_array_is_passed_over() -> None:
    expected = wire.decode(Version.V2, '["1","2","a","b",{}]')
    assert expected is not None
    assert wire.decode(Version.V2, '["1","2","a","b",{},6,7]') == expected


def test_the_join_ref_may_be_missing_from_an_object_and_the_ref_may_not() -> None:
    assert wire.decode(Version.V1, '{"topic":"a","event":"b","payload":1,"ref":null}') == (None, None, "a", "b", 1)
    assert wire.decode(Version.V1, '{"topic":"a","event":"b","payload":1}') is None


@pytest.mark.parametrize(
    "data",
    [
        "", "{", "null", "42", '"text"', "[]", "[1,2]", "[null,null,1,2,null]", "[null,null,null,null,null]",
        '{"topic":"phoenix"}', "[NaN,null,\"a\",\"b\",{}]", "[" * 100_000, '[null,null,"a","\\ud800",{}]', "1" * 5000,
        b"", b"\x09", b"\x03\x05\x05", b"\x00\x01\x01\x01", b"\x03\x00\x00\xff\x00\x00\x01", b"\xff\xfe",
        b"\x03\x00\x00\x01\x01\x01\x01ab{", b"\x00\x00\x00\x01\x00\xff",
    ],
)  # fmt: skip
@pytest.mark.parametrize("version", list(Version))
def test_what_is_no_frame_is_dropped(version: Version, data: str | bytes) -> None:
    assert wire.decode(version, data) is None


@given(st.one_of(st.binary(max_size=60), st.text(max_size=60)), st.sampled_from(list(Version)))
def test_no_input_raises(data: str | bytes, version: Version) -> None:
    wire.decode(version, data)


def test_binary_pushes_are_read() -> None:
    user = b"\x03\x01\x02\x03\x01\x02\x07" + b"1" + b"22" + b"t:a" + b"e" + b"{}" + b"\x00\xffdata"
    assert wire.decode(Version.V2, user) == ("1", "22", "t:a", "broadcast", UserPayload("e", True, b"\x00\xffdata"))
    raw = b"\x00\x01\x02\x03\x01" + b"1" + b"22" + b"t:a" + b"e" + b"\x01"
    assert wire.decode(Version.V2, raw) == ("1", "22", "t:a", "e", RawPayload(b"\x01"))


def test_a_reply_carries_the_refs_as_they_came() -> None:
    assert wire.reply(Version.V2, None, 7, "phoenix", "ok", {}) == (
        b'[null,7,"phoenix","phx_reply",{"status":"ok","response":{}}]'
    )
    assert wire.reply(Version.V1, "1", None, "a", "ok", {}) == (
        b'{"ref":null,"event":"phx_reply","payload":{"status":"ok","response":{}},"topic":"a"}'
    )


def _payload(frame: bytes | None) -> bytes:
    assert frame is not None
    length = frame[1]
    return frame[2:] if length < 126 else frame[4:]


def test_a_database_message_is_kind_4_for_the_new_and_json_for_the_old() -> None:
    message = UserBroadcast("realtime:a", "e", b'{"a": 1}', is_json=True, message_id="id-1")
    assert _payload(message.frame(Version.V2)) == b'\x04\x0a\x01\x0d\x01realtime:ae{"id":"id-1"}{"a": 1}'
    assert _payload(message.frame(Version.V1)) == (
        b'{"ref":null,"event":"broadcast","payload":{"event":"e","meta":{"id":"id-1"},"payload":{"a": 1},'
        b'"type":"broadcast"},"topic":"realtime:a"}'
    )


def test_bytes_reach_only_the_new_and_a_topic_too_long_only_the_old() -> None:
    assert UserBroadcast("realtime:a", "e", b"\x00", is_json=False).frame(Version.V1) is None
    long = UserBroadcast("realtime:" + "ü" * 150, "e", b"{}", is_json=True)
    assert long.frame(Version.V2) is None
    assert long.frame(Version.V1) is not None
    assert RawBroadcast("x" * 256, b"").frame(Version.V2) is None


def test_a_frame_is_encoded_once_for_all_listeners() -> None:
    message = TextMessage("realtime:a", "broadcast", "{}")
    assert message.frame(Version.V2) is message.frame(Version.V2)


def _recorded_sends() -> list[Any]:
    lines = [line for path in sorted(TRANSCRIPTS.glob("*.jsonl")) for line in path.read_text().strip().split("\n")]
    entries = [json.loads(line) for line in lines]
    return [
        entry["frame"]
        for entry in entries
        if entry["dir"] == "send" and not entry.get("raw_text") and not entry.get("binary")
    ]


def test_every_recorded_text_of_a_client_is_read() -> None:
    sends = _recorded_sends()
    assert len(sends) > 300
    for frame in sends:
        version = Version.V2 if isinstance(frame, list) else Version.V1
        assert wire.decode(version, json.dumps(frame)) is not None, frame

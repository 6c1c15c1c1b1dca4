"""Our protocol held against what a real Supabase Realtime server said."""

from __future__ import annotations

import base64
import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from spaces_sdk.errors import ProtocolError
from spaces_sdk.realtime.binary import Kind, Sender, decode_binary, encode_binary
from spaces_sdk.realtime.events import CloseReason
from spaces_sdk.realtime.frames import (
    Broadcast,
    ChannelCrashed,
    ChannelEnded,
    OtherPush,
    PresenceDiffPush,
    PresenceStatePush,
    Reply,
    ServerFrame,
    SystemPush,
    UnreadablePush,
)
from spaces_sdk.realtime.presence import Presence
from spaces_sdk.realtime.protocol import Vsn, decode, decode_text
from spaces_sdk.realtime.reasons import close_reason, rejection
from tests.support.phoenix import server_text

pytestmark = pytest.mark.contract

TRANSCRIPTS = Path(__file__).parents[2] / "fixtures" / "realtime-transcripts"

# What the server itself wrote as text that is not JSON, both to a 1.0.0 client in this file.
NOT_JSON = {("02-broadcast-binary.v2.jsonl", '{"ref":null,"event":"broadcast","payload":')}


@dataclass(frozen=True)
class Received:
    """One frame as it was on the wire, and what the recording says about it."""

    file: str
    connection: str
    vsn: Vsn
    data: str | bytes
    decoded: dict[str, Any] | None


def frames(direction: str) -> Iterator[Received]:
    for path in sorted(TRANSCRIPTS.glob("*.jsonl")):
        # Most connections show their upgrade; the file's name stands for the rest.
        vsn_of: dict[str, Vsn] = defaultdict(lambda name=path.name: Vsn.V2 if ".v2." in name else Vsn.V1)
        for line in path.read_text().strip().split("\n"):
            entry = json.loads(line)
            frame = entry.get("frame")
            if entry["dir"] == "http" and "conn" in entry:
                request: str = frame["request"]
                query = parse_qs(urlsplit(request.split(" ")[1]).query)
                vsn_of[entry["conn"]] = Vsn(query.get("vsn", ["1.0.0"])[0]) if frame["status"] == 101 else Vsn.V1
            elif entry["dir"] == direction:
                vsn = vsn_of[entry["conn"]]
                if entry.get("binary"):
                    data: str | bytes = base64.b64decode(frame)
                else:
                    data = frame if isinstance(frame, str) else json.dumps(frame)
                yield Received(path.name, entry["conn"], vsn, data, entry.get("decoded"))


RECEIVED = list(frames("recv"))


def is_not_json(received: Received) -> bool:
    return any(
        received.file == file and isinstance(received.data, str) and received.data.startswith(start)
        for file, start in NOT_JSON
    ) and not _is_json(received.data)


def _is_json(data: str | bytes) -> bool:
    try:
        json.loads(data)
    except ValueError:
        return False
    return True


def test_the_recording_is_whole() -> None:
    assert len(list(TRANSCRIPTS.glob("*.jsonl"))) == 43
    assert len(RECEIVED) == 1388


def test_every_received_frame_has_a_typed_value() -> None:
    kinds: Counter[type[ServerFrame]] = Counter()
    not_json = 0
    for received in RECEIVED:
        if is_not_json(received):
            with pytest.raises(ProtocolError) as caught:
                decode(received.vsn, received.data)
            assert caught.value.raw == received.data[:200]
            not_json += 1
            continue
        frame = decode(received.vsn, received.data)
        kinds[type(frame)] += 1
        assert (
            frame.topic.startswith("realtime:")
            or frame.topic in {"phoenix", "nope", "foo", "notrealtime"}
            or frame.topic
        )
    assert not_json == 2
    assert set(kinds) == {
        Broadcast,
        Reply,
        PresenceStatePush,
        PresenceDiffPush,
        SystemPush,
        ChannelEnded,
        ChannelCrashed,
        OtherPush,
        UnreadablePush,
    }


def test_what_cannot_be_read_is_only_what_clients_sent_as_nonsense() -> None:
    unreadable: Counter[tuple[str, str, str]] = Counter()
    for received in RECEIVED:
        if not is_not_json(received) and isinstance(frame := decode(received.vsn, received.data), UnreadablePush):
            unreadable[received.file.partition(".")[0], frame.problem, frame.raw] += 1
    assert unreadable == {
        ("02-broadcast", "it names no event", "{}"): 4,
        ("02-broadcast", "it names no event", "{'no': 'event at all'}"): 4,
        ("02-broadcast-binary", "its content is not JSON", "{nope"): 1,
        ("02-broadcast-odd-payloads", "its payload is no object", "text"): 1,
    }


def test_binary_frames_agree_with_the_recorded_fields() -> None:
    checked = 0
    for received in RECEIVED:
        if not isinstance(received.data, bytes):
            continue
        assert received.decoded is not None
        frame = decode_binary(received.data, sender=Sender.SERVER)
        assert encode_binary(frame, sender=Sender.SERVER) in {
            received.data,
            received.data[:4] + b"\x01" + received.data[5:],
        }
        assert frame.topic == received.decoded["topic"]
        assert frame.event == received.decoded.get("user_event", received.decoded.get("event"))
        if frame.kind is Kind.USER_BROADCAST:
            assert frame.metadata.decode() == received.decoded["metadata"]
            assert frame.is_json == (received.decoded["encoding"] == "json")
            told = received.decoded["payload"]
            assert frame.data == (told.encode() if frame.is_json else base64.b64decode(told["b64"]))
        checked += 1
    assert checked == 35


def test_database_messages_are_the_same_in_both_versions() -> None:
    seen: dict[Vsn, list[Any]] = {Vsn.V1: [], Vsn.V2: []}
    for received in RECEIVED:
        if not received.file.startswith("05-broadcast-from-database") or is_not_json(received):
            continue
        frame = decode(received.vsn, received.data)
        if isinstance(frame, Broadcast) and not isinstance(frame.payload, bytes):
            assert frame.message_id is not None
            payload = {key: value for key, value in frame.payload.items() if key != "id"}
            seen[received.vsn].append((frame.event, payload.keys()))
    assert seen[Vsn.V1]
    assert [event for event, _ in seen[Vsn.V1]] == [event for event, _ in seen[Vsn.V2]]


def test_the_clients_frames_are_readable_and_come_out_the_same() -> None:
    for sent in frames("send"):
        if isinstance(sent.data, str):
            try:
                message = decode_text(sent.vsn, sent.data)
            except ProtocolError:
                assert sent.file.startswith("08-bad-frames"), sent
                continue
            if sent.vsn is Vsn.V2:
                again = decode_text(sent.vsn, server_text(sent.vsn, message))
                assert again == message
        elif sent.decoded is not None and "undecodable" not in sent.decoded and "kind" in sent.decoded:
            frame = decode_binary(sent.data, sender=Sender.CLIENT)
            assert (frame.topic, frame.ref) == (sent.decoded["topic"], sent.decoded["ref"])


def test_every_refused_join_of_the_recording_is_understood() -> None:
    reasons: set[str] = set()
    for path in sorted(TRANSCRIPTS.glob("*.jsonl")):
        joins: set[tuple[str, Any, str]] = set()
        vsn_of: dict[str, Vsn] = defaultdict(lambda name=path.name: Vsn.V2 if ".v2." in name else Vsn.V1)
        for line in path.read_text().strip().split("\n"):
            entry = json.loads(line)
            frame = entry.get("frame")
            if entry["dir"] == "http" and "conn" in entry:
                vsn_of[entry["conn"]] = Vsn.V2 if "vsn=2.0.0" in frame["request"] else Vsn.V1
            if entry["dir"] not in ("send", "recv") or isinstance(frame, str) or frame is None:
                continue
            vsn = vsn_of[entry["conn"]]
            try:
                message = decode_text(vsn, json.dumps(frame))
            except ProtocolError:
                continue
            if entry["dir"] == "send" and message.event == "phx_join":
                joins.add((entry["conn"], message.ref, message.topic))
            if entry["dir"] == "recv" and (entry["conn"], message.ref, message.topic) in joins:
                answer = decode(vsn, json.dumps(frame))
                if isinstance(answer, Reply) and not answer.is_ok:
                    reasons.add(answer.reason)
    codes = {reason: rejection("t", reason).code for reason in reasons}
    unknown = {reason for reason, code in codes.items() if code == "join_rejected"}
    assert len(reasons) > 10
    assert all(reason.startswith(("UnknownErrorOnChannel", "UnableToReplayMessages")) for reason in unknown), unknown
    assert {"unauthorized", "token_expired", "token_invalid", "private_only", "too_many_joins"} <= set(codes.values())


def test_every_ending_of_the_recording_has_a_reason() -> None:
    told: set[tuple[str, CloseReason]] = set()
    for received in RECEIVED:
        if is_not_json(received):
            continue
        frame = decode(received.vsn, received.data)
        if isinstance(frame, SystemPush) and frame.is_error and frame.extension == "system":
            told.add((frame.message, close_reason(frame.message)))
    assert len(told) >= 8
    assert not [message for message, reason in told if reason is CloseReason.SERVER_CLOSED]


def test_the_recorded_presences_add_up_to_what_a_late_joiner_is_told() -> None:
    """A's state, kept by diffs in 03-presence, equals the state that the server gives to D, who comes last."""
    for vsn in Vsn:
        name = f"03-presence.v{vsn.value[0]}.jsonl"
        kept = Presence()
        compared = False
        for received in RECEIVED:
            if received.file != name:
                continue
            frame = decode(received.vsn, received.data)
            if received.connection == "A" and isinstance(frame, PresenceStatePush):
                kept.apply_state(frame.payload)
            elif received.connection == "A" and isinstance(frame, PresenceDiffPush):
                kept.apply_diff(frame.joins, frame.leaves)
            elif received.connection == "D" and isinstance(frame, PresenceStatePush) and not compared:
                assert {key: sorted(map(str, metas)) for key, metas in kept.snapshot().items()} == {
                    key: sorted(map(str, entry["metas"])) for key, entry in frame.payload.items()
                }
                compared = True
        assert compared

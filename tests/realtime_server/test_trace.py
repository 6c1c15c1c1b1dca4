"""The trace: each frame on one line, and no token or key in any of them, wherever a client put it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import InvalidStatus
from websockets.frames import Frame, Opcode

from spaces_sdk.cli.followed_file import FollowedFile
from spaces_sdk.local.realtime import trace, wire
from spaces_sdk.local.realtime.outgoing import UserBroadcast, binary_frame, text_frame
from spaces_sdk.local.realtime.wire import Version
from tests.realtime_server.conftest import ServerFactory
from tests.realtime_server.support.client import Client
from tests.realtime_server.support.tokens import token
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

ROW = "11111111-1111-4111-8111-111111111111"
SECRETS = [
    token("alice"),
    "not.a.jwt",
    "sb_secret_0123456789abcdef",
    'with "quotes" and \\ in it',
]


def _joined(secret: Any) -> dict[str, Any]:
    return {"config": {"private": True}, "access_token": secret, "user_token": secret}


@pytest.mark.parametrize("secret", SECRETS)
@pytest.mark.parametrize("version", list(Version))
def test_no_token_of_a_client_is_shown(version: Version, secret: str) -> None:
    frames: list[Any] = [
        ["1", "1", "realtime:a", "phx_join", _joined(secret)],
        ["1", "2", "realtime:a", "access_token", {"access_token": secret}],
        ["1", "3", "realtime:a", "broadcast", {"payload": {"headers": [{"Authorization": f"Bearer {secret}"}]}}],
    ]
    for frame in frames:
        text = json.dumps(frame if version is Version.V2 else dict(zip(wire.ClientFrame._fields, frame, strict=True)))
        for data in (text, text[:-1], text + "}"):
            line = trace.of_client(version, data)
            assert "\n" not in line
            assert secret not in line
            assert json.dumps(secret)[1:-1] not in line
            assert "redacted" in line


@pytest.mark.parametrize("secret", SECRETS[:3])
def test_keys_in_addresses_and_bare_tokens_are_not_shown(secret: str) -> None:
    assert secret not in trace.without_secrets(f"/socket/websocket?apikey={secret}&vsn=1.0.0")
    assert trace.without_secrets(f"?vsn=1.0.0&apikey={secret}") == "?vsn=1.0.0&apikey=<redacted>"
    if secret != "not.a.jwt":
        assert secret not in trace.of_client(Version.V1, f"hello {secret}")
        assert secret[:40] not in trace.of_client(Version.V1, f'{{"text": "{"x" * 380}{secret}"')


def test_what_is_shown_of_each_kind_of_frame() -> None:
    assert (
        trace.of_client(Version.V2, '["1","2","realtime:a","broadcast",{"n":1}]')
        == 'realtime:a broadcast join_ref=1 ref=2 {"n":1}'
    )
    push = bytes([3, 1, 1, 1, 3, 0, 1]) + b"12a" + b"evt" + b'{"n":1}'
    assert trace.of_client(Version.V2, push) == 'a broadcast join_ref=1 ref=2 evt {"n":1}'
    assert trace.of_client(Version.V2, b"\x09") == 'unreadable "\\t"'
    reply = wire.reply(Version.V1, None, "7", "realtime:a", "ok", {})
    assert trace.of_server(text_frame(reply)) == 'realtime:a phx_reply ref=7 {"status":"ok","response":{}}'
    sent = UserBroadcast("realtime:a", "evt", b'{"n":1}', is_json=True, message_id=ROW)
    assert trace.of_server(sent.frame(Version.V2) or b"") == f'realtime:a broadcast evt {{"id":"{ROW}"}} {{"n":1}}'
    assert trace.of_server(sent.frame(Version.V1) or b"").startswith('realtime:a broadcast {"event":"evt"')
    assert trace.of_server(binary_frame(b"\x02\x00\x00")) == "binary <3 bytes>"
    assert trace.of_server(text_frame(b"%{broken")) == "text %{broken"
    assert trace.of_server(Frame(Opcode.CLOSE, (1012).to_bytes(2, "big")).serialize(mask=False)) == "close 1012"
    long = trace.of_server(text_frame(wire.push(Version.V2, None, None, "a", "b", json.dumps("x" * 70_000))))
    assert long.endswith("… (70002 characters)")
    assert "\n" not in trace.of_client(Version.V2, json.dumps([None, None, "a\nb", "c\nd", "e\nf"]))


@pytest.mark.parametrize("name", ["join_ref", "ref", "event", "topic"])
def test_a_client_can_put_no_line_and_no_token_of_its_own_into_the_trace(name: str) -> None:
    bad = f"a\n12:00:00.000 #1 out forged {token('alice')}"
    for value in (bad, [bad], {"access_token": "not.a.jwt"}):
        if name in ("event", "topic") and not isinstance(value, str):
            continue
        parts = {"join_ref": "1", "ref": "2", "topic": "t", "event": "e", "payload": {}} | {name: value}
        line = trace.of_client(Version.V2, json.dumps(list(parts.values())))
        assert "\n" not in line
        assert "eyJ" not in line
        assert "not.a.jwt" not in line
    event = f"e\n{'x' * 20}".encode()
    assert "\n" not in trace.of_client(Version.V2, bytes([3, 1, 1, 1, len(event), 0, 1]) + b"12a" + event + b"{}")
    sent = UserBroadcast("realtime:a", event.decode(), b"{}", is_json=True)
    assert "\n" not in trace.of_server(sent.frame(Version.V2) or b"")
    assert len(trace.of_client(Version.V2, json.dumps(["1", "x" * 100_000, "t", "e", {}]))) < 1000


def test_what_is_no_readable_json_is_shown_as_that() -> None:
    deep = b"[" * 100_000
    for data in (deep, b'{"n":'):
        sent = UserBroadcast("realtime:a", "evt", data, is_json=True)
        assert trace.of_server(sent.frame(Version.V2) or b"").endswith("bytes that are no JSON>")
        assert trace.of_server(sent.frame(Version.V1) or b"").startswith("text ")
    push = bytes([3, 1, 1, 1, 3, 0, 1]) + b"12aevt" + deep
    assert trace.of_client(Version.V2, push).endswith("bytes that are no JSON>")


def test_half_a_character_is_written_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    tracer = trace.Tracer(tmp_path / "trace.log")
    tracer.came(1, Version.V2, bytes([3, 1, 1, 1, 3, 0, 1]) + b'12aevt"\\ud800"')
    tracer.close()
    assert "\\ud800" in (tmp_path / "trace.log").read_text()
    assert capsys.readouterr().err == ""


async def test_a_server_writes_each_frame_both_ways(start_server: ServerFactory, tmp_path: Path) -> None:
    path = tmp_path / "trace.log"
    async with start_server(trace_file=str(path)) as server:
        async with Client.connected(server) as client:
            await client.join("realtime:room:1", user="alice")
            await client.heartbeat()
        with pytest.raises(InvalidStatus):
            async with connect(f"ws://127.0.0.1:{server.port}/socket/websocket?apikey={token('wrong-secret')}"):
                pass
        await eventually(lambda: " gone" in path.read_text())
    text = path.read_text()
    assert path.stat().st_mode & 0o077 == 0
    assert "eyJ" not in text
    steps = [line.split(maxsplit=3)[1:] for line in text.splitlines()]
    assert [step[1] for step in steps][:5] == ["open", "in", "out", "in", "out"]
    assert steps[0][2] == "/socket/websocket?apikey=<redacted>&vsn=2.0.0"
    assert '"access_token":"<redacted>"' in steps[1][2]
    assert any(step[1] == "refused" and step[2].startswith("401 ") for step in steps)
    assert {step[0] for step in steps} == {"#1", "#0"}


def test_what_is_added_to_a_file_is_read_also_after_it_was_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "trace.log"
    path.write_text("of an earlier run\n")
    followed = FollowedFile(path)
    assert followed.new_lines() == ""
    with path.open("a") as file:
        file.write("one\ntwo\nhal")
    assert followed.new_lines() == "one\ntwo"
    with path.open("a") as file:
        file.write("f\n")
    assert followed.new_lines() == "half"
    path.rename(tmp_path / "trace.log.1")
    assert followed.new_lines() == ""
    path.write_text("three\n")
    assert followed.new_lines() == "three"

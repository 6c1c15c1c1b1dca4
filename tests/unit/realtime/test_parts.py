"""Backoff, buffer, options, reasons, tasks, exports."""

from __future__ import annotations

import ast
import asyncio
import ssl
import sys
from collections import deque
from itertools import islice
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, cast
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from websockets.exceptions import InvalidProxy, InvalidStatus, InvalidURI
from websockets.http11 import Response

import spaces_sdk.realtime as realtime
from spaces_sdk.errors import ConfigError, ConnectError
from spaces_sdk.realtime import (
    BroadcastReceived,
    ChannelClosed,
    ChannelOverflowed,
    CloseReason,
    DropCause,
    RealtimeClient,
    RealtimeOptions,
    backoff,
    realtime_url,
)
from spaces_sdk.realtime.buffer import EventBuffer
from spaces_sdk.realtime.reasons import close_reason, rejection, socket_close_reason
from spaces_sdk.realtime.tasks import TaskOwner
from spaces_sdk.realtime.wire import connect_error
from tests.support.clock import settle

pytestmark = pytest.mark.unit

PACKAGE = Path(realtime.__file__).parent


# Exports and layers


def test_every_exported_name_exists_and_the_list_is_sorted() -> None:
    assert all(hasattr(realtime, name) for name in realtime.__all__)
    assert list(realtime.__all__) == sorted(set(realtime.__all__))


def test_it_imports_only_the_standard_library_websockets_and_leaves() -> None:
    allowed = {"spaces_sdk.errors", "spaces_sdk.clock", "spaces_sdk.config", "spaces_sdk.deadline"}
    for path in PACKAGE.glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert name is not None, f"{path.name}: relative import"
                root = name.partition(".")[0]
                is_ours = name in allowed or name.startswith("spaces_sdk.realtime.")
                assert root in sys.stdlib_module_names or root == "websockets" or is_ours, f"{path.name}: {name}"


@pytest.mark.parametrize(
    "core", ["binary", "protocol", "frames", "presence", "core", "router", "member", "buffer", "reasons"]
)
def test_the_core_has_no_io(core: str) -> None:
    imported = {
        name.partition(".")[0]
        for node in ast.walk(ast.parse((PACKAGE / f"{core}.py").read_text()))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    assert not imported & {"asyncio", "websockets", "socket", "ssl", "time", "random", "threading"}


# Backoff


@given(st.integers(0, 2**32), st.floats(0.01, 10), st.floats(1, 20))
def test_backoff_stays_under_a_doubling_ceiling_and_never_ends(seed: int, base: float, factor: float) -> None:
    cap = base * factor
    chance = Random(seed)  # noqa: S311
    for attempt, delay in enumerate(islice(backoff(chance, base_s=base, cap_s=cap), 100)):
        assert 0 <= delay <= min(cap, base * 2**attempt) * (1 + 1e-9)


def test_backoff_is_back_soon_after_an_outage_of_30_seconds() -> None:
    recoveries: list[float] = []
    options = RealtimeOptions()
    chance = Random(1)  # noqa: S311
    for _ in range(400):
        elapsed = 0.0
        for delay in backoff(chance, base_s=options.backoff_base_s, cap_s=options.backoff_cap_s):
            elapsed += delay
            if elapsed >= 30:
                recoveries.append(elapsed - 30)
                break
    recoveries.sort()
    assert recoveries[len(recoveries) // 2] < 3
    assert recoveries[int(len(recoveries) * 0.95)] < 8


# Buffer


def numbered(buffer: EventBuffer) -> list[Any]:
    out: list[Any] = []
    while (event := buffer.pop()) is not None:
        match event:
            case BroadcastReceived():
                out.append(event.payload)
            case ChannelOverflowed(dropped, cause):
                out.append((dropped, cause))
            case _:
                out.append(event)
    return out


def test_a_gap_stands_where_the_events_are_missing() -> None:
    buffer = EventBuffer(size=3, size_bytes=1000)
    for number in range(5):
        buffer.put(BroadcastReceived("e", number), 1)
    assert buffer.pop() == BroadcastReceived("e", 0)
    buffer.put(BroadcastReceived("e", 5), 1)
    buffer.put(BroadcastReceived("e", 6), 1)
    assert numbered(buffer) == [1, 2, (2, DropCause.BUFFER_FULL), 5, (1, DropCause.BUFFER_FULL)]


def test_bytes_are_bounded_too_and_one_large_event_still_passes() -> None:
    buffer = EventBuffer(size=100, size_bytes=10)
    assert buffer.put(BroadcastReceived("e", 0), 50)
    assert not buffer.put(BroadcastReceived("e", 1), 1)
    buffer.pop()
    assert numbered(buffer) == [(1, DropCause.BUFFER_FULL)]
    assert buffer.put(BroadcastReceived("e", 2), 10)


def test_the_end_always_finds_room() -> None:
    buffer = EventBuffer(size=1, size_bytes=10)
    closed = ChannelClosed(CloseReason.LEFT, "left")
    buffer.put(BroadcastReceived("e", 0), 1)
    buffer.put(BroadcastReceived("e", 1), 1)
    buffer.end(closed)
    assert numbered(buffer) == [0, (1, DropCause.BUFFER_FULL), closed]


def test_unreadable_events_in_a_row_are_one_mark() -> None:
    buffer = EventBuffer(size=2, size_bytes=10)
    buffer.put_unreadable()
    buffer.put_unreadable()
    buffer.put(BroadcastReceived("e", 0), 1)
    buffer.put_unreadable()
    assert numbered(buffer) == [(2, DropCause.UNREADABLE), 0, (1, DropCause.BUFFER_FULL)]


@given(st.lists(st.sampled_from(["put", "pop"]), max_size=200), st.integers(1, 5))
def test_every_event_is_read_or_counted_in_its_place(moves: list[str], size: int) -> None:
    buffer = EventBuffer(size=size, size_bytes=10_000)
    put = 0
    read: list[Any] = []
    for move in moves:
        if move == "put":
            buffer.put(BroadcastReceived("e", put), 1)
            put += 1
        elif (event := buffer.pop()) is not None:
            read.append(event)
        assert len(buffer) <= size + 2
    while (event := buffer.pop()) is not None:
        read.append(event)
    expected = 0
    for event in read:
        if isinstance(event, ChannelOverflowed):
            expected += event.dropped
        else:
            assert event.payload == expected
            expected += 1
    assert expected == put


# Options and addresses


@pytest.mark.parametrize(
    ("given_url", "url"),
    [
        ("https://x.supabase.co", "wss://x.supabase.co/realtime/v1/websocket"),
        ("https://x.supabase.co/", "wss://x.supabase.co/realtime/v1/websocket"),
        ("http://127.0.0.1:54321", "ws://127.0.0.1:54321/realtime/v1/websocket"),
        ("wss://x.example/base/", "wss://x.example/base/realtime/v1/websocket"),
        ("http://[::1]:54321", "ws://[::1]:54321/realtime/v1/websocket"),
    ],
)
def test_realtime_url(given_url: str, url: str) -> None:
    assert realtime_url(given_url) == url


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x.supabase.co",
        "ftp://x",
        "https://",
        "https://u:p@x",
        "https://x?apikey=1",
        "https://x#f",
        "https://x:0",
        "https://x:y",
        "http://[::1",
    ],
)
def test_nonsense_addresses_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        realtime_url(url)
    assert len(url) < 10 or url not in str(caught.value)


async def never() -> str:
    raise AssertionError("no token is wanted here")


@pytest.mark.parametrize("url", ["https://x/realtime/v1/websocket", "x", "ws://x/?apikey=secret"])
def test_a_client_needs_a_websocket_address(url: str) -> None:
    with pytest.raises(ConfigError):
        RealtimeClient(url, api_key="k", token=never)


def test_a_client_needs_a_key_and_a_context_needs_tls() -> None:
    with pytest.raises(ConfigError, match="API key is missing"):
        RealtimeClient("ws://x/s", api_key="", token=never)
    with pytest.raises(ConfigError, match="TLS context"):
        RealtimeClient("ws://x/s", api_key="k", token=never, options=RealtimeOptions(ssl=ssl.create_default_context()))


@pytest.mark.parametrize(
    "settings",
    [
        {"vsn": "3"},
        {"heartbeat_interval_s": 0},
        {"buffer_size": 0},
        {"backoff_base_s": 9.0},
        {"linger_s": -1},
        {"channels_per_socket": 0},
    ],
)
def test_impossible_options_are_refused(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigError):
        RealtimeOptions(**settings)


def test_secrets_are_in_no_repr() -> None:
    options = RealtimeOptions(proxy="http://u:hush@p:1", headers={"x": "hush"})
    client = RealtimeClient("ws://x/s", api_key="hush-key", token=never, options=options)
    assert "hush" not in f"{client!r} {options!r} {client.channel('t')!r} {client.stats!r}"


# Reasons


@pytest.mark.parametrize(
    ("reason", "code", "is_retryable"),
    [
        ("Unauthorized: You do not have permissions to read from this Channel topic: room:1", "unauthorized", False),
        ("PrivateOnly: This project only allows private channels", "private_only", False),
        ("InvalidJWTToken: Token has expired 60 seconds ago", "token_expired", True),
        ("InvalidJWTToken: Fields `role` and `exp` are required in JWT", "token_invalid", False),
        ("JwtSignatureError: Failed to validate JWT signature", "token_invalid", False),
        ("MalformedJWT: The token provided is not a valid JWT", "token_invalid", False),
        ("ChannelRateLimitReached: Too many channels", "too_many_channels", True),
        ("ConnectionRateLimitReached: Too many connected users", "too_many_users", True),
        ("ClientJoinRateLimitReached: Too many joins per second", "too_many_joins", True),
        ("RealtimeRestarting: Realtime is restarting, please standby", "server_starting", True),
        ("unmatched topic", "topic_invalid", False),
        ("something new", "join_rejected", True),
        ("", "join_rejected", True),
    ],
)
def test_refusals(reason: str, code: str, is_retryable: bool) -> None:
    error = rejection("room:1", reason)
    assert (error.code, error.retryable, error.topic) == (code, is_retryable, "room:1")
    assert "cannot join topic room:1: " in error.message


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Token has expired 0 seconds ago", CloseReason.TOKEN_EXPIRED),
        (":signature_error", CloseReason.TOKEN_EXPIRED),
        ("You do not have permissions to read from this Channel topic: room:1", CloseReason.PERMISSION_LOST),
        ("Too many messages per second", CloseReason.LIMIT_REACHED),
        ("Too many presence messages per second", CloseReason.LIMIT_REACHED),
        ("Client presence rate limit exceeded", CloseReason.LIMIT_REACHED),
        ("", CloseReason.SERVER_CLOSED),
        ("anything else", CloseReason.SERVER_CLOSED),
    ],
)
def test_endings(message: str, reason: CloseReason) -> None:
    assert close_reason(message) is reason


def test_a_normal_close_is_no_goodbye() -> None:
    assert socket_close_reason(1000, "") is CloseReason.SOCKET_LOST
    assert socket_close_reason(1012, "") is CloseReason.SERVER_RESTART
    assert socket_close_reason(1006, "Server requested disconnect") is CloseReason.SERVER_RESTART


def refused(status: int, body: bytes = b"") -> InvalidStatus:
    return InvalidStatus(Response(status, "x", cast("Any", SimpleNamespace()), body))


@pytest.mark.parametrize(
    ("error", "code", "is_retryable"),
    [
        (refused(401, b'{"error":"API key is missing"}'), "unauthorized", False),
        (refused(404), "connect_refused", False),
        (refused(403), "connect_refused", False),
        (refused(200), "connect_refused", False),
        (refused(301), "connect_refused", False),
        (refused(426), "connect_refused", False),
        (refused(429), "connect_failed", True),
        (refused(503), "connect_failed", True),
        (TimeoutError(), "connect_failed", True),
        (ConnectionRefusedError(111, "refused"), "connect_failed", True),
        (ssl.SSLCertVerificationError("bad"), "tls_failed", False),
        (ValueError("what"), "connect_failed", False),
    ],
)
def test_failed_attempts(error: Exception, code: str, is_retryable: bool) -> None:
    told = connect_error(error, secret="hush")
    assert (type(told), told.code, told.retryable) == (ConnectError, code, is_retryable)
    assert told.__cause__ is error


@pytest.mark.parametrize("key", ["hush", "hu sh/+"])
def test_a_failed_attempt_never_tells_the_key(key: str) -> None:
    for error in (InvalidURI(f"ws://x?apikey={quote(key, safe='')}", "bad"), refused(401, key.encode()), OSError(key)):
        told = connect_error(error, secret=key)
        seen: deque[BaseException | None] = deque([told])
        while seen:
            link = seen.popleft()
            if link is not None:
                assert key not in f"{link!r}{link}"
                assert quote(key, safe="") not in f"{link!r}{link}"
                seen.extend([link.__cause__, link.__context__])
    told = connect_error(InvalidProxy("http://u:hush@p", "bad"), secret="k")
    assert "hush" not in f"{told}{told.__cause__!r}"


# Tasks


async def test_a_failing_task_is_logged_and_the_owner_ends(caplog: pytest.LogCaptureFixture) -> None:
    owner = TaskOwner()

    async def fail() -> None:
        raise LookupError("lost")

    async def last() -> None:
        await asyncio.get_running_loop().create_future()

    task = owner.start(fail(), name="failing")
    other = owner.start(last(), name="lasting")
    await asyncio.wait([task])
    await settle()
    await owner.aclose()
    assert other.cancelled()
    assert "task failing failed" in caplog.text

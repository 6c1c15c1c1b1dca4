"""The client on real websockets against a scripted server on loopback: what only real sockets show."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from spaces_sdk.errors import ConnectError, ConnectionLostError, ConnectTimeoutError
from spaces_sdk.realtime import (
    BroadcastReceived,
    Channel,
    ChannelClosed,
    ChannelState,
    CloseReason,
    RealtimeClient,
    RealtimeOptions,
    SocketState,
    WireClosed,
)
from spaces_sdk.realtime.frames import Message
from spaces_sdk.realtime.protocol import Vsn
from spaces_sdk.realtime.wire import connect_websocket
from tests.support.clock import FakeClock
from tests.support.eventually import eventually
from tests.support.phoenix import Answer, phx_close, system
from tests.support.scripted_server import ScriptedServer

pytestmark = pytest.mark.integration

KEY = "sb_publishable_hush"


async def token() -> str:
    return "token-1"


@asynccontextmanager
async def running(
    *, override: Answer | None = None, clock: FakeClock | None = None, vsn: Vsn = Vsn.V2, **settings: Any
) -> AsyncGenerator[tuple[RealtimeClient, ScriptedServer]]:
    """A client and its server; the end leaves no task and no open connection."""
    before = asyncio.all_tasks()
    settings = {"backoff_base_s": 0.01, "backoff_cap_s": 0.05, "proxy": None, **settings}
    async with ScriptedServer(vsn=vsn, override=override).running() as server:
        options = RealtimeOptions(vsn=vsn.value, **settings)
        client = RealtimeClient(server.url, api_key=KEY, token=token, options=options, clock=clock)
        try:
            async with asyncio.timeout(20):
                yield client, server
        finally:
            await client.aclose()
        assert client.state is SocketState.CLOSED
        await eventually(lambda: not [c for c in server.connections if c.is_open], within_s=2)
    await eventually(lambda: asyncio.all_tasks() == before, within_s=2, what=lambda: str(asyncio.all_tasks() - before))


async def joined(client: RealtimeClient, topic: str = "room") -> Channel:
    channel = client.channel(topic)
    await channel.join(timeout_s=5)
    return channel


async def ended(channel: Channel) -> ChannelClosed:
    async with asyncio.timeout(5):
        while not isinstance(event := await channel.receive(), ChannelClosed):
            pass
    return event


@pytest.mark.parametrize("vsn", list(Vsn))
async def test_join_receive_leave(vsn: Vsn) -> None:
    async with running(vsn=vsn, headers={"x-of-the-user": "yes"}) as (client, server):
        channel = await joined(client)
        request = server.requests[0]
        assert request.path == f"/realtime/v1/websocket?apikey={KEY}&vsn={vsn.value}"
        assert request.headers["x-of-the-user"] == "yes"
        message = Message(None, None, "realtime:room", "broadcast", {"event": "e", "payload": {"n": 1}})
        await server.connection.push(message)
        assert await channel.receive() == BroadcastReceived("e", {"n": 1})
        await channel.leave()
        assert await channel.receive() == ChannelClosed(CloseReason.LEFT, "left")


async def test_a_payload_of_3_megabytes_comes_through_and_one_over_the_limit_is_a_loss() -> None:
    async with running(max_frame_bytes=4_000_000) as (client, server):
        channel = await joined(client)
        await server.connection.broadcast("room", "big", {"x": "y" * 3_000_000})
        event = await channel.receive()
        assert isinstance(event, BroadcastReceived)
        assert len(event.payload["x"]) == 3_000_000
        await server.connection.broadcast("room", "big", {"x": "y" * 4_000_000})
        closed = await ended(channel)
        assert closed.reason is CloseReason.SOCKET_LOST
        assert "1009" in closed.message
        await joined(client)


@pytest.mark.parametrize("how", ["cut", "mid_frame", "1000", "1001", "1012"])
async def test_every_end_of_a_connection_is_told_and_mended(how: str) -> None:
    async with running() as (client, server):
        channel = await joined(client)
        await server.connection.broadcast("room", "e", 1)
        match how:
            case "cut":
                await eventually(lambda: client.stats.frames_received >= 2, within_s=2)
                server.connection.cut()
            case "mid_frame":
                server.connection.cut_mid_frame()
            case _:
                await server.connection.close(int(how))
        assert await channel.receive() == BroadcastReceived("e", 1, "m-1")
        closed = await ended(channel)
        assert closed.reason is (CloseReason.SERVER_RESTART if how == "1012" else CloseReason.SOCKET_LOST)
        with pytest.raises(ConnectionLostError):
            await channel.receive()
        again = await joined(client)
        await server.connection.broadcast("room", "e", 2)
        assert await again.receive() == BroadcastReceived("e", 2, "m-1")
        assert (client.stats.connects, client.stats.losses) == (2, 1)


async def test_a_cut_before_the_joins_answer() -> None:
    async with running(override=lambda m: [] if m.event == "phx_join" else None) as (client, server):
        task = asyncio.create_task(joined(client))
        await eventually(lambda: server.connections and server.connection.manners.events(), within_s=2)
        server.connection.cut()
        with pytest.raises(ConnectionLostError):
            await task


async def test_a_join_cancelled_while_it_waits_is_taken_back() -> None:
    async with running(override=lambda m: [] if m.event == "phx_join" else None) as (client, server):
        channel = client.channel("room")
        task = asyncio.create_task(channel.join())
        await eventually(lambda: server.connections and server.connection.manners.events(), within_s=2)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await eventually(lambda: server.connection.manners.events() == ["phx_join", "phx_leave"], within_s=2)
        assert channel.state is ChannelState.CLOSED


async def test_a_half_open_connection_is_dropped_by_its_heartbeat() -> None:
    clock = FakeClock()
    async with running(clock=clock) as (client, server):
        channel = await joined(client)
        server.connection.is_deaf = True
        await clock.advance(25)
        await clock.advance(9.9)
        assert channel.state is ChannelState.JOINED
        await clock.advance(0.2)
        closed = await ended(channel)
        assert closed.message.endswith("a heartbeat was not answered")
        await eventually(lambda: not server.connections[0].is_open, within_s=2)


async def test_an_answered_heartbeat_keeps_the_connection() -> None:
    clock = FakeClock()
    async with running(clock=clock) as (client, server):
        channel = await joined(client)
        for count in range(1, 4):
            await clock.advance(25)
            beats = [m for m in server.connection.manners.received if m.event == "heartbeat"]
            await eventually(lambda count=count: client.stats.frames_received == 1 + count, within_s=2)
            assert len(beats) == count or len(server.connection.manners.received) > len(beats)
        assert (channel.state, len(server.connections)) == (ChannelState.JOINED, 1)


async def test_a_refused_upgrade_is_told_at_once() -> None:
    async with running() as (client, server):
        server.refuse_with = (401, '{"error": "The token provided is not a valid JWT"}')
        with pytest.raises(ConnectError) as caught:
            await joined(client)
        assert (caught.value.code, caught.value.retryable) == ("unauthorized", False)
        assert "401" in caught.value.message
        assert KEY not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_a_redirect_is_not_followed() -> None:
    async with running(headers={"x-of-the-user": "hush"}) as (client, server), ScriptedServer().running() as other:
        server.refuse_with = (302, "")
        server.location = other.url
        with pytest.raises(ConnectError) as caught:
            await joined(client)
        assert (caught.value.code, caught.value.retryable) == ("connect_refused", False)
        assert other.requests == []


async def test_the_environments_proxy_is_not_used_for_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "ws_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.delenv("no_proxy", raising=False)
    async with running(proxy=True) as (client, _):
        assert (await joined(client)).state is ChannelState.JOINED


async def test_a_gateway_that_is_not_ready_is_waited_for() -> None:
    async with running() as (client, server):
        server.refuse_with = (503, "starting")
        task = asyncio.create_task(joined(client))
        await eventually(lambda: len(server.requests) >= 3, within_s=3)
        server.refuse_with = None
        assert (await task).state is ChannelState.JOINED
        assert client.stats.connect_failures >= 3


async def test_a_port_that_nobody_listens_on() -> None:
    before = asyncio.all_tasks()
    async with ScriptedServer().running() as server:
        url = server.url
    options = RealtimeOptions(proxy=None, backoff_base_s=0.01, backoff_cap_s=0.05)
    async with RealtimeClient(url, api_key=KEY, token=token, options=options) as client:
        with pytest.raises(ConnectError, match="cannot join topic room: no connection within"):
            await client.channel("room").join(timeout_s=0.3)
    assert asyncio.all_tasks() == before


async def test_a_port_that_accepts_and_says_nothing() -> None:
    before = asyncio.all_tasks()
    writers: list[asyncio.StreamWriter] = []

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)

    async with await asyncio.start_server(accept, "127.0.0.1", 0) as listener:
        port: int = listener.sockets[0].getsockname()[1]
        options = RealtimeOptions(proxy=None, connect_timeout_s=0.1, backoff_base_s=0.01)
        url = f"ws://127.0.0.1:{port}/realtime/v1/websocket"
        async with RealtimeClient(url, api_key=KEY, token=token, options=options) as client:
            with pytest.raises(ConnectError, match="no answer in time"):
                await client.channel("room").join(timeout_s=0.5)
            assert client.stats.connect_failures >= 1
        async with RealtimeClient(url, api_key=KEY, token=token, options=options) as client:
            with pytest.raises(ConnectTimeoutError):
                await client.channel("room").join(timeout_s=0.05)
        for writer in writers:
            writer.close()
    await eventually(lambda: asyncio.all_tasks() == before, within_s=2)


async def test_a_proxy_is_used_and_its_password_not_told() -> None:
    asked: list[bytes] = []

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readline())
        writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(refuse, "127.0.0.1", 0) as listener:
        port: int = listener.sockets[0].getsockname()[1]
        options = RealtimeOptions(proxy=f"http://user:hush@127.0.0.1:{port}")
        url = "ws://realtime.invalid/realtime/v1/websocket"
        async with RealtimeClient(url, api_key=KEY, token=token, options=options) as client:
            with pytest.raises(ConnectError) as caught:
                await client.channel("room").join(timeout_s=0.5)
    assert asked[0].startswith(b"CONNECT realtime.invalid:80")
    assert "hush" not in f"{caught.value!r} {caught.value.__cause__!r}"


async def test_the_users_tls_context_is_used() -> None:
    hellos: list[bytes] = []

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        hellos.append(await reader.read(4096))
        writer.close()

    context = ssl.create_default_context()
    context.set_alpn_protocols(["of-the-user"])
    async with await asyncio.start_server(listen, "127.0.0.1", 0) as listener:
        port: int = listener.sockets[0].getsockname()[1]
        options = RealtimeOptions(proxy=None, ssl=context)
        url = f"wss://127.0.0.1:{port}/realtime/v1/websocket"
        async with RealtimeClient(url, api_key=KEY, token=token, options=options) as client:
            with pytest.raises(ConnectError):
                await client.channel("room").join(timeout_s=0.3)
    assert hellos[0].startswith(b"\x16\x03")
    assert b"of-the-user" in hellos[0]


async def test_a_topic_joined_again_and_the_late_close_of_the_old_join() -> None:
    async with running(override=lambda m: [] if m.event == "phx_leave" else None) as (client, server):
        old = await joined(client)
        await old.leave(timeout_s=0.01)
        new = await joined(client)
        assert len(server.connections) == 1
        await server.connection.push(phx_close("1", "realtime:room"))
        await server.connection.broadcast("room", "e", 1)
        assert await new.receive() == BroadcastReceived("e", 1, "m-1")
        assert new.state is ChannelState.JOINED


async def test_a_server_that_restarts() -> None:
    async with running() as (client, server):
        channels = [await joined(client, topic) for topic in ("a", "b")]
        for topic in ("realtime:a", "realtime:b"):
            await server.connection.push(system(None, topic, "Server requested disconnect", status="ok"))
        await server.connection.close(1012)
        for channel in channels:
            assert (await ended(channel)).reason is CloseReason.SERVER_RESTART
        await asyncio.gather(joined(client, "a"), joined(client, "b"))
        assert len(server.connections) == 2


async def test_a_reader_that_stands_still_does_not_stop_the_socket() -> None:
    async with running(buffer_size=10) as (client, server):
        slow, quick = await joined(client, "slow"), await joined(client, "quick")
        for number in range(500):
            await server.connection.broadcast("slow", "e", number)
        await server.connection.broadcast("quick", "e", "here")
        async with asyncio.timeout(5):
            assert await quick.receive() == BroadcastReceived("e", "here", "m-1")
        assert client.stats.events_dropped == 490
        assert slow.state is ChannelState.JOINED


async def test_nothing_secret_is_logged_at_any_level(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), caplog.at_level(logging.DEBUG, "websockets"):
        async with running() as (client, server):
            server.refuse_with = (500, "no")
            task = asyncio.create_task(joined(client))
            await eventually(lambda: len(server.requests) >= 2, within_s=2)
            server.refuse_with = None
            channel = await task
            server.connection.cut()
            await ended(channel)
    told = [record.getMessage() for record in caplog.records if not record.name.startswith("websockets.server")]
    assert not [line for line in told if KEY in line or "token-1" in line]


async def test_writing_after_the_end_is_silent_as_the_reader_tells_it() -> None:
    async with ScriptedServer().running() as server:
        wire = await connect_websocket(server.url, RealtimeOptions())
        await eventually(lambda: server.connections, within_s=2)
        server.connection.cut()
        received: list[str | bytes] = []
        assert await wire.read(received.append) == WireClosed(1006)
        await wire.send("late")
        await wire.close()
        wire.abort()
    assert received == []


async def test_a_hundred_joins_and_leaves_leave_nothing() -> None:
    async with running() as (client, server):
        await joined(client, "stays")
        tasks = len(asyncio.all_tasks())
        for number in range(100):
            channel = await joined(client, f"room-{number}")
            await channel.leave()
        assert len(asyncio.all_tasks()) == tasks
        assert (client.socket_count, len(server.connections)) == (1, 1)

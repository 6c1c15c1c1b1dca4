"""Rubbish of every kind: the server stays up, others notice nothing, and nothing of it stays in memory."""

from __future__ import annotations

import asyncio
import gc
import json
import tracemalloc
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import pytest_asyncio
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from websockets.asyncio.client import ClientConnection
from websockets.exceptions import ConnectionClosed

from spaces_sdk.local.postgres import PostgresCluster
from spaces_sdk.local.realtime.server import RealtimeServer
from spaces_sdk.local.realtime.socket import Socket
from spaces_sdk.local.realtime.wire import Version
from tests.realtime_server.conftest import ServerFactory, started
from tests.realtime_server.support.client import Client, Received
from tests.realtime_server.support.rubbish import Message, messages
from tests.realtime_server.support.tokens import token
from tests.support.eventually import PATIENCE_S, eventually

pytestmark = pytest.mark.stack

EVENTS = {"phx_reply", "phx_close", "phx_error", "system", "presence_state", "presence_diff", "broadcast"}
MAX_GROWTH_BYTES = 1_000_000
LAST = "the-last-one"


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def server(realtime_cluster: PostgresCluster) -> AsyncGenerator[RealtimeServer]:
    """One server for all the rubbish."""
    quick = {"join_error_delay_s": 0.0, "request_timeout_s": 2.0, "max_joins_per_second": 1_000_000}
    async with started(realtime_cluster.url(), **quick) as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session")
async def others(server: RealtimeServer) -> AsyncGenerator[Others]:
    """Two clients that go on talking, and must not notice."""
    async with Client.connected(server) as sender, Client.connected(server) as listener:
        await sender.join("realtime:others")
        await listener.join("realtime:others")
        yield Others(sender, listener)


class Others:
    """Two who talk."""

    def __init__(self, sender: Client, listener: Client) -> None:
        self._sender = sender
        self._listener = listener
        self._count = 0

    async def talk(self) -> None:
        """One message from one to the other: a server that is busy with somebody else lets it wait too long."""
        self._count += 1
        payload = {"type": "broadcast", "event": "n", "payload": {"n": self._count}}
        await self._sender.send("realtime:others", "broadcast", payload)
        message = await self._listener.receive()
        assert message.payload["payload"]["n"] == self._count


def _is_known(message: Received) -> bool:
    if message.event == "phx_reply":
        response: Any = message.payload["response"]
        is_reason = response in ({}, {"postgres_changes": []}) or list(response) == ["reason"]
        return message.payload["status"] in ("ok", "error") and (is_reason or response == "payload_size_exceeded")
    return message.event in EVENTS


async def _send_all(client: Client, rubbish: list[Message]) -> None:
    # Some of it ends the connection, maybe before the rest is out; `_is_answered` looks at the reason.
    with suppress(ConnectionClosed):
        for message in rubbish:
            await client.socket.send(message)
        await client.send("phoenix", "heartbeat", {}, ref=LAST)


async def _is_answered(client: Client) -> bool:
    """Everything that comes is something the real server says too, up to the answer to the last message."""
    try:
        while (message := await client.receive()).ref != LAST:
            assert _is_known(message), message
    except ConnectionClosed as closed:
        return closed.rcvd is not None and closed.rcvd.code in (1001, 1007, 1009)
    return True


@pytest.mark.filterwarnings("ignore:Generating overly large repr")  # hides what failed
@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(rubbish=st.lists(messages, min_size=1, max_size=15), version=st.sampled_from(["1.0.0", "2.0.0"]))
async def test_rubbish_is_answered_as_ever_or_passed_over(
    server: RealtimeServer, others: Others, rubbish: list[Message], version: str
) -> None:
    async with Client.connected(server, version) as client:
        await client.join("realtime:fuzz", config={"broadcast": {"ack": True}, "presence": {"enabled": True}})
        await _send_all(client, rubbish)
        await others.talk()
        assert await _is_answered(client)


async def test_what_is_no_text_closes_with_1007_and_others_stay(server: RealtimeServer, others: Others) -> None:
    async with Client.connected(server) as client:
        await client.socket.send(b"\xff\xfe", text=True)
        with pytest.raises(ConnectionClosed) as closed:
            await client.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1007
    await others.talk()


async def test_ten_thousand_joins_are_all_answered_and_leave_nothing(server: RealtimeServer, others: Others) -> None:
    count = 10_000
    topics = len(server.hub.topics)
    with _no_growth():
        async with Client.connected(server) as client:
            sending = asyncio.create_task(_join_many(client.socket, count))
            reasons: dict[str, int] = {}
            for number in range(count):
                reason = (await client.receive(20)).payload["response"].get("reason", "")
                reasons[reason] = reasons.get(reason, 0) + 1
                if number % 500 == 0:
                    await others.talk()
            await sending
        await eventually(lambda: len(server.hub.topics) == topics)
    assert reasons == {"": 100, "ChannelRateLimitReached: Too many channels": count - 100}


async def _join_many(socket: ClientConnection, count: int) -> None:
    for number in range(count):
        await socket.send(json.dumps([str(number), str(number), f"realtime:{number}", "phx_join", {"config": {}}]))


async def test_who_never_ends_a_request_is_cut_off(server: RealtimeServer, others: Others) -> None:
    connections = await asyncio.gather(*(asyncio.open_connection("127.0.0.1", server.port) for _ in range(100)))
    try:
        for _, writer in connections:
            writer.write(b"GET /socket/websocket?vsn=2.0.0 HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        await others.talk()
        ends = asyncio.gather(*(_trickle(reader, writer) for reader, writer in connections))
        assert set(await asyncio.wait_for(ends, PATIENCE_S)) == {b""}
    finally:
        for _, writer in connections:
            writer.close()


async def _trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """A byte now and then, until the server has had enough."""
    ended = asyncio.create_task(reader.read())
    while not ended.done():
        writer.write(b"x")
        await asyncio.wait([ended], timeout=0.05)
    try:
        return ended.result()
    except ConnectionResetError:
        return b""


async def test_a_frame_that_never_ends_costs_others_nothing_and_goes_with_its_connection(
    server: RealtimeServer, others: Others
) -> None:
    hub: Any = server.hub
    sockets = len(hub._sockets)
    with _no_growth():
        async with Client.connected(server) as client:
            transport = client.socket.transport
            # A masked text frame of 4 MB is announced and most of it sent; the end never comes.
            transport.write(bytes([0x81, 0xFF]) + (4_000_000).to_bytes(8, "big") + b"mask" + b"x" * 3_900_000)
            await others.talk()
            transport.abort()
        await eventually(lambda: len(hub._sockets) == sockets)


async def test_who_sends_a_body_byte_by_byte_is_cut_off(start_server: ServerFactory) -> None:
    async with start_server(body_timeout_s=0.2) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"POST /api/broadcast HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n")
        answer = await asyncio.wait_for(_trickle(reader, writer), PATIENCE_S)
        writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")


async def test_a_second_request_may_not_take_longer_than_the_first(start_server: ServerFactory) -> None:
    async with start_server(request_timeout_s=1.0) as server:
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        writer.write(b"GET /api/ping HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"}")).startswith(b"HTTP/1.1 200 ")
        writer.write(b"GET /api/ping HTTP/1.1\r\nHost: x\r\nX-Slow: ")
        assert await asyncio.wait_for(_trickle(reader, writer), PATIENCE_S) == b""
        writer.close()


async def test_what_waits_for_a_join_is_bounded_in_bytes(start_server: ServerFactory) -> None:
    async with start_server(join_error_delay_s=0.3, inbound_max_bytes=1_000_000) as server:
        outlet = _Outlet()
        socket = Socket(server.hub, outlet, version=Version.V2, api_key=token("anon"), headers={})
        socket.receive(json.dumps(["1", "1", "realtime:", "phx_join", {}]))
        large = json.dumps([None, "2", "phoenix", "heartbeat", "x" * 400_000])
        socket.receive(large)
        socket.receive(large)
        assert outlet.holds == []
        socket.receive(large)
        assert outlet.holds == [True]
        await eventually(lambda: outlet.holds == [True, False])
        assert outlet.sent == 4
        socket.closed()


class _Outlet:
    """A connection that only counts."""

    def __init__(self) -> None:
        self.holds: list[bool] = []
        self.sent = 0

    def hold_reading(self, *, is_held: bool) -> None:
        """The socket wants no more, or more again."""
        self.holds.append(is_held)

    def send(self, frame: bytes) -> None:
        """A frame for the client."""
        self.sent += len(frame) > 0

    def close(self, code: int) -> None:
        """The socket ends it."""
        pytest.fail(f"closed with {code}")

    def abort(self, reason: str) -> None:
        """The socket cuts it."""
        pytest.fail(reason)


async def test_empty_fragments_gather_nowhere(server: RealtimeServer, others: Others) -> None:
    async with Client.connected(server) as client:
        transport = client.socket.transport
        with _no_growth(100_000):
            transport.write(b"\x01\x80mask")
            for _ in range(30):
                transport.write(b"\x00\x80mask" * 1000)
                await others.talk()
        transport.write(b"\x80\x80mask")
        assert (await client.heartbeat()).event == "phx_reply"


@contextmanager
def _no_growth(max_bytes: int = MAX_GROWTH_BYTES) -> Generator[None]:
    """What the server's own code holds is the same before and after."""

    def held() -> int:
        gc.collect()
        chosen = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, "*/spaces_sdk/local/realtime/*")])
        return sum(statistic.size for statistic in chosen.statistics("filename"))

    tracemalloc.start()
    try:
        before = held()
        yield
        assert held() - before < max_bytes
    finally:
        tracemalloc.stop()

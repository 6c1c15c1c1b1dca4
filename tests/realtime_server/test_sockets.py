"""Sockets: bounds, silence, limits, the end of the server; one client's trouble is no other's."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

import httpx
import pytest
from websockets.exceptions import ConnectionClosed, ConnectionClosedError
from websockets.frames import Frame, Opcode

from spaces_sdk.local.realtime.server import RealtimeServer
from tests.realtime_server.conftest import ServerFactory
from tests.realtime_server.support.client import Client
from tests.realtime_server.support.tokens import token
from tests.support.eventually import eventually

pytestmark = pytest.mark.stack

TOPIC = "realtime:lobby"


def _broadcast(number: int, text: str = "") -> dict[str, Any]:
    return {"type": "broadcast", "event": "n", "payload": {"n": number, "text": text}}


async def _raw_join(server: RealtimeServer) -> socket.socket:
    """A joined client that reads nothing after its upgrade."""
    loop = asyncio.get_running_loop()
    raw = socket.socket()
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    raw.setblocking(False)
    await loop.sock_connect(raw, ("127.0.0.1", server.port))
    request = (
        f"GET /socket/websocket?apikey={token('anon')}&vsn=2.0.0 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n"
        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    await loop.sock_sendall(raw, request.encode())
    await loop.sock_recv(raw, 4096)
    join = json.dumps(["1", "1", TOPIC, "phx_join", {"config": {}}]).encode()
    await loop.sock_sendall(raw, Frame(Opcode.TEXT, join).serialize(mask=True))
    return raw


async def test_a_listener_that_does_not_read_is_cut_off_and_holds_up_nobody(start_server: ServerFactory) -> None:
    text = "x" * 20_000
    async with (
        start_server(outbound_max_bytes=1_000_000) as server,
        Client.connected(server) as sender,
        Client.connected(server) as listener,
    ):
        await listener.join(TOPIC)
        slow = await _raw_join(server)
        try:
            await sender.join(TOPIC)
            await eventually(lambda: len(server.hub.topics.find("lobby", is_private=False) or ()) == 3)
            for number in range(400):
                await sender.send(TOPIC, "broadcast", _broadcast(number, text))
                assert (await listener.receive_event("broadcast")).payload["payload"]["n"] == number
            await eventually(lambda: len(server.hub.topics.find("lobby", is_private=False) or ()) == 2)
        finally:
            slow.close()


async def test_a_listener_that_stays_blocked_is_cut_off_after_the_send_timeout(start_server: ServerFactory) -> None:
    async with start_server(send_timeout_s=0.1, idle_timeout_s=8.0) as server, Client.connected(server) as sender:
        slow = await _raw_join(server)
        try:
            await sender.join(TOPIC, config={"broadcast": {"ack": True}})
            # More than the kernel's buffers take, less than the bound.
            for number in range(100):
                await sender.send(TOPIC, "broadcast", _broadcast(number, "x" * 100_000))
                await sender.receive_event("phx_reply")
            await eventually(lambda: len(server.hub.topics.find("lobby", is_private=False) or ()) == 1)
        finally:
            slow.close()


async def test_small_frames_are_not_held_back(start_server: ServerFactory) -> None:
    async with start_server() as server, Client.connected(server) as client:
        await client.heartbeat()
        hub: Any = server.hub
        (one,) = hub._sockets
        raw = one._outlet._transport.get_extra_info("socket")
        assert raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


async def test_silence_is_ended_with_1000_and_a_ping_counts_as_a_sound(start_server: ServerFactory) -> None:
    async with (
        start_server(idle_timeout_s=2.0) as server,
        Client.connected(server) as silent,
        Client.connected(server, ping_interval=0.05) as pinging,
    ):
        await silent.join(TOPIC)
        with pytest.raises(ConnectionClosed) as closed:
            await silent.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1000
        assert (await pinging.heartbeat()).payload["status"] == "ok"


async def test_a_stopping_server_says_goodbye_and_closes_with_1012(start_server: ServerFactory) -> None:
    async with start_server() as server:
        client_context = Client.connected(server)
        client = await client_context.__aenter__()
        await client.join(TOPIC)
    goodbye = await client.receive()
    assert goodbye.event == "system"
    assert goodbye.payload == {"message": "Server requested disconnect", "status": "ok", "extension": "system"}
    with pytest.raises(ConnectionClosed) as closed:
        await client.receive()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1012
    await client_context.__aexit__(None, None, None)


async def test_over_the_message_limit_the_receivers_are_closed_and_the_sender_goes_on(
    start_server: ServerFactory,
) -> None:
    async with (
        start_server(max_events_per_second=20, limit_tick_s=0.3) as server,
        Client.connected(server) as sender,
        Client.connected(server) as receiver,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http,
    ):
        await sender.join(TOPIC, config={"broadcast": {"ack": True}})
        await receiver.join(TOPIC)
        for number in range(60):
            await sender.send(TOPIC, "broadcast", _broadcast(number))
        await eventually(lambda: server.hub.events.is_triggered)
        await sender.send(TOPIC, "broadcast", _broadcast(99))
        ended = await receiver.receive_event("system")
        assert ended.payload["message"] == "Too many messages per second"
        assert (await receiver.receive()).event == "phx_close"
        for _ in range(61):
            assert (await sender.receive_event("phx_reply")).payload["status"] == "ok"
        body: dict[str, Any] = {"messages": [{"topic": "lobby", "event": "e", "payload": {}}]}
        answer = await http.post("/api/broadcast", json=body, headers={"apikey": token("anon")})
        assert answer.status_code == 429
        await eventually(lambda: not server.hub.events.is_triggered)
        assert (await receiver.join(TOPIC)).payload["status"] == "ok"
        await sender.send(TOPIC, "broadcast", _broadcast(100))
        assert (await receiver.receive_event("broadcast")).payload["payload"]["n"] == 100


async def test_over_the_join_limit_the_socket_is_closed_with_1001(start_server: ServerFactory) -> None:
    async with start_server(max_joins_per_second=2, limit_tick_s=0.2) as server, Client.connected(server) as client:
        for number in range(20):
            await client.join(f"realtime:{number}")
        await eventually(lambda: server.hub.joins.is_triggered)
        refused = await client.join("realtime:late")
        assert refused.payload["response"]["reason"] == "ClientJoinRateLimitReached: Too many joins per second"
        with pytest.raises(ConnectionClosed) as closed:
            await client.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1001


async def test_a_frame_over_the_limit_closes_with_1009_and_a_fragmented_one_is_read(
    start_server: ServerFactory,
) -> None:
    async with start_server(max_frame_bytes=50_000) as server, Client.connected(server) as client:
        heartbeat = json.dumps([None, "1", "phoenix", "heartbeat", {}])
        await client.socket.send([heartbeat[:10], heartbeat[10:20], heartbeat[20:]])
        assert (await client.receive()).ref == "1"
        await client.socket.send("x" * 60_000)
        with pytest.raises(ConnectionClosedError) as closed:
            await client.receive()
        assert closed.value.rcvd is not None
        assert closed.value.rcvd.code == 1009


async def test_a_late_leave_of_an_earlier_join_leaves_the_new_one_alone(start_server: ServerFactory) -> None:
    async with start_server() as server, Client.connected(server) as client:
        await client.send(TOPIC, "phx_join", {"config": {}}, join_ref="1", ref="1")
        await client.send(TOPIC, "phx_join", {"config": {"broadcast": {"ack": True}}}, join_ref="2", ref="2")
        await client.send(TOPIC, "phx_leave", {}, join_ref="1", ref="3")
        await client.send(TOPIC, "broadcast", _broadcast(1), join_ref="2", ref="4")
        events = [(message.ref, message.event) for message in [await client.receive() for _ in range(4)]]
    assert events == [("1", "phx_reply"), ("2", "phx_reply"), ("1", "phx_close"), ("4", "phx_reply")]


async def test_a_join_without_a_token_of_its_own_is_refused_once_the_api_key_has_expired(
    start_server: ServerFactory,
) -> None:
    key = token("anon", life_s=4.0)
    async with start_server() as server, Client.connected(server, api_key=key) as client:
        assert (await client.join("realtime:room:1", user="alice")).payload["status"] == "ok"

        async def refused() -> bool:
            await client.send("realtime:other", "phx_join", {"config": {}})
            answer = await client.receive_event("phx_reply")
            reason = str(answer.payload["response"].get("reason", ""))
            return reason.startswith("InvalidJWTToken: Token has expired")

        await eventually(refused)
        assert (await client.heartbeat()).payload["status"] == "ok"


async def test_postgres_changes_are_refused_with_a_way_out(start_server: ServerFactory) -> None:
    config = {"postgres_changes": [{"event": "*", "schema": "public", "table": "todos"}]}
    async with start_server() as server, Client.connected(server) as client:
        refused = await client.join(TOPIC, config=config)
    assert refused.payload["status"] == "error"
    assert "realtime.broadcast_changes" in refused.payload["response"]["reason"]


async def test_a_flood_behind_a_slow_join_is_neither_lost_nor_read_without_bound(start_server: ServerFactory) -> None:
    async with (
        start_server(join_error_delay_s=0.3, inbound_max_frames=20) as server,
        Client.connected(server) as client,
    ):
        await client.send("realtime:room:1", "phx_join", {"config": {"private": True}}, ref="join")
        for number in range(500):
            await client.send("phoenix", "heartbeat", {}, ref=number)
        assert (await client.receive()).payload["status"] == "error"
        assert [(await client.receive()).ref for _ in range(500)] == list(range(500))


async def test_a_client_that_goes_during_a_join_leaves_nothing_behind(start_server: ServerFactory) -> None:
    async with start_server(join_error_delay_s=30.0) as server:
        async with Client.connected(server) as client:
            await client.join(TOPIC, config={"presence": {"enabled": True}})
            await client.send("realtime:room:1", "phx_join", {"config": {"private": True}}, ref="1")
            client.socket.transport.abort()
        await eventually(lambda: len(server.hub.topics) == 0)
        await eventually(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == "join"])


async def test_ready_says_why_not(start_server: ServerFactory) -> None:
    async with (
        start_server() as server,
        httpx.AsyncClient(base_url=f"http://127.0.0.1:{server.port}") as http,
    ):
        assert (await http.get("/ready")).json() == {"status": "ready"}
        await server.hub.aclose()
        answer = await http.get("/ready")
        assert answer.status_code == 503
        assert answer.json() == {"status": "starting", "reason": "the server is stopping"}

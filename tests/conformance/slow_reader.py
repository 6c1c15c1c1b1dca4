"""A client that joins and then reads no more: it is cut, and the others get everything meanwhile."""

from __future__ import annotations

import asyncio
import json
import socket
from typing import Any

from websockets.asyncio.client import connect

from tests.conformance.frames import Comparable
from tests.conformance.player import Player
from tests.support.eventually import eventually

_TOPIC = "realtime:slow"
_PIECE = "x" * 10_000
_BATCH = 50
_MOST = 3000
_CUT_WITHIN_S = 15
_CONFIG = {"config": {"broadcast": {"ack": False, "self": False}, "private": False}}


async def feed_slow_reader(player: Player) -> None:
    """Send until the slow reader is cut, then tell what it and the sound reader saw."""
    url = player.base_url.replace("http", "ws", 1) + f"/socket/websocket?apikey={player.token('anon')}&vsn=1.0.0"
    options: dict[str, Any] = {"compression": None, "ping_interval": None, "max_size": None, "proxy": None}
    async with connect(url, **options) as slow, connect(url, **options) as sender, connect(url, **options) as reader:
        for client in (slow, sender, reader):
            await client.send(_join())
            await client.recv()
        slow.transport.pause_reading()
        raw: socket.socket = slow.transport.get_extra_info("socket")
        sent = read = 0
        while sent < _MOST and not _was_reset(raw):
            for _ in range(_BATCH):
                payload = {"type": "broadcast", "event": "slow", "payload": {"x": _PIECE}}
                await sender.send(json.dumps({"topic": _TOPIC, "event": "broadcast", "payload": payload, "ref": "2"}))
            sent += _BATCH
            for _ in range(_BATCH):
                await reader.recv()
                read += 1
            await asyncio.sleep(0.02)
        await eventually(lambda: _was_reset(raw), _CUT_WITHIN_S)
        slow.transport.abort()
    if read != sent:
        player.tell(Comparable(f"the sound reader got {read} of {sent}", is_fanned_out=False))


def _join() -> str:
    return json.dumps({"topic": _TOPIC, "event": "phx_join", "payload": _CONFIG, "ref": "1", "join_ref": "1"})


def _was_reset(raw: socket.socket) -> bool:
    return raw.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0 or _state(raw) in (7, 8)


def _state(raw: socket.socket) -> int:
    """The TCP state: 7 is closed, 8 is close-wait."""
    return raw.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] if hasattr(socket, "TCP_INFO") else 0

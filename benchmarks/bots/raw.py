"""The least that anybody could do: each token a broadcast of its own, from one websocket to others, kept nowhere."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from contextlib import AsyncExitStack
from typing import Final

from websockets.asyncio.client import ClientConnection, connect

from benchmarks.session.people import Stage

_TOPIC: Final = "realtime:bench"


async def tokens_ms(stage: Stage, tokens: Sequence[str], listeners: int, pause_s: float) -> list[float]:
    """From the token to each of the listeners."""
    async with AsyncExitStack() as held:
        hearing = [await _joined(held, stage) for _ in range(listeners)]
        speaker = await _joined(held, stage)
        said: list[float] = []

        async def hear(connection: ClientConnection) -> list[float]:
            times: list[float] = []
            async for frame in connection:
                message = json.loads(frame)
                if message["event"] == "broadcast":
                    number = int(message["payload"]["payload"]["number"])
                    times.append((time.perf_counter() - said[number]) * 1000)
                    if number == len(tokens) - 1:
                        break
            return times

        tasks = [asyncio.create_task(hear(connection)) for connection in hearing]
        for number, token in enumerate(tokens):
            said.append(time.perf_counter())
            payload = {"type": "broadcast", "event": "token", "payload": {"number": number, "text": token}}
            await speaker.send(json.dumps({"topic": _TOPIC, "event": "broadcast", "payload": payload, "ref": "2"}))
            await asyncio.sleep(pause_s)
        return [each for times in await asyncio.gather(*tasks) for each in times]


async def _joined(held: AsyncExitStack, stage: Stage) -> ClientConnection:
    url = f"{stage.url.replace('http', 'ws', 1)}/realtime/v1/websocket?vsn=1.0.0&apikey={stage.publishable_key}"
    connection = await held.enter_async_context(connect(url, proxy=None, compression=None, ping_interval=None))
    join = {"topic": _TOPIC, "event": "phx_join", "payload": {"config": {"private": False}}, "ref": "1"}
    await connection.send(json.dumps({**join, "join_ref": "1"}))
    answer = json.loads(await connection.recv())
    assert answer["payload"]["status"] == "ok", answer
    return connection

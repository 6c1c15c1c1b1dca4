"""Measure the edge function `rooms` beside PostgREST: the same call of the database by the same user, in turns.

    python -m benchmarks.edge [--calls N] [--json PATH] [--write-docs]

Exit 1: a number is beyond its limit.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx
import psycopg

from benchmarks.command import parser_of, run
from benchmarks.report import Limit, Report
from spaces_sdk.local.stack import LocalStack

# An endpoint is two calls of PostgREST; as much again for Deno and the second way through the gateway.
SLOWER, FEWER = 4.0, 4.0
AT_ONCE = 8
MESSAGES = 50

Call = Callable[[], Awaitable[httpx.Response]]


@dataclass(frozen=True, slots=True)
class Pair:
    """One endpoint, and the call of the database that it is."""

    name: str
    edge: Call
    direct: Call


async def open_room(http: httpx.AsyncClient, stack: LocalStack) -> list[Pair]:
    """A room with a page of messages, and what is asked of it."""
    key = {"apikey": stack.publishable_key}
    token = (await http.post("/auth/v1/signup", headers=key, json={})).json()["access_token"]
    user = {"authorization": f"Bearer {token}"}

    def rest(method: str, path: str, body: Any = None) -> Call:
        sent = {} if body is None else {"json": body}
        return lambda: http.request(method, f"/functions/v1/rooms{path}", headers=user, **sent)

    def rpc(name: str, **values: Any) -> Call:
        body = {f"p_{key}": value for key, value in values.items()}
        return lambda: http.post(f"/rest/v1/rpc/{name}", headers={**key, **user}, json=body)

    room = (await rest("POST", "/create", {"name": "Bench"})()).json()["room"]
    at, place = room["id"], f"/{room['id']}"
    await rest("POST", f"{place}/join", {"displayName": "Ada"})()
    for number in range(MESSAGES):
        await rpc("insert_message", room_id=at, content=f"Message {number} of the bench")()
    held = (await rest("GET", f"{place}/messages")()).headers["etag"]
    not_again = {**user, "if-none-match": held}
    settings = {"settings": {"theme": "dark"}}
    return [
        Pair("GET /rooms/{roomId}", rest("GET", place), rpc("get_room_by_id", room_id=at)),
        Pair("GET …/messages, 50", rest("GET", f"{place}/messages"), rpc("get_room_messages", room_id=at)),
        Pair(
            "GET …/messages, held: 304",
            lambda: http.get(f"/functions/v1/rooms{place}/messages", headers=not_again),
            rpc("get_room_messages", room_id=at),
        ),
        Pair("POST …/join, again", rest("POST", f"{place}/join"), rpc("join_room", room_id=at, display_name=None)),
        Pair(
            "PATCH …/state, no change",
            rest("PATCH", f"{place}/state", settings),
            rpc("update_room_state", room_id=at, changes=settings),
        ),
    ]


async def latency_ms(calls: list[Call], count: int) -> list[float]:
    """The median of each, one request after the other, in turns."""
    taken: list[list[float]] = [[] for _ in calls]
    for _ in range(count):
        for call, times in zip(calls, taken, strict=True):
            started = time.perf_counter()
            check(await call())
            times.append((time.perf_counter() - started) * 1000)
    return [statistics.median(times) for times in taken]


async def a_second(call: Call, count: int) -> float:
    """Requests a second, some at once."""
    left = iter(range(count))

    async def work() -> None:
        for _ in left:
            check(await call())

    started = time.perf_counter()
    await asyncio.gather(*(work() for _ in range(AT_ONCE)))
    return count / (time.perf_counter() - started)


def check(answer: httpx.Response) -> None:
    assert answer.status_code in (200, 304), answer.text


async def measure(options: argparse.Namespace) -> Report:
    """Ask everything both ways, print the rows as they come."""
    report = Report("bench-edge")
    report.begin("all of the stack on the same machine")
    async with (
        LocalStack.temporary() as stack,
        httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=30) as http,
    ):
        async with await psycopg.AsyncConnection.connect(stack.db_url, autocommit=True) as conn:
            await conn.execute("update spaces.limits set capacity = 1000000, refill_per_s = 1000")
        pairs = await open_room(http, stack)
        report.table("One request after the other, ms", "edge", "PostgREST", f"ratio (≤ {SLOWER:g})")
        for pair in pairs:
            await latency_ms([pair.edge, pair.direct], 5)  # warm
            edge, direct = await latency_ms([pair.edge, pair.direct], options.calls)
            report.row(pair.name, f"{edge:.1f}", f"{direct:.1f}", Limit(edge / direct, most=SLOWER))
        report.table(f"Requests a second, {AT_ONCE} at once", "edge", "PostgREST", f"ratio (≤ {FEWER:g})")
        for pair in pairs:
            edge, direct = [await a_second(call, options.calls * 2) for call in (pair.edge, pair.direct)]
            report.row(pair.name, f"{edge:,.0f}", f"{direct:,.0f}", Limit(direct / edge, most=FEWER))
    return report


if __name__ == "__main__":
    parser = parser_of("benchmarks.edge", __doc__)
    parser.add_argument("--calls", type=int, default=200, help="requests of each kind, one after the other")
    sys.exit(run(parser.parse_args(), measure))

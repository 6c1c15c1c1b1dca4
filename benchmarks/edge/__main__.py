"""Measure the edge function `rooms` beside PostgREST: the same call of the database by the same user, in turns.

python -m benchmarks.edge [--calls N] [--write-docs]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psycopg

from spaces_sdk.local.stack import LocalStack

DOCS = Path(__file__).resolve().parents[2] / "docs" / "benchmarks.md"
BEGIN, END = "<!-- bench-edge:begin -->", "<!-- bench-edge:end -->"
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


async def measure(count: int) -> str:
    """The table, row by row as it comes."""
    facts = f"{os.cpu_count()} cores · {datetime.now(UTC):%Y-%m-%d} · all of the stack on the same machine"
    lines = [
        facts,
        "",
        f"| Request | edge, ms | PostgREST, ms | ratio | edge, a second ({AT_ONCE} at once) | PostgREST | ratio |",
        "|---|--:|--:|--:|--:|--:|--:|",
    ]
    print("\n".join(lines))
    async with (
        LocalStack.temporary() as stack,
        httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=30) as http,
    ):
        async with await psycopg.AsyncConnection.connect(stack.db_url, autocommit=True) as conn:
            await conn.execute("update spaces.limits set capacity = 1000000, refill_per_s = 1000")
        pairs = await open_room(http, stack)
        for pair in pairs:
            await latency_ms([pair.edge, pair.direct], 5)  # warm
            edge, direct = await latency_ms([pair.edge, pair.direct], count)
            many = [await a_second(call, count * 2) for call in (pair.edge, pair.direct)]
            line = f"| {pair.name} | {edge:.1f} | {direct:.1f} | {edge / direct:.1f} "
            line += f"| {many[0]:,.0f} | {many[1]:,.0f} | {many[1] / many[0]:.1f} |"
            print(line, flush=True)
            lines.append(line)
    return "\n".join(lines)


def main(arguments: list[str]) -> int:
    """Run it; the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.edge", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=200, help="requests of each kind, one after the other")
    parser.add_argument("--write-docs", action="store_true", help=f"write the table into {DOCS.name}, too")
    options = parser.parse_args(arguments)
    table = asyncio.run(measure(options.calls))
    if options.write_docs:
        before, _, rest = DOCS.read_text().partition(BEGIN)
        DOCS.write_text(f"{before}{BEGIN}\n{table}\n{END}{rest.partition(END)[2]}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Plays a recorded scenario against a server and compares what comes back."""

from __future__ import annotations

import asyncio
import base64
import difflib
import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import httpx
import psycopg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.realtime_server.support.tokens import token
from tests.support.eventually import eventually

TRANSCRIPTS = Path(__file__).parents[2] / "fixtures" / "realtime-transcripts"

_JWT = re.compile(r"<jwt:([^>]+)>")
_DROP = re.compile(r"abnormal drop of (\w+)")
_RUN = re.compile(r"<(\d+) x '(.)'>")
_UUID = re.compile(r"[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}")
_PATIENCE_S = 2.0
_RECORDED_SILENCE_S = 0.25
"""In the recording nothing more came for so long; here it is given `_SILENCE_S`."""
_SILENCE_S = 0.02
_UNKNOWN_TENANT = "unknown tenant"


@dataclass(slots=True)
class _Connection:
    """One client of the scenario: what it got, beside what it should have got."""

    socket: ClientConnection | None
    received: list[str] = field(default_factory=list[str])
    expected: list[str] = field(default_factory=list[str])
    windows: list[int] = field(default_factory=lambda: [0])
    reader: asyncio.Task[None] | None = None
    is_dropped: bool = False
    given_up: int = 0

    async def read(self) -> None:
        if self.socket is None:
            return
        try:
            while True:
                self.received.append(canonical(await self.socket.recv()))
        except ConnectionClosed as closed:
            code = 1006 if closed.rcvd is None else closed.rcvd.code
            if closed.rcvd_then_sent is not False and not self.is_dropped:
                self.received.append(f"closed by server {code}")


@dataclass(slots=True)
class Difference:
    """One frame that came and should not have, or the other way round."""

    where: str
    line: str

    def __str__(self) -> str:
        return f"{self.where}: {self.line}"


@dataclass(slots=True)
class Outcome:
    """The comparison of one scenario."""

    compared: int = 0
    differences: list[Difference] = field(default_factory=list[Difference])


class Player:
    """Plays one file.

    Args:
        base_url: `http://host:port` of the server.
        db_url: Superuser's URL of its database.
        time_scale: Real seconds for a recorded one between actions; 0 waits only for what must come first.
    """

    def __init__(self, base_url: str, db_url: str, *, time_scale: float = 0.0) -> None:
        self._base_url = base_url
        self._db_url = db_url
        self._time_scale = time_scale
        self._connections: dict[str, _Connection] = {}
        self._tokens: dict[str, str] = {}
        self._outcome = Outcome()

    async def play(self, name: str, *, until: float = float("inf")) -> Outcome:
        """Play `<name>.jsonl`, up to the recorded second `until`."""
        lines = (TRANSCRIPTS / f"{name}.jsonl").read_text().strip().split("\n")
        entries = _with_causes_first([entry for line in lines if (entry := json.loads(line))["t"] <= until])
        started = asyncio.get_running_loop().time()
        async with (
            await psycopg.AsyncConnection.connect(self._db_url, autocommit=True) as database,
            httpx.AsyncClient(base_url=self._base_url) as http,
        ):
            try:
                before = 0.0
                for entry in entries:
                    if entry["dir"] in ("send", "sql", "http", "close"):
                        if self._time_scale:
                            due = started + entry["t"] * self._time_scale
                            await asyncio.sleep(due - asyncio.get_running_loop().time())
                        elif entry["t"] - before > _RECORDED_SILENCE_S:
                            await self._settle()
                            await asyncio.sleep(_SILENCE_S)
                    before = entry["t"]
                    if _UNKNOWN_TENANT not in entry.get("note", ""):
                        await self._act(entry, database, http)
                await self._settle()
                await asyncio.sleep(_SILENCE_S)
            finally:
                for connection in self._connections.values():
                    if connection.socket is not None:
                        await connection.socket.close()
                    if connection.reader is not None:
                        await connection.reader
        self._compare()
        return self._outcome

    async def _act(
        self, entry: dict[str, Any], database: psycopg.AsyncConnection[Any], http: httpx.AsyncClient
    ) -> None:
        match entry["dir"]:
            case "recv":
                frame = entry["frame"]
                message = base64.b64decode(frame) if entry.get("binary") else frame
                connection = self._connections[entry["conn"]]
                connection.expected.append(canonical(_expand(message) if not isinstance(message, bytes) else message))
            case "note" if dropped := _DROP.search(entry["note"]):
                await self._turn()
                await self._drop(dropped[1])
            case "close" if self._connections[entry["conn"]].is_dropped:
                pass
            case "close" if "server" in entry.get("note", ""):
                self._connections[entry["conn"]].expected.append(f"closed by server {entry['frame']['code']}")
            case "close":
                await self._settle()
                await self._turn()
                await self._close(entry["conn"])
            case "send":
                await self._turn()
                socket = self._connections[entry["conn"]].socket
                if socket is not None:
                    await socket.send(self._message(entry))
            case "sql" if entry.get("note") != "result":
                await self._turn()
                await database.execute(entry["frame"])
            case "http" if entry["frame"]["request"].startswith("GET /socket/websocket") and "conn" in entry:
                await self._turn()
                await self._open(entry)
            case "http":
                await self._turn()
                await self._request(entry["frame"], http)
            case _:
                pass

    def _message(self, entry: dict[str, Any]) -> str | bytes:
        frame = entry["frame"]
        if entry.get("binary"):
            return base64.b64decode(frame)
        if entry.get("raw_text"):
            return cast("str", frame)
        return json.dumps(self._filled(_expand(frame)))

    def _filled(self, value: Any) -> Any:
        return json.loads(_JWT.sub(lambda found: self._token(found[1]), json.dumps(value)))

    def _token(self, name: str) -> str:
        if name.endswith("-expired"):
            # Always new, so that it has expired for the recorded number of seconds.
            return token(name)
        if name not in self._tokens:
            self._tokens[name] = token(name)
        return self._tokens[name]

    async def _open(self, entry: dict[str, Any]) -> None:
        frame = entry["frame"]
        target = self._filled(frame["request"]).partition(" ")[2]
        headers = self._filled(frame["headers"])
        url = self._base_url.replace("http", "ws", 1) + target
        status: int
        try:
            socket = await connect(url, additional_headers=headers, compression=None, max_size=None, ping_interval=None)
        except InvalidStatus as refusal:
            status = refusal.response.status_code
            body = (refusal.response.body or b"").decode()
            self._note(f"body {frame.get('body', '') or ''}", f"body {json.loads(body) if body[:1] == '{' else body}")
        else:
            status = 101
            connection = self._connections[entry["conn"]] = _Connection(socket)
            connection.reader = asyncio.create_task(connection.read())
        self._note(f"upgrade {frame['status']}", f"upgrade {status}")

    async def _request(self, frame: dict[str, Any], http: httpx.AsyncClient) -> None:
        method, _, target = self._filled(frame["request"]).partition(" ")
        if "/tenants" in target or "host" in frame or "longpoll" in target or "headers" not in frame:
            return
        headers = {**self._filled(frame["headers"])}
        body = _expand(frame["body"])
        if headers.get("Content-Type", headers.get("content-type")) == "application/octet-stream":
            content = base64.b64decode(body)
        elif isinstance(body, str):
            content = body.encode()
        else:
            content = b"" if body is None else json.dumps(body).encode()
            headers.setdefault("Content-Type", "application/json")
        answer = await http.request(method, target, headers=headers, content=content)
        is_json = answer.headers.get("content-type", "").startswith("application/json")
        got = answer.json() if is_json else answer.text
        self._note(f"{target} {frame['status']} {frame['response']}", f"{target} {answer.status_code} {got}")

    def _note(self, expected: str, got: str) -> None:
        self._outcome.compared += 1
        if expected != got:
            self._outcome.differences += [Difference("http missing", expected), Difference("http extra", got)]

    async def _turn(self) -> None:
        """Before an action: all that was recorded before it must have come."""
        if not self._time_scale:
            await self._settle()
        for connection in self._connections.values():
            if connection.windows[-1] != len(connection.expected):
                connection.windows.append(len(connection.expected))

    async def _settle(self) -> None:
        for connection in self._connections.values():
            wanted = len(connection.expected) - connection.given_up
            try:
                await eventually(lambda c=connection, n=wanted: len(c.received) >= n, _PATIENCE_S)
            except AssertionError:
                # Told by the comparison; waiting for it again and again would not help.
                connection.given_up += wanted - len(connection.received)

    async def _drop(self, name: str) -> None:
        connection = self._connections[name]
        connection.is_dropped = True
        if connection.socket is not None:
            connection.socket.transport.abort()

    async def _close(self, name: str) -> None:
        connection = self._connections.get(name)
        if connection is not None and connection.socket is not None:
            await connection.socket.close()

    def _compare(self) -> None:
        for name, connection in self._connections.items():
            expected, received = list(connection.expected), list(connection.received)
            self._outcome.compared += len(expected)
            for start, end in zip(connection.windows, [*connection.windows[1:], len(expected)], strict=True):
                # Within one step the order of independent senders is chance.
                if Counter(expected[start:end]) == Counter(received[start:end]):
                    received[start:end] = expected[start:end]
            for line in difflib.ndiff(expected, received):
                if line[0] in "-+":
                    where = "missing" if line[0] == "-" else "extra"
                    self._outcome.differences.append(Difference(f"{name} {where}", line[2:]))


def _with_causes_first(entries: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """A client's close and an HTTP request were noted at their end, after what others had heard of them by then."""
    ordered: list[dict[str, Any]] = []
    for entry in entries:
        place = len(ordered)
        is_close = entry["dir"] == "close" and "client" in entry.get("note", "")
        if is_close or entry["dir"] == "http":
            began = entry["t"] - 0.02 if is_close else entry["t"] - entry["frame"].get("elapsed_ms", 0) / 1000 - 0.015
            while place and _is_effect(ordered[place - 1], entry, began):
                place -= 1
        ordered.insert(place, entry)
    return ordered


def _is_effect(earlier: dict[str, Any], entry: dict[str, Any], began: float) -> bool:
    return earlier["dir"] == "recv" and earlier["conn"] != entry.get("conn") and earlier["t"] >= began


def canonical(message: Any) -> str:
    """A frame as text in which what is made anew at each run looks the same."""
    if isinstance(message, bytes):
        return "binary " + _UUID.sub("<uuid>", message.decode("latin-1"))
    if isinstance(message, str):
        try:
            message = json.loads(message)
        except ValueError:
            return "text " + message
    if isinstance(message, str):
        return "text " + message
    return _UUID.sub("<uuid>", json.dumps(_plain(message), sort_keys=True))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        items = cast("dict[str, Any]", value).items()
        return {
            _UUID.sub("<uuid>", key): "<ref>" if key in ("phx_ref", "phx_ref_prev") else _plain(item)
            for key, item in items
        }
    if isinstance(value, list):
        return [_plain(item) for item in cast("list[Any]", value)]
    return value


def _expand(value: Any) -> Any:
    return json.loads(_RUN.sub(lambda found: found[2] * int(found[1]), json.dumps(value)))

"""Plays a recording against a server and keeps what comes back."""

from __future__ import annotations

import asyncio
import base64
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import httpx
import psycopg
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from spaces_sdk.local.realtime.server import RealtimeServer
from tests.conformance.comparison import Outcome, compare
from tests.conformance.frames import Comparable, comparable
from tests.conformance.recording import Entry, Kind, Recording, expand
from tests.realtime_server.support.tokens import token
from tests.support.eventually import eventually

_JWT = re.compile(r"<jwt:([^>]+)>")
_PATIENCE_S = 2.0
_RECORDED_SILENCE_S = 0.25
"""In the recording nothing more came for so long; here it is given `_SILENCE_S`."""
_SILENCE_S = 0.02
_LATENESS_S = 0.25
_CLOSING_S = 0.005
_UNKNOWN_TENANT = "unknown tenant"
HTTP = "http"

Ignored = Callable[[str, Comparable], bool]


@dataclass(frozen=True, slots=True)
class Pace:
    """How fast a scenario is played.

    Attributes:
        scale: Seconds for a recorded one; 0 waits only for what was recorded to come first.
        from_t: The scale counts from this recorded second on; before it is as 0.
    """

    scale: float = 0.0
    from_t: float = 0.0


@dataclass(slots=True)
class _Connection:
    socket: ClientConnection | None = None
    received: list[Comparable] = field(default_factory=list[Comparable])
    expected: list[Comparable] = field(default_factory=list[Comparable])
    steps: list[int] = field(default_factory=lambda: [0])
    reader: asyncio.Task[None] | None = None
    is_dropped: bool = False
    is_deaf: bool = False
    given_up: int = 0


class Player:
    """Plays one recording.

    Args:
        server: Runs in this process.
        db_url: Superuser's URL of its database.
        pace: How fast.
        ignored: Says of a connection's frame that the recording leaves such frames out.
        lives: How long the tokens of some names live, in seconds.
    """

    def __init__(
        self,
        server: RealtimeServer,
        db_url: str,
        *,
        pace: Pace | None = None,
        ignored: Ignored | None = None,
        lives: Mapping[str, float] | None = None,
    ) -> None:
        self.server = server
        self.integers: dict[int, int] = {}
        """Numbers of the recording's time, and those that stand for them now."""
        self.tasks: list[asyncio.Task[None]] = []
        self._db_url = db_url
        self._pace = pace or Pace()
        self._ignored = ignored
        self._lives = lives or {}
        self._tokens: dict[str, str] = {}
        self._connections: dict[str, _Connection] = {}
        self._began: float | None = None
        self._is_anchored = False
        self._deaf_from: dict[str, float] = {}

    @property
    def base_url(self) -> str:
        """Of the server."""
        return f"http://127.0.0.1:{self.server.port}"

    async def play(self, recording: Recording) -> Outcome:
        """Play it all and compare."""
        self._deaf_from = _deaf_from(recording)
        async with (
            await psycopg.AsyncConnection.connect(self._db_url, autocommit=True) as self.database,
            httpx.AsyncClient(base_url=self.base_url, trust_env=False, timeout=20.0) as self.http,
        ):
            try:
                before = 0.0
                for entry in recording.entries:
                    if entry.is_action:
                        await self._pause(entry.t, before)
                    before = entry.t
                    await self._act(entry)
                await self._settle()
                await asyncio.sleep(_LATENESS_S if self._is_timed(before) else _SILENCE_S)
            finally:
                await self._end()
        outcome = Outcome()
        for name, connection in self._connections.items():
            outcome.add(
                compare(recording.name, name, connection.expected, connection.received, sorted(set(connection.steps)))
            )
        return outcome

    async def _end(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        for connection in self._connections.values():
            if connection.socket is not None:
                await connection.socket.close()
            if connection.reader is not None:
                await connection.reader

    # Time.

    def _is_timed(self, t: float) -> bool:
        return self._pace.scale > 0 and t >= self._pace.from_t

    async def _pause(self, t: float, before: float) -> None:
        """Wait for the recorded second, or for what was recorded to have come by then."""
        await self._settle()
        if not self._is_timed(t):
            if t - before > _RECORDED_SILENCE_S:
                await asyncio.sleep(_SILENCE_S)
            return
        now = asyncio.get_running_loop().time()
        if self._began is None:
            self._began = now - t * self._pace.scale
        await asyncio.sleep(self._began + t * self._pace.scale - now)

    async def _settle(self) -> None:
        for connection in self._connections.values():
            wanted = len(connection.expected) - connection.given_up
            try:
                await eventually(lambda c=connection, n=wanted: len(c.received) >= n, _PATIENCE_S)
            except AssertionError:
                # Told by the comparison; waiting for it again and again would not help.
                connection.given_up += wanted - len(connection.received)

    # Steps.

    async def _act(self, entry: Entry) -> None:
        connection = self._connections.setdefault(entry.conn, _Connection()) if entry.conn else _Connection()
        if entry.is_action:
            for name, each in self._connections.items():
                each.steps.append(len(each.expected))
                each.is_deaf = each.is_deaf or entry.t >= self._deaf_from.get(name, float("inf"))
        match entry.kind:
            case Kind.RECEIVE:
                connection.expected.append(comparable(entry.frame))
            case Kind.CLOSED_BY_SERVER:
                connection.expected.append(closed(entry.frame["code"]))
            case Kind.CLOSED_BY_CLIENT:
                if connection.socket is not None:
                    await connection.socket.close()
            case Kind.DROP:
                connection.is_dropped = True
                if connection.socket is not None:
                    connection.socket.transport.abort()
            case Kind.SEND | Kind.PING:
                await self._send(entry, connection)
            case Kind.SQL:
                await self.database.execute(entry.frame)
            case Kind.OPEN:
                await self._open(entry, connection)
            case Kind.HTTP:
                await self._request(entry)
            case Kind.CALL if entry.call is not None:
                await entry.call(self)
            case _:
                pass

    async def _send(self, entry: Entry, connection: _Connection) -> None:
        if connection.socket is None:
            return
        try:
            if entry.kind is Kind.PING:
                await connection.socket.ping()
            else:
                is_ready = entry.is_binary or entry.is_raw_text
                await connection.socket.send(entry.frame if is_ready else json.dumps(self.filled(entry.frame)))
        except ConnectionClosed:
            # As the recording's client: the close itself is what is compared.
            return

    def filled(self, value: Any) -> Any:
        """With tokens, and today's numbers for those of the recording's day."""
        text = _JWT.sub(lambda found: self.token(found[1]), json.dumps(value))
        for old, new in self.integers.items():
            text = text.replace(str(old), str(new))
        return json.loads(text)

    def token(self, name: str) -> str:
        """The token of a name, made at its first use; expired ones are always new."""
        if name.endswith("-expired"):
            return token(name)
        if name not in self._tokens:
            self._tokens[name] = token(name, life_s=self._lives.get(name))
        return self._tokens[name]

    async def _open(self, entry: Entry, connection: _Connection) -> None:
        frame = entry.frame
        url = self.base_url.replace("http", "ws", 1) + self.filled(frame["request"]).partition(" ")[2]
        expected = f"upgrade {frame['status']} {frame.get('body', '') or ''}"
        connection.expected.append(Comparable(expected, is_fanned_out=False))
        if _UNKNOWN_TENANT in entry.note:
            return
        try:
            socket = await connect(
                url,
                additional_headers=self.filled(frame["headers"]),
                compression=None,
                max_size=None,
                ping_interval=None,
                proxy=None,
            )
        except InvalidStatus as refusal:
            body = (refusal.response.body or b"").decode()
            content = json.loads(body) if body[:1] == "{" else body
            got = f"upgrade {refusal.response.status_code} {content}"
        else:
            got = "upgrade 101 "
            if connection.reader is not None:
                await connection.reader
            connection.socket = socket
            connection.reader = asyncio.create_task(self._read(entry.conn, connection, socket))
        connection.received.append(Comparable(got, is_fanned_out=False))
        if self._is_timed(entry.t) and not self._is_anchored:
            # The server's ticks begin with its first connection.
            self._is_anchored = True
            self._began = asyncio.get_running_loop().time() - entry.t * self._pace.scale

    async def _read(self, name: str, connection: _Connection, socket: ClientConnection) -> None:
        try:
            while True:
                frame = comparable(await socket.recv())
                is_left_out = self._ignored is not None and self._ignored(name, frame)
                if not is_left_out and not connection.is_deaf:
                    connection.received.append(frame)
        except ConnectionClosed as ended:
            by_server = ended.rcvd_then_sent is not False and not connection.is_dropped
            if by_server:
                connection.received.append(closed(1006 if ended.rcvd is None else ended.rcvd.code))

    def tell(self, found: Comparable) -> None:
        """Count something that the recording has nothing of."""
        self._connections.setdefault(HTTP, _Connection()).received.append(found)

    async def _request(self, entry: Entry) -> None:
        frame: dict[str, Any] = entry.frame
        requests = self._connections.setdefault(HTTP, _Connection())
        request = self.filled(frame["request"])
        method, _, target = request.partition(" ")
        headers: dict[str, str] = {**self.filled(frame.get("headers", {}))}
        body = expand(frame.get("body"))
        kinds = {name.lower(): value for name, value in headers.items()}
        if kinds.get("content-type") == "application/octet-stream":
            content = base64.b64decode(body)
        elif isinstance(body, str):
            content = body.encode()
        else:
            content = b"" if body is None else json.dumps(self.filled(body)).encode()
            headers.setdefault("Content-Type", "application/json")
        wanted, recorded_kind = frame["response"], frame.get("response_headers", {}).get("content-type")
        suffix = "" if recorded_kind is None else f" {recorded_kind}"
        requests.expected.append(Comparable(f"{method} {target} {frame['status']} {wanted}{suffix}", False))
        if _UNKNOWN_TENANT in entry.note:
            return
        answer = await self.http.request(method, target, headers=headers, content=content)
        kind = answer.headers.get("content-type", "")
        is_json = kind.startswith("application/json") and not isinstance(wanted, str)
        got = answer.json() if is_json else answer.text
        own_suffix = "" if recorded_kind is None else f" {kind}"
        requests.received.append(Comparable(f"{method} {target} {answer.status_code} {got}{own_suffix}", False))


def _deaf_from(recording: Recording) -> dict[str, float]:
    """When the recording's clients stopped to read: at the end they were closed one right after the other."""
    last = {entry.conn: entry.t for entry in recording.entries if entry.kind is Kind.RECEIVE}
    ends = {entry.conn: entry.t for entry in recording.entries if entry.kind is Kind.CLOSED_BY_CLIENT}
    return {conn: max(last.get(conn, 0.0) + 1e-6, end - _CLOSING_S) for conn, end in ends.items()}


def closed(code: int) -> Comparable:
    """The server's close of a connection; 1006 is none, the connection was cut."""
    return Comparable(f"closed by server {code}", is_fanned_out=False)

"""An OpenAI-compatible server on a loopback port that behaves as a test says: real HTTP, real server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

CHUNK = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "small"}


@dataclass(frozen=True, slots=True)
class Request:
    """What a client asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]


class Exchange:
    """One request, and the way to answer it bit by bit.

    Attributes:
        is_gone: Set when the client has closed the connection.
    """

    def __init__(self, request: Request, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.request = request
        self._reader = reader
        self._writer = writer
        self.is_gone = asyncio.Event()

    async def respond(self, status: int, body: object, **headers: str) -> None:
        """A whole answer, as JSON or as it is."""
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        fields = {"content-type": "application/json", "content-length": str(len(content)), **headers}
        await self._head(status, fields)
        await self.raw(content)

    async def begin(self) -> None:
        """The head of a stream of events, in chunks."""
        await self._head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})

    async def event(self, data: object) -> None:
        """One event; text and bytes go as they are, all else as JSON."""
        content = data if isinstance(data, bytes) else (data if isinstance(data, str) else json.dumps(data)).encode()
        await self.chunk(b"data: " + content + b"\n\n")

    async def delta(self, **fields: object) -> None:
        """An event with a piece of the answer."""
        await self.event({**CHUNK, "choices": [{"index": 0, "delta": fields, "finish_reason": None}]})

    async def say(self, *pieces: str) -> None:
        for piece in pieces:
            await self.delta(content=piece)

    async def stop(self, reason: str = "stop") -> None:
        """An event that says why the answer ended."""
        choice: dict[str, object] = {"index": 0, "delta": {}, "finish_reason": reason}
        await self.event({**CHUNK, "choices": [choice]})

    async def finish(self, reason: str = "stop", usage: object = None) -> None:
        """Why it ended, the count if one was asked for, and the end of the stream."""
        await self.stop(reason)
        if usage is not None and "stream_options" in self.request.body:
            await self.event({**CHUNK, "choices": [], "usage": usage})
        await self.event("[DONE]")
        await self.end()

    async def end(self) -> None:
        """The end of the chunks."""
        await self.raw(b"0\r\n\r\n")

    async def chunk(self, content: bytes) -> None:
        await self.raw(f"{len(content):x}\r\n".encode() + content + b"\r\n")

    async def raw(self, content: bytes) -> None:
        self._writer.write(content)
        await self._writer.drain()

    async def hang(self) -> None:
        """Say nothing more until the client is gone."""
        with suppress(ConnectionError):
            await self._reader.read()
        self.is_gone.set()

    def cut(self) -> None:
        """Close the connection as it is."""
        self._writer.close()

    async def _head(self, status: int, headers: dict[str, str]) -> None:
        lines = [f"HTTP/1.1 {status} As scripted", *(f"{name}: {headers[name]}" for name in headers)]
        await self.raw("\r\n".join([*lines, "", ""]).encode())


Reply = Callable[[Exchange], Awaitable[None]]


@dataclass
class OpenAIServer:
    """Answers by a script; the last reply is repeated.

    Attributes:
        url: The `base_url` for clients.
        requests: All that were asked, oldest first.
        exchanges: The same, with what became of them.
    """

    url: str = ""
    requests: list[Request] = field(default_factory=list[Request])
    exchanges: list[Exchange] = field(default_factory=list[Exchange])
    _script: deque[Reply] = field(default_factory=deque[Reply])
    _open: dict[asyncio.Task[None], asyncio.StreamWriter] = field(
        default_factory=dict[asyncio.Task[None], asyncio.StreamWriter]
    )

    def replies(self, *replies: Reply) -> None:
        """From now on, answer so."""
        self._script = deque(replies)

    @asynccontextmanager
    async def running(self) -> AsyncGenerator[OpenAIServer]:
        """Listen on a free port of 127.0.0.1."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/v1"
        try:
            yield self
        finally:
            server.close()
            for writer in self._open.values():
                writer.close()
            if self._open:
                await asyncio.wait(set(self._open))
            await server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The requests of one connection, one after the other."""
        task = asyncio.current_task()
        assert task is not None
        self._open[task] = writer
        try:
            while not writer.is_closing() and (request := await _read_request(reader)) is not None:
                exchange = Exchange(request, reader, writer)
                self.requests.append(request)
                self.exchanges.append(exchange)
                reply = self._script.popleft() if len(self._script) > 1 else self._script[0]
                await reply(exchange)
        except ConnectionError:
            self.exchanges[-1].is_gone.set()
        finally:
            self._open.pop(task)
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()


async def _read_request(reader: asyncio.StreamReader) -> Request | None:
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = head.strip().split("\r\n")
    method, path, _ = first.split(" ")
    headers = {name.lower(): value.strip() for name, value in (line.split(":", 1) for line in lines)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Request(method, path, headers, json.loads(body or b"{}"))


def saying(*pieces: str, reason: str = "stop", usage: object = None) -> Reply:
    """A reply that says the pieces and ends well."""

    async def reply(exchange: Exchange) -> None:
        await exchange.begin()
        await exchange.delta(role="assistant", content="")
        await exchange.say(*pieces)
        await exchange.finish(reason, usage)

    return reply


def refusing(status: int, message: str = "no", *, code: str | None = None, **headers: str) -> Reply:
    """A reply that is an error."""

    async def reply(exchange: Exchange) -> None:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        await exchange.respond(status, {"error": {"message": message, "type": "error", "code": code}}, **names)

    return reply

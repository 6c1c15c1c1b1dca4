"""The network between one session and the stack: a TCP proxy that does what networks do."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress

from tests.chaos.frames import FrameSplitter, is_broadcast

HOST = "127.0.0.1"
_CHUNK = 16_384
_WEBSOCKET_PATH = b"GET /realtime/"


class Network:
    """One session's way to the stack. What is set here counts for open connections and for new ones.

    Attributes:
        is_refusing: New connections are reset.
        is_stalled: Nothing passes, and nobody is told.
        delay_s: How much later each piece arrives, in each direction.
        bytes_per_s: What passes at most in each direction of each connection; None for all.
        mid_frame: Answers that are still to be cut in their midst.
        lost_answers: Requests that will still arrive without their answers coming back.
        lost, doubled, swapped: Broadcasts that will still be lost, come twice, come after the next one. No TCP
            connection does so; Realtime does, on its side of it.
    """

    def __init__(self, port: int) -> None:
        self._upstream_port = port
        self._server: asyncio.Server | None = None
        self._links: set[_Link] = set()
        self._moved = asyncio.Event()
        self.is_refusing = False
        self.is_stalled = False
        self.delay_s = 0.0
        self.bytes_per_s: float | None = None
        self.mid_frame = 0
        self.lost_answers = 0
        self.lost = 0
        self.doubled = 0
        self.swapped = 0

    @property
    def url(self) -> str:
        """Where the session finds the stack."""
        if self._server is None:
            raise RuntimeError("the proxy was not opened")
        return f"http://{HOST}:{self._server.sockets[0].getsockname()[1]}"

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, HOST, 0, limit=_CHUNK)

    async def aclose(self) -> None:
        """End every connection. Idempotent."""
        if self._server is not None:
            self._server.close()
            self.cut()
            if tasks := [link.task for link in self._links if link.task is not None]:
                await asyncio.wait(tasks)

    def cut(self) -> None:
        """Reset every connection in both directions."""
        for link in tuple(self._links):
            link.reset()

    def heal(self) -> None:
        """Everything passes again; connections that are open stay."""
        self.is_refusing = False
        self.delay_s = 0.0
        self.bytes_per_s = None
        self.disarm()
        self.resume()

    @property
    def armed(self) -> int:
        """How many single things are still to go wrong."""
        return self.mid_frame + self.lost_answers + self.lost + self.doubled + self.swapped

    def disarm(self) -> None:
        """None of them any more."""
        self.mid_frame = self.lost_answers = self.lost = self.doubled = self.swapped = 0

    def resume(self) -> None:
        """End a stall."""
        self.is_stalled = False
        self._moved.set()
        self._moved = asyncio.Event()

    async def passable(self) -> None:
        """Wait for the end of a stall."""
        while self.is_stalled:
            await self._moved.wait()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self.is_refusing:
            _reset(writer)
            return
        link = _Link(self, reader, writer)
        self._links.add(link)
        # A task of its own: the one that asyncio has made for this must not be cancelled (3.11 complains).
        link.task = asyncio.create_task(link.run(self._upstream_port), name="network-link")
        await asyncio.wait([link.task])
        self._links.discard(link)


class _Link:
    """One connection: two pumps."""

    def __init__(self, network: Network, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._network = network
        self._reader = reader
        self._writer = writer
        self._open = [writer]
        self.task: asyncio.Task[None] | None = None
        self._is_websocket = False
        self._frames = FrameSplitter()
        self._held: bytes | None = None

    async def run(self, port: int) -> None:
        try:
            await self._network.passable()
            upstream_reader, upstream = await asyncio.open_connection(HOST, port, limit=_CHUNK)
            self._open.append(upstream)
            if upstream.get_extra_info("sockname") == upstream.get_extra_info("peername"):
                raise _CutError  # nobody listens, and TCP has connected the port to itself
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._up(self._reader, upstream))
                pumps.create_task(self._down(upstream_reader, self._writer))
        except* _EndedError:
            self._close(is_orderly=True)
        except* (OSError, _CutError):
            self._close(is_orderly=False)
        finally:
            self._close(is_orderly=False)  # cancelled; does nothing to what is closed

    def _close(self, *, is_orderly: bool) -> None:
        writers, self._open = self._open, []
        for writer in writers:
            if is_orderly:
                writer.close()
            else:
                _reset(writer)

    def reset(self) -> None:
        if self.task is not None:
            self.task.cancel()

    async def _up(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        is_first = True
        while data := await reader.read(_CHUNK):
            if is_first:
                self._is_websocket = data.startswith(_WEBSOCKET_PATH)
                is_first = False
            await self._pass(data, writer)
        raise _EndedError

    async def _down(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK):
            network = self._network
            if network.lost_answers > 0 and not self._is_websocket:
                network.lost_answers -= 1
                raise _CutError
            for piece in self._frames.feed(data) if self._is_websocket else [data]:
                if network.mid_frame > 0 and len(piece) > 1:
                    network.mid_frame -= 1
                    await self._pass(piece[: len(piece) // 2], writer)
                    raise _CutError
                await self._pass(self._mangled(piece) if is_broadcast(piece) else piece, writer)
        raise _EndedError

    def _mangled(self, piece: bytes) -> bytes:
        """What arrives in the place of a broadcast."""
        network = self._network
        if network.lost > 0:
            network.lost -= 1
            return b""
        if network.doubled > 0:
            network.doubled -= 1
            piece += piece
        if self._held is not None:
            piece, self._held = piece + self._held, None
        elif network.swapped > 0:
            network.swapped -= 1
            piece, self._held = b"", piece
        return piece

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        network = self._network
        await network.passable()
        if network.delay_s:
            await asyncio.sleep(network.delay_s)
            await network.passable()
        if network.bytes_per_s is not None:
            await asyncio.sleep(len(data) / network.bytes_per_s)
        if data:
            writer.write(data)
            await writer.drain()


class _CutError(Exception):
    """The connection is cut by a fault."""


class _EndedError(Exception):
    """One side has closed the connection."""


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close without a goodbye: the other side sees a reset, not an orderly end."""
    sock = writer.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()

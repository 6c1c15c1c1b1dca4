"""Which socket carries which channel."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from spaces_sdk.realtime.events import SocketState
from spaces_sdk.realtime.member import Member
from spaces_sdk.realtime.socket import RealtimeSocket

MakeSocket = Callable[[Callable[[RealtimeSocket], None]], RealtimeSocket]


class SocketPool:
    """Fills one socket up to a limit, then opens another.

    A topic is joined once on a socket, as a second join there ends the first: a second channel of a topic goes to
    another socket. The first socket is kept when idle (its memory of failures too), the others go.
    """

    def __init__(self, make: MakeSocket, *, channels_per_socket: int) -> None:
        self._make = make
        self._channels_per_socket = channels_per_socket
        self._sockets: list[RealtimeSocket] = []
        self._is_closed = False
        self._watchers: set[asyncio.Future[None]] = set()

    @property
    def sockets(self) -> tuple[RealtimeSocket, ...]:
        """The sockets of now."""
        return tuple(self._sockets)

    @property
    def is_closed(self) -> bool:
        """`aclose` was called."""
        return self._is_closed

    @property
    def state(self) -> SocketState:
        """OPEN if all that are in use are open, else the state of the first that is not; IDLE without any."""
        if self._is_closed:
            return SocketState.CLOSED
        used = [socket.state for socket in self._sockets if socket.state is not SocketState.IDLE]
        return next((state for state in used if state is not SocketState.OPEN), used[0] if used else SocketState.IDLE)

    def place(self, member: Member) -> RealtimeSocket:
        """Put a member on a socket with room for it."""
        for socket in self._sockets:
            if socket.member_count < self._channels_per_socket and not socket.holds_topic(member.topic):
                break
        else:
            socket = self._make(self._changed)
            self._sockets.append(socket)
        socket.add(member)
        return socket

    async def changed(self) -> None:
        """Wait for the next change of any socket's state. Cancel-safe."""
        watcher: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._watchers.add(watcher)
        try:
            await watcher
        finally:
            self._watchers.discard(watcher)

    async def aclose(self) -> None:
        """Close all sockets at once and wait for their ends."""
        self._is_closed = True
        self._wake()
        await asyncio.gather(*(socket.aclose() for socket in self._sockets))
        self._sockets.clear()

    def _changed(self, socket: RealtimeSocket) -> None:
        if socket.state is SocketState.IDLE and socket in self._sockets[1:]:
            self._sockets.remove(socket)
        self._wake()

    def _wake(self) -> None:
        for watcher in self._watchers:
            if not watcher.done():
                watcher.set_result(None)

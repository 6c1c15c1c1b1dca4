"""The bottom that can be replaced: one websocket connection, here on the library `websockets` (15 and later)."""

from __future__ import annotations

import logging
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import quote, quote_plus

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidProxy, InvalidStatus, WebSocketException

from spaces_sdk.config import is_loopback
from spaces_sdk.errors import ConnectError
from spaces_sdk.realtime.options import RealtimeOptions

NORMAL: Final = 1000
ABNORMAL: Final = 1006
CLOSE_TIMEOUT_S: Final = 2.0

# At DEBUG the library logs the upgrade's request line, and with it the API key: it gets a logger that nobody can open.
_MUTE: Final = logging.Logger("websockets-muted")
_MUTE.disabled = True

# Answers to the upgrade that may pass by waiting, beside 5xx. The others are told at once.
_PASSING: Final = frozenset({408, 425, 429})
_HINTS: Final = {
    401: "check the API key of the project",
    403: "Realtime may be switched off for this project",
}


@dataclass(frozen=True, slots=True)
class WireClosed:
    """How a connection ended; 1006 stands for no close frame."""

    code: int
    reason: str = ""


class Wire(Protocol):
    """An open connection."""

    async def read(self, on_data: Callable[[str | bytes], None]) -> WireClosed:
        """Hand every message to `on_data`, in order, until the connection has ended."""
        ...

    async def send(self, data: str) -> None:
        """Write a text message; after the end it does nothing."""
        ...

    async def close(self) -> None:
        """Close with 1000 and wait for the end, at most some 2 s."""
        ...

    def abort(self) -> None:
        """Drop the connection at once; `read` returns soon."""
        ...


Connector = Callable[[str, RealtimeOptions], Awaitable[Wire]]
"""Opens a connection to a URL (which carries the API key), or raises what `websockets.connect` or the OS raises."""


class WebsocketsWire:
    """A connection of the library `websockets`."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection

    async def read(self, on_data: Callable[[str | bytes], None]) -> WireClosed:
        recv = self._connection.recv
        try:
            while True:
                on_data(await recv())
        except ConnectionClosed as closed:
            if closed.rcvd is not None:
                return WireClosed(closed.rcvd.code, closed.rcvd.reason)
            # No close frame came; one of ours tells why, such as 1009 for a message over the limit.
            if closed.sent is not None and closed.sent.code != NORMAL:
                return WireClosed(ABNORMAL, f"{closed.sent.code} {closed.sent.reason}".strip())
            return WireClosed(ABNORMAL)

    async def send(self, data: str) -> None:
        try:
            await self._connection.send(data)
        except ConnectionClosed:
            return  # the reader sees it too, and says so

    async def close(self) -> None:
        await self._connection.close()

    def abort(self) -> None:
        self._connection.transport.abort()


class _Connect(connect):
    """Follows no redirect: the user's headers go to the server that was named, and to no other."""

    def process_redirect(self, exc: Exception) -> Exception | str:
        return exc


async def connect_websocket(url: str, options: RealtimeOptions) -> Wire:
    """The default `Connector`. It sets no time limits: they run on the client's clock."""
    arguments: dict[str, Any] = {"ssl": options.ssl} if options.ssl is not None else {}
    proxy = options.proxy
    if proxy is True and is_loopback(url):
        proxy = None  # the environment's proxy cannot reach what listens on this machine
    connection = await _Connect(
        url,
        additional_headers=dict(options.headers),
        proxy=proxy,
        compression=None,  # the server offers none
        open_timeout=None,
        ping_interval=None,  # Phoenix heartbeats reach further: through every proxy, to the channel layer
        close_timeout=CLOSE_TIMEOUT_S,
        max_size=options.max_frame_bytes,
        logger=_MUTE,
        **arguments,
    )
    return WebsocketsWire(connection)


def connect_error(error: Exception, *, secret: str) -> ConnectError:
    """What to tell the user about a failed attempt. Pure; the cause is chained unless its text holds the secret."""
    told: ConnectError
    match error:
        case InvalidStatus() if (status := error.response.status_code) < 500 and status not in _PASSING:
            body = bytes(error.response.body or b"")[:200].decode(errors="replace")
            told = ConnectError(
                f"cannot connect to Realtime: the server answered {status} {body}".strip(),
                code="unauthorized" if status == 401 else "connect_refused",
                hint=_HINTS.get(status, "check the project's URL"),
                retryable=False,
            )
        case InvalidStatus():
            told = ConnectError(f"cannot connect to Realtime: the server answered {error.response.status_code}")
        case ssl.SSLCertVerificationError():
            why = getattr(error, "verify_message", error)
            told = ConnectError(
                f"cannot connect to Realtime: the certificate is not trusted ({why})",
                code="tls_failed",
                hint="pass a TLS context that trusts the server: RealtimeOptions(ssl=…)",
                retryable=False,
            )
        case TimeoutError():
            told = ConnectError("cannot connect to Realtime: no answer in time")
        case InvalidProxy():
            # Its text holds the proxy's URL, and that a password perhaps.
            return ConnectError("cannot connect to Realtime: the proxy's URL is malformed", retryable=False)
        case OSError() | InvalidHandshake() | WebSocketException():
            told = ConnectError(f"cannot connect to Realtime: {type(error).__name__}: {error}")
        case _:
            told = ConnectError(f"cannot connect to Realtime: {type(error).__name__}: {error}", retryable=False)
    text = f"{error!r} {error} {told.message}"
    if any(form in text for form in (secret, quote(secret), quote(secret, safe=""), quote_plus(secret)) if form):
        return ConnectError(f"cannot connect to Realtime: {type(error).__name__}", retryable=told.retryable)
    told.__cause__ = error
    return told

"""The Realtime client: channels over as few sockets as they fit on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from random import Random, SystemRandom

from spaces_sdk.clock import Clock, SystemClock
from spaces_sdk.errors import ConfigError, UsageError
from spaces_sdk.realtime.binary import FIELD_LIMIT
from spaces_sdk.realtime.channel import Channel, TokenProvider
from spaces_sdk.realtime.events import SocketState
from spaces_sdk.realtime.options import RealtimeOptions, check_websocket_url
from spaces_sdk.realtime.pool import SocketPool
from spaces_sdk.realtime.protocol import TOPIC_PREFIX
from spaces_sdk.realtime.socket import RealtimeSocket
from spaces_sdk.realtime.stats import RealtimeStats
from spaces_sdk.realtime.wire import Connector, connect_websocket


class RealtimeClient:
    """A client of Supabase Realtime. No I/O before a channel joins.

    Sockets reconnect by themselves, without end, while a channel wants them; a channel that was cut stays closed, and
    its user joins a new one. Use within one event loop. Close it with `aclose`, or use it as an async context manager.

    Args:
        url: `wss://host/realtime/v1/websocket`, see `realtime_url`.
        api_key: The project's publishable key (or another one); goes into the upgrade's query and nowhere else.
        token: Gives a fresh access token; called at each join.
        options: Times, limits, TLS, proxy, headers.
        clock: Time, for tests.
        random: Chance for the backoff, for tests.
        connector: What opens connections, for tests.

    Raises:
        ConfigError: The URL or the key is missing or malformed, or a TLS context was given for ws://.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str,
        token: TokenProvider,
        options: RealtimeOptions | None = None,
        clock: Clock | None = None,
        random: Random | None = None,
        connector: Connector = connect_websocket,
    ) -> None:
        self._url = check_websocket_url(url)
        if not api_key:
            raise ConfigError("cannot make a Realtime client: the API key is missing")
        self._options = options or RealtimeOptions()
        if self._options.ssl is not None and not url.startswith("wss"):
            raise ConfigError("cannot use a TLS context with a ws:// URL")
        self._token = token
        self._clock = clock or SystemClock()
        self._stats = RealtimeStats()
        chance = random or SystemRandom()

        def make(on_change: Callable[[RealtimeSocket], None]) -> RealtimeSocket:
            return RealtimeSocket(
                self._url,
                api_key=api_key,
                options=self._options,
                clock=self._clock,
                random=chance,
                connector=connector,
                stats=self._stats,
                on_change=on_change,
            )

        self._pool = SocketPool(make, channels_per_socket=self._options.channels_per_socket)

    @property
    def state(self) -> SocketState:
        """OPEN if every socket in use is open, else the state of one that is not; IDLE if none is in use."""
        return self._pool.state

    async def state_after(self, known: SocketState) -> SocketState:
        """Wait until `state` is another one than `known`, and return it. Cancel-safe.

        Begin with `state` and go on with each answer, and no lasting state is missed; one that was over before this
        was called again is. `stats.last_error` says why the newest connection ended or did not come to stand.

        Raises:
            UsageError: `known` is CLOSED, after which nothing comes.
        """
        if known is SocketState.CLOSED:
            raise UsageError("cannot wait for another state: the client was closed")
        while (state := self.state) is known:
            await self._pool.changed()
        return state

    @property
    def socket_count(self) -> int:
        """Sockets kept now; the first is kept also when idle."""
        return len(self._pool.sockets)

    @property
    def stats(self) -> RealtimeStats:
        """Counters since the client was made; a copy."""
        return replace(self._stats)

    def channel(self, topic: str, *, private: bool = True, presence_key: str | None = None) -> Channel:
        """A channel for one join of a topic; nothing is sent before its `join`.

        Args:
            topic: Without the `realtime:` prefix, at most 246 bytes.
            private: Join as a private channel, whose policies the server asks.
            presence_key: Key of this connection in the presence; None leaves presence off.

        Raises:
            UsageError: The topic is empty, or longer than a binary frame can name.
        """
        if not topic or len((TOPIC_PREFIX + topic).encode()) > FIELD_LIMIT:
            raise UsageError(f"cannot make a channel: a topic has 1 to {FIELD_LIMIT - len(TOPIC_PREFIX)} bytes")
        return Channel(
            topic,
            is_private=private,
            presence_key=presence_key,
            pool=self._pool,
            token=self._token,
            options=self._options,
            clock=self._clock,
            stats=self._stats,
        )

    def push_token(self, token: str) -> None:
        """Give every joined channel the new access token; one that is joining gets it after its join.

        Queued at once, for the writer. The server never answers this; a token that it refuses ends the channels
        (TOKEN_EXPIRED, PERMISSION_LOST).
        """
        for socket in self._pool.sockets:
            socket.push_token(token)

    async def aclose(self) -> None:
        """Close all: channels end as LEFT, joins under way fail. Idempotent; leaves no task, socket or timer.

        A join that is just pulling its token fails when the provider returns, at the latest at its own deadline.
        """
        await self._pool.aclose()

    async def __aenter__(self) -> RealtimeClient:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"RealtimeClient({self._url!r}, state={self.state.value!r}, sockets={self.socket_count})"

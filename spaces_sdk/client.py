"""`Spaces`: one project, one user, and everything that is shared by what they do."""

from __future__ import annotations

import asyncio
import random as random_module
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from importlib import import_module
from inspect import iscoroutinefunction
from ssl import SSLContext
from types import TracebackType
from typing import TYPE_CHECKING, Self
from uuid import UUID
from weakref import WeakSet

import httpx

from spaces_sdk.auth.client import AuthClient
from spaces_sdk.clock import Clock, SystemClock
from spaces_sdk.config import ProjectConfig
from spaces_sdk.errors import ConfigError, UsageError
from spaces_sdk.network import Network
from spaces_sdk.rooms.manager import RoomManager
from spaces_sdk.rpc.client import RpcClient
from spaces_sdk.rpc.tokens import ProviderTokens, TokenListeners, TokenProvider, token_provider_of

if TYPE_CHECKING:
    from supabase import AsyncClient as SupabaseClient

    from spaces_sdk.realtime import RealtimeClient, RealtimeOptions
    from spaces_sdk.session import RoomSession, SessionOptions


class Spaces:
    """The way in. Use it with `async with`; before that it does no I/O, afterwards nothing of it is left.

    ```python
    async with Spaces(url, key) as spaces:
        await spaces.auth.sign_in_with_password(email=email, password=password)
        room = await spaces.rooms.create_room("Friday jam")
        async with spaces.join(room.room_code, display_name="Ada") as session:
            await session.send("hello")
    ```

    One object acts for one user. Use it within one event loop; any number of tasks may share it.

    Args:
        url: The Supabase project, `https://<ref>.supabase.co` or what `spaces up` prints.
        key: Its publishable (or legacy anon) key. A secret key is for servers: see `ApiKey`.
        access_token: An async function that returns a valid access token of the user, asked before each
            call: to act for the user of a web request. There is no `auth` then.
        proxy: URL of the proxy for HTTP and Realtime; None: what the environment names.
        ssl: TLS context for both, for a certificate authority of your own; None: the default one.
        headers: Sent with each request and with Realtime's upgrade; what the SDK sends itself goes before them.
        http_client: Yours, with its own proxy, certificates and headers; it is not closed. None makes one, which takes
            some 50 ms: a server that makes a `Spaces` for each request shares one client among them.
        realtime_options: Times and limits of the Realtime connection; its proxy, TLS and headers go before those above.
        clock: Time; a test passes its own.
        random: Randomness of pauses; a test passes its own.

    Raises:
        ConfigError: URL or key is missing or malformed; on entering: a proxy or certificate of the environment is.
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        access_token: TokenProvider | None = None,
        proxy: str | None = None,
        ssl: SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: httpx.AsyncClient | None = None,
        realtime_options: RealtimeOptions | None = None,
        clock: Clock | None = None,
        random: random_module.Random | None = None,
    ) -> None:
        self._config = ProjectConfig.parse(url, key)
        self._network = Network(proxy=proxy, ssl=ssl, headers=dict(headers or {}))
        self._network.check(self._config.url, has_http_client=http_client is not None)
        self._clock = clock or SystemClock()
        self._random = random or random_module.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._given_http = http_client
        self._realtime_options = realtime_options
        self._http: httpx.AsyncClient | None = None
        self._realtime: RealtimeClient | None = None
        self._sessions: WeakSet[RoomSession] = WeakSet()
        self._stack = AsyncExitStack()
        self._is_entered = False
        self._is_closing = False
        self._closed = asyncio.Event()
        self._watched: SupabaseClient | None = None
        self._auth: AuthClient | None = None
        if access_token is None:
            self._auth = AuthClient(self._config, self._open_http, clock=self._clock, random=self._random)
            self._tokens: AuthClient | ProviderTokens = self._auth
        else:
            self._tokens = ProviderTokens(access_token, hint="the token comes from outside: refresh it there")
        self._rpc = RpcClient(self._config, self._tokens, self._open_http, clock=self._clock, random=self._random)
        self._rooms = RoomManager(self._rpc)

    @classmethod
    def from_env(
        cls,
        *,
        access_token: TokenProvider | None = None,
        proxy: str | None = None,
        ssl: SSLContext | None = None,
        headers: Mapping[str, str] | None = None,
        http_client: httpx.AsyncClient | None = None,
        realtime_options: RealtimeOptions | None = None,
    ) -> Self:
        """With `SUPABASE_URL` and `SUPABASE_PUBLISHABLE_KEY` (or `SUPABASE_ANON_KEY`) from the environment.

        Raises:
            ConfigError: A variable is missing (it is named) or malformed.
        """
        config = ProjectConfig.from_env()
        return cls(
            config.url,
            config.key.value,
            access_token=access_token,
            proxy=proxy,
            ssl=ssl,
            headers=headers,
            http_client=http_client,
            realtime_options=realtime_options,
        )

    @classmethod
    def from_supabase(cls, client: SupabaseClient, *, realtime_options: RealtimeOptions | None = None) -> Self:
        """On an app's own `supabase.AsyncClient`: acts for whoever is signed in there.

        Its token is never refreshed from here (two who refresh one rotated token end the session), its
        `realtime` is not touched, and it is not closed. It needs to be left on its own refresh.

        Raises:
            ConfigError: It is the synchronous client.
        """
        if not iscoroutinefunction(client.auth.get_session):
            raise ConfigError(
                "cannot use this Supabase client: it is a synchronous one",
                code="not_async",
                hint="make it with `await acreate_client(url, key)`",
            )
        spaces = cls(
            str(client.supabase_url),
            client.supabase_key,
            access_token=token_provider_of(client),
            http_client=client.options.httpx_client,
            realtime_options=realtime_options,
        )
        spaces._watched = client
        return spaces

    @property
    def rooms(self) -> RoomManager:
        """Every operation on rooms, as one call each."""
        return self._rooms

    @property
    def auth(self) -> AuthClient:
        """Sign-up and sign-in.

        Raises:
            UsageError: This object acts with a token from outside.
        """
        if self._auth is None:
            raise UsageError(
                "cannot use auth: this object acts with a token from outside",
                hint="sign in where the token comes from",
            )
        return self._auth

    @property
    def url(self) -> str:
        """The project's address."""
        return self._config.url

    @property
    def realtime(self) -> RealtimeClient:
        """The one Realtime client of all sessions, made when it is first needed; closed with `Spaces`.

        Raises:
            UsageError: `Spaces` is not open.
        """
        self._open_http()
        if self._is_closing:
            raise _not_open()
        if self._realtime is None:
            self._realtime = self._make_realtime()
        return self._realtime

    def join(
        self,
        room: str | UUID | None = None,
        *,
        invitation: str | None = None,
        display_name: str | None = None,
        options: SessionOptions | None = None,
    ) -> RoomSession:
        """A session in a room; `async with` on it joins, its end leaves.

        Args:
            room: The room's code, or its id for one who is a participant (or the room is public).
            invitation: Instead of `room`: the token of an invitation, which opens a private room too.
            display_name: 1 to 50 characters; None keeps the name of a participant who returns.
            options: How the session behaves; None for the defaults.

        Raises:
            UsageError: `Spaces` is not open; or not exactly one of `room` and `invitation` is given.
        """
        if (room is None) == (invitation is None):
            raise UsageError(
                "cannot join: give either a room or an invitation", hint="a code, an id, or invitation=token"
            )
        from spaces_sdk.session import RoomSession, SessionOptions

        session = RoomSession(
            api=self._rooms,
            realtime=self.realtime,
            room=room,
            invitation=invitation,
            display_name=display_name,
            options=options or SessionOptions(),
            clock=self._clock,
            random=self._random,
        )
        self._sessions.add(session)
        return session

    async def __aenter__(self) -> Self:
        if self._is_entered:
            raise UsageError("cannot enter this Spaces again", code="closed", hint="make a new one")
        self._is_entered = True
        # Imports and the TLS context take some 0.4 s, during which a bot's or a server's loop would stand still.
        own_http = await asyncio.to_thread(_load, self._config, self._network, is_http_wanted=self._given_http is None)
        if own_http is not None:
            self._stack.push_async_callback(own_http.aclose)
        self._http = own_http or self._given_http
        self._stack.push_async_callback(self._rpc.aclose)
        if self._auth is not None:
            self._stack.push_async_callback(self._auth.aclose)
        if self._watched is not None:
            self._stack.callback(_watch(self._watched, self._tokens.listeners))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """End every session that is still open, then everything else. Idempotent; signs nobody out."""
        if not self._is_entered:
            return
        if self._is_closing:
            await self._closed.wait()
            return
        self._is_closing = True
        try:
            outcomes = await asyncio.gather(
                *(session.aclose() for session in tuple(self._sessions)), return_exceptions=True
            )
        finally:
            try:
                await self._stack.aclose()
            finally:
                self._http = None
                self._closed.set()
        for outcome in outcomes:
            if isinstance(outcome, BaseException):
                raise outcome

    def __repr__(self) -> str:
        return f"Spaces(url={self._config.url!r}, key={self._config.key})"

    def _open_http(self) -> httpx.AsyncClient:
        if self._http is None:
            raise _not_open()
        return self._http

    def _make_realtime(self) -> RealtimeClient:
        from spaces_sdk.realtime import RealtimeClient, realtime_url

        realtime = RealtimeClient(
            realtime_url(self._config.url),
            api_key=self._config.key.value,
            token=self._tokens.access_token,
            options=self._network.realtime(self._realtime_options),
            clock=self._clock,
            random=self._random,
        )
        self._stack.push_async_callback(realtime.aclose)
        self._stack.callback(self._tokens.listeners.add(realtime.push_token))
        return realtime


def _load(config: ProjectConfig, network: Network, *, is_http_wanted: bool) -> httpx.AsyncClient | None:
    """What is slow before the first call and the first session: imports, and the TLS context of the HTTP client."""
    for name in ("postgrest", "supabase_auth", "spaces_sdk.auth.errors", "spaces_sdk.session"):
        import_module(name)
    return network.http_client(config.url) if is_http_wanted else None


def _watch(client: SupabaseClient, listeners: TokenListeners) -> Callable[[], None]:
    """Pass on each token that the app's client gets by its own refresh; the returned function ends it."""

    def on_change(_event: object, session: object) -> None:
        token = getattr(session, "access_token", None)
        if isinstance(token, str):
            listeners.notify(token)

    return client.auth.on_auth_state_change(on_change).unsubscribe


def _not_open() -> UsageError:
    return UsageError("cannot ask the project: this Spaces is not open", code="not_open", hint="use `async with`")

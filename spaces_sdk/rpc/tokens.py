"""Where the access token of each call comes from."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Protocol

from spaces_sdk.config import ApiKey
from spaces_sdk.errors import AuthError, SessionExpiredError, SpacesError

if TYPE_CHECKING:
    from supabase import AsyncClient as SupabaseClient

TokenProvider = Callable[[], Awaitable[str]]
"""An async function that returns a valid access token of the user; it is asked before each call."""

TokenListener = Callable[[str], None]
"""Called with each new token, on the event loop; must not block."""


class TokenSource(Protocol):
    """What calls and Realtime joins ask for a token."""

    async def access_token(self) -> str:
        """A token that is good for the next call; AuthError when nobody is signed in."""
        ...

    async def replace(self, rejected: str) -> str:
        """Another token than the one that the server has just refused; SessionExpiredError when there is none."""
        ...


class TokenListeners:
    """Tells whoever listens when the token has changed."""

    def __init__(self) -> None:
        self._listeners: dict[object, TokenListener] = {}

    def add(self, listener: TokenListener) -> Callable[[], None]:
        """Listen from now on; the returned function ends it."""
        mark = object()
        self._listeners[mark] = listener

        def remove() -> None:
            self._listeners.pop(mark, None)

        return remove

    def notify(self, token: str) -> None:
        for listener in tuple(self._listeners.values()):
            listener(token)


class ProviderTokens:
    """Tokens of a user whose session somebody else keeps: a web request, or the app's own Supabase client.

    Nothing is refreshed here. Two who refresh one rotated token end the session of both.
    """

    def __init__(self, provider: TokenProvider, *, hint: str) -> None:
        self._provider = provider
        self._hint = hint
        self._last = ""
        self.listeners = TokenListeners()

    async def access_token(self) -> str:
        token = checked_token(await self._ask())
        if token != self._last:
            is_rotated = bool(self._last)
            self._last = token
            if is_rotated:
                self.listeners.notify(token)
        return token

    async def replace(self, rejected: str) -> str:
        token = await self.access_token()
        if token == rejected:
            raise SessionExpiredError("cannot go on: the server refused the access token", hint=self._hint)
        return token

    async def _ask(self) -> object:
        try:
            return await self._provider()
        except SpacesError:
            raise
        except Exception as error:
            reason = f"cannot get an access token: its provider raised {type(error).__name__}"
            # Retryable: it may have been its network; a live session must not end for that.
            raise AuthError(reason, code="token_provider_failed", hint=self._hint, retryable=True) from error


def checked_token(token: object) -> str:
    """The token, if it can stand in a header.

    Raises:
        AuthError: It is empty, no text, or has characters that no token has.
    """
    if not isinstance(token, str) or not token:
        raise AuthError("cannot get an access token: its provider returned none", code="not_authenticated")
    if not token.isascii() or not token.isprintable() or " " in token:
        raise AuthError("cannot get an access token: its provider returned something else", code="not_authenticated")
    return token


def token_provider_of(client: SupabaseClient) -> TokenProvider:
    """Reads the token of a `supabase.AsyncClient` where it keeps the one that it sends itself.

    Its `get_session()` is not asked: that refreshes when little time is left.
    """

    async def current() -> str:
        token = str(client.options.headers.get("Authorization", "")).removeprefix("Bearer ")
        if token == client.supabase_key and not ApiKey.parse(token).is_secret:
            raise AuthError(
                "cannot act for a user: nobody is signed in on the Supabase client",
                hint="`await client.auth.sign_in_with_password(...)` first",
            )
        return token

    return current

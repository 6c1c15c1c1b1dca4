"""The one session of a client, and its one access token, always fresh.

The library's own refresh is switched off: it fails without a word, lets concurrent callers refresh
one token several times, and its timer outlives the client.
"""

from __future__ import annotations

import random as random_module
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from spaces_sdk.auth.models import AuthSession, SignedIn
from spaces_sdk.auth.service import AuthService, required, user_of
from spaces_sdk.clock import Clock
from spaces_sdk.errors import AuthError, RateLimitedError, ServerError, SessionExpiredError, TransportError
from spaces_sdk.rpc.tokens import TokenListeners
from spaces_sdk.single_flight import SingleFlight

if TYPE_CHECKING:
    from supabase_auth.types import Session as LibrarySession

REFRESH_MARGIN_S: Final = 60.0
"""A token with less than this left is replaced: longer than a call, a join and some drift of clocks."""

REFRESH_MARGIN_SHARE: Final = 0.25
"""Short-lived tokens are replaced in the last quarter of their life, not at every call."""

STILL_GOOD_S: Final = 5.0
"""With at least this left (or half the margin), a token is used when it cannot be replaced just now."""

REFRESH_TRIES: Final = 3
REFRESH_TIMEOUT_S: Final = 10.0


class SessionKeeper:
    """Keeps who is signed in, in memory, and refreshes the token when somebody asks for it near its end.

    Args:
        service: Asked for the refresh.
        clock: Time, for the end of tokens.
        random: Randomness, for the jitter of pauses.
    """

    def __init__(self, service: AuthService, clock: Clock, random: random_module.Random) -> None:
        self._service = service
        self._clock = clock
        self._random = random
        self._session: AuthSession | None = None
        self._is_over = False
        self._margin_s = REFRESH_MARGIN_S
        self._no_refresh_before = 0.0
        self._refreshing = SingleFlight(self._refresh, name="token-refresh")
        self.listeners = TokenListeners()

    @property
    def session(self) -> AuthSession | None:
        """Who is signed in; None when nobody is."""
        return self._session

    def signed_in(self) -> AuthSession:
        """Who is signed in.

        Raises:
            SessionExpiredError: The session has ended by itself.
            AuthError: Nobody has signed in, or they have signed out.
        """
        if self._session is not None:
            return self._session
        if self._is_over:
            raise SessionExpiredError("cannot act for a user: the session is over", hint="sign in again")
        raise AuthError(
            "cannot act for a user: nobody is signed in", hint="`await spaces.auth.sign_in_with_password(...)` first"
        )

    async def access_token(self) -> str:
        """The token for the next call, refreshed when less than 60 s (or a quarter of its life) remain.

        Concurrent callers share one refresh; cancelling one leaves it to the others. While Auth does not
        answer, a token that is good for 5 s more is returned as it is.

        Raises:
            SessionExpiredError: The session cannot be refreshed any more; sign in again.
            AuthError: Nobody has signed in.
            TransportError: The token is at its end, and Auth cannot be reached.
        """
        session = self.signed_in()
        left_s = self._left_s(session)
        if left_s >= self._margin_s:
            return session.access_token
        is_good = left_s >= min(STILL_GOOD_S, self._margin_s / 2)
        if is_good and self._clock.monotonic() < self._no_refresh_before:
            return session.access_token
        try:
            return (await self._refreshing.run()).access_token
        except (TransportError, ServerError, RateLimitedError):
            if not is_good or self._session is not session:
                raise
            self._no_refresh_before = self._clock.monotonic() + STILL_GOOD_S
            return session.access_token

    async def replace(self, rejected: str) -> str:
        """Another token than the one the server has just refused: that of a refresh meanwhile, or a new one."""
        session = self._session
        if session is None:
            raise SessionExpiredError("cannot go on: the server refused the access token", hint="sign in again")
        if session.access_token != rejected:
            return session.access_token
        return (await self._refreshing.run()).access_token

    async def refresh(self) -> AuthSession:
        """Refresh now, or share the refresh that runs; errors as in `access_token`."""
        self.signed_in()
        return await self._refreshing.run()

    def keep_new(self, session: LibrarySession) -> SignedIn:
        """Keep a session that was made just now; its end is counted from here, so that clocks may differ."""
        return self.keep(
            AuthSession(
                access_token=session.access_token,
                refresh_token=session.refresh_token,
                expires_at=self._clock.now() + timedelta(seconds=session.expires_in),
                user=user_of(session.user),
            )
        )

    def keep(self, session: AuthSession) -> SignedIn:
        """Keep this session in the place of any other, and tell who listens."""
        self._session = session
        self._is_over = False
        self._margin_s = min(REFRESH_MARGIN_S, REFRESH_MARGIN_SHARE * self._left_s(session))
        self._no_refresh_before = 0.0
        self.listeners.notify(session.access_token)
        return SignedIn(user=session.user, session=session)

    def forget(self, *, is_over: bool = False) -> None:
        """Nobody is signed in from here on; `is_over` when it was the server that ended it."""
        self._session = None
        self._is_over = is_over

    async def aclose(self) -> None:
        """End a running refresh. Idempotent."""
        await self._refreshing.aclose()

    async def _refresh(self) -> AuthSession:
        session = self.signed_in()
        tries = 0
        while self._session is session:
            tries += 1
            try:
                answer = await self._service.ask(
                    "refresh the session",
                    lambda library: library.refresh_session(session.refresh_token),
                    timeout_s=REFRESH_TIMEOUT_S,
                )
                if self._session is session:
                    return self.keep_new(required(answer.session, "refresh the session")).session
            except (TransportError, ServerError):
                if tries >= REFRESH_TRIES:
                    raise
                await self._clock.sleep(self._random.uniform(0.0, 0.2 * 2.0**tries))
            except AuthError as error:
                if self._session is not session:
                    break
                self.forget(is_over=True)
                reason = f"cannot refresh the session: {error.code}"
                raise SessionExpiredError(reason, hint="sign in again") from error
        return self.signed_in()  # who has signed in meanwhile; nobody after a sign-out

    def _left_s(self, session: AuthSession) -> float:
        return (session.expires_at - self._clock.now()).total_seconds()

"""Sign-up, sign-in and the one access token that everything else sends.

The library's own refresh is switched off: it fails without a word, lets concurrent callers refresh
one token several times, and its timer outlives the client.
"""

from __future__ import annotations

import random as random_module
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Literal, NoReturn, cast

import httpx

from spaces_sdk.auth.admin import AdminAuth
from spaces_sdk.auth.models import AuthSession, ConfirmationRequired, SignedIn, SignUpResult, User
from spaces_sdk.auth.service import DEFAULT_TIMEOUT_S, AuthService, credentials, required, user_of
from spaces_sdk.clock import Clock, SystemClock
from spaces_sdk.config import ProjectConfig
from spaces_sdk.deadline import deadline
from spaces_sdk.errors import (
    AuthError,
    ConnectTimeoutError,
    RateLimitedError,
    ServerError,
    SessionExpiredError,
    TransportError,
)
from spaces_sdk.jwt_claims import unverified_expiry
from spaces_sdk.models import JsonObject
from spaces_sdk.rpc.tokens import TokenListeners, checked_token
from spaces_sdk.single_flight import SingleFlight

if TYPE_CHECKING:
    from supabase_auth.types import (
        Session as LibrarySession,
    )
    from supabase_auth.types import (
        SignInAnonymouslyCredentials,
        SignInWithPasswordCredentials,
        SignUpWithPasswordCredentials,
    )

REFRESH_MARGIN_S: Final = 60.0
"""A token with less than this left is replaced: longer than a call, a join and some drift of clocks."""

STILL_GOOD_S: Final = 5.0
"""With at least this left, a token is used when it cannot be replaced just now."""

REFRESH_TRIES: Final = 3
REFRESH_TIMEOUT_S: Final = 10.0


class AuthClient:
    """`spaces.auth`: the user of a `Spaces`, with supabase-py's method names.

    The session lives in memory. To go on with it in another process, keep `session.access_token` and
    `session.refresh_token` and hand them to `set_session`.

    Args:
        config: The project.
        http: Returns the shared HTTP client; raises UsageError while `Spaces` is not open.
        clock: Time, for deadlines and the end of tokens.
        random: Randomness, for the jitter of pauses.
    """

    def __init__(
        self,
        config: ProjectConfig,
        http: Callable[[], httpx.AsyncClient],
        *,
        clock: Clock | None = None,
        random: random_module.Random | None = None,
    ) -> None:
        self._key = config.key
        self._clock = clock or SystemClock()
        self._service = AuthService(config, http, self._clock)
        self._random = random or random_module.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._session: AuthSession | None = None
        self._is_over = False
        self._no_refresh_before = 0.0
        self._refreshing = SingleFlight(self._refresh, name="token-refresh")
        self.listeners = TokenListeners()
        self.admin = AdminAuth(self._service)

    @property
    def session(self) -> AuthSession | None:
        """Who is signed in, with the tokens; None when nobody is. A value: it does not change when a token rotates."""
        return self._session

    @property
    def user(self) -> User | None:
        """Who is signed in, as told at sign-in; `get_user` asks the server."""
        return self._session.user if self._session else None

    async def access_token(self) -> str:
        """The token for the next call, refreshed when less than 60 s of it remain.

        Concurrent callers share one refresh; cancelling one leaves it to the others. While Auth does not
        answer, a token that is good for 5 s more is returned as it is. With a secret key and nobody
        signed in, the key itself is the token.

        Raises:
            SessionExpiredError: The session cannot be refreshed any more; sign in again.
            AuthError: Nobody has signed in.
            TransportError: The token is at its end, and Auth cannot be reached.
        """
        session = self._session
        if session is None:
            if self._key.is_secret:
                return self._key.value
            self._raise_signed_out()
        left_s = self._left_s(session)
        if left_s >= REFRESH_MARGIN_S:
            return session.access_token
        is_good = left_s >= STILL_GOOD_S
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

    async def sign_up(
        self,
        *,
        password: str,
        email: str | None = None,
        phone: str | None = None,
        data: JsonObject | None = None,
        captcha_token: str | None = None,
        email_redirect_to: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> SignUpResult:
        """Make an account, and sign it in unless its address must be confirmed first.

        Args:
            password: As the project's rules want it.
            email: The account's address; either this or `phone`.
            phone: In E.164 form, for projects with the phone provider.
            data: The user's own metadata. Nothing is ever decided by it.
            captcha_token: For projects with captcha protection.
            email_redirect_to: Where the link in the e-mail leads.
            timeout_s: The whole call, in seconds, > 0.

        Returns:
            `SignedIn`, or `ConfirmationRequired` when an e-mail (or SMS) was sent.

        Raises:
            AuthError: Refused; `code` is that of Supabase Auth (`user_already_exists`, `weak_password` …).
            RateLimitedError: Too many sign-ups or e-mails.
            TransportError: No answer; the account may have been made all the same.
        """
        options = {"data": data or {}, "captcha_token": captcha_token, "email_redirect_to": email_redirect_to}
        body = credentials("sign up", email, phone, password)
        body["options"] = {name: value for name, value in options.items() if value is not None}
        answer = await self._service.ask(
            "sign up", lambda library: library.sign_up(cast("SignUpWithPasswordCredentials", body)), timeout_s=timeout_s
        )
        if answer.session is not None:
            return self._signed_in(answer.session)
        return ConfirmationRequired(user=user_of(required(answer.user, "sign up")))

    async def sign_in_with_password(
        self,
        *,
        password: str,
        email: str | None = None,
        phone: str | None = None,
        captcha_token: str | None = None,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> SignedIn:
        """Sign in with an e-mail address (or phone number) and a password; whoever was signed in before is forgotten.

        Raises:
            InvalidCredentialsError: Wrong address or password; Supabase does not say which.
            AuthError: Refused for another reason, for example `email_not_confirmed`.
            RateLimitedError: Too many tries.
            ConnectError: The project could not be reached.
            ConfigError: The URL is not that of a Supabase project, or the key is not one of its keys.
        """
        body = credentials("sign in", email, phone, password)
        if captcha_token is not None:
            body["options"] = {"captcha_token": captcha_token}
        answer = await self._service.ask(
            "sign in",
            lambda library: library.sign_in_with_password(cast("SignInWithPasswordCredentials", body)),
            timeout_s=timeout_s,
        )
        return self._signed_in(required(answer.session, "sign in"))

    async def sign_in_anonymously(
        self, *, captcha_token: str | None = None, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> SignedIn:
        """Make a new account without e-mail or password, and sign it in. It cannot be signed in to a second time.

        Raises:
            AuthError: Code `anonymous_provider_disabled` where the project does not want it.
            RateLimitedError: Too many from this address.
        """
        body: SignInAnonymouslyCredentials = {"options": {"captcha_token": captcha_token}} if captcha_token else {}
        answer = await self._service.ask(
            "sign in anonymously", lambda library: library.sign_in_anonymously(body), timeout_s=timeout_s
        )
        return self._signed_in(required(answer.session, "sign in anonymously"))

    async def set_session(
        self, access_token: str, refresh_token: str, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> SignedIn:
        """Go on with a session that was kept from before; asks the server whose it is, refreshes it at its end.

        From here on this object refreshes it: whoever else does so too ends the session of both.

        Raises:
            SessionExpiredError: Both tokens are at their end.
        """
        checked_token(access_token)
        checked_token(refresh_token)
        ends_at = unverified_expiry(access_token)
        if ends_at is None or (ends_at - self._clock.now()).total_seconds() < REFRESH_MARGIN_S:
            refreshed = await self._service.ask(
                "set the session", lambda library: library.refresh_session(refresh_token), timeout_s=timeout_s
            )
            return self._signed_in(required(refreshed.session, "set the session"))
        user = await self._fetch_user("set the session", access_token, timeout_s)
        return self._keep(
            AuthSession(access_token=access_token, refresh_token=refresh_token, expires_at=ends_at, user=user)
        )

    async def refresh_session(self) -> AuthSession:
        """Refresh now, whatever time is left; shared with a refresh that runs already.

        Raises:
            SessionExpiredError: The session is over; nobody is signed in now.
            AuthError: Nobody is signed in.
            TransportError: Auth could not be reached; the session is as it was.
        """
        if self._session is None:
            self._raise_signed_out()
        return await self._refreshing.run()

    async def get_user(self, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> User:
        """The signed-in user, as the server knows them now.

        Raises:
            AuthError: Nobody is signed in.
            SessionExpiredError: The session is over.
        """
        token = await self._token_within("get the user", timeout_s)
        return await self._fetch_user("get the user", token, timeout_s)

    async def sign_out(
        self, scope: Literal["local", "global", "others"] = "local", *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> None:
        """Sign out here. Does nothing when nobody is signed in.

        Args:
            scope: `local` ends this session alone, and forgets it even if the server cannot be reached
                (supabase-py's default, `global`, would sign the user out on every device) · `global` ends
                all of the user's · `others` all but this one.
            timeout_s: The whole call, in seconds, > 0.

        Raises:
            TransportError: The server was not told. `local`: forgotten here all the same; else nothing changed.
        """
        session = self._session
        if session is None:
            return
        try:
            token = await self._token_within("sign out", timeout_s)
            if scope == "local":
                self._forget()
            await self._service.ask(
                "sign out", lambda library: library.admin.sign_out(token, scope), timeout_s=timeout_s
            )
        except AuthError:
            # The server has ended the session already: that is what was asked for.
            if scope == "others":
                raise
        except (TransportError, ServerError):
            if scope == "local":
                self._forget()
            raise
        if scope != "others":
            self._forget()

    async def aclose(self) -> None:
        """End a running refresh. Idempotent; signs nobody out."""
        await self._refreshing.aclose()

    async def _refresh(self) -> AuthSession:
        session = self._session
        if session is None:
            self._raise_signed_out()
        tries = 0
        while True:
            tries += 1
            try:
                answer = await self._service.ask(
                    "refresh the session",
                    lambda library: library.refresh_session(session.refresh_token),
                    timeout_s=REFRESH_TIMEOUT_S,
                )
                break
            except (TransportError, ServerError):
                if tries >= REFRESH_TRIES:
                    raise
                await self._clock.sleep(self._random.uniform(0.0, 0.2 * 2.0**tries))
            except AuthError as error:
                if self._session is session:
                    self._forget(is_over=True)
                reason = f"cannot refresh the session: {error.code}"
                raise SessionExpiredError(reason, hint="sign in again") from error
        if self._session is not session:  # signed out, or in as somebody else, meanwhile
            return self._session or self._raise_signed_out()
        return self._signed_in(required(answer.session, "refresh the session")).session

    async def _fetch_user(self, operation: str, token: str, timeout_s: float) -> User:
        answer = await self._service.ask(operation, lambda library: library.get_user(token), timeout_s=timeout_s)
        return user_of(required(answer, operation).user)

    async def _token_within(self, operation: str, timeout_s: float) -> str:
        if self._session is None:
            self._raise_signed_out()
        try:
            async with deadline(self._clock, timeout_s):
                return await self.access_token()
        except TimeoutError as error:
            raise ConnectTimeoutError(f"cannot {operation}: no answer from Supabase Auth in {timeout_s:g} s") from error

    def _signed_in(self, session: LibrarySession) -> SignedIn:
        """Keep a session that was made just now; its end is counted from here, so that clocks may differ."""
        return self._keep(
            AuthSession(
                access_token=session.access_token,
                refresh_token=session.refresh_token,
                expires_at=self._clock.now() + timedelta(seconds=session.expires_in),
                user=user_of(session.user),
            )
        )

    def _keep(self, session: AuthSession) -> SignedIn:
        self._session = session
        self._is_over = False
        self._no_refresh_before = 0.0
        self.listeners.notify(session.access_token)
        return SignedIn(user=session.user, session=session)

    def _forget(self, *, is_over: bool = False) -> None:
        self._session = None
        self._is_over = is_over

    def _left_s(self, session: AuthSession) -> float:
        return (session.expires_at - self._clock.now()).total_seconds()

    def _raise_signed_out(self) -> NoReturn:
        if self._is_over:
            raise SessionExpiredError("cannot act for a user: the session is over", hint="sign in again")
        raise AuthError(
            "cannot act for a user: nobody is signed in", hint="`await spaces.auth.sign_in_with_password(...)` first"
        )

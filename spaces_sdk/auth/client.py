"""Sign-up, sign-in, sign-out: `spaces.auth`."""

from __future__ import annotations

import random as random_module
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Literal, cast

import httpx

from spaces_sdk.auth.admin import AdminAuth
from spaces_sdk.auth.keeper import STILL_GOOD_S, SessionKeeper
from spaces_sdk.auth.models import AuthSession, ConfirmationRequired, SignedIn, SignUpResult, User
from spaces_sdk.auth.service import DEFAULT_TIMEOUT_S, AuthService, credentials, required, user_of
from spaces_sdk.clock import Clock, SystemClock
from spaces_sdk.config import ProjectConfig
from spaces_sdk.deadline import deadline
from spaces_sdk.errors import AuthError, ConnectTimeoutError, SessionExpiredError, SpacesError
from spaces_sdk.jwt_claims import unverified_expiry
from spaces_sdk.models import JsonObject
from spaces_sdk.rpc.tokens import TokenListeners, checked_token

if TYPE_CHECKING:
    from supabase_auth.types import (
        SignInAnonymouslyCredentials,
        SignInWithPasswordCredentials,
        SignUpWithPasswordCredentials,
    )


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
        chance = random or random_module.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._keeper = SessionKeeper(self._service, self._clock, chance)
        self.admin = AdminAuth(self._service)

    @property
    def listeners(self) -> TokenListeners:
        """Told each new token, from sign-in on."""
        return self._keeper.listeners

    @property
    def session(self) -> AuthSession | None:
        """Who is signed in, with the tokens; None when nobody is. A value: it does not change when a token rotates."""
        return self._keeper.session

    @property
    def user(self) -> User | None:
        """Who is signed in, as told at sign-in; `get_user` asks the server."""
        return self._keeper.session.user if self._keeper.session else None

    async def access_token(self) -> str:
        """The token for the next call, refreshed when less than 60 s (or a quarter of its life) remain.

        Concurrent callers share one refresh; cancelling one leaves it to the others. While Auth does not
        answer, a token that is good for 5 s more is returned as it is. With a secret key and nobody
        signed in, the key itself is the token.

        Raises:
            SessionExpiredError: The session cannot be refreshed any more; sign in again.
            AuthError: Nobody has signed in.
            TransportError: The token is at its end, and Auth cannot be reached.
        """
        if self._keeper.session is None and self._key.is_secret:
            return self._key.value
        return await self._keeper.access_token()

    async def replace(self, rejected: str) -> str:
        """Another token than the one the server has just refused: that of a refresh meanwhile, or a new one."""
        return await self._keeper.replace(rejected)

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
            return self._keeper.keep_new(answer.session)
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
        return self._keeper.keep_new(required(answer.session, "sign in"))

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
        return self._keeper.keep_new(required(answer.session, "sign in anonymously"))

    async def set_session(
        self, access_token: str, refresh_token: str, *, timeout_s: float = DEFAULT_TIMEOUT_S
    ) -> SignedIn:
        """Go on with a session that was kept from before; asks the server whose it is, refreshes it at its end.

        From here on this object refreshes it: whoever else does so too ends the session of both.

        Args:
            access_token: The JWT.
            refresh_token: What came with it.
            timeout_s: Each of the two questions that this may take, in seconds, > 0.

        Raises:
            SessionExpiredError: Both tokens are at their end.
            AuthError: What was given is no token.
            TransportError: No answer; whoever was signed in before still is.
        """
        checked_token(access_token)
        checked_token(refresh_token)
        ends_at = unverified_expiry(access_token)
        if ends_at is not None and (ends_at - self._clock.now()).total_seconds() >= STILL_GOOD_S:
            # Refused all the same when the clocks differ or the signing key was changed: then it is refreshed.
            with suppress(SessionExpiredError):
                user = await self._fetch_user("set the session", access_token, timeout_s)
                return self._keeper.keep(
                    AuthSession(access_token=access_token, refresh_token=refresh_token, expires_at=ends_at, user=user)
                )
        refreshed = await self._service.ask(
            "set the session", lambda library: library.refresh_session(refresh_token), timeout_s=timeout_s
        )
        return self._keeper.keep_new(required(refreshed.session, "set the session"))

    async def refresh_session(self) -> AuthSession:
        """Refresh now, whatever time is left; shared with a refresh that runs already.

        Raises:
            SessionExpiredError: The session is over; nobody is signed in now.
            AuthError: Nobody is signed in.
            TransportError: Auth could not be reached; the session is as it was.
        """
        return await self._keeper.refresh()

    async def get_user(self, *, timeout_s: float = DEFAULT_TIMEOUT_S) -> User:
        """The signed-in user, as the server knows them now.

        Raises:
            AuthError: Nobody is signed in.
            SessionExpiredError: The session is over.
        """
        token = await self._token_within("get the user", timeout_s)
        try:
            return await self._fetch_user("get the user", token, timeout_s)
        except SessionExpiredError:
            token = await self._token_within("get the user", timeout_s, rejected=token)
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
        session = self._keeper.session
        if session is None:
            return
        try:
            token = await self._token_within("sign out", timeout_s)
        except AuthError:
            # The server has ended the session already: that is what was asked for.
            if scope == "others":
                raise
            return
        except SpacesError:
            if scope == "local" and self._keeper.session is session:
                self._keeper.forget()
            raise
        session = self._keeper.session
        if scope == "local":
            self._keeper.forget()
        try:
            await self._service.ask(
                "sign out", lambda library: library.admin.sign_out(token, scope), timeout_s=timeout_s
            )
        except AuthError:
            if scope == "others":
                raise
        if scope == "global" and self._keeper.session is session:  # not who has signed in meanwhile
            self._keeper.forget()

    async def aclose(self) -> None:
        """End a running refresh. Idempotent; signs nobody out."""
        await self._keeper.aclose()

    async def _fetch_user(self, operation: str, token: str, timeout_s: float) -> User:
        answer = await self._service.ask(operation, lambda library: library.get_user(token), timeout_s=timeout_s)
        return user_of(required(answer, operation).user)

    async def _token_within(self, operation: str, timeout_s: float, *, rejected: str = "") -> str:
        self._keeper.signed_in()
        try:
            async with deadline(self._clock, timeout_s):
                return await (self._keeper.replace(rejected) if rejected else self._keeper.access_token())
        except TimeoutError as error:
            raise ConnectTimeoutError(f"cannot {operation}: no answer from Supabase Auth in {timeout_s:g} s") from error

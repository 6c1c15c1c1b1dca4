"""Accounts made by a server with the project's secret key."""

from __future__ import annotations

from typing import Any

from spaces_sdk.auth.models import User
from spaces_sdk.auth.service import DEFAULT_TIMEOUT_S, AuthService, required, user_of
from spaces_sdk.errors import ConfigError
from spaces_sdk.models import JsonObject


class AdminAuth:
    """`spaces.auth.admin`: needs a `Spaces` made with the secret key. Only on a server."""

    def __init__(self, service: AuthService) -> None:
        self._service = service

    async def create_user(
        self,
        *,
        email: str,
        password: str,
        app_metadata: JsonObject | None = None,
        is_email_confirmed: bool = True,
        timeout_s: float = DEFAULT_TIMEOUT_S,
    ) -> User:
        """Make an account; signs nobody in.

        Args:
            email: The account's address.
            password: As the project's rules want it.
            app_metadata: What the server says of the account; `{"spaces_kind": "bot"}` makes it a bot's.
            is_email_confirmed: Take the address as confirmed and send no e-mail.
            timeout_s: The whole call, in seconds, > 0.

        Raises:
            ConfigError: The key is not a secret one.
            AuthError: Refused; code `email_exists` when the address has an account.
        """
        if not self._service.config.key.is_secret:
            raise ConfigError(
                "cannot create a user: this needs the project's secret key",
                code="secret_key_required",
                hint="make a `Spaces(url, secret_key)` on a server",
            )
        attributes: dict[str, Any] = {
            "email": email,
            "password": password,
            "email_confirm": is_email_confirmed,
            "app_metadata": app_metadata or {},
        }
        answer = await self._service.ask(
            "create a user",
            lambda library: library.admin.create_user(attributes),  # pyright: ignore[reportArgumentType]
            timeout_s=timeout_s,
        )
        return user_of(required(answer.user, "create a user"))

"""Who is signed in, as typed values; tokens are never part of their text."""

from __future__ import annotations

from datetime import datetime
from typing import TypeAlias
from uuid import UUID

from pydantic import Field

from spaces_sdk.models import JsonObject, Model


class User(Model):
    """An account of the project.

    What the user can write (`user_metadata`) is left out on purpose: nothing may be decided by it.

    Attributes:
        app_metadata: Written by the server alone; `spaces_kind` is `bot` for accounts of bots.
        is_anonymous: Signed in without e-mail, phone or provider.
    """

    id: UUID
    email: str | None = None
    phone: str | None = None
    is_anonymous: bool = False
    app_metadata: JsonObject = Field(default_factory=dict)
    created_at: datetime


class AuthSession(Model):
    """A signed-in user with the two tokens; keep them as you keep a password.

    Attributes:
        access_token: A JWT, sent with each call; usually good for an hour.
        refresh_token: Good for one refresh; each refresh makes a new pair.
        expires_at: When the access token ends, by this machine's clock.
    """

    access_token: str = Field(repr=False)
    refresh_token: str = Field(repr=False)
    expires_at: datetime
    user: User


class SignedIn(Model):
    """The account exists and is signed in."""

    user: User
    session: AuthSession


class ConfirmationRequired(Model):
    """The account waits for its owner to follow the link in an e-mail (or to enter the code from an SMS).

    Nobody is signed in. Supabase answers the same for an address that has an account already, so that
    nobody can find out who has one.
    """

    user: User


SignUpResult: TypeAlias = SignedIn | ConfirmationRequired

"""API keys: the opaque ones of today, and the JWTs of older projects."""

from __future__ import annotations

import time
from enum import StrEnum

import jwt

_TEN_YEARS_S = 10 * 365 * 24 * 3600


class Role(StrEnum):
    """The database role that a key stands for."""

    ANON = "anon"
    SERVICE = "service_role"


def legacy_key(role: Role, jwt_secret: str, *, now: float | None = None) -> str:
    """A long-lived JWT of that role, as older projects use for an API key."""
    issued_at = int(time.time() if now is None else now)
    claims = {"iss": "supabase", "role": role.value, "iat": issued_at, "exp": issued_at + _TEN_YEARS_S}
    return jwt.encode(claims, jwt_secret, algorithm="HS256")


class KeyRing:
    """Knows the keys of one stack and turns each kind into the other."""

    def __init__(self, *, publishable_key: str, secret_key: str, jwt_secret: str) -> None:
        self._jwt_secret = jwt_secret
        self._roles = {publishable_key: Role.ANON, secret_key: Role.SERVICE}
        self._opaque = {role: key for key, role in self._roles.items()}
        self._tokens = {role: legacy_key(role, jwt_secret) for role in Role}

    def role_of(self, key: str) -> Role | None:
        """The role of an opaque key or of a JWT that we signed; None for any other."""
        role = self._roles.get(key)
        if role is not None or key.count(".") != 2:
            return role
        try:
            claims = jwt.decode(key, self._jwt_secret, algorithms=["HS256"], options={"verify_aud": False})
            return Role(claims.get("role"))
        except (jwt.InvalidTokenError, ValueError):
            return None

    def is_token(self, token: str) -> bool:
        """True for a token that the project has signed and that has not run out, whosesoever it is."""
        try:
            jwt.decode(token, self._jwt_secret, algorithms=["HS256"], options={"verify_aud": False})
        except jwt.InvalidTokenError:
            return False
        return True

    def opaque_key(self, role: Role) -> str:
        """The `sb_…` key of the role."""
        return self._opaque[role]

    def token(self, role: Role) -> str:
        """A JWT of the role."""
        return self._tokens[role]

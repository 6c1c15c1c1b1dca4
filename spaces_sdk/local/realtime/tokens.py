"""Access tokens: HS256, with `role` and `exp`, and the words of each refusal."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import cast

import jwt

_CHECKED_HERE = {
    "verify_signature": True,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_aud": False,
    "verify_iss": False,
    "verify_sub": False,
    "verify_jti": False,
}


class TokenFault(Enum):
    """Why a token was refused."""

    MALFORMED = "malformed"
    SIGNER = "signer"
    SIGNATURE = "signature"
    CLAIMS = "claims"
    EXPIRED = "expired"


_MALFORMED = "The token provided is not a valid JWT"
_SIGNER = "Failed to generate JWT signer, check your JWT secret or JWKS configuration"
_SIGNATURE = "Failed to validate JWT signature"
_CLAIMS = "Fields `role` and `exp` are required in JWT"


class TokenRefusedError(Exception):
    """A token that is not accepted; the same fault reads differently in each place."""

    def __init__(self, fault: TokenFault, *, expired_for_s: int = 0) -> None:
        super().__init__(fault.value)
        self.fault = fault
        self.expired_for_s = expired_for_s

    @property
    def _expired(self) -> str:
        return f"Token has expired {self.expired_for_s} seconds ago"

    @property
    def at_upgrade(self) -> str:
        """For the body of the refused upgrade."""
        match self.fault:
            case TokenFault.MALFORMED:
                return _MALFORMED
            case TokenFault.SIGNER:
                return _SIGNER
            case TokenFault.SIGNATURE:
                return _SIGNATURE
            case TokenFault.CLAIMS:
                return _CLAIMS
            case TokenFault.EXPIRED:
                return "Token has expired"

    @property
    def at_join(self) -> str:
        """For the reason of a refused join."""
        match self.fault:
            case TokenFault.MALFORMED:
                return f"MalformedJWT: {_MALFORMED}"
            case TokenFault.SIGNER:
                return f"JwtSignerError: {_SIGNER}"
            case TokenFault.SIGNATURE:
                return f"JwtSignatureError: {_SIGNATURE}"
            case TokenFault.CLAIMS:
                return f"InvalidJWTToken: {_CLAIMS}"
            case TokenFault.EXPIRED:
                return f"InvalidJWTToken: {self._expired}"

    @property
    def at_refresh(self) -> str:
        """For the `system` message that ends a channel."""
        match self.fault:
            case TokenFault.MALFORMED:
                return _MALFORMED
            case TokenFault.SIGNER:
                return _SIGNER
            case TokenFault.SIGNATURE:
                return ":signature_error"
            case TokenFault.CLAIMS:
                return _CLAIMS
            case TokenFault.EXPIRED:
                return self._expired


@dataclass(frozen=True, slots=True)
class Token:
    """An accepted token."""

    raw: str
    claims: Mapping[str, object]
    role: str
    expires_at: float
    """Unix seconds."""

    def expired_for_s(self, now: float) -> int | None:
        """Whole seconds since its expiry; None while it is valid."""
        return int(now - self.expires_at) if now >= self.expires_at else None


def verify(raw: str, *, secret: str, now: float) -> Token:
    """Check a token.

    Args:
        raw: The JWT.
        secret: The HS256 secret.
        now: Unix seconds.

    Raises:
        TokenRefusedError: With the first fault, in the order of the real server: shape, algorithm,
            signature, expiry, required claims.
    """
    try:
        header = jwt.get_unverified_header(raw)
    except (jwt.PyJWTError, UnicodeError, ValueError, RecursionError):
        raise TokenRefusedError(TokenFault.MALFORMED) from None
    if header.get("alg") != "HS256":
        raise TokenRefusedError(TokenFault.SIGNER)
    try:
        decoded = jwt.decode(raw, secret, algorithms=["HS256"], options=_CHECKED_HERE)  # pyright: ignore[reportArgumentType]
    except jwt.InvalidSignatureError:
        raise TokenRefusedError(TokenFault.SIGNATURE) from None
    except (jwt.PyJWTError, UnicodeError, ValueError, RecursionError):
        raise TokenRefusedError(TokenFault.MALFORMED) from None
    claims = cast("dict[str, object]", decoded)
    expires_at, role = _unix_time(claims.get("exp")), claims.get("role")
    if expires_at is not None and now >= expires_at:
        raise TokenRefusedError(TokenFault.EXPIRED, expired_for_s=int(now - expires_at))
    if expires_at is None or not isinstance(role, str):
        raise TokenRefusedError(TokenFault.CLAIMS)
    return Token(raw, claims, role, expires_at)


def _unix_time(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        seconds = float(value)
    except OverflowError:
        return None
    return seconds if math.isfinite(seconds) else None

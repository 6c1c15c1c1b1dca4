"""What a JWT says of itself, unchecked. Only the server's word counts; this tells kinds and times apart."""

from __future__ import annotations

import base64
import json
from datetime import UTC, datetime
from typing import cast


def unverified_claims(token: str) -> dict[str, object]:
    """The payload of a JWT; empty when the text is none."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        payload: object = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (ValueError, RecursionError):
        return {}
    return cast("dict[str, object]", payload) if isinstance(payload, dict) else {}


def unverified_expiry(token: str) -> datetime | None:
    """When the token ends, by its claim `exp`; None when it has none."""
    seconds = unverified_claims(token).get("exp")
    if not isinstance(seconds, int | float):
        return None
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (OverflowError, ValueError, OSError):
        return None

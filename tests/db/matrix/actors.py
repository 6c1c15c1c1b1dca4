"""Who tries: the columns of the matrix."""

from __future__ import annotations

from typing import Final

# As callers of the database, in the order of the grids in expected.txt.
ACTORS: Final = (
    "publishable key",
    "anonymous user",
    "outsider",
    "online",
    "offline",
    "muted",
    "bot",
    "moderator",
    "host",
    "kicked",
    "banned",
    "host elsewhere",
    "service key",
)

# Tokens that are not what they say, each in the name of the host; and no key at all.
IMPOSTORS: Final = ("no key", "expired", "wrong secret", "alg none", "wrong audience")

"""The names under which work is claimed: the same in each replica, and after each restart."""

from __future__ import annotations

import re
from typing import Final
from zlib import crc32

LONGEST: Final = 60
"""The check of `purpose` in the migrations."""
_OTHER: Final = re.compile(r"[^a-z0-9_.-]+")


def purpose_of(kind: str, function: object, name: str | None = None) -> str:
    """`message:echo`: what calls it, and the handler's name.

    Args:
        kind: What calls the handler.
        function: Its qualified name is the default.
        name: Instead of it.
    """
    named = name or getattr(function, "__qualname__", type(function).__name__).replace("<locals>.", "")
    purpose = f"{kind}:{_OTHER.sub('_', named.lower())}"
    if len(purpose) <= LONGEST:
        return purpose
    return f"{purpose[: LONGEST - 9]}-{crc32(named.encode()):08x}"

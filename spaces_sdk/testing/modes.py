"""The modes of a room without a server: the names of the migrations, with prompts of its own."""

from __future__ import annotations

from typing import Final

from spaces_sdk.models import RoomMode

NAMES: Final = ("gangster", "playful", "philosopher", "conspiracy", "wildcard")


def modes() -> dict[str, RoomMode]:
    """By name; a test may add its own."""
    return {
        name: RoomMode(name=name, label=name.capitalize(), system_prompt=f"Answer as a {name} would.") for name in NAMES
    }

"""The persona of a room's mode, read at each answer and kept for a short while."""

from __future__ import annotations

import logging
from typing import Final, Protocol

from spaces_sdk.clock import Clock
from spaces_sdk.errors import SpacesError
from spaces_sdk.models import RoomMode

logger = logging.getLogger("spaces_sdk.bots")

LIFE_S: Final = 30.0
"""How long a prompt is used before it is read again: only a migration changes one."""

READ_TIMEOUT_S: Final = 5.0

FALLBACK: Final = "You are a helpful, friendly participant. Answer briefly."
"""The persona where the mode has no row, or it cannot be read."""


class ModeSource(Protocol):
    """Where modes are read: a session."""

    async def find_mode(self, name: str, *, timeout_s: float = ...) -> RoomMode | None: ...


class Personas:
    """The system prompts of the modes of one room."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[float, str]] = {}

    async def persona(self, source: ModeSource, mode: str, clock: Clock) -> str:
        """The mode's system prompt.

        An answer does not fail for want of it: then it is the one that was read last, else the fallback.
        """
        kept = self._kept.get(mode)
        if kept is not None and clock.monotonic() - kept[0] < LIFE_S:
            return kept[1]
        try:
            found = await source.find_mode(mode, timeout_s=READ_TIMEOUT_S)
        except SpacesError as error:
            logger.warning("the persona of mode %s cannot be read: %s", mode, error)
            return FALLBACK if kept is None else kept[1]
        persona = FALLBACK if found is None else found.system_prompt
        self._kept[mode] = (clock.monotonic(), persona)
        return persona

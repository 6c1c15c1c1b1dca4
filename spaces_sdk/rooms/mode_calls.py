"""Modes: the personalities that the AI of a room can take. Apps add their own with a migration."""

from __future__ import annotations

from typing import Final

from spaces_sdk.models import RoomMode
from spaces_sdk.rooms import checks
from spaces_sdk.rooms.calls import TIMEOUT_S, Calls, parsed
from spaces_sdk.rpc.procedures import Repeat, TableRead

_COLUMNS: Final = "name,label,system_prompt"

FIND_MODE = TableRead("room_modes", "find the mode", Repeat.READ, columns=_COLUMNS, order="name", most=1)
LIST_MODES = TableRead("room_modes", "list the modes", Repeat.READ, columns=_COLUMNS, order="name")


class ModeCalls(Calls):
    """Reads of the table `room_modes`."""

    async def find_mode(self, name: str, *, timeout_s: float = TIMEOUT_S) -> RoomMode | None:
        """One mode, as `RoomState.mode` names it; None if there is no such row.

        Raises:
            AuthError: Nobody is signed in.
        """
        doing = FIND_MODE.operation
        condition = f"eq.{checks.checked_text(doing, 'name', name)}"
        rows = parsed(list[RoomMode], await self._rpc.call(FIND_MODE, {"name": condition}, timeout_s=timeout_s), doing)
        return rows[0] if rows else None

    async def list_modes(self, *, timeout_s: float = TIMEOUT_S) -> list[RoomMode]:
        """All modes that a room can be set to, by name; the first 1000.

        Raises:
            AuthError: Nobody is signed in.
        """
        return parsed(list[RoomMode], await self._rpc.call(LIST_MODES, {}, timeout_s=timeout_s), LIST_MODES.operation)

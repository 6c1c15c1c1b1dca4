"""Who may use a command, and how often."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from math import ceil
from typing import Final
from uuid import UUID

from spaces_sdk.bots.context import Context
from spaces_sdk.bots.errors import CommandError
from spaces_sdk.models import Role

Check = Callable[[Context], bool | Awaitable[bool]]
"""Returns False, or raises a CommandError with the reason, to refuse."""

MOST_REMEMBERED: Final = 1000


def host_only(ctx: Context) -> bool:
    """A check: only the room's host may."""
    if ctx.author is None or ctx.author.role is not Role.HOST:
        raise CommandError("only the host may do that")
    return True


def moderators_only(ctx: Context) -> bool:
    """A check: only the host and moderators may."""
    if ctx.author is None or ctx.author.role not in (Role.HOST, Role.MODERATOR):
        raise CommandError("only the host and moderators may do that")
    return True


class Cooldown:
    """How soon a user may use a command again, in each room.

    The first use that comes too early is told so; the next ones until its end are passed over, so that nobody makes
    the bot talk without end. It remembers 1000 uses, and forgets the oldest beyond that.

    Args:
        seconds: The pause, > 0.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._free_at: dict[tuple[UUID, UUID | None], float] = {}
        self._warned: set[tuple[UUID, UUID | None]] = set()

    def take(self, room_id: UUID, user_id: UUID | None, now: float) -> bool:
        """Use it once at that time; False: too early, and it was said already.

        Raises:
            CommandError: Too early.
        """
        key = (room_id, user_id)
        left = self._free_at.get(key, now) - now
        if left > 0:
            if key in self._warned:
                return False
            self._warned.add(key)
            raise CommandError(f"not so fast: again in {ceil(left)} s")
        self._warned.discard(key)
        self._free_at.pop(key, None)
        self._free_at[key] = now + self._seconds
        if len(self._free_at) > MOST_REMEMBERED:
            oldest = next(iter(self._free_at))
            del self._free_at[oldest]
            self._warned.discard(oldest)
        return True

"""All that the fake database holds."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import datetime
from random import Random
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.models import Kind
from spaces_sdk.testing.fake.config import Config, Limit, default_limits
from spaces_sdk.testing.fake.faults import Faults
from spaces_sdk.testing.fake.limits import Buckets
from spaces_sdk.testing.fake.room import FakeRoom
from spaces_sdk.testing.modes import modes

TOPIC = re.compile(r"spaces:(?P<room>[0-9a-f-]{36}):[0-9]{1,9}")
ALPHABET = "ABCDEFGHJKLMNPQRSTUVWXYZ23456789"


@dataclass(frozen=True, slots=True)
class Account:
    """A user. The kind is that of the account: a participant may be made a bot by the host, too."""

    user_id: UUID
    name: str
    kind: Kind = Kind.HUMAN


@dataclass(slots=True)
class Admission:
    """The right of somebody to join a room who has not done so yet."""

    expires_at: float = math.inf
    invitation_id: UUID | None = None


@dataclass(slots=True)
class InvitationRow:
    """Who has the token may come in, as long as this stands."""

    id: UUID
    room_id: UUID
    created_by: UUID
    created_at: datetime
    tokens: list[str]
    expires_in_s: int | None = None
    expires_at: float = math.inf
    max_uses: int | None = None
    use_count: int = 0
    is_revoked: bool = False

    @property
    def is_used_up(self) -> bool:
        return self.max_uses is not None and self.use_count >= self.max_uses


class Tables:
    """The fake database: rooms, accounts, who may come in, and what is left of the limits."""

    def __init__(self, clock: Clock, random: Random) -> None:
        self.clock = clock
        self.random = random
        self.config = Config()
        self.limits: dict[str, Limit] = default_limits()
        self.buckets = Buckets(clock, self.limits)
        self.faults = Faults()
        self.modes = modes()
        self.rooms: dict[UUID, FakeRoom] = {}
        self.deleted: dict[UUID, FakeRoom] = {}
        self.admissions: dict[tuple[UUID, UUID], Admission] = {}
        self.invitations: dict[UUID, InvitationRow] = {}

    def new_id(self) -> UUID:
        return UUID(int=self.random.getrandbits(128), version=4)

    def new_code(self) -> str:
        """The code of a room that no other has."""
        taken = {room.code for room in self.rooms.values()}
        while (code := "".join(self.random.choices(ALPHABET, k=6))) in taken:
            pass
        return code

    def may_listen(self, user_id: UUID, topic: str) -> bool:
        """The policy of the topics."""
        found = TOPIC.fullmatch(topic)
        room = self.rooms.get(UUID(found["room"])) if found else None
        return room is not None and room.may_listen(user_id, topic)

    def hosted(self, user_id: UUID) -> int:
        """How many active rooms a user hosts."""
        return sum(room.host == user_id and room.state.is_active for room in self.rooms.values())

    def is_live(self, invitation: InvitationRow) -> bool:
        """Neither revoked nor expired; it may be used up all the same."""
        return not invitation.is_revoked and invitation.expires_at > self.clock.monotonic()

    def is_admitted(self, room: FakeRoom, user_id: UUID) -> bool:
        """Whether the code or an invitation has let somebody in who has not joined yet."""
        admission = self.admissions.get((room.id, user_id))
        if admission is None or admission.expires_at <= self.clock.monotonic():
            return False
        return room.state.visibility != "private" or admission.invitation_id is not None

    def revoke(self, invitation: InvitationRow) -> None:
        """End an invitation, also for who has accepted it and not joined yet."""
        invitation.is_revoked = True
        held = [key for key, admission in self.admissions.items() if admission.invitation_id == invitation.id]
        for key in held:
            del self.admissions[key]

    def remove(self, room: FakeRoom, user_id: UUID, reason: str) -> None:
        """Take somebody out of a room, and every way back in that they have made."""
        self.shut_out(room, user_id)
        room.remove(user_id, reason)

    def shut_out(self, room: FakeRoom, user_id: UUID) -> None:
        """End what lets somebody in, and whom they let in."""
        self.admissions.pop((room.id, user_id), None)
        for invitation in self.invitations.values():
            if (invitation.room_id, invitation.created_by) == (room.id, user_id):
                self.revoke(invitation)

    def delete(self, room: FakeRoom) -> None:
        """A room goes, with all that it has."""
        room.publish("room:deleted", {"head": room.head})
        room.end_leases()
        room.is_deleted = True
        self.deleted[room.id] = self.rooms.pop(room.id)

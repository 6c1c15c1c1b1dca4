"""Inviting, and coming in by an invitation."""

from __future__ import annotations

import math
from datetime import timedelta
from uuid import UUID

from spaces_sdk.models import JsonObject
from spaces_sdk.rooms.models import Invitation
from spaces_sdk.testing.fake.functions.rooms import RoomFunctions, paged, preview
from spaces_sdk.testing.fake.refusals import fail
from spaces_sdk.testing.fake.room import FakeRoom
from spaces_sdk.testing.fake.tables import Admission, InvitationRow

MOST_TOKENS = 5


class InvitationFunctions(RoomFunctions):
    """Functions about invitations."""

    def create_invitation(
        self, room_id: UUID, expires_in_s: int | None, max_uses: int | None, invitation_id: UUID
    ) -> JsonObject:
        self.spend_moderation(room_id)
        room = self.right("invite", room_id)
        row = self.db.invitations.get(invitation_id)
        if row is None:
            most = self.db.config.invitations_per_room
            standing = [i for i in self._of(room) if self.db.is_live(i) and not i.is_used_up]
            if len(standing) >= most:
                fail("not_allowed", f"the room has {most} open invitations", "Revoke one of them first.")
            ends_at = math.inf if expires_in_s is None else self.db.clock.monotonic() + expires_in_s
            row = InvitationRow(
                id=invitation_id,
                room_id=room_id,
                created_by=self.me,
                created_at=room.now(),
                expires_in_s=expires_in_s,
                expires_at=ends_at,
                max_uses=max_uses,
                tokens=[],
            )
            self.db.invitations[invitation_id] = row
        is_own = (row.room_id, row.created_by) == (room_id, self.me)
        if not is_own or not self.db.is_live(row) or len(row.tokens) >= MOST_TOKENS:
            fail("conflict", "its id is taken")
        token = f"{self.db.new_id().hex}"
        row.tokens.append(token)
        return {"ok": True, "invitation": _shown(row), "token": token}

    def list_invitations(self, room_id: UUID, limit: int, cursor: str | None) -> JsonObject:
        room = self.right("invite", room_id)
        rows = [_shown(row) for row in self._of(room) if self.db.is_live(row)]
        page, next_cursor = paged(rows, limit, cursor)
        return {"items": page, "next_cursor": next_cursor}

    def revoke_invitation(self, room_id: UUID, invitation_id: UUID) -> JsonObject:
        self.spend_moderation(room_id)
        self.right("invite", room_id)
        row = self.db.invitations.get(invitation_id)
        if row is None or row.room_id != room_id:
            fail(
                "invalid_argument",
                "the room has no such invitation",
                "list_invitations has the ids of those that stand.",
            )
        self.db.revoke(row)
        return {"ok": True}

    def accept_invitation(self, token: str) -> JsonObject:
        self.guess()
        row = next((i for i in self.db.invitations.values() if token in i.tokens), None)
        room = self.db.rooms.get(row.room_id) if row is not None else None
        if (
            row is None
            or room is None
            or not room.state.is_active
            or not self.db.is_live(row)
            or self.me in room.bans
            or not self._use(row, room)
        ):
            self.miss("it opens no room", "Ask for another invitation.")
        self.db.buckets.give_back(self.me, "code_miss")
        return {**preview(room), "room": room.room().model_copy(update={"room_code": ""})}

    def _of(self, room: FakeRoom) -> list[InvitationRow]:
        return [row for row in self.db.invitations.values() if row.room_id == room.id]

    def _use(self, row: InvitationRow, room: FakeRoom) -> bool:
        """Give the caller the right to join; who has it already uses nothing up."""
        held = self.db.admissions.get((room.id, self.me))
        is_admitted = held is not None and held.invitation_id and held.expires_at > self.db.clock.monotonic()
        if room.host == self.me or self.me in room.participants or is_admitted:
            return True
        if row.is_used_up:
            return False
        row.use_count += 1
        self.db.admissions[room.id, self.me] = Admission(row.expires_at, row.id)
        return True


def _shown(row: InvitationRow) -> Invitation:
    return Invitation(
        id=row.id,
        room_id=row.room_id,
        created_by=row.created_by,
        created_at=row.created_at,
        expires_at=None if row.expires_in_s is None else row.created_at + timedelta(seconds=row.expires_in_s),
        max_uses=row.max_uses,
        use_count=row.use_count,
    )

"""Who is what in a room, who must go, and who may not come back."""

from __future__ import annotations

from uuid import UUID

from spaces_sdk.models import JsonObject, Kind, Role
from spaces_sdk.rooms.models import Ban
from spaces_sdk.testing.fake.functions.rooms import paged
from spaces_sdk.testing.fake.rights import Rights


class ModerationFunctions(Rights):
    """Functions of the host and the moderators."""

    def set_participant_kind(self, room_id: UUID, user_id: UUID, kind: str) -> JsonObject:
        self.spend_moderation(room_id)
        room = self.right("set_kind", room_id)
        self.target("set_kind", room, user_id)
        if room.participants[user_id].kind != kind:
            room.set_kind(user_id, Kind(kind))
        return {"ok": True, "participant": room.shown(room.participants[user_id]), "head": room.head}

    def set_participant_role(self, room_id: UUID, user_id: UUID, role: str) -> JsonObject:
        self.spend_moderation(room_id)
        room = self.right("set_role", room_id)
        self.target("set_role", room, user_id)
        if room.participants[user_id].role != role:
            room.update(user_id, role=Role(role))
        return {"ok": True, "participant": room.shown(room.participants[user_id]), "head": room.head}

    def mute_participant(self, room_id: UUID, user_id: UUID, is_muted: bool) -> JsonObject:
        self.spend_moderation(room_id)
        action = "mute" if is_muted else "unmute"
        room = self.right(action, room_id)
        self.target(action, room, user_id)
        them = room.participants[user_id]
        if them.is_muted != is_muted:
            room.update(user_id, is_muted=is_muted, voice_since=None if is_muted else them.voice_since)
            if is_muted:
                room.stop_streams(user_id)
        return {"ok": True, "participant": room.shown(room.participants[user_id]), "head": room.head}

    def kick_participant(self, room_id: UUID, user_id: UUID) -> JsonObject:
        self.spend_moderation(room_id)
        room = self.right("kick", room_id)
        self.target("kick", room, user_id, or_removed=True)
        if user_id in room.participants:
            self.db.remove(room, user_id, "kicked")
        return {"ok": True, "head": room.head, "epoch": room.epoch}

    def ban_participant(self, room_id: UUID, user_id: UUID, reason: str | None) -> JsonObject:
        self.spend_moderation(room_id)
        room = self.right("ban", room_id)
        self.target("ban", room, user_id, or_removed=True)
        if user_id not in room.bans:
            former = room.former.get(user_id)
            them = room.participants.get(user_id) or (former.participant if former else None)
            room.bans[user_id] = Ban(
                user_id=user_id,
                display_name=them.display_name if them else "",
                banned_by=self.me,
                reason=(reason or "").strip() or None,
                created_at=room.now(),
            )
            if former is None:
                self.db.remove(room, user_id, "banned")
            else:
                self.db.shut_out(room, user_id)
                if not former.is_kicked:  # who has forgotten the room may still listen
                    room.move()
        return {"ok": True, "head": room.head, "epoch": room.epoch}

    def unban_participant(self, room_id: UUID, user_id: UUID) -> JsonObject:
        self.spend_moderation(room_id)
        room = self.right("unban", room_id)
        room.bans.pop(user_id, None)
        return {"ok": True, "head": room.head}

    def list_bans(self, room_id: UUID, limit: int, cursor: str | None) -> JsonObject:
        room = self.right("list_bans", room_id)
        page, next_cursor = paged(list(room.bans.values()), limit, cursor)
        return {"items": page, "next_cursor": next_cursor}

"""One's own presence in a room: join, catch up, stay alive, speak up, leave."""

from __future__ import annotations

import re
from uuid import UUID

from spaces_sdk.models import JsonObject, LeaseStatus, SyncPage, Visibility
from spaces_sdk.testing.fake.limits import NOBODY
from spaces_sdk.testing.fake.members import Lease
from spaces_sdk.testing.fake.refusals import fail
from spaces_sdk.testing.fake.rights import Rights
from spaces_sdk.testing.fake.room import FakeRoom

_SIGNAL_KIND = re.compile(r"[a-z][a-z0-9_.:-]{0,39}")


class ConnectionFunctions(Rights):
    """Functions about the caller's connections."""

    def join_room(self, room_id: UUID, display_name: str | None, connection_id: UUID | None, latest: int) -> JsonObject:
        self.db.buckets.spend(self.me, "join")
        room = self.room_of(room_id)
        self._require_admission(room)
        if not room.state.is_active:
            fail("room_inactive", "it is closed")
        old, former = room.participants.get(self.me), room.former.get(self.me)
        if display_name is None and old is None and (former is None or not former.is_kicked):
            fail("invalid_argument", "a display name is needed", "Give 1 to 50 characters.")
        room.sweep()
        old = room.participants.get(self.me)
        if connection_id is not None:
            self._take_lease(room, connection_id)
        self.db.admissions.pop((room_id, self.me), None)
        kind = self.account.kind
        me = room.come(self.me, display_name, kind, is_online=connection_id is not None)
        is_back = me.is_online and not (old is not None and old.is_online)
        since = former.gone_at if former is not None else old.last_seen if old is not None else None
        if (old is None and former is None) or (is_back and since is not None and room.has_been_away(since)):
            room.announce(me, "joined")
        room.touch()
        return {
            "ok": True,
            "room": room.room(),
            "me": room.shown(me),
            "participants": room.people(),
            "state": room.state,
            "messages": room.latest(latest),
            "head": room.head,
            "epoch": room.epoch,
            "topic": room.topic,
            "connection_id": connection_id,
            "lease_s": room.config.lease_s,
            "heartbeat_s": room.config.heartbeat_s,
        }

    def sync_room(self, room_id: UUID, after: int, to: int | None, cursor: JsonObject | None) -> SyncPage:
        return self.member_of(room_id).sync(after, to, cursor)

    def heartbeat(self, connection_ids: list[UUID]) -> JsonObject:
        mine = {key: room for room in self.db.rooms.values() for key in connection_ids if self._has(room, key)}
        for room in set(mine.values()):
            room.sweep()
        for key, room in mine.items():
            if room.is_lease_live(room.leases[key]):
                room.extend(room.leases[key])
                self._seen(room)
        leases = [self._status(key) for key in dict.fromkeys(connection_ids)]
        return {"ok": True, "leases": leases, "server_now": self.db.clock.now()}

    def leave_room(self, room_id: UUID, connection_id: UUID | None) -> JsonObject:
        room = self.room_of(room_id)
        out = room.why_out(self.me)
        if out is not None:
            if out == "not_participant":
                self.participant(room)
            return {"ok": True, "head": None}
        room.end_leases(self.me, connection_id)
        me = room.participants[self.me]
        if me.is_online and not room.is_live(self.me):
            room.send_home(self.me)
            room.announce_left(me)
        return {"ok": True, "head": room.head}

    def forget_room(self, room_id: UUID) -> JsonObject:
        room = self.room_of(room_id)
        if room.host == self.me:
            fail("not_allowed", "you are its host", "Hand it on with transfer_host first, or delete it.")
        if self.me in room.former:
            return {"ok": True, "head": None}
        self.participant(room)
        self.db.admissions.pop((room_id, self.me), None)
        room.forget(self.me)
        return {"ok": True, "head": room.head}

    def set_voice(self, room_id: UUID, on: bool) -> JsonObject:
        self.spend_send(room_id)
        room = self.room_of(room_id)
        me = self.open_participant(room)
        if not room.is_live(self.me):
            fail("lease_expired", "you have no live connection in this room", "Join again.")
        if on and me.is_muted:
            fail("muted", "you are muted in this room")
        if on != (me.voice_since is not None):
            me = me.model_copy(update={"voice_since": room.now() if on else None})
            room.participants[self.me] = me
            room.step("room:voice-started" if on else "room:voice-stopped", {"user_id": str(self.me)})
        return {"ok": True, "participant": room.shown(me), "head": room.head}

    def signal(self, room_id: UUID, kind: str, payload: JsonObject, ttl_s: float) -> JsonObject:
        if not _SIGNAL_KIND.fullmatch(kind):
            fail("invalid_argument", "its kind is malformed", "For example typing, speaking, or my_app.cursor.")
        if not 0 < ttl_s <= 60:
            fail("invalid_argument", "ttl_s is out of range", "Give more than 0 and at most 60 seconds.")
        if not self.db.buckets.take(self.me, "signal", room_id):
            return {"ok": True, "sent": False}
        room = self.room_of(room_id)
        self.speaker(room)
        if not self.db.buckets.take(NOBODY, "signal", room_id, limit="signal_room"):
            return {"ok": True, "sent": False}
        room.signal(self.me, kind, payload, ttl_s)
        return {"ok": True, "sent": True}

    def _require_admission(self, room: FakeRoom) -> None:
        if room.host == self.me or self.me in room.participants:
            return
        if self.me in room.bans:
            fail("banned", "you are banned from it")
        if self.db.is_admitted(room, self.me):
            return
        if room.why_out(self.me) == "kicked":
            fail("kicked", "you were removed from it")
        if room.state.visibility is not Visibility.PUBLIC:
            reason = "there is no such room, or you may not join it by its id"
            fail("room_not_found", reason, "Look it up by its code first.")

    def _take_lease(self, room: FakeRoom, connection_id: UUID) -> None:
        most = room.state.max_participants
        if not room.is_live(self.me) and (room.is_full or room.live_count >= most):
            fail("room_full", f"all {most} places are taken")
        lease = room.leases.get(connection_id)
        elsewhere = any(connection_id in other.leases for other in self.db.rooms.values() if other is not room)
        if elsewhere or (lease is not None and lease.user_id != self.me):
            fail("conflict", "the connection id is taken", "Choose another id for this connection.")
        expires_at = self.db.clock.monotonic() + room.config.lease_s
        room.leases[connection_id] = Lease(self.me, expires_at)

    def _has(self, room: FakeRoom, connection_id: UUID) -> bool:
        lease = room.leases.get(connection_id)
        return lease is not None and lease.user_id == self.me and not lease.is_ended

    def _seen(self, room: FakeRoom) -> None:
        me = room.participants.get(self.me)
        if me is not None:
            room.participants[self.me] = me.model_copy(update={"last_seen": room.now()})

    def _status(self, connection_id: UUID) -> LeaseStatus:
        for room in (*self.db.rooms.values(), *self.db.deleted.values()):
            if connection_id in room.leases:
                return room.lease_status(connection_id, self.me)
        return LeaseStatus(connection_id=connection_id, status="lease_expired")

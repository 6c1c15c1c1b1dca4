"""Rooms: made, found, listed, steered, deleted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NoReturn, TypeVar
from uuid import UUID

from spaces_sdk.models import JsonObject, Visibility
from spaces_sdk.rooms.models import RoomListing, RoomScope
from spaces_sdk.testing.fake.refusals import Refusal, fail
from spaces_sdk.testing.fake.rights import Rights
from spaces_sdk.testing.fake.room import FakeRoom
from spaces_sdk.testing.fake.settings import check_settings, merge_patch
from spaces_sdk.testing.fake.tables import Admission
from spaces_sdk.testing.fake.turns import TurnRules

T = TypeVar("T")


class RoomFunctions(Rights):
    """Functions about rooms as such."""

    def create_room(
        self,
        name: str,
        max_participants: int,
        room_id: UUID,
        mode: str,
        visibility: str,
        settings: JsonObject,
        expires_after_s: int | None,
    ) -> JsonObject:
        if (old := self.db.rooms.get(room_id)) is not None:
            if old.host != self.me:
                fail("conflict", "its id is taken")
            return {"ok": True, "room": old.room(), "head": old.head}
        self._check_mode(mode)
        check_settings(settings)
        self._require_slot(self.me, "you host {} active rooms already")
        self.db.buckets.spend(self.me, "create")
        room = FakeRoom(
            self.db.clock,
            room_id=room_id,
            code=self.db.new_code(),
            host=self.me,
            name=name,
            mode=mode,
            max_participants=max_participants,
            visibility=Visibility(visibility),
            settings=settings,
            expires_after_s=expires_after_s,
            config=self.db.config,
            faults=self.db.faults,
        )
        self.db.rooms[room_id] = room
        return {"ok": True, "room": room.room(), "head": room.head}

    def get_room_by_code(self, code: str) -> JsonObject:
        self.guess()
        room = next((r for r in self.db.rooms.values() if r.code == code and r.state.is_active), None)
        is_member = room is not None and (room.host == self.me or self.me in room.participants)
        if room is None or not (
            is_member or (room.state.visibility is not Visibility.PRIVATE and self.me not in room.bans)
        ):
            self.miss("no open room has this code", "Ask for the code again.")
        self.db.buckets.give_back(self.me, "code_miss")
        if not is_member:
            expires_at = self.db.clock.monotonic() + self.db.config.admission_s
            old = self.db.admissions.get((room.id, self.me))
            if old is None or old.expires_at <= expires_at:
                self.db.admissions[room.id, self.me] = Admission(expires_at)
        return preview(room)

    def guess(self) -> None:
        """Counts a code or a token as a miss in advance."""
        self.db.buckets.spend(self.me, "code_miss")

    def miss(self, reason: str, hint: str) -> NoReturn:
        raise Refusal("room_not_found", reason, hint, is_answer=True)

    def get_room_by_id(self, room_id: UUID) -> JsonObject:
        room = self.db.rooms.get(room_id)
        if room is None or not (room.host == self.me or self.me in room.participants):
            fail("room_not_found", "there is no such room among yours", "Look it up by its code.")
        people = room.people(by_lease=True)
        return {"room": room.room(), "participants": people, "participant_count": room.live_count, "head": room.head}

    def list_rooms(self, scope: str, search: str | None, limit: int, cursor: str | None) -> JsonObject:
        wanted = (search or "").strip().lower()
        rooms = [r for r in self.db.rooms.values() if wanted in r.state.name.lower()]
        if scope == RoomScope.MINE:
            rooms = [r for r in rooms if r.host == self.me or self.me in r.participants]
            rooms.sort(key=lambda r: r.last_activity, reverse=True)
        else:
            rooms = [r for r in rooms if r.state.visibility is Visibility.PUBLIC and r.state.is_active]
            rooms = [r for r in rooms if r.why_out(self.me) in (None, "not_participant")]
            rooms.sort(key=lambda r: r.room().created_at, reverse=True)
        page, next_cursor = paged(rooms, limit, cursor)
        return {"items": [self._listing(r) for r in page], "next_cursor": next_cursor}

    def get_participants(self, room_id: UUID, limit: int, cursor: str | None) -> JsonObject:
        room = self.member_of(room_id)
        people = sorted(room.people(by_lease=True), key=lambda p: (p.joined_at, p.id))
        page, next_cursor = paged(people, limit, cursor)
        return {"items": page, "participant_count": room.live_count, "head": room.head, "next_cursor": next_cursor}

    def update_room_state(self, room_id: UUID, changes: dict[str, Any]) -> JsonObject:
        self.spend_moderation(room_id)
        room = self.hosted(room_id)
        if "settings" in changes:
            changes = {**changes, "settings": merge_patch(room.state.settings, changes["settings"])}
            check_settings(changes["settings"])
        if "visibility" in changes:
            changes = {**changes, "visibility": Visibility(changes["visibility"])}
        self._check_mode(changes.get("mode", room.state.mode))
        was_active = room.state.is_active
        new = room.state.model_copy(update=changes)
        if new != room.state:
            if not was_active and not new.is_active:
                fail("room_inactive", "it is closed", "Open it with is_active: true in the same call.")
            if new.is_active and not was_active:
                self._require_slot(self.me, "you host {} active rooms already")
            if not new.is_active:
                self._close(room)
            room.last_activity = room.now()
            resumes_at = room.resumes_at(TurnRules.of(new.settings))  # another limit may be reached, or not any more
            room.set_state(**changes, bots_resume_at=resumes_at)
        return {"ok": True, "room": room.room(), "state": room.state, "head": room.head}

    def delete_room(self, room_id: UUID) -> JsonObject:
        self.spend_moderation(room_id)
        self.db.delete(self.hosted(room_id))
        return {"ok": True}

    def is_host(self, room_id: UUID) -> bool:
        return room_id in self.db.rooms and self.db.rooms[room_id].host == self.me

    def is_room_full(self, room_id: UUID) -> bool:
        room = self.db.rooms.get(room_id)
        if room is None or not (
            room.host == self.me
            or self.me in room.participants
            or (self.me not in room.bans and room.state.visibility is Visibility.PUBLIC)
            or (self.me not in room.bans and self.db.is_admitted(room, self.me))
        ):
            fail("room_not_found", "there is no such room", "Look it up by its code.")
        return room.live_count >= room.state.max_participants

    def transfer_host(self, room_id: UUID, user_id: UUID) -> JsonObject:
        self.spend_moderation(room_id)
        room = self.room_of(room_id)
        is_repeat = self.me in room.participants and room.last_transfer == (self.me, user_id) and room.host == user_id
        if not is_repeat or room.host == self.me:
            self.right("transfer_host", room_id)
            self.target("transfer_host", room, user_id)
            if user_id != self.me:
                if room.state.is_active:
                    self._require_slot(user_id, "they host as many active rooms as one may", _THEIRS)
                room.hand_on(user_id)
        return {"ok": True, "room": room.room(), "state": room.state, "head": room.head}

    def rotate_code(self, room_id: UUID) -> JsonObject:
        self.spend_moderation(room_id)
        room = self.right("rotate_code", room_id)
        for key in [k for k, a in self.db.admissions.items() if k[0] == room_id and a.invitation_id is None]:
            del self.db.admissions[key]
        room.set_state(room_code=self.db.new_code())
        return {"ok": True, "room": room.room(), "head": room.head}

    def _require_slot(self, user_id: UUID, reason: str, hint: str = "") -> None:
        most = self.db.config.active_rooms_per_user
        if self.db.hosted(user_id) >= most:
            fail("room_limit_reached", reason.format(most), hint)

    def _check_mode(self, mode: str) -> None:
        if mode not in self.db.modes:
            fail("invalid_argument", "there is no such mode", "One of: " + ", ".join(sorted(self.db.modes)))

    def _close(self, room: FakeRoom) -> None:
        """Nobody is online in a closed room."""
        room.end_leases()
        for person in room.participants.values():
            room.participants[person.user_id] = person.model_copy(update={"is_online": False, "voice_since": None})
        room.stop_streams()

    def _listing(self, room: FakeRoom) -> RoomListing:
        me = room.participants.get(self.me)
        row = room.room()
        if me is None and room.host != self.me:
            row = row.model_copy(update={"room_code": "", "settings": {}})
        return RoomListing(room=row, participant_count=room.live_count, me=None if me is None else room.shown(me))


_THEIRS = "They can close or delete one of theirs first; or close this one, and hand it on closed."


def preview(room: FakeRoom) -> JsonObject:
    """What somebody sees of a room who may come in and has not joined yet."""
    people = [
        {"display_name": p.display_name, "is_online": p.is_online, "kind": p.kind, "role": p.role}
        for p in room.people(by_lease=True)
    ]
    return {"ok": True, "room": room.room(), "participants": people, "participant_count": room.live_count}


def paged(rows: Sequence[T], limit: int, cursor: str | None) -> tuple[Sequence[T], str | None]:
    """A page of a list. The cursor is a place in it: rows that come or go meanwhile shift the pages, unlike in life."""
    start = int(cursor) if cursor and cursor.isdecimal() else 0
    if cursor and not cursor.isdecimal():
        fail(
            "invalid_argument", "the cursor is not one of its answers", "Pass next_cursor of the page before unchanged."
        )
    end = start + limit
    return rows[start:end], str(end) if len(rows) > end else None

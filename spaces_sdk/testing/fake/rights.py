"""Who may do what, and the refusals of who may not."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from spaces_sdk.models import Kind, Message, MessageStatus, Participant, Role
from spaces_sdk.testing.fake.refusals import fail
from spaces_sdk.testing.fake.room import FakeRoom
from spaces_sdk.testing.fake.tables import Account, Tables

_MODERATORS: Final = {"unban", "list_bans", "invite", "give_turn"}
_HOSTS: Final = _MODERATORS | {"stop_stream", "unmute", "set_kind", "transfer_host", "rotate_code"}
_TO_OTHERS: Final = {"kick", "ban", "mute", "set_role"}
_TO_MEMBERS: Final = {"kick", "ban", "mute", "unmute"}


def may_moderate(action: str, my_role: Role, their_role: Role | None, *, is_self: bool = False) -> bool:
    """`spaces.may_moderate`: whether a role may do something to another."""
    if my_role is Role.HOST:
        return action in _HOSTS or (action in _TO_OTHERS and not is_self)
    if my_role is Role.MODERATOR:
        if action == "stop_stream":
            return is_self or their_role is Role.MEMBER
        return action in _MODERATORS or (action in _TO_MEMBERS and not is_self and their_role is Role.MEMBER)
    return action == "stop_stream" and is_self


class Rights:
    """What the functions of the database ask first, for one caller."""

    def __init__(self, tables: Tables, account: Account) -> None:
        self.db = tables
        self.me = account.user_id
        self.account = account

    def room_of(self, room_id: UUID) -> FakeRoom:
        """The room, under its lock."""
        room = self.db.rooms.get(room_id)
        if room is None:
            fail("room_not_found", "there is no such room")
        return room

    def participant(self, room: FakeRoom) -> Participant:
        """The caller as an active participant."""
        out = room.why_out(self.me)
        if out == "banned":
            fail(out, "you are banned from this room")
        if out == "kicked":
            fail(out, "you were removed from this room")
        if out is not None:
            fail(out, "you are not in this room")
        return room.participants[self.me]

    def member_of(self, room_id: UUID) -> FakeRoom:
        """The room, if the caller hosts it or takes part in it."""
        room = self.room_of(room_id)
        if room.host != self.me:
            self.participant(room)
        return room

    def hosted(self, room_id: UUID) -> FakeRoom:
        room = self.room_of(room_id)
        if room.host != self.me:
            fail("not_host", "you are not its host")
        return room

    def open_participant(self, room: FakeRoom) -> Participant:
        """The caller as a participant of an open room."""
        me = self.participant(room)
        if not room.state.is_active:
            fail("room_inactive", "the room is closed")
        return me

    def speaker(self, room: FakeRoom) -> None:
        """Refuses who may not be heard now."""
        if self.participant(room).is_muted:
            fail("muted", "you are muted in this room")
        if not room.state.is_active:
            fail("room_inactive", "the room is closed")

    def role_in(self, room: FakeRoom, user_id: UUID | None = None) -> Role:
        """Of the caller, or of somebody else; a member where they are none."""
        user_id = user_id or self.me
        if room.host == user_id:
            return Role.HOST
        person = room.participants.get(user_id)
        return person.role if person is not None else Role.MEMBER

    def right(self, action: str, room_id: UUID) -> FakeRoom:
        """The room, if the caller may do such a thing in it to anybody."""
        room = self.room_of(room_id)
        if room.host != self.me:
            if not may_moderate(action, Role.MODERATOR, Role.MEMBER):
                fail("not_host", "you are not the host of the room")
            if not may_moderate(action, self.participant(room).role, Role.MEMBER):
                fail("not_allowed", "you are neither host nor moderator")
        return room

    def target(self, action: str, room: FakeRoom, user_id: UUID, *, or_removed: bool = False) -> None:
        """Refuses somebody to whom the caller may not do this; after `right`."""
        former = room.former.get(user_id)
        is_known = user_id in room.participants or (
            former is not None and or_removed and (former.is_kicked or action == "ban")
        )
        if not is_known:
            fail("participant_not_found", "they are not in this room")
        is_self = user_id == self.me
        if not may_moderate(action, self.role_in(room), self.role_in(room, user_id), is_self=is_self):
            reason = "not to the host" if room.host == user_id else "a moderator does not do this to another moderator"
            hint = "Name somebody else; leave_room is how you go yourself." if is_self else ""
            fail("not_allowed", "not to yourself" if is_self else reason, hint)

    def message_in(self, room: FakeRoom, message_id: UUID) -> Message:
        """A message of the room, deleted or not."""
        message = room.messages.get(message_id)
        if message is None:
            fail("message_not_found", "it is not in this room")
        return message

    def final(self, message: Message) -> None:
        """Refuses a message that is deleted, or still being written."""
        if message.status is MessageStatus.DELETED:
            fail("message_not_found", "it was deleted")
        if message.status is MessageStatus.STREAMING:
            fail("not_allowed", "it is still being written", "Wait until it is finished.")

    # -- limits ----------------------------------------------------------------------------------------

    def spend_moderation(self, room_id: UUID) -> None:
        """A limit is counted for rooms that there are: the lock that follows undoes it otherwise."""
        if room_id in self.db.rooms:
            self.db.buckets.spend(self.me, "moderation", room_id)

    def send_limit(self, room_id: UUID) -> str:
        """Which limit the caller's messages count against."""
        room = self.db.rooms.get(room_id)
        me = room.known(self.me) if room is not None else None
        return "send_bot" if me is not None and me.kind is Kind.BOT else "send"

    def spend_send(self, room_id: UUID) -> None:
        if room_id in self.db.rooms:
            self.db.buckets.spend(self.me, "send", room_id, limit=self.send_limit(room_id))

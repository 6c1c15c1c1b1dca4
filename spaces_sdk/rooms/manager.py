"""`RoomManager`: every operation of the database, typed."""

from __future__ import annotations

from spaces_sdk.rooms.ban_calls import BanCalls
from spaces_sdk.rooms.connection_calls import ConnectionCalls
from spaces_sdk.rooms.invitation_calls import InvitationCalls
from spaces_sdk.rooms.message_calls import MessageCalls
from spaces_sdk.rooms.message_changes import MessageChanges
from spaces_sdk.rooms.mode_calls import ModeCalls
from spaces_sdk.rooms.moderation_calls import ModerationCalls
from spaces_sdk.rooms.room_calls import RoomCalls
from spaces_sdk.rooms.stream_calls import StreamCalls
from spaces_sdk.rooms.turn_calls import TurnCalls


class RoomManager(
    RoomCalls,
    ModeCalls,
    ConnectionCalls,
    MessageCalls,
    MessageChanges,
    StreamCalls,
    ModerationCalls,
    BanCalls,
    TurnCalls,
    InvitationCalls,
):
    """`spaces.rooms`: one method for each function of the database, under its name, and reads of the modes.

    Each is one call over HTTP that either returns or raises a `SpacesError`; inside `timeout_s` it is
    repeated where that is safe. What a name means is checked before any I/O where that gives a clearer
    error; the database has the last word.
    """

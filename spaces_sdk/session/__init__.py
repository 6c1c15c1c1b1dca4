"""A session in a room: one connection that misses nothing, whatever the network does."""

from spaces_sdk.session.api import ChannelPort, RealtimePort, SessionApi
from spaces_sdk.session.options import PresenceMode, SessionOptions
from spaces_sdk.session.outbox import PendingSend
from spaces_sdk.session.session import RoomSession
from spaces_sdk.session.stats import SessionStats
from spaces_sdk.session.stream import EventStream
from spaces_sdk.session.writer import MessageWriter

__all__ = [
    "ChannelPort",
    "EventStream",
    "MessageWriter",
    "PendingSend",
    "PresenceMode",
    "RealtimePort",
    "RoomSession",
    "SessionApi",
    "SessionOptions",
    "SessionStats",
]

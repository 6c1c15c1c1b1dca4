"""A client of Supabase Realtime: the Phoenix protocol over `websockets`, and nothing of supabase.

The protocol and every decision are in modules without I/O (`protocol`, `binary`, `presence`, `core`, `router`); a thin
shell (`socket`, `wire`) performs them. Channels hand events to a bounded buffer; no user code runs on the reader.
"""

from spaces_sdk.realtime.backoff import backoff
from spaces_sdk.realtime.channel import Channel, TokenProvider
from spaces_sdk.realtime.client import RealtimeClient
from spaces_sdk.realtime.events import (
    BroadcastReceived,
    ChannelClosed,
    ChannelEvent,
    ChannelOverflowed,
    ChannelState,
    CloseReason,
    DropCause,
    PresenceChanged,
    PresenceMap,
    PresenceSynced,
    SocketState,
)
from spaces_sdk.realtime.options import RealtimeOptions, realtime_url
from spaces_sdk.realtime.presence import Presence
from spaces_sdk.realtime.stats import RealtimeStats
from spaces_sdk.realtime.wire import Connector, Wire, WireClosed

__all__ = [
    "BroadcastReceived",
    "Channel",
    "ChannelClosed",
    "ChannelEvent",
    "ChannelOverflowed",
    "ChannelState",
    "CloseReason",
    "Connector",
    "DropCause",
    "Presence",
    "PresenceChanged",
    "PresenceMap",
    "PresenceSynced",
    "RealtimeClient",
    "RealtimeOptions",
    "RealtimeStats",
    "SocketState",
    "TokenProvider",
    "Wire",
    "WireClosed",
    "backoff",
    "realtime_url",
]

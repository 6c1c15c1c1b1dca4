"""What a client may say on a joined channel: broadcast, presence, access_token, leave."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Mapping
from functools import partial
from typing import Any, cast

from spaces_sdk.local.realtime import wire
from spaces_sdk.local.realtime.authorization import DatabaseUnavailableError, PolicyFailedError
from spaces_sdk.local.realtime.channel import NO_DATABASE, TOO_MANY_PRESENCE, Channel
from spaces_sdk.local.realtime.outgoing import Outgoing, RawBroadcast, TextMessage, UserBroadcast
from spaces_sdk.local.realtime.presence import Diff
from spaces_sdk.local.realtime.tokens import TokenRefusedError
from spaces_sdk.local.realtime.wire import ClientFrame, RawPayload, UserPayload

PRESENCE_BUDGET_SPENT = "Client presence rate limit exceeded"
PRESENCE_TOO_LARGE = "Track message size exceeded"
_TOO_LARGE = "payload_size_exceeded"


class ChannelCrashError(Exception):
    """The message is one at which the real server's channel dies."""


Work = Callable[[], Coroutine[Any, Any, None]]


def handle(channel: Channel, frame: ClientFrame) -> Work | None:
    """Handle one message; what must ask the database first is given back, to be called and awaited.

    Raises:
        ChannelCrashError: The channel is to end with `phx_error`.
    """
    match frame.event:
        case wire.BROADCAST:
            if not channel.rights.is_write_known:
                return partial(_broadcast_after_asking, channel, frame)
            _broadcast(channel, frame)
        case "presence":
            return _presence(channel, frame)
        case "access_token":
            return _access_token(channel, frame)
        case "phx_leave":
            # A leave of an earlier join comes too late: that channel has ended, this one stays.
            if channel.join_ref is None or frame.join_ref in (None, "", channel.join_ref):
                channel.leave(frame.ref)
        case _:
            channel.hub.events.add()
    return None


# Broadcast.


async def _broadcast_after_asking(channel: Channel, frame: ClientFrame) -> None:
    try:
        await channel.rights.ask_write(channel.caller())
    except (DatabaseUnavailableError, PolicyFailedError):
        return
    if not channel.has_ended:
        _broadcast(channel, frame)


def _broadcast(channel: Channel, frame: ClientFrame) -> None:
    if not channel.rights.may_broadcast:
        return
    channel.hub.events.add()
    message, is_too_large = _outgoing(channel, frame)
    if is_too_large:
        if channel.config.ack:
            channel.reply(frame.ref, "error", _TOO_LARGE)
        return
    topic = channel.subscription
    without = None if channel.config.self_broadcast else channel
    if not topic.can_reach_all(message, without=without):
        raise ChannelCrashError
    topic.publish(message, without=without)
    if channel.config.ack:
        channel.reply(frame.ref, "ok", {})


def _outgoing(channel: Channel, frame: ClientFrame) -> tuple[Outgoing, bool]:
    gauge = channel.hub.gauge
    match frame.payload:
        case UserPayload(event, is_json, data):
            is_too_large = gauge.is_exceeded_by_user_broadcast(event, data, is_json=is_json)
            return UserBroadcast(channel.topic, event, data, is_json=is_json), is_too_large
        case RawPayload(data):
            return RawBroadcast(channel.topic, data), gauge.is_exceeded_by_bytes(data)
        case payload:
            text = wire.dumps_sorted(payload)
            message = TextMessage(channel.topic, wire.BROADCAST, text, is_object=isinstance(payload, dict))
            return message, gauge.is_exceeded_by(payload, len(text))


# Presence.


def _presence(channel: Channel, frame: ClientFrame) -> Work | None:
    payload = frame.payload
    if not isinstance(payload, dict) or "event" not in payload:
        channel.reply(frame.ref, "ok", {})
        return None
    message = cast("dict[str, object]", payload)
    event = message["event"]
    if not isinstance(event, str):
        raise ChannelCrashError
    if not channel.presence_budget.has_left(channel.hub.clock.monotonic()):
        channel.shut_down(PRESENCE_BUDGET_SPENT)
        return None
    match event.lower():
        case "track":
            if not channel.rights.is_write_known:
                return partial(_track_after_asking, channel, frame.ref, message)
            _track(channel, frame.ref, message)
        case "untrack":
            _done(channel, frame.ref, channel.subscription.presence.untrack(channel))
        case _:
            channel.reply(frame.ref, "error", {})
    return None


async def _track_after_asking(channel: Channel, ref: object, message: Mapping[str, object]) -> None:
    try:
        await channel.rights.ask_write(channel.caller(), with_presence_read=True)
    except (DatabaseUnavailableError, PolicyFailedError):
        if not channel.has_ended:
            channel.reply(ref, "error", {})
        return
    if not channel.has_ended:
        _track(channel, ref, message)


def _track(channel: Channel, ref: object, message: Mapping[str, object]) -> None:
    if not channel.rights.may_track:
        channel.reply(ref, "error", {})
        return
    payload = message.get("payload", {})
    if not isinstance(payload, dict):
        channel.reply(ref, "error", {"reason": "Presence track payload must be a map"})
        return
    meta = cast("dict[str, object]", payload)
    presence = channel.subscription.presence
    if presence.has(channel, meta):
        _done(channel, ref, None)
        return
    if channel.hub.gauge.is_exceeded_by(meta, len(wire.dumps(meta))):
        channel.shut_down(PRESENCE_TOO_LARGE)
        return
    if channel.hub.presence_events.is_exceeded:
        channel.shut_down(TOO_MANY_PRESENCE)
        return
    channel.hub.presence_events.add()
    channel.rights.note_track()
    _done(channel, ref, presence.track(channel, channel.presence_key, meta))


def _done(channel: Channel, ref: object, diff: Diff | None) -> None:
    """Only what is answered with ok counts against the client's budget."""
    channel.presence_budget.spend(channel.hub.clock.monotonic())
    channel.reply(ref, "ok", {})
    if diff is not None:
        channel.subscription.publish_presence(diff)


# Tokens.


def _access_token(channel: Channel, frame: ClientFrame) -> Work | None:
    payload = frame.payload
    content = cast("dict[str, object]", payload) if isinstance(payload, dict) else {}
    raw = content.get("access_token")
    if not isinstance(raw, str):
        if raw is not None or "access_token" not in content:
            channel.hub.events.add()
        return None
    if raw.startswith("sb_"):
        return None
    if channel.token is not None and raw == channel.token.raw:
        return None
    try:
        token = channel.socket.token(raw)
    except TokenRefusedError as refusal:
        channel.shut_down(refusal.at_refresh)
        return None
    channel.renew(token)
    return partial(_read_again, channel) if channel.config.is_private else None


async def _read_again(channel: Channel) -> None:
    rights = channel.rights
    before = (rights.reads_broadcasts, rights.reads_presence)
    try:
        may_read = await rights.read(channel.caller())
    except DatabaseUnavailableError:
        channel.shut_down(NO_DATABASE)
        return
    if not may_read:
        channel.shut_down(channel.no_right_message)
    elif any(
        had and not has for had, has in zip(before, (rights.reads_broadcasts, rights.reads_presence), strict=True)
    ):
        channel.shut_down(channel.lost_right_message)

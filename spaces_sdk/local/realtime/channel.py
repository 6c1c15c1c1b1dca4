"""One joined channel: its token, what is delivered to it, and its end."""

from __future__ import annotations

import asyncio
import secrets
import uuid
from collections.abc import Mapping
from typing import Protocol

from spaces_sdk.local.realtime import wire
from spaces_sdk.local.realtime.authorization import Caller
from spaces_sdk.local.realtime.hub import Hub
from spaces_sdk.local.realtime.join_config import JoinConfig
from spaces_sdk.local.realtime.outgoing import Outgoing
from spaces_sdk.local.realtime.presence import CallBudget
from spaces_sdk.local.realtime.rights import ChannelRights
from spaces_sdk.local.realtime.tasks import TaskSet
from spaces_sdk.local.realtime.tokens import Token
from spaces_sdk.local.realtime.topics import TOPIC_PREFIX, Topic
from spaces_sdk.local.realtime.wire import Version

TOO_MANY_MESSAGES = "Too many messages per second"
TOO_MANY_PRESENCE = "Too many presence messages per second"
NO_DATABASE = "Realtime was unable to connect to the project database"
_NODE = secrets.randbits(48) | 1 << 40
"""In place of the machine's address, for the keys of version 1; marked as not being one."""


class Carrier(Protocol):
    """The socket, as its channels see it."""

    @property
    def hub(self) -> Hub: ...

    @property
    def version(self) -> Version: ...

    @property
    def headers(self) -> Mapping[str, str]: ...

    @property
    def tasks(self) -> TaskSet: ...

    def token(self, raw: str | None) -> Token: ...
    def count_waiting(self, change: int) -> None: ...
    def push(self, frame: bytes) -> None: ...
    def push_message(self, message: bytes) -> None: ...
    def abort(self, reason: str) -> None: ...
    def drop(self, channel: Channel) -> None: ...


class Channel:
    """One join of one topic on one socket, until it is left, replaced, shut down or lost."""

    def __init__(self, socket: Carrier, topic: str, join_ref: object, config: JoinConfig) -> None:
        self.socket = socket
        self.topic = topic
        self.sub_topic = topic.removeprefix(TOPIC_PREFIX)
        self.config = config
        self.presence_key = config.presence_key or str(uuid.uuid1(node=_NODE))
        self.rights = ChannelRights(
            self.hub.authorizer,
            self.sub_topic,
            is_private=config.is_private,
            asks_presence=config.presence_enabled,
        )
        settings = self.hub.settings
        self.presence_budget = CallBudget(settings.client_presence_max_calls, settings.client_presence_window_s)
        self.has_ended = False
        self.token: Token | None = None
        self.join_ref = join_ref
        self._subscription: Topic | None = None
        self._held: list[Outgoing] | None = []
        self._held_bytes = 0
        self._replayed_ids: frozenset[str] = frozenset()
        self._token_timer: asyncio.TimerHandle | None = None

    @property
    def hub(self) -> Hub:
        """What all connections share."""
        return self.socket.hub

    @property
    def version(self) -> Version:
        """The protocol version of its socket."""
        return self.socket.version

    @property
    def reads_broadcasts(self) -> bool:
        """False for a private channel whose policies let it read presence only."""
        return self.rights.reads_broadcasts

    @property
    def subscription(self) -> Topic:
        """The topic it listens to; only while it has not ended."""
        if self._subscription is None:
            raise RuntimeError("the channel is not subscribed")
        return self._subscription

    def caller(self) -> Caller:
        """On whose behalf its policies are asked."""
        if self.token is None:
            raise RuntimeError("the channel has no token yet")
        return Caller(self.token, self.socket.headers)

    # Tokens.

    def renew(self, token: Token) -> None:
        """Go on with another token."""
        self.token = token
        self.watch_token()

    def watch_token(self) -> None:
        """End when the token has expired."""
        if self._token_timer is not None:
            self._token_timer.cancel()
        if self.token is None or self.has_ended:
            return
        delay = min(max(self.token.expires_at - self.hub.now(), 0.001), self.hub.settings.token_check_s)
        self._token_timer = asyncio.get_running_loop().call_later(delay, self._check_token)

    def _check_token(self) -> None:
        if self.token is None or self.has_ended:
            return
        expired_for_s = self.token.expired_for_s(self.hub.now())
        if expired_for_s is None:
            self.watch_token()
        else:
            self.shut_down(f"Token has expired {expired_for_s} seconds ago")

    @property
    def no_right_message(self) -> str:
        """That it may not read; at the join and later."""
        return f"You do not have permissions to read from this Channel topic: {self.sub_topic}"

    @property
    def lost_right_message(self) -> str:
        """That it may no longer read something that it could read with its last token."""
        return f"You no longer have permission to read from this Channel topic: {self.sub_topic}"

    # What is delivered.

    def listen(self) -> None:
        """Hear the topic; what arrives is held until `release`."""
        self._subscription = self.hub.topics.subscribe(self, self.sub_topic, is_private=self.config.is_private)

    def release(self, replayed_ids: frozenset[str]) -> None:
        """Deliver what was held, and from now on all; messages that were replayed are left out."""
        self._replayed_ids = replayed_ids
        held, self._held = self._held or [], None
        for message in held:
            self.deliver(message)

    def deliver(self, message: Outgoing) -> None:
        """Pass a broadcast on, and count it; over the limit it is the receiver that ends."""
        if self.has_ended:
            return
        if self._held is not None:
            self._hold(message)
            return
        if message.message_id is not None and message.message_id in self._replayed_ids:
            return
        frame = message.frame(self.socket.version)
        if frame is not None:
            self.socket.push(frame)
        # Also what cannot be written for this client is a delivery.
        events = self.socket.hub.events
        events.add()
        if events.is_triggered:
            self.shut_down_soon(TOO_MANY_MESSAGES)

    def deliver_presence(self, message: Outgoing) -> None:
        """Pass a presence diff on, where the policies allow it."""
        if self.has_ended or not self.rights.reads_presence or self._held is not None:
            return
        frame = message.frame(self.version)
        if frame is None:
            return
        self.socket.push(frame)
        if self.rights.is_presence_read_known_since_join:
            self.hub.presence_events.add()

    def _hold(self, message: Outgoing) -> None:
        frame, settings = message.frame(self.version), self.hub.settings
        if self._held is None:
            return
        self._held.append(message)
        self._held_bytes += len(frame or b"")
        if self._held_bytes > settings.outbound_max_bytes or len(self._held) > settings.outbound_max_frames:
            self.socket.abort("too much waited for a join")

    def send(self, event: str, payload_json: str) -> None:
        """Push a message of this channel alone."""
        self._push(wire.push(self.version, self.join_ref, None, self.topic, event, payload_json))

    def reply(self, ref: object, status: str, response: object) -> None:
        """Answer one message."""
        self._push(wire.reply(self.version, self.join_ref, ref, self.topic, status, response))

    def _push(self, message: bytes) -> None:
        self.socket.push_message(message)

    def say(self, message: str, status: str) -> None:
        """Push a `system` message."""
        payload = {"message": message, "status": status, "extension": "system", "channel": self.sub_topic}
        self.send("system", wire.dumps(payload))

    def close_message(self) -> bytes:
        """The `phx_close` of this join."""
        return wire.push(self.version, self.join_ref, self.join_ref, self.topic, "phx_close", "{}")

    # The end.

    def leave(self, ref: object) -> None:
        """The client leaves."""
        self.reply(ref, "ok", {})
        self._push(self.close_message())
        self.end()

    def shut_down(self, message: str) -> None:
        """End with a `system` message; the socket stays. Idempotent."""
        if self.has_ended:
            return
        self.say(message, "error")
        self._push(self.close_message())
        self.end()

    def shut_down_soon(self, message: str) -> None:
        """As `shut_down`, but after what is being delivered now has reached everyone."""
        asyncio.get_running_loop().call_soon(self.shut_down, message)

    def crash(self) -> None:
        """End with `phx_error`, as the real server's channel when its process dies. Idempotent."""
        if self.has_ended:
            return
        self._push(
            wire.push(
                self.version,
                self.join_ref,
                self.join_ref,
                self.topic,
                "phx_error",
                wire.dumps({"reason": "channel_crash"}),
            )
        )
        self.end()

    def end(self) -> None:
        """Stop listening and being present, without a word to the client. Idempotent."""
        if self.has_ended:
            return
        self.has_ended = True
        self._held = None
        if self._token_timer is not None:
            self._token_timer.cancel()
        self.socket.drop(self)
        topic, self._subscription = self._subscription, None
        if topic is not None:
            self.hub.topics.unsubscribe(self, topic)
            diff = topic.presence.untrack(self)
            if diff is not None:
                topic.publish_presence(diff)

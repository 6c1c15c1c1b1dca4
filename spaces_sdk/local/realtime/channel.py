"""One joined channel: its life, and what is delivered to it."""

from __future__ import annotations

import asyncio
import logging
import secrets
import uuid
from collections import deque
from typing import TYPE_CHECKING

from spaces_sdk.local.realtime import channel_events, wire
from spaces_sdk.local.realtime.authorization import Caller, DatabaseUnavailableError, StoredMessage
from spaces_sdk.local.realtime.channel_events import Work
from spaces_sdk.local.realtime.join_config import JoinConfig, JoinRefusedError
from spaces_sdk.local.realtime.outgoing import Outgoing, binary_frame
from spaces_sdk.local.realtime.presence import CallBudget
from spaces_sdk.local.realtime.rights import ChannelRights
from spaces_sdk.local.realtime.tokens import Token, TokenRefusedError
from spaces_sdk.local.realtime.topics import TOPIC_PREFIX, Topic
from spaces_sdk.local.realtime.wire import ClientFrame, Version

if TYPE_CHECKING:
    from spaces_sdk.local.realtime.hub import Hub
    from spaces_sdk.local.realtime.socket import Socket

_log = logging.getLogger(__name__)

TOO_MANY_MESSAGES = "Too many messages per second"
_NODE = secrets.randbits(48) | 1 << 40
"""In place of the machine's address, for the keys of version 1; marked as not being one."""
_NO_DATABASE = "Realtime was unable to connect to the project database"


def _sorted_or_as_it_is(payload_json: str) -> str:
    try:
        return wire.dumps_sorted(wire.loads(payload_json))
    except (ValueError, RecursionError):
        # A number or a depth that only the database can hold.
        return payload_json


class Channel:
    """One join of one topic on one socket, until it is left, replaced, shut down or lost."""

    def __init__(self, socket: Socket, topic: str, join_ref: object, config: JoinConfig) -> None:
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
        self._replayed: list[StoredMessage] = []
        self._replayed_ids: frozenset[str] = frozenset()
        self._token_timer: asyncio.TimerHandle | None = None
        self._is_working = False
        self._waiting: deque[ClientFrame] = deque()

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

    # The join.

    async def open(self) -> None:
        """Settle the token, the rights and the replay, and listen; what arrives is held until `go_live`.

        Raises:
            JoinRefusedError: With the reason for the client; nothing of the channel is left then.
        """
        try:
            await self._open()
        except TokenRefusedError as refusal:
            self.end()
            raise JoinRefusedError(refusal.at_join) from None
        except DatabaseUnavailableError as error:
            _log.warning("a join failed: %s", error)
            self.end()
            raise JoinRefusedError(f"UnableToConnectToProject: {_NO_DATABASE}") from None
        except BaseException:
            self.end()
            raise

    async def _open(self) -> None:
        config, hub = self.config, self.hub
        if config.wants_postgres_changes:
            raise JoinRefusedError(
                "PostgresChangesNotSupported: This local server does not deliver postgres_changes; "
                "publish the change with realtime.broadcast_changes and listen to the broadcast"
            )
        self.token = self.socket.token(config.token)
        if not await self.rights.read(self.caller()):
            raise JoinRefusedError(f"Unauthorized: {self.no_right_message}")
        if config.asks_replay:
            self._check_replay()
        self._subscription = hub.topics.subscribe(self, self.sub_topic, is_private=config.is_private)
        if config.replay is not None:
            self._replayed = await hub.authorizer.stored_messages(self.sub_topic, config.replay)
            self._replayed_ids = frozenset(message.message_id for message in self._replayed)

    def _check_replay(self) -> None:
        if not self.config.is_private:
            raise JoinRefusedError("UnableToReplayMessages: Replay is not allowed for public channels")
        if not self.rights.reads_broadcasts:
            raise JoinRefusedError(f"Unauthorized: {self.no_right_message}")
        if not self.config.is_replay_valid:
            raise JoinRefusedError("UnableToReplayMessages: Replay params are not valid")

    def go_live(self) -> None:
        """Send what follows the answer to the join, then what was held, and deliver from now on."""
        try:
            self._go_live()
        except Exception:  # noqa: BLE001  # ends this channel only
            _log.exception("a channel could not go live")
            self._crash()

    def _go_live(self) -> None:
        if self.has_ended:
            return
        self._arm_token_timer()
        for message in self._replayed:
            self._send_replayed(message)
        self._replayed = []
        if self.config.wants_ready:
            if self.hub.follower.is_streaming:
                self._say_ready()
            else:
                self.socket.tasks.start(self._wait_ready(), name="replication-ready")
        if self.config.presence_enabled and self.rights.reads_presence:
            self._send_presence_state()
        held, self._held = self._held or [], None
        for message in held:
            self.deliver(message)

    def _send_replayed(self, message: StoredMessage) -> None:
        meta = {"id": message.message_id, "replayed": True}
        if message.binary is not None and message.event is not None:
            data = wire.user_broadcast(self.topic, message.event, wire.dumps(meta), is_json=False, data=message.binary)
            if data is not None and self.version is Version.V2:
                self.socket.push(binary_frame(data))
        elif message.payload_json is not None:
            payload = _sorted_or_as_it_is(message.payload_json)
            event, meta_json = wire.dumps(message.event), wire.dumps(meta)
            self.send(wire.BROADCAST, f'{{"event":{event},"meta":{meta_json},"payload":{payload},"type":"broadcast"}}')

    def _send_presence_state(self) -> None:
        if self.hub.presence_events.is_exceeded:
            self.shut_down(channel_events.TOO_MANY_PRESENCE)
            return
        self.hub.presence_events.add()
        self.send("presence_state", self.subscription.presence.to_json())

    async def _wait_ready(self) -> None:
        try:
            async with asyncio.timeout(self.hub.settings.replication_ready_timeout_s):
                await self.hub.follower.wait_streaming()
        except TimeoutError:
            self.shut_down("Replication connection was not established in time")
            return
        if not self.has_ended:
            self._say_ready()

    def _say_ready(self) -> None:
        self._system("Replication connection established", "ok")

    # What the client sends.

    def handle(self, frame: ClientFrame) -> None:
        """Take one message; those that come while the database is asked wait for their turn."""
        if self._is_working:
            self._waiting.append(frame)
            self.socket.count_waiting(1)
            return
        work = self._step(frame)
        if work is not None:
            self._is_working = True
            self.socket.tasks.start(self._work(work), name="channel")

    async def _work(self, work: Work) -> None:
        try:
            await self._guarded(work)
            while self._waiting and not self.has_ended:
                self.socket.count_waiting(-1)
                following = self._step(self._waiting.popleft())
                if following is not None:
                    await self._guarded(following)
        finally:
            self._is_working = False
            self.socket.count_waiting(-len(self._waiting))
            self._waiting.clear()

    def _step(self, frame: ClientFrame) -> Work | None:
        try:
            return channel_events.handle(self, frame)
        except channel_events.ChannelCrashError:
            self._crash()
        except Exception:  # noqa: BLE001  # ends this channel only
            _log.exception("a channel failed on a message")
            self._crash()
        return None

    async def _guarded(self, work: Work) -> None:
        try:
            await work()
        except channel_events.ChannelCrashError:
            self._crash()
        except Exception:  # noqa: BLE001  # ends this channel only
            _log.exception("a channel failed on a message")
            self._crash()

    # Tokens.

    def renew(self, token: Token) -> None:
        """Go on with another token."""
        self.token = token
        self._arm_token_timer()

    def _arm_token_timer(self) -> None:
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
            self._arm_token_timer()
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

    @property
    def no_database_message(self) -> str:
        """That the rights could not be asked for."""
        return _NO_DATABASE

    # What is delivered.

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

    def _system(self, message: str, status: str) -> None:
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
        self._system(message, "error")
        self._push(self.close_message())
        self.end()

    def shut_down_soon(self, message: str) -> None:
        """As `shut_down`, but after what is being delivered now has reached everyone."""
        asyncio.get_running_loop().call_soon(self.shut_down, message)

    def _crash(self) -> None:
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

"""The join of one channel: what must be settled before its answer, and what follows the answer."""

from __future__ import annotations

import asyncio
import logging

from spaces_sdk.local.realtime import wire
from spaces_sdk.local.realtime.authorization import DatabaseUnavailableError, StoredMessage
from spaces_sdk.local.realtime.channel import NO_DATABASE, TOO_MANY_PRESENCE, Channel
from spaces_sdk.local.realtime.join_config import JoinRefusedError
from spaces_sdk.local.realtime.outgoing import binary_frame
from spaces_sdk.local.realtime.tokens import TokenRefusedError
from spaces_sdk.local.realtime.wire import Version

_log = logging.getLogger(__name__)


class ChannelJoin:
    """Opens a channel: `open`, then the answer, then `go_live`."""

    def __init__(self, channel: Channel) -> None:
        self.channel = channel
        self._replayed: list[StoredMessage] = []

    async def open(self) -> None:
        """Settle the token, the rights and the replay, and listen; what arrives is held until `go_live`.

        Raises:
            JoinRefusedError: With the reason for the client; nothing of the channel is left then.
        """
        try:
            await self._open()
        except TokenRefusedError as refusal:
            self.channel.end()
            raise JoinRefusedError(refusal.at_join) from None
        except DatabaseUnavailableError as error:
            _log.warning("a join failed: %s", error)
            self.channel.end()
            raise JoinRefusedError(f"UnableToConnectToProject: {NO_DATABASE}") from None
        except BaseException:
            self.channel.end()
            raise

    async def _open(self) -> None:
        channel, config = self.channel, self.channel.config
        if config.wants_postgres_changes:
            raise JoinRefusedError(
                "PostgresChangesNotSupported: This local server does not deliver postgres_changes; "
                "publish the change with realtime.broadcast_changes and listen to the broadcast"
            )
        channel.token = channel.socket.token(config.token)
        if not await channel.rights.read(channel.caller()):
            raise JoinRefusedError(f"Unauthorized: {channel.no_right_message}")
        if config.asks_replay:
            self._check_replay()
        channel.listen()
        if config.replay is not None:
            self._replayed = await channel.hub.authorizer.stored_messages(channel.sub_topic, config.replay)

    def _check_replay(self) -> None:
        channel = self.channel
        if not channel.config.is_private:
            raise JoinRefusedError("UnableToReplayMessages: Replay is not allowed for public channels")
        if not channel.rights.reads_broadcasts:
            raise JoinRefusedError(f"Unauthorized: {channel.no_right_message}")
        if not channel.config.is_replay_valid:
            raise JoinRefusedError("UnableToReplayMessages: Replay params are not valid")

    def go_live(self) -> None:
        """Send what follows the answer to the join, then what was held, and deliver from now on."""
        try:
            self._go_live()
        except Exception:  # noqa: BLE001  # ends this channel only
            _log.exception("a channel could not go live")
            self.channel.crash()

    def _go_live(self) -> None:
        channel = self.channel
        if channel.has_ended:
            return
        channel.watch_token()
        for message in self._replayed:
            self._send_replayed(message)
        replayed_ids = frozenset(message.message_id for message in self._replayed)
        self._replayed = []
        if channel.config.wants_ready:
            if channel.hub.follower.is_streaming:
                self._say_ready()
            else:
                channel.socket.tasks.start(self._wait_ready(), name="replication-ready")
        if channel.config.presence_enabled and channel.rights.reads_presence:
            self._send_presence_state()
        channel.release(replayed_ids)

    def _send_replayed(self, message: StoredMessage) -> None:
        channel, meta = self.channel, {"id": message.message_id, "replayed": True}
        if message.binary is not None and message.event is not None:
            data = wire.user_broadcast(
                channel.topic, message.event, wire.dumps(meta), is_json=False, data=message.binary
            )
            if data is not None and channel.version is Version.V2:
                channel.socket.push(binary_frame(data))
        elif message.payload_json is not None:
            payload = _sorted_or_as_it_is(message.payload_json)
            event, meta_json = wire.dumps(message.event), wire.dumps(meta)
            body = f'{{"event":{event},"meta":{meta_json},"payload":{payload},"type":"broadcast"}}'
            channel.send(wire.BROADCAST, body)

    def _send_presence_state(self) -> None:
        channel, presence_events = self.channel, self.channel.hub.presence_events
        if presence_events.is_exceeded:
            channel.shut_down(TOO_MANY_PRESENCE)
            return
        presence_events.add()
        channel.send("presence_state", channel.subscription.presence.to_json())

    async def _wait_ready(self) -> None:
        hub = self.channel.hub
        try:
            async with asyncio.timeout(hub.settings.replication_ready_timeout_s):
                await hub.follower.wait_streaming()
        except TimeoutError:
            self.channel.shut_down("Replication connection was not established in time")
            return
        if not self.channel.has_ended:
            self._say_ready()

    def _say_ready(self) -> None:
        self.channel.say("Replication connection established", "ok")


def _sorted_or_as_it_is(payload_json: str) -> str:
    try:
        return wire.dumps_sorted(wire.loads(payload_json))
    except (ValueError, RecursionError):
        # A number or a depth that only the database can hold.
        return payload_json

"""Channels on a server in memory: the whole client but the socket, on a clock that the test turns."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from spaces_sdk.errors import (
    AuthError,
    ChannelError,
    ConnectError,
    ConnectionLostError,
    ConnectTimeoutError,
    JoinRejectedError,
    UsageError,
)
from spaces_sdk.realtime import (
    BroadcastReceived,
    Channel,
    ChannelClosed,
    ChannelOverflowed,
    ChannelState,
    CloseReason,
    DropCause,
    PresenceChanged,
    PresenceSynced,
    RealtimeClient,
    RealtimeOptions,
    SocketState,
)
from spaces_sdk.realtime.frames import Message
from spaces_sdk.realtime.protocol import Vsn
from tests.support.clock import FakeClock, settle
from tests.support.memory_wire import MemoryServer
from tests.support.phoenix import Answer, phx_close, refusal, reply, system

pytestmark = pytest.mark.unit

URL = "ws://realtime.test/realtime/v1/websocket"


class Tokens:
    """A token provider that a test steers."""

    def __init__(self) -> None:
        self.value = "token-1"
        self.pulls = 0
        self.gate: asyncio.Event | None = None
        self.error: Exception | None = None

    async def __call__(self) -> str:
        self.pulls += 1
        if self.gate is not None:
            await self.gate.wait()
        if self.error is not None:
            raise self.error
        return self.value


class World:
    """A client with its server, clock and tokens."""

    def __init__(self, options: RealtimeOptions, override: Answer | None) -> None:
        self.clock = FakeClock()
        self.server = MemoryServer(vsn=Vsn(options.vsn), override=override)
        self.tokens = Tokens()
        self.client = RealtimeClient(
            URL,
            api_key="hush",
            token=self.tokens,
            options=options,
            clock=self.clock,
            random=Random(1),  # noqa: S311
            connector=self.server.connect,
        )

    async def joined(self, topic: str = "room", **settings: Any) -> Channel:
        channel = self.client.channel(topic, **settings)
        await channel.join()
        return channel

    def start(self, work: Awaitable[None]) -> asyncio.Task[None]:
        async def run() -> None:
            await work

        return asyncio.create_task(run(), name="test")


@asynccontextmanager
async def world(*, override: Answer | None = None, **settings: Any) -> AsyncGenerator[World]:
    """A world whose end leaves no task, connection or timer."""
    before = asyncio.all_tasks()
    made = World(RealtimeOptions(**settings), override)
    async with asyncio.timeout(20):
        yield made
        await made.client.aclose()
    assert asyncio.all_tasks() == before
    assert made.clock.sleepers == 0
    assert not [wire for wire in made.server.wires if wire.is_open]
    assert made.client.state is SocketState.CLOSED


def silent_on(event: str) -> Answer:
    def answer(message: Message) -> list[Message] | None:
        return [] if message.event == event else None

    return answer


async def outcome(task: asyncio.Task[None]) -> BaseException | None:
    await asyncio.wait([task])
    return asyncio.CancelledError() if task.cancelled() else task.exception()


# The plain way


@pytest.mark.parametrize("vsn", list(Vsn))
async def test_join_receive_leave(vsn: Vsn) -> None:
    async with world(vsn=vsn.value) as w:
        assert w.client.state is SocketState.IDLE
        channel = await w.joined()
        assert (channel.state, w.client.state) == (ChannelState.JOINED, SocketState.OPEN)
        w.server.wire.push(Message(None, None, "realtime:room", "broadcast", {"event": "e", "payload": {"n": 1}}))
        assert await channel.receive() == BroadcastReceived("e", {"n": 1})
        assert channel.receive_nowait() is None
        await channel.leave()
        await channel.leave()
        assert await channel.receive() == ChannelClosed(CloseReason.LEFT, "left")
        with pytest.raises(ConnectionLostError):
            await channel.receive()
        assert w.server.wire.manners.events() == ["phx_join", "phx_leave"]


async def test_nothing_happens_before_a_join() -> None:
    async with world() as w:
        channel = w.client.channel("room")
        await settle()
        assert (w.server.urls, w.tokens.pulls) == ([], 0)
        await channel.leave()
        assert channel.state is ChannelState.CLOSED


async def test_the_key_goes_into_the_query_and_nowhere_else(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(0)
    async with world() as w:
        w.server.failures.append(ConnectionRefusedError("no"))
        task = w.start(w.client.channel("room").join())
        await w.clock.advance(1)
        assert await outcome(task) is None
        w.server.wire.cut()
        await settle()
        assert w.server.urls[0] == f"{URL}?apikey=hush&vsn=2.0.0"
        assert "hush" not in f"{caplog.text}{w.client!r}{w.client.stats!r}"


async def test_a_channel_is_used_once() -> None:
    async with world() as w:
        channel = await w.joined()
        with pytest.raises(UsageError):
            await channel.join()


@pytest.mark.parametrize("topic", ["", "t" * 247])
async def test_a_topic_that_cannot_be_is_refused(topic: str) -> None:
    async with world() as w:
        with pytest.raises(UsageError):
            w.client.channel(topic)


# Joins that fail


async def test_a_refused_join() -> None:
    def refuse(message: Message) -> list[Message] | None:
        return [refusal(message, "Unauthorized: no")] if message.event == "phx_join" else None

    async with world(override=refuse) as w:
        with pytest.raises(JoinRejectedError) as caught:
            await w.joined()
        assert (caught.value.code, caught.value.topic, caught.value.retryable) == ("unauthorized", "room", False)
        assert w.client.stats.joins_refused == 1


async def test_no_answer_to_the_join_ends_at_the_deadline_and_takes_it_back() -> None:
    async with world(override=silent_on("phx_join")) as w:
        channel = w.client.channel("room")
        task = w.start(channel.join(timeout_s=15))
        await w.clock.advance(14.9)
        assert not task.done()
        await w.clock.advance(0.2)
        assert isinstance(await outcome(task), ConnectTimeoutError)
        assert channel.state is ChannelState.CLOSED
        assert w.server.wire.manners.events() == ["phx_join", "phx_leave"]
        with pytest.raises(ConnectionLostError):
            await channel.receive()


async def test_a_cut_before_the_answer() -> None:
    async with world(override=silent_on("phx_join")) as w:
        task = w.start(w.client.channel("room").join())
        await settle()
        w.server.wire.cut()
        assert isinstance(await outcome(task), ConnectionLostError)


async def test_a_cancelled_join_is_taken_back() -> None:
    async with world(override=silent_on("phx_join")) as w:
        channel = w.client.channel("room")
        task = w.start(channel.join())
        await settle()
        task.cancel()
        assert isinstance(await outcome(task), asyncio.CancelledError)
        await settle()
        assert channel.state is ChannelState.CLOSED
        assert w.server.wire.manners.events() == ["phx_join", "phx_leave"]


@pytest.mark.parametrize("turns", range(12))
async def test_a_join_cancelled_around_the_moment_of_its_answer_is_joined_or_taken_back(turns: int) -> None:
    async with world(override=silent_on("phx_join")) as w:
        channel = w.client.channel("room")
        task = w.start(channel.join())
        await settle()
        wire = w.server.wire
        wire.push(reply(wire.manners.received[0]))
        await settle(turns)
        task.cancel()
        error = await outcome(task)
        await settle()
        if error is None:
            assert channel.state is ChannelState.JOINED
        else:
            assert isinstance(error, asyncio.CancelledError)
            assert channel.state is ChannelState.CLOSED
            assert wire.manners.events() == ["phx_join", "phx_leave"]


@pytest.mark.parametrize("where", ["connecting", "token"])
async def test_a_join_cancelled_before_it_was_sent_leaves_nothing(where: str) -> None:
    async with world() as w:
        w.server.is_hanging = where == "connecting"
        w.tokens.gate = asyncio.Event()
        channel = w.client.channel("room")
        task = w.start(channel.join())
        await settle()
        task.cancel()
        assert isinstance(await outcome(task), asyncio.CancelledError)
        assert channel.state is ChannelState.CLOSED
        assert not w.server.wires or w.server.wire.manners.events() == []


async def test_leaving_during_a_join_ends_the_join() -> None:
    async with world(override=silent_on("phx_join")) as w:
        channel = w.client.channel("room")
        task = w.start(channel.join())
        await settle()
        await channel.leave()
        error = await outcome(task)
        assert isinstance(error, ConnectionLostError)
        assert error.code == "channel_left"


async def test_what_the_token_provider_raises_comes_out() -> None:
    async with world() as w:
        w.tokens.error = TimeoutError("the provider's own")
        with pytest.raises(TimeoutError, match="own"):
            await w.joined()
        w.tokens.error = None
        w.tokens.value = ""
        with pytest.raises(AuthError):
            await w.joined()
        w.tokens.value = "t"
        assert (await w.joined()).state is ChannelState.JOINED
        assert w.server.wire.manners.events() == ["phx_join"]


async def test_a_server_that_cannot_be_reached_in_time() -> None:
    async with world() as w:
        w.server.failures.extend(ConnectionRefusedError(111, "refused") for _ in range(1000))
        task = w.start(w.client.channel("room").join(timeout_s=15))
        await w.clock.advance(15.1)
        error = await outcome(task)
        assert type(error) is ConnectError
        assert "refused" in error.message
        assert error.retryable
        assert w.client.stats.connect_failures > 3


async def test_a_server_that_accepts_and_says_nothing() -> None:
    async with world() as w:
        w.server.is_hanging = True
        task = w.start(w.client.channel("room").join(timeout_s=8))
        await w.clock.advance(8.1)
        assert isinstance(await outcome(task), ConnectTimeoutError)
        await w.clock.advance(3)
        assert w.client.stats.connect_failures == 1
        assert w.client.state is SocketState.IDLE


async def test_an_unknown_failure_of_the_bottom_is_told_at_once() -> None:
    async with world() as w:
        w.server.failures.append(LookupError("what"))
        with pytest.raises(ConnectError) as caught:
            await w.joined()
        assert not caught.value.retryable


async def test_joins_go_on_after_failures() -> None:
    async with world() as w:
        w.server.failures.extend([OSError("no")] * 3)
        task = w.start(w.client.channel("room").join(timeout_s=60))
        await w.clock.advance(10)
        assert await outcome(task) is None
        assert w.client.stats.connects == 1


# Tokens


async def test_a_token_is_pulled_at_each_join() -> None:
    async with world() as w:
        await w.joined("a")
        w.tokens.value = "token-2"
        await w.joined("b")
        tokens = [m.payload["access_token"] for m in w.server.wire.manners.received]
        assert tokens == ["token-1", "token-2"]


async def test_a_rotated_token_is_pushed_once_where_it_is_new() -> None:
    async with world() as w:
        await w.joined("a")
        for _ in range(2):
            w.client.push_token("token-2")
        await settle()
        pushed = [m for m in w.server.wire.manners.received if m.event == "access_token"]
        assert [m.payload for m in pushed] == [{"access_token": "token-2"}]


async def test_a_token_that_rotates_between_pull_and_answer_is_pushed_after_the_join() -> None:
    async with world(override=silent_on("phx_join")) as w:
        channel = w.client.channel("room")
        task = w.start(channel.join())
        await settle()
        w.client.push_token("token-2")
        wire = w.server.wire
        wire.push(reply(wire.manners.received[0]))
        assert await outcome(task) is None
        await settle()
        assert wire.manners.events() == ["phx_join", "access_token"]


async def test_a_socket_that_goes_while_the_token_is_pulled_is_waited_for() -> None:
    async with world() as w:
        w.tokens.gate = asyncio.Event()
        task = w.start(w.client.channel("room").join())
        await settle()
        w.server.wire.cut()
        await settle()
        w.tokens.gate.set()
        await w.clock.advance(1)
        assert await outcome(task) is None
        assert (len(w.server.wires), w.tokens.pulls) == (2, 2)


async def test_an_expired_token_ends_the_channel_and_another_join_works() -> None:
    async with world() as w:
        channel = await w.joined()
        wire = w.server.wire
        wire.push(system(wire.join_ref("room"), "realtime:room", "Token has expired 0 seconds ago"))
        wire.end("room")
        assert await channel.receive() == ChannelClosed(CloseReason.TOKEN_EXPIRED, "Token has expired 0 seconds ago")
        await w.joined()
        assert len(w.server.wires) == 1


# Losses


async def test_a_lost_socket_ends_its_channels_and_comes_back_for_the_next() -> None:
    async with world() as w:
        channel = await w.joined()
        w.server.wire.broadcast("room", "e", 1)
        w.server.wire.cut(1000)
        assert await channel.receive() == BroadcastReceived("e", 1, "m-1")
        closed = await channel.receive()
        assert isinstance(closed, ChannelClosed)
        assert closed.reason is CloseReason.SOCKET_LOST
        assert w.client.state is SocketState.IDLE
        task = w.start(w.client.channel("room").join())
        await w.clock.advance(0.5)
        assert await outcome(task) is None
        assert (len(w.server.wires), w.client.stats.losses) == (2, 1)


async def test_a_restart_of_the_server() -> None:
    async with world() as w:
        channel = await w.joined()
        w.server.wire.push(system(None, "realtime:room", "Server requested disconnect", status="ok"))
        w.server.wire.cut(1012)
        closed = await channel.receive()
        assert isinstance(closed, ChannelClosed)
        assert closed.reason is CloseReason.SERVER_RESTART


async def test_a_half_open_connection_is_noticed_by_its_heartbeat() -> None:
    async with world(override=silent_on("heartbeat")) as w:
        channel = await w.joined()
        await w.clock.advance(34.9)
        assert channel.receive_nowait() is None
        await w.clock.advance(0.2)
        closed = await channel.receive()
        assert isinstance(closed, ChannelClosed)
        assert closed.message == "the connection was lost: a heartbeat was not answered"
        assert w.client.stats.heartbeats_missed == 1


async def test_heartbeats_keep_a_connection_for_hours() -> None:
    async with world() as w:
        channel = await w.joined()
        await w.clock.advance(3600)
        assert channel.state is ChannelState.JOINED
        beats = [m for m in w.server.wire.manners.received if m.event == "heartbeat"]
        assert len(beats) == 144
        assert len(w.server.wires) == 1


async def test_an_unused_socket_is_closed() -> None:
    async with world() as w:
        channel = await w.joined()
        await channel.leave()
        await w.clock.advance(9.9)
        assert w.server.wire.is_open
        await w.clock.advance(0.2)
        assert not w.server.wire.is_open
        assert (w.client.state, w.client.stats.losses) == (SocketState.IDLE, 0)


# Readers


async def test_a_slow_reader_is_told_where_events_are_missing() -> None:
    async with world(buffer_size=3) as w:
        channel = await w.joined()
        for number in range(5):
            w.server.wire.broadcast("room", "e", number)
        await settle()
        assert [await channel.receive() for _ in range(2)] == [BroadcastReceived("e", n, "m-1") for n in (0, 1)]
        w.server.wire.broadcast("room", "e", 5)
        await settle()
        assert [await channel.receive() for _ in range(3)] == [
            BroadcastReceived("e", 2, "m-1"),
            ChannelOverflowed(2),
            BroadcastReceived("e", 5, "m-1"),
        ]
        assert w.client.stats.events_dropped == 2


async def test_an_unreadable_push_is_told_and_the_reader_lives(caplog: pytest.LogCaptureFixture) -> None:
    async with world() as w:
        channel = await w.joined()
        w.server.wire.push_raw(b"\x04\x0d\x01\x00\x01realtime:roome{nope")
        for noise in (
            "{nope",
            "[]",
            b"\xff",
            b"",
            "[" * 10_000,
            '[null,null,"realtime:room","presence_diff",{"joins":1}]',
        ):
            w.server.wire.push_raw(noise)
        w.server.wire.broadcast("room", "e", 1)
        await settle()
        assert await channel.receive() == ChannelOverflowed(2, DropCause.UNREADABLE)
        assert await channel.receive() == BroadcastReceived("e", 1, "m-1")
        assert w.client.stats.frames_unreadable == 7
        assert "nope" not in caplog.text


async def test_a_reader_that_raises_harms_nobody() -> None:
    async with world() as w:
        first, second = await w.joined("a"), await w.joined("b")

        async def consume() -> None:
            await first.receive()
            raise LookupError("a bug of the user")

        task = w.start(consume())
        w.server.wire.broadcast("a", "e", 1)
        assert isinstance(await outcome(task), LookupError)
        w.server.wire.broadcast("a", "e", 2)
        w.server.wire.broadcast("b", "e", 3)
        await settle()
        assert await first.receive() == BroadcastReceived("e", 2, "m-1")
        assert await second.receive() == BroadcastReceived("e", 3, "m-1")


async def test_a_cancelled_receive_loses_nothing() -> None:
    async with world() as w:
        channel = await w.joined()

        async def consume() -> None:
            await channel.receive()

        task = w.start(consume())
        await settle()
        w.server.wire.broadcast("room", "e", 1)
        for _ in range(3):
            # The event may be there already, and the receiver not yet awake.
            await asyncio.sleep(0)
        task.cancel()
        await asyncio.wait([task])
        if task.cancelled():
            assert await channel.receive() == BroadcastReceived("e", 1, "m-1")


async def test_two_receivers_at_once_are_a_mistake() -> None:
    async with world() as w:
        channel = await w.joined()

        async def consume() -> None:
            await channel.receive()

        task = w.start(consume())
        await settle()
        with pytest.raises(UsageError):
            await channel.receive()
        task.cancel()
        await asyncio.wait([task])


# Presence


async def test_presence_states_and_changes() -> None:
    async with world() as w:
        channel = await w.joined(presence_key="me")
        wire = w.server.wire
        config = wire.manners.received[0].payload["config"]
        assert config["presence"] == {"enabled": True, "key": "me"}
        wire.push(Message("1", None, "realtime:room", "presence_state", {"x": {"metas": [{"no": "ref"}]}, "y": 1}))
        wire.push(Message(None, None, "realtime:room", "presence_diff", {"joins": {"z": {"metas": [{}]}}}))
        assert await channel.receive() == PresenceSynced({"x": ({"no": "ref"},)})
        assert await channel.receive() == PresenceChanged({"z": ({},)}, {})


async def test_tracks_are_few_and_the_same_one_is_not_sent_again() -> None:
    async with world() as w:
        channel = await w.joined(presence_key="me")
        for number in (0, 0, 1, 2, 3, 4, 4):
            await channel.track({"n": number})
        sent = [m for m in w.server.wire.manners.received if m.event == "presence"]
        assert len(sent) == 5
        with pytest.raises(ChannelError) as caught:
            await channel.track({"n": 5})
        assert (caught.value.code, caught.value.retryable) == ("rate_limited", True)
        await w.clock.advance(30)
        await channel.track({"n": 5})


async def test_tracks_that_fail() -> None:
    def answer(message: Message) -> list[Message] | None:
        if message.event != "presence":
            return None
        if message.payload["payload"] == {"n": 1}:
            return [reply(message, status="error")]
        return []

    async with world(override=answer) as w:
        plain = await w.joined("plain")
        with pytest.raises(UsageError):
            await plain.track({})
        channel = w.client.channel("room", presence_key="me")
        with pytest.raises(UsageError):
            await channel.track({})
        await channel.join()
        with pytest.raises(ChannelError, match="refused"):
            await channel.track({"n": 1})
        task = w.start(channel.track({"n": 2}))
        await w.clock.advance(10.1)
        assert isinstance(await outcome(task), ConnectTimeoutError)
        task = w.start(channel.track({"n": 3}))
        await settle()
        w.server.wire.cut()
        assert isinstance(await outcome(task), ConnectionLostError)
        with pytest.raises(ConnectionLostError):
            await channel.track({"n": 4})


# Leaving and closing


async def test_a_leave_that_is_not_answered_ends_at_its_deadline() -> None:
    async with world(override=silent_on("phx_leave")) as w:
        channel = await w.joined()
        task = w.start(channel.leave(timeout_s=2))
        await w.clock.advance(1.9)
        assert not task.done()
        await w.clock.advance(0.2)
        assert await outcome(task) is None
        assert channel.state is ChannelState.CLOSED
        assert w.server.wire.manners.events() == ["phx_join", "phx_leave"]
        again = await w.joined()
        w.server.wire.push(phx_close("1", "realtime:room"))
        await settle()
        assert again.state is ChannelState.JOINED


async def test_a_cancelled_leave_has_left() -> None:
    async with world(override=silent_on("phx_leave")) as w:
        channel = await w.joined()
        task = w.start(channel.leave())
        await settle()
        task.cancel()
        assert isinstance(await outcome(task), asyncio.CancelledError)
        assert channel.state is ChannelState.CLOSED
        assert await channel.receive() == ChannelClosed(CloseReason.LEFT, "left")


async def test_two_leaves_at_once_are_one() -> None:
    async with world() as w:
        channel = await w.joined()
        await asyncio.gather(channel.leave(), channel.leave())
        assert w.server.wire.manners.events() == ["phx_join", "phx_leave"]


async def test_closing_ends_channels_joins_and_readers() -> None:
    async with world(override=lambda m: [] if m.topic == "realtime:slow" else None) as w:
        channel = await w.joined()
        join = w.start(w.client.channel("slow").join())
        reader = w.start(drain(channel))
        await settle()
        await asyncio.gather(w.client.aclose(), w.client.aclose())
        error = await outcome(join)
        assert isinstance(error, ConnectionLostError)
        assert (error.code, error.retryable) == ("closed", False)
        assert isinstance(await outcome(reader), ConnectionLostError)
        with pytest.raises(ConnectionLostError):
            await w.client.channel("x").join()
        w.client.push_token("t")


async def drain(channel: Channel) -> None:
    while True:
        await channel.receive()


@pytest.mark.parametrize("state", ["connecting", "waiting", "token", "idle", "lingering"])
async def test_closing_leaves_nothing_whatever_was_under_way(state: str) -> None:
    async with world() as w:
        w.server.is_hanging = state == "connecting"
        if state == "waiting":
            w.server.failures.append(OSError("no"))
        if state == "token":
            w.tokens.gate = asyncio.Event()
        task: asyncio.Task[None] | None = None
        if state != "idle":
            channel = w.client.channel("room")
            task = w.start(channel.join())
            await settle()
            if state == "lingering":
                await channel.leave()
        await w.client.aclose()
        if task is not None and state == "token":
            # The provider hangs; what it was asked for is not wanted any more, and its caller may cancel.
            task.cancel()
        if task is not None:
            await asyncio.wait([task])


async def test_states_are_told_as_they_change() -> None:
    told: list[SocketState] = []

    async def follow(client: RealtimeClient) -> None:
        state = client.state
        while state is not SocketState.CLOSED:
            state = await client.state_after(state)
            told.append(state)

    async with world(linger_s=5, backoff_base_s=1, backoff_cap_s=1) as w:
        follower = w.start(follow(w.client))
        await settle()
        channel = await w.joined()
        await settle()
        w.server.is_hanging = True
        w.server.wire.cut()
        again = w.start(w.client.channel("room").join(timeout_s=10))
        await w.clock.advance(2)
        w.server.is_hanging = False
        assert told[:2] == [SocketState.CONNECTING, SocketState.OPEN]
        assert told[-1] is SocketState.CONNECTING
        assert w.client.stats.last_error.startswith("connection lost")
        assert channel.state is ChannelState.CLOSED
        await w.client.aclose()
        await asyncio.wait([again, follower])
        assert told[-1] is SocketState.CLOSED
        with pytest.raises(UsageError):
            await w.client.state_after(SocketState.CLOSED)
        with pytest.raises(ConnectionLostError):
            await again


async def test_the_client_is_a_context_manager() -> None:
    server = MemoryServer()
    tokens = Tokens()
    async with RealtimeClient(URL, api_key="k", token=tokens, connector=server.connect) as client:
        await client.channel("room").join()
        assert "sockets=1" in repr(client)
    assert not server.wire.is_open


# Many channels


async def test_a_full_socket_is_followed_by_another_that_goes_when_unused() -> None:
    async with world(channels_per_socket=3) as w:
        channels = [await w.joined(f"room-{number}") for number in range(7)]
        assert [len(wire.manners.events()) for wire in w.server.wires] == [3, 3, 1]
        assert w.client.socket_count == 3
        for channel in channels:
            await channel.leave()
        await w.clock.advance(11)
        assert w.client.socket_count == 1
        assert not [wire for wire in w.server.wires if wire.is_open]


async def test_two_channels_of_one_topic_live_on_two_sockets() -> None:
    async with world() as w:
        first, second = await w.joined(), await w.joined()
        assert len(w.server.wires) == 2
        for wire in w.server.wires:
            wire.broadcast("room", "e", 1)
        await settle()
        assert await first.receive() == await second.receive() == BroadcastReceived("e", 1, "m-1")


async def test_one_lost_socket_leaves_the_other() -> None:
    async with world(channels_per_socket=1) as w:
        first, second = await w.joined("a"), await w.joined("b")
        w.server.wires[0].cut()
        await settle()
        assert (first.state, second.state) == (ChannelState.CLOSED, ChannelState.JOINED)
        assert w.client.state is SocketState.OPEN


async def test_a_server_that_does_not_read_is_left() -> None:
    async with world() as w:
        channel = await w.joined()
        wire = w.server.wire
        blocked: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        async def block(data: str) -> None:
            await blocked

        wire.send = block
        for number in range(1100):
            w.client.push_token(f"token-{number}")
        await settle()
        assert channel.state is ChannelState.CLOSED
        assert not wire.is_open


async def test_a_bug_in_the_reader_is_a_loss_and_is_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with world() as w:
        channel = await w.joined()

        def explode(*_: object) -> bool:
            raise LookupError("a bug of ours")

        monkeypatch.setattr("spaces_sdk.realtime.buffer.EventBuffer.put", explode)
        w.server.wire.broadcast("room", "e", 1)
        await settle()
        closed = await channel.receive()
        assert isinstance(closed, ChannelClosed)
        assert closed.reason is CloseReason.SOCKET_LOST
        assert "a bug of ours" in caplog.text

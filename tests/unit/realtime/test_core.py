"""The connection core: every fault as a sequence of inputs and outputs, without a loop."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces_sdk.errors import ConnectError, ConnectionLostError, JoinRejectedError, SpacesError
from spaces_sdk.realtime.actions import Abort, Action, Close, Open, Send
from spaces_sdk.realtime.core import SocketCore
from spaces_sdk.realtime.events import (
    BroadcastReceived,
    ChannelClosed,
    ChannelEvent,
    ChannelState,
    CloseReason,
    PresenceChanged,
    PresenceSynced,
    SocketState,
)
from spaces_sdk.realtime.frames import Message
from spaces_sdk.realtime.member import Member
from spaces_sdk.realtime.protocol import Vsn, decode_text
from spaces_sdk.realtime.stats import RealtimeStats
from tests.support.phoenix import database_broadcast, phx_close, refusal, reply, server_text, system

pytestmark = pytest.mark.unit


@dataclass
class Recorder:
    """A sink that writes down."""

    events: list[ChannelEvent] = field(default_factory=list[ChannelEvent])
    failure: SpacesError | None = None
    answers: list[tuple[str, SpacesError | None]] = field(default_factory=list[tuple[str, SpacesError | None]])
    unread: int = 0
    changes: int = 0

    def changed(self) -> None:
        self.changes += 1

    def failed(self, error: SpacesError) -> None:
        assert self.failure is None
        self.failure = error

    def deliver(self, event: ChannelEvent, size_bytes: int) -> None:
        assert size_bytes > 0
        self.events.append(event)

    def unreadable(self) -> None:
        self.unread += 1

    def ended(self, event: ChannelClosed) -> None:
        self.events.append(event)

    def replied(self, ref: str, error: SpacesError | None) -> None:
        self.answers.append((ref, error))


class Bench:
    """A core with its time, and the server's end of it."""

    def __init__(self, vsn: Vsn = Vsn.V2, delays: tuple[float, ...] = (1.0, 2.0, 4.0)) -> None:
        self.vsn = vsn
        self.time = 100.0
        self.stats = RealtimeStats()
        self.delays = delays
        self.core = SocketCore(
            vsn=vsn,
            time=lambda: self.time,
            delays=self._make_delays,
            heartbeat_interval_s=25,
            heartbeat_timeout_s=10,
            linger_s=10,
            stats=self.stats,
        )

    def _make_delays(self) -> Iterator[float]:
        yield from self.delays
        while True:
            yield self.delays[-1]

    def member(self, topic: str = "room", *, presence_key: str | None = None) -> tuple[Member, Recorder]:
        sink = Recorder()
        return Member(sink, topic=topic, is_private=True, presence_key=presence_key), sink

    def open(self) -> None:
        assert self.core.opened() == []

    def joining(self, topic: str = "room", *, presence_key: str | None = None) -> tuple[Member, Recorder, Message]:
        member, sink = self.member(topic, presence_key=presence_key)
        if self.core.add(member) == [Open()]:
            self.open()
        actions = self.core.join(member, "token-1", token_seq=self.core.token_seq)
        return member, sink, self.sent(actions)[0]

    def joined(self, topic: str = "room", *, presence_key: str | None = None) -> tuple[Member, Recorder]:
        member, sink, join = self.joining(topic, presence_key=presence_key)
        assert self.say(reply(join)) == []
        assert member.state is ChannelState.JOINED
        return member, sink

    def say(self, message: Message) -> list[Action] | None:
        return self.core.received(server_text(self.vsn, message))

    def sent(self, actions: list[Action] | None) -> list[Message]:
        return [decode_text(self.vsn, action.data) for action in actions or [] if isinstance(action, Send)]

    def later(self, seconds: float) -> list[Action]:
        self.time += seconds
        return self.core.tick()


versions = pytest.mark.parametrize("vsn", list(Vsn))


# Joins


@versions
def test_a_join_says_what_the_server_wants_to_know(vsn: Vsn) -> None:
    bench = Bench(vsn)
    member, _, join = bench.joining()
    assert join == Message(
        "1",
        "1",
        "realtime:room",
        "phx_join",
        {
            "config": {
                "broadcast": {"ack": False, "self": False},
                "presence": {"enabled": False, "key": ""},
                "postgres_changes": [],
                "private": True,
            },
            "access_token": "token-1",
        },
    )
    bench.say(reply(join))
    assert (member.state, bench.stats.joins) == (ChannelState.JOINED, 1)


@versions
def test_a_refused_join_fails_and_frees_the_topic(vsn: Vsn) -> None:
    bench = Bench(vsn)
    member, sink, join = bench.joining()
    bench.say(refusal(join, "Unauthorized: You do not have permissions"))
    assert isinstance(sink.failure, JoinRejectedError)
    assert (sink.failure.code, sink.failure.retryable) == ("unauthorized", False)
    assert (member.state, bench.core.member_count, sink.events) == (ChannelState.CLOSED, 0, [])


@versions
def test_a_join_whose_channel_crashes_fails(vsn: Vsn) -> None:
    bench = Bench(vsn)
    _, sink, join = bench.joining()
    bench.say(Message(join.ref, join.ref, join.topic, "phx_error", {"reason": "channel_crash"}))
    assert isinstance(sink.failure, JoinRejectedError)
    assert (sink.failure.code, sink.failure.retryable) == ("channel_crashed", True)


def test_a_join_is_not_sent_on_a_socket_that_has_gone() -> None:
    bench = Bench()
    member, sink = bench.member()
    bench.core.add(member)
    bench.open()
    bench.core.lost(1006, "")
    assert bench.core.join(member, "token", token_seq=0) is None
    assert (member.state, sink.failure) == (ChannelState.JOINING, None)


def test_a_cut_before_the_answer_fails_the_join() -> None:
    bench = Bench()
    member, sink, _ = bench.joining()
    bench.core.lost(1006, "")
    assert isinstance(sink.failure, ConnectionLostError)
    assert (member.state, bench.core.state) == (ChannelState.CLOSED, SocketState.IDLE)


def test_a_join_given_up_is_taken_back_and_its_late_answer_ignored() -> None:
    bench = Bench()
    member, sink, join = bench.joining()
    leave = bench.sent(bench.core.abandon(member))
    assert [(m.event, m.join_ref) for m in leave] == [("phx_leave", "1")]
    assert member.state is ChannelState.CLOSED
    assert bench.core.abandon(member) == []
    for answer in (reply(join), reply(leave[0]), phx_close("1", join.topic)):
        assert bench.say(answer) == []
    assert (sink.events, sink.failure) == ([], None)


def test_a_join_given_up_before_it_was_sent_says_nothing() -> None:
    bench = Bench()
    member, _ = bench.member()
    bench.core.add(member)
    assert bench.core.abandon(member) == []
    assert bench.core.member_count == 0


# The older join of a topic


@versions
def test_the_late_close_of_an_older_join_is_ignored(vsn: Vsn) -> None:
    bench = Bench(vsn)
    old, old_sink = bench.joined()
    new, new_sink, join = bench.joining()
    bench.say(Message(None, None, "realtime:room", "broadcast", {"event": "e", "payload": 1}))
    bench.say(reply(join))
    bench.say(phx_close("1", "realtime:room"))
    bench.say(Message(None, None, "realtime:room", "broadcast", {"event": "e", "payload": 2}))
    assert old_sink.events == [
        BroadcastReceived("e", 1),
        ChannelClosed(CloseReason.SERVER_CLOSED, "a newer join of this topic took its place"),
    ]
    assert new_sink.events == [BroadcastReceived("e", 2)]
    assert (old.state, new.state) == (ChannelState.CLOSED, ChannelState.JOINED)
    assert bench.stats.pushes_unrouted == 1


@versions
def test_a_refused_second_join_has_ended_the_first(vsn: Vsn) -> None:
    bench = Bench(vsn)
    old, old_sink = bench.joined()
    _, new_sink, join = bench.joining()
    bench.say(refusal(join, "Unauthorized: no"))
    bench.say(phx_close("1", "realtime:room"))
    assert old.state is ChannelState.CLOSED
    assert [type(event) for event in old_sink.events] == [ChannelClosed]
    assert new_sink.failure is not None


def test_leaving_the_older_join_does_not_end_the_newer_one() -> None:
    bench = Bench()
    old, _ = bench.joined()
    _, _, join = bench.joining()
    assert bench.core.leave(old) == []
    assert bench.core.abandon(old) == []
    assert bench.sent(bench.say(reply(join))) == []


def test_leave_then_join_again_on_one_socket() -> None:
    bench = Bench()
    old, old_sink = bench.joined()
    leave = bench.sent(bench.core.leave(old))[0]
    new, new_sink, join = bench.joining()
    for answer in (reply(leave), reply(join), phx_close("1", "realtime:room")):
        bench.say(answer)
    assert old_sink.events == [ChannelClosed(CloseReason.LEFT, "left")]
    assert (new.state, new_sink.events) == (ChannelState.JOINED, [])


# Ends


@versions
@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("Token has expired 0 seconds ago", CloseReason.TOKEN_EXPIRED),
        ("You do not have permissions to read from this Channel topic: room", CloseReason.PERMISSION_LOST),
        ("Too many messages per second", CloseReason.LIMIT_REACHED),
    ],
)
def test_a_channel_ends_for_what_the_server_said_before(vsn: Vsn, message: str, reason: CloseReason) -> None:
    bench = Bench(vsn)
    _, sink = bench.joined()
    bench.say(system("1" if vsn is Vsn.V2 else None, "realtime:room", message))
    assert sink.events == []
    bench.say(phx_close("1", "realtime:room"))
    assert sink.events == [ChannelClosed(reason, message)]
    assert bench.core.state is SocketState.OPEN


@versions
def test_other_words_of_the_server_end_nothing(vsn: Vsn) -> None:
    bench = Bench(vsn)
    member, sink = bench.joined()
    for payload in (
        {"message": "Subscribed to PostgreSQL", "status": "ok", "extension": "postgres_changes"},
        {"message": "no such table", "status": "error", "extension": "postgres_changes"},
        {},
    ):
        bench.say(Message("1", None, "realtime:room", "system", payload))
    bench.say(Message(None, None, "realtime:room", "postgres_changes", {"ids": []}))
    assert (member.state, sink.events, bench.stats.pushes_ignored) == (ChannelState.JOINED, [], 1)
    bench.say(phx_close("1", "realtime:room"))
    assert sink.events == [ChannelClosed(CloseReason.SERVER_CLOSED, "closed by the server")]


def test_a_crash_is_told_and_the_others_stay() -> None:
    bench = Bench()
    _, sink = bench.joined("a")
    other, _ = bench.joined("b")
    bench.say(Message("1", "1", "realtime:a", "phx_error", {"reason": "channel_crash"}))
    assert sink.events == [ChannelClosed(CloseReason.CRASHED, "the channel crashed on the server: channel_crash")]
    assert other.state is ChannelState.JOINED


def test_a_shutdown_of_the_server_is_a_restart_and_comes_back() -> None:
    bench = Bench()
    _, sink = bench.joined()
    bench.say(system(None, "realtime:room", "Server requested disconnect", status="ok"))
    bench.core.lost(1012, "")
    assert [event.reason for event in sink.events if isinstance(event, ChannelClosed)] == [CloseReason.SERVER_RESTART]
    waiting, _ = bench.member()
    assert bench.core.add(waiting) == []
    assert bench.core.state is SocketState.WAITING
    assert bench.later(1.0) == [Open()]


@pytest.mark.parametrize("code", [1000, 1001, 1006, 1009])
def test_every_other_end_of_the_socket_is_a_loss(code: int) -> None:
    bench = Bench()
    _, sink = bench.joined()
    bench.core.lost(code, "why")
    assert sink.events == [
        ChannelClosed(CloseReason.SOCKET_LOST, f"the connection was lost: closed with {code} why"),
    ]
    assert bench.stats.losses == 1


def test_leaving_waits_for_the_server_and_hears_nothing_meanwhile() -> None:
    bench = Bench()
    member, sink = bench.joined()
    leave = bench.sent(bench.core.leave(member))[0]
    assert bench.core.leave(member) == []
    bench.say(Message(None, None, "realtime:room", "broadcast", {"event": "e", "payload": 1}))
    assert member.state is ChannelState.JOINED
    bench.say(reply(leave))
    bench.say(phx_close("1", "realtime:room"))
    assert sink.events == [ChannelClosed(CloseReason.LEFT, "left")]


def test_a_loss_while_leaving_is_a_leave() -> None:
    bench = Bench()
    member, sink = bench.joined()
    bench.core.leave(member)
    bench.core.lost(1006, "")
    assert [event.reason for event in sink.events if isinstance(event, ChannelClosed)] == [CloseReason.LEFT]


# The connection


def test_a_failed_attempt_is_repeated_with_growing_delays_for_ever() -> None:
    bench = Bench(delays=(1.0, 2.0, 4.0))
    member, sink = bench.member()
    assert bench.core.add(member) == [Open()]
    waits: list[float] = []
    for _ in range(50):
        bench.core.open_failed(ConnectError("no"))
        assert bench.core.state is SocketState.WAITING
        at = bench.core.next_timer()
        assert at is not None
        waits.append(at - bench.time)
        assert bench.later(waits[-1] - 0.01) == []
        assert bench.later(0.02) == [Open()]
    assert waits[:4] == pytest.approx([1.0, 2.0, 4.0, 4.0])
    assert (sink.failure, member.state) == (None, ChannelState.JOINING)
    bench.open()
    assert bench.core.last_error is None


def test_the_delays_start_anew_only_after_the_server_has_answered() -> None:
    bench = Bench()
    member, _ = bench.member()
    bench.core.add(member)
    for wait in (1.0, 2.0):
        bench.open()
        bench.core.lost(1006, "")
        assert bench.core.next_timer() == bench.time + wait
        bench.later(wait)
    bench.open()
    join = bench.sent(bench.core.join(member, "t", token_seq=0))[0]
    bench.say(reply(join))
    bench.core.lost(1006, "")
    again, _ = bench.member()
    bench.core.add(again)
    assert bench.core.next_timer() == bench.time + 1.0


def test_a_new_join_cannot_get_round_the_delay() -> None:
    bench = Bench(delays=(5.0,))
    first, _ = bench.member()
    bench.core.add(first)
    bench.core.open_failed(ConnectError("no"))
    bench.core.abandon(first)
    assert bench.core.state is SocketState.IDLE
    assert bench.core.next_timer() is None
    second, _ = bench.member()
    assert bench.core.add(second) == []
    assert bench.core.state is SocketState.WAITING


def test_an_error_that_waiting_cannot_mend_fails_the_waiting_joins_at_once() -> None:
    bench = Bench()
    members = [bench.member(topic) for topic in ("a", "b")]
    for member, _ in members:
        bench.core.add(member)
    bench.core.open_failed(ConnectError("cannot connect: 401", code="unauthorized", retryable=False))
    for member, sink in members:
        assert isinstance(sink.failure, ConnectError)
        assert (sink.failure.code, sink.failure.retryable) == ("unauthorized", False)
        assert member.topic in sink.failure.message
    assert bench.core.state is SocketState.IDLE


def test_an_unused_connection_is_let_go_and_a_late_join_gets_another_at_once() -> None:
    bench = Bench()
    member, _ = bench.joined()
    bench.core.abandon(member)
    assert bench.core.next_timer() == bench.time + 10
    assert bench.later(9.9) == []
    assert bench.later(0.2) == [Close()]
    late, _ = bench.member()
    assert bench.core.add(late) == []
    bench.core.lost(1000, "")
    assert bench.stats.losses == 0
    assert bench.core.tick() == [Open()]


def test_a_join_in_time_keeps_the_connection() -> None:
    bench = Bench()
    member, _ = bench.joined()
    bench.core.abandon(member)
    bench.later(5)
    bench.joined()
    assert bench.later(6) == []
    assert bench.core.state is SocketState.OPEN


def test_closing_for_good_tells_all_and_opens_nothing_again() -> None:
    bench = Bench()
    _, joined = bench.joined("a")
    _, joining, _ = bench.joining("b")
    assert bench.core.shutdown() == [Close()]
    assert bench.core.shutdown() == []
    assert joined.events == [ChannelClosed(CloseReason.LEFT, "the client was closed")]
    assert isinstance(joining.failure, ConnectionLostError)
    assert bench.core.lost(1000, "") == []
    assert (bench.core.state, bench.core.next_timer(), bench.core.tick()) == (SocketState.CLOSED, None, [])
    assert bench.stats.losses == 0


def test_a_connection_that_comes_after_the_end_is_dropped() -> None:
    bench = Bench()
    member, _ = bench.member()
    bench.core.add(member)
    bench.core.shutdown()
    assert [type(action) for action in bench.core.opened()] == [Abort]


# Heartbeats


@versions
def test_heartbeats_go_out_and_a_missing_answer_ends_the_connection(vsn: Vsn) -> None:
    bench = Bench(vsn)
    _, sink = bench.joined()
    assert bench.later(24.9) == []
    beat = bench.sent(bench.later(0.2))[0]
    assert (beat.topic, beat.event, beat.payload, beat.join_ref) == ("phoenix", "heartbeat", {}, None)
    bench.say(reply(beat))
    assert bench.core.next_timer() == bench.time + 25
    assert bench.sent(bench.later(25))
    # Other traffic is no answer.
    bench.say(Message(None, None, "realtime:room", "broadcast", {"event": "e", "payload": 1}))
    assert bench.later(9.9) == []
    assert bench.later(0.2) == [Abort("a heartbeat was not answered")]
    assert bench.core.tick() == []
    bench.core.lost(1006, "")
    assert sink.events[-1] == ChannelClosed(
        CloseReason.SOCKET_LOST, "the connection was lost: a heartbeat was not answered"
    )
    assert (bench.stats.heartbeats_missed, bench.stats.losses) == (1, 1)


def test_a_half_open_connection_is_noticed_within_35_seconds() -> None:
    bench = Bench()
    bench.joined()
    start = bench.time
    done: list[Action] = []
    for _ in range(2):
        at = bench.core.next_timer()
        assert at is not None
        bench.time = at
        done += bench.core.tick()
    assert [type(action) for action in done] == [Send, Abort]
    assert bench.time - start == 35


def test_unanswered_joins_lengthen_the_deadline_as_each_may_hold_the_socket_5_seconds() -> None:
    bench = Bench()
    bench.joined("a")
    bench.later(24.9)
    for topic in ("b", "c"):
        bench.joining(topic)
    assert bench.sent(bench.later(0.1))
    assert bench.core.next_timer() == bench.time + 20
    for topic in "defghijkl":
        bench.joining(topic)
    assert bench.later(19.9) == []
    assert [type(action) for action in bench.later(0.2)] == [Abort]


def test_joins_given_up_do_not_lengthen_it_for_ever() -> None:
    bench = Bench()
    bench.joined("a")
    for topic in "bcd":
        member, _, _ = bench.joining(topic)
        bench.core.abandon(member)
    beat = bench.sent(bench.later(25))[0]
    assert bench.core.next_timer() == bench.time + 25
    bench.say(reply(beat))
    assert bench.sent(bench.later(25))
    assert bench.core.next_timer() == bench.time + 10


# Tokens


def test_a_new_token_goes_to_joined_channels_that_have_another() -> None:
    bench = Bench()
    bench.joined("a")
    bench.joined("b")
    sent = bench.sent(bench.core.push_token("token-2"))
    assert {(m.topic, m.event, m.join_ref, m.payload["access_token"]) for m in sent} == {
        ("realtime:a", "access_token", "1", "token-2"),
        ("realtime:b", "access_token", "2", "token-2"),
    }
    assert bench.core.push_token("token-2") == []


def test_a_token_that_rotates_during_a_join_is_pushed_after_it() -> None:
    bench = Bench()
    member, _ = bench.member()
    bench.core.add(member)
    bench.open()
    seq = bench.core.token_seq
    join = bench.sent(bench.core.join(member, "token-1", token_seq=seq))[0]
    assert bench.core.push_token("token-2") == []
    sent = bench.sent(bench.say(reply(join)))
    assert [(m.event, m.payload) for m in sent] == [("access_token", {"access_token": "token-2"})]


def test_a_token_pulled_after_the_push_is_not_replaced_by_the_older_one() -> None:
    bench = Bench()
    bench.joined("other")
    bench.core.push_token("token-2")
    member, _ = bench.member()
    bench.core.add(member)
    join = bench.sent(bench.core.join(member, "token-3", token_seq=bench.core.token_seq))[0]
    assert bench.say(reply(join)) == []


# Content


def test_messages_from_the_database_and_nonsense_on_the_topic() -> None:
    bench = Bench()
    _, sink = bench.joined()
    assert bench.core.received(database_broadcast("realtime:room", "e", {"a": 1}, message_id="x")) is None
    bench.core.received(database_broadcast("realtime:other", "e", {}))
    bench.core.received(b"\x04\x0d\x01\x00\x01realtime:roome{nope")
    bench.core.received("{nope")
    bench.core.received(b"\x09")
    assert sink.events == [BroadcastReceived("e", {"a": 1}, "x")]
    assert sink.unread == 1
    assert (bench.stats.frames_unreadable, bench.stats.pushes_unrouted) == (3, 1)


def test_presence_is_kept_only_where_it_was_asked_for() -> None:
    bench = Bench()
    _, with_presence = bench.joined("a", presence_key="me")
    _, without = bench.joined("b")
    meta = {"phx_ref": "1"}
    for topic, join_ref in (("realtime:a", "1"), ("realtime:b", "2")):
        bench.say(Message(join_ref, None, topic, "presence_state", {"x": {"metas": [meta]}, "junk": 5}))
        bench.say(Message(None, None, topic, "presence_diff", {"joins": {}, "leaves": {"x": {"metas": [meta]}}}))
        bench.say(Message(None, None, topic, "presence_diff", {"joins": {}, "leaves": {"x": {"metas": [meta]}}}))
    assert with_presence.events == [PresenceSynced({"x": (meta,)}), PresenceChanged({}, {"x": (meta,)})]
    assert without.events == []


def test_answers_to_tracks() -> None:
    bench = Bench()
    member, sink = bench.joined(presence_key="me")
    for status in ("ok", "error"):
        _, actions = bench.core.track(member, {"x": 1})
        sent = bench.sent(actions)[0]
        assert sent.payload == {"type": "presence", "event": "track", "payload": {"x": 1}}
        bench.say(reply(sent, status=status))
    bench.core.track(member, {"x": 2})
    bench.core.lost(1006, "")
    told = [error for _, error in sink.answers]
    assert [type(error).__name__ for error in told] == ["NoneType", "ChannelError", "ConnectionLostError"]


# Whatever happens


moves = st.lists(
    st.one_of(
        st.sampled_from(["add", "join", "leave", "abandon", "opened", "failed", "fatal", "lost", "push", "shutdown"]),
        st.sampled_from(["ok", "refuse", "close", "error", "system", "state", "broadcast", "noise", "tick", "wait"]),
    ),
    max_size=60,
)


@settings(max_examples=100)
@given(moves, st.data(), st.sampled_from(Vsn))
def test_no_order_of_inputs_breaks_it(order: list[str], data: st.DataObject, vsn: Vsn) -> None:
    bench = Bench(vsn)
    members: list[tuple[Member, Recorder]] = []
    joins: list[Message] = []
    pending_open = False

    def take(actions: list[Action] | None) -> None:
        nonlocal pending_open
        for action in actions or []:
            if isinstance(action, Open):
                assert not pending_open, "two attempts at once"
                pending_open = True
        joins.extend(m for m in bench.sent(actions) if m.event == "phx_join")

    for move in order:
        member = data.draw(st.sampled_from(members))[0] if members else None
        join = data.draw(st.sampled_from(joins)) if joins else None
        match move:
            case "add" if bench.core.state is not SocketState.CLOSED:
                made = bench.member(data.draw(st.sampled_from(["a", "b"])), presence_key="k")
                members.append(made)
                take(bench.core.add(made[0]))
            case "join" if member is not None and member.state is ChannelState.JOINING and member.join_ref is None:
                take(bench.core.join(member, "t", token_seq=bench.core.token_seq))
            case "leave" if member is not None:
                take(bench.core.leave(member))
            case "abandon" if member is not None:
                take(bench.core.abandon(member))
            case "opened" if pending_open:
                pending_open = False
                take(bench.core.opened())
            case "failed" | "fatal" if pending_open:
                pending_open = False
                take(bench.core.open_failed(ConnectError("no", retryable=move == "failed")))
            case "lost" if bench.core.state in (SocketState.OPEN, SocketState.CLOSING):
                take(bench.core.lost(data.draw(st.sampled_from([1000, 1006, 1012])), ""))
            case "push":
                take(bench.core.push_token(data.draw(st.sampled_from(["t", "u"]))))
            case "shutdown":
                take(bench.core.shutdown())
            case "ok" | "refuse" | "close" | "error" | "system" | "state" if join is not None:
                ref = join.ref or ""
                said = {
                    "ok": reply(join),
                    "refuse": refusal(join, "Unauthorized: no"),
                    "close": phx_close(ref, join.topic),
                    "error": Message(ref, ref, join.topic, "phx_error", {}),
                    "system": system(ref, join.topic, "Token has expired 0 seconds ago"),
                    "state": Message(ref, None, join.topic, "presence_state", {"x": {"metas": [{}]}}),
                }[move]
                take(bench.say(said))
            case "broadcast":
                take(bench.say(Message(None, None, "realtime:a", "broadcast", {"event": "e"})))
            case "noise":
                take(bench.core.received(data.draw(st.sampled_from(["[]", "{}", "1", "null", "{"]))))
            case "tick":
                take(bench.core.tick())
            case "wait":
                take(bench.later(data.draw(st.sampled_from([1.0, 12.0, 40.0]))))
            case _:
                pass
        check(bench, members)
    take(bench.core.shutdown())
    assert bench.core.member_count == 0
    for member, sink in members:
        assert member.state is ChannelState.CLOSED
        ends = [event for event in sink.events if isinstance(event, ChannelClosed)]
        assert len(ends) <= 1
        assert not ends or sink.events[-1] is ends[0]
        assert not (ends and sink.failure)


def check(bench: Bench, members: list[tuple[Member, Recorder]]) -> None:
    wanting = sum(member.state in (ChannelState.JOINING, ChannelState.JOINED) for member, _ in members)
    assert bench.core.member_count == wanting
    if bench.core.state in (SocketState.IDLE, SocketState.CLOSED):
        assert wanting == 0
        assert bench.core.next_timer() is None
    if bench.core.state in (SocketState.OPEN, SocketState.WAITING):
        assert bench.core.next_timer() is not None
    joined: dict[str, Any] = {}
    for member, _ in members:
        if member.state is ChannelState.JOINED and not member.is_leaving:
            assert member.topic not in joined, "two live channels of one topic on one socket"
            joined[member.topic] = member

"""The checker of `make chaos` can fail: each kind of wrong record is found, and a right one is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest

from tests.chaos.lines import Line, What
from tests.chaos.record import judge_journal
from tests.chaos.sends import judge_authors, judge_sends
from tests.chaos.verdict import Findings, Step, StoredMessage, Truth, Wrong, judge_steps

pytestmark = pytest.mark.unit

ME = "user-1"
JOINED_AT = 2
# What the room did: a state change between messages, an edit of the first, somebody who comes.
TRUTH = Truth(
    head=9,
    steps=[
        Step(1, "room:state-updated"),
        Step(2, "room:participant-joined", joined=ME),
        Step(3, "room:message-received", "a"),
        Step(4, "room:message-received", "b"),
        Step(5, "room:state-updated"),
        Step(6, "room:message-updated", "a"),
        Step(7, "room:message-received", "c"),
        Step(8, "room:message-received", "d"),
        Step(9, "room:voice-started"),
    ],
    messages=[
        StoredMessage("a", 3, 6, 106, "t.a", ME),
        StoredMessage("b", 4, 4, 104, "t.b", ME),
        StoredMessage("c", 7, 7, 107, "t.c", "other"),
        StoredMessage("d", 8, 8, 108, "t.d", ME),
    ],
)
NAMES = {3: "MessageReceived", 4: "MessageReceived", 5: "StateUpdated", 6: "MessageUpdated", 7: "MessageReceived"} | {
    8: "MessageReceived",
    9: "VoiceStarted",
}
SEQS = {"a": 3, "b": 4, "c": 7, "d": 8}


def told(pos: int) -> Line:
    """The event of a step, heard live."""
    message_id = TRUTH.steps[pos - 1].message_id
    return Line(
        what=What.TOLD,
        at_s=pos,
        name=NAMES[pos],
        pos=pos,
        position=pos,
        message_id=message_id,
        seq=SEQS.get(message_id),
        revision=pos if message_id else None,
        digest=100 + pos if message_id else None,
    )


def replayed(message_id: str, revision: int, position: int, *, is_new: bool = True) -> Line:
    """A message of a catch-up."""
    name = "MessageReceived" if is_new else "MessageUpdated"
    return Line(
        what=What.TOLD,
        at_s=revision,
        name=name,
        pos=SEQS[message_id] if is_new else revision,
        position=position,
        is_replayed=True,
        message_id=message_id,
        seq=SEQS[message_id],
        revision=revision,
        digest=100 + revision,
    )


def caught_up(begins: int, ends: int, count: int) -> Line:
    return Line(what=What.CAUGHT_UP, at_s=ends, from_pos=begins, pos=ends, position=ends, count=count)


OPENED = Line(what=What.OPENED, at_s=0)
JOINED = Line(what=What.TOLD, at_s=0, name="RoomJoined", pos=JOINED_AT, position=JOINED_AT)
BEGIN = [OPENED, JOINED]
LIVE = [*BEGIN, *(told(pos) for pos in range(3, 10))]
# The same room by way of a catch-up from 3 to 8: b, c and d are new, a was changed.
CATCH_UP = [replayed("b", 4, 3), replayed("c", 7, 3), replayed("d", 8, 3), replayed("a", 6, 3, is_new=False)]
BY_CATCH_UP = [*BEGIN, told(3), *CATCH_UP, caught_up(3, 8, 4), told(9)]
KILLED_INSIDE = [
    *BEGIN,
    told(3),
    *CATCH_UP[:2],
    Line(what=What.OPENED, at_s=5, pos=3),
    *CATCH_UP,
    caught_up(3, 8, 4),
    told(9),
]


def judge(lines: Sequence[Line], truth: Truth = TRUTH, *, is_whole: bool = True) -> dict[Wrong, int]:
    findings = Findings()
    judge_journal("session", ME, lines, truth, findings, is_whole=is_whole)
    return dict(findings.counts)


@pytest.mark.parametrize("lines", [LIVE, BY_CATCH_UP, KILLED_INSIDE], ids=["live", "catch-up", "killed-inside"])
def test_a_right_record_is_right(lines: list[Line]) -> None:
    assert judge(lines) == {}


def without(lines: Sequence[Line], index: int) -> list[Line]:
    return [*lines[:index], *lines[index + 1 :]]


def swapped(lines: Sequence[Line], index: int) -> list[Line]:
    return [*lines[:index], lines[index + 1], lines[index], *lines[index + 2 :]]


WRONG_RECORDS: dict[str, tuple[list[Line], Wrong]] = {
    "a live message is missing": (without(LIVE, 3), Wrong.LOST),
    "a live state is missing": (without(LIVE, 4), Wrong.LOST),
    "the last one is missing": (LIVE[:-1], Wrong.LOST),
    "nothing was told": ([OPENED], Wrong.LOST),
    "twice": ([*LIVE[:4], LIVE[3], *LIVE[4:]], Wrong.DUPLICATED),
    "an old one again": ([*LIVE[:6], LIVE[2], *LIVE[6:]], Wrong.REORDERED),
    "swapped": (swapped(LIVE, 3), Wrong.REORDERED),
    "of a step that never was": ([*LIVE, replace(told(9), pos=10, position=10)], Wrong.PHANTOM),
    "another event at that step": ([*LIVE[:4], replace(LIVE[4], name="VoiceStarted"), *LIVE[5:]], Wrong.PHANTOM),
    "other words": ([*LIVE[:3], replace(LIVE[3], digest=1), *LIVE[4:]], Wrong.PHANTOM),
    "a message that is not there": ([*LIVE[:3], replace(LIVE[3], message_id="zz"), *LIVE[4:]], Wrong.PHANTOM),
    "missing in a catch-up": (without(BY_CATCH_UP, 4), Wrong.LOST),
    "a change missing in a catch-up": (without(BY_CATCH_UP, 6), Wrong.LOST),
    "twice in a catch-up": ([*BY_CATCH_UP[:4], BY_CATCH_UP[3], *BY_CATCH_UP[4:]], Wrong.DUPLICATED),
    "out of order in a catch-up": (swapped(BY_CATCH_UP, 3), Wrong.REORDERED),
    "a catch-up that begins too late": (
        [*BEGIN, told(3), *CATCH_UP[1:], caught_up(4, 8, 3), told(9)],
        Wrong.LOST,
    ),
    "a catch-up of what was told": ([*LIVE[:4], *CATCH_UP, caught_up(3, 8, 4), told(9)], Wrong.DUPLICATED),
    "a catch-up that never ends": ([*BEGIN, told(3), *CATCH_UP], Wrong.LOST),
    "resumed too late": ([*LIVE[:4], Line(what=What.OPENED, at_s=5, pos=5), *LIVE[5:]], Wrong.LOST),
    "resumed too early": ([*LIVE[:5], Line(what=What.OPENED, at_s=5, pos=4), *LIVE[4:]], Wrong.DUPLICATED),
    "ended by itself": ([*LIVE, Line(what=What.ENDED, at_s=9, name="internal_error")], Wrong.ENDED_UNASKED),
    "garbled": ([*LIVE, Line(what=What.GARBLED, at_s=9, name="a b, a c")], Wrong.GARBLED),
    "crashed": ([*LIVE, Line(what=What.CRASHED, at_s=9, name="KeyError()")], Wrong.CRASHED),
}


@pytest.mark.parametrize(("lines", "wrong"), WRONG_RECORDS.values(), ids=WRONG_RECORDS.keys())
def test_a_wrong_record_is_found(lines: list[Line], wrong: Wrong) -> None:
    assert judge(lines).get(wrong, 0) >= 1


def test_lost_steps_are_counted_one_by_one() -> None:
    assert judge([*LIVE[:3], *LIVE[7:]])[Wrong.LOST] == 7, "four steps, two new messages and a change among them"


def test_one_that_was_killed_for_good_may_stop_anywhere() -> None:
    assert judge(BY_CATCH_UP[:5], is_whole=False) == {}


def test_what_reaches_one_who_was_removed_is_found() -> None:
    removed = replace(TRUTH.steps[4], event="room:participant-left", removed=frozenset({ME}))
    away = replace(TRUTH, steps=[*TRUTH.steps[:4], removed, *TRUTH.steps[5:]])
    ended = Line(what=What.ENDED, at_s=9, name="kicked")
    assert judge([*LIVE[:4], ended], away) == {}
    heard_it = [*LIVE[:4], replace(told(5), name="ParticipantLeft"), told(6), ended]
    assert judge(heard_it, away) == {Wrong.HEARD_AFTER_REMOVAL: 1}
    back = replace(away, steps=[*away.steps[:6], Step(7, "room:participant-joined", joined=ME), *away.steps[7:]])
    rejoined = [OPENED, replace(JOINED, pos=7, position=7), told(8), told(9)]
    assert judge([*LIVE[:4], ended, *rejoined], replace(back, messages=[*back.messages[:2], back.messages[3]])) == {}


# -- sends ---------------------------------------------------------------------------------------------------


def trying(message_id: str) -> Line:
    return Line(what=What.TRYING, at_s=1, message_id=message_id, token=f"t.{message_id}")


def stored(message_id: str, seq: int) -> Line:
    return Line(what=What.STORED, at_s=2, message_id=message_id, seq=seq)


def judged_sends(*lines: Line, truth: Truth = TRUTH) -> dict[Wrong, int]:
    findings = Findings()
    judge_sends("session", lines, truth, findings)
    return dict(findings.counts)


def test_sends_as_they_should_be() -> None:
    unknown = Line(what=What.UNKNOWN, at_s=2, message_id="b")
    refused = Line(what=What.REFUSED, at_s=2, message_id="x", name="muted")
    assert judged_sends(trying("a"), stored("a", 3), trying("b"), unknown, trying("x"), refused) == {}
    assert judged_sends(trying("y"), replace(unknown, message_id="y")) == {}, "of unknown outcome: not stored either"


def test_a_send_that_returned_and_is_not_there() -> None:
    assert judged_sends(trying("x"), stored("x", 5)) == {Wrong.SEND_LOST: 1}
    assert judged_sends(trying("a"), stored("a", 4)) == {Wrong.SEND_LOST: 1}


@pytest.mark.parametrize("outcome", [What.STORED, What.UNKNOWN, None])
def test_a_send_that_is_there_twice(outcome: What | None) -> None:
    twice = replace(TRUTH, messages=[*TRUTH.messages, StoredMessage("a2", 9, 9, 103, "t.a", ME)])
    lines = [] if outcome is None else [Line(what=outcome, at_s=2, message_id="a", seq=3)]
    assert judged_sends(trying("a"), *lines, truth=twice) == {Wrong.SEND_DOUBLED: 1}


def test_a_send_that_was_refused_and_is_there() -> None:
    refused = Line(what=What.REFUSED, at_s=2, message_id="a", name="connect_failed")
    assert judged_sends(trying("a"), refused) == {Wrong.SEND_DENIED: 1}


def test_sends_of_one_session_out_of_order() -> None:
    assert judged_sends(trying("b"), trying("a"), stored("b", 4), stored("a", 3)) == {Wrong.SEND_REORDERED: 1}
    assert judged_sends(trying("a"), trying("b"), stored("b", 4), stored("a", 3)) == {}, "answered later, sent before"


def test_a_message_that_nobody_sent() -> None:
    findings = Findings()
    journals = {"one": [trying("a"), trying("b")], "two": [trying("c")]}
    judge_authors(journals, TRUTH, findings)
    assert findings.counts == {Wrong.PHANTOM: 1}


# -- the table itself ------------------------------------------------------------------------------------------

BROKEN_TABLES: dict[str, tuple[Callable[[Truth], Truth], Wrong]] = {
    "shared": (
        lambda truth: replace(truth, steps=[*truth.steps, Step(5, "room:voice-stopped")]),
        Wrong.POSITION_SHARED,
    ),
    "missing": (lambda truth: replace(truth, steps=[*truth.steps[:4], *truth.steps[5:]]), Wrong.POSITION_MISSING),
    "above": (lambda truth: replace(truth, head=8), Wrong.PHANTOM),
    "foreign": (
        lambda truth: replace(truth, steps=[*truth.steps[:2], Step(3, "room:message-received", "z"), *truth.steps[3:]]),
        Wrong.POSITION_MISSING,
    ),
}


def test_positions_as_they_should_be() -> None:
    findings = Findings()
    judge_steps(TRUTH, findings)
    assert findings.is_clean


@pytest.mark.parametrize(("breaking", "wrong"), BROKEN_TABLES.values(), ids=BROKEN_TABLES.keys())
def test_wrong_positions_are_found(breaking: Callable[[Truth], Truth], wrong: Wrong) -> None:
    findings = Findings()
    judge_steps(breaking(TRUTH), findings)
    assert findings.counts == {wrong: 1}
    assert not findings.is_clean

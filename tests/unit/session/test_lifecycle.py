"""The table of transitions: its properties, and that the documents show the same one."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces_sdk.events import ConnectionState, GapReason
from spaces_sdk.session.lifecycle import ACTIVE, TERMINAL, TRANSITIONS, Machine, Trigger

pytestmark = pytest.mark.unit

DOCUMENT = Path(__file__).parents[3] / "docs" / "sessions.md"

triggers = st.lists(st.sampled_from(Trigger), max_size=40)


@settings(deadline=None)
@given(triggers)
def test_fire_says_what_it_did_and_follows_the_table(fired: list[Trigger]) -> None:
    machine = Machine()
    for trigger in fired:
        before = machine.state
        change = machine.fire(trigger)
        assert change.previous is before
        assert change.state is machine.state is TRANSITIONS.get((before, trigger), before)
        assert change.is_changed is (before is not machine.state)


@settings(deadline=None)
@given(triggers)
def test_an_end_is_final(fired: list[Trigger]) -> None:
    machine = Machine()
    ended = None
    for trigger in fired:
        machine.fire(trigger)
        ended = ended or (machine.state if machine.is_over else None)
        assert ended is None or machine.state is ended


@settings(deadline=None)
@given(triggers)
def test_live_is_reached_only_by_a_sync(fired: list[Trigger]) -> None:
    machine = Machine()
    for trigger in fired:
        change = machine.fire(trigger)
        if change.is_changed and change.state is ConnectionState.LIVE:
            assert trigger is Trigger.SYNCED
            assert change.previous in (ConnectionState.JOINING, ConnectionState.CATCHING_UP)


@pytest.mark.parametrize("trigger", [Trigger.LEAVE, Trigger.REMOVED, Trigger.FAIL])
@pytest.mark.parametrize("state", sorted(ACTIVE))
def test_from_everywhere_there_is_a_way_out(state: ConnectionState, trigger: Trigger) -> None:
    assert TRANSITIONS[state, trigger] is ConnectionState.CLOSING


def test_only_closing_ends() -> None:
    assert {source for (source, _), target in TRANSITIONS.items() if target in TERMINAL} == {ConnectionState.CLOSING}


def test_nothing_leaves_an_end() -> None:
    assert not [source for source, _ in TRANSITIONS if source in TERMINAL]


def test_the_document_shows_the_table() -> None:
    rows = re.findall(r"^\| `(\w+)` \| `(\w+)` \| `(\w+)` \|", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    shown = {(ConnectionState(source), Trigger(trigger)): ConnectionState(target) for source, trigger, target in rows}
    assert len(rows) == len(shown), "a row stands there twice"
    assert shown == TRANSITIONS


@pytest.mark.parametrize("trigger", Trigger)
def test_the_document_explains_each_trigger(trigger: Trigger) -> None:
    assert re.search(rf"^- `{trigger.value}`: ", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)


def test_the_document_names_every_reason_of_a_gap() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    told = text[text.index("`reason` of `GapDetected`") :].split("\n\n", 1)[0]
    assert set(re.findall(r"`([a-z_]+)`", told)) - {"reason"} == {reason.value for reason in GapReason}

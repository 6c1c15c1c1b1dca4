"""What sessions know in the end: each way of being wrong is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.chaos.commands import Status
from tests.chaos.verdict import Findings, StoredMessage, Truth, Wrong
from tests.chaos.views import judge_online, judge_views

pytestmark = pytest.mark.unit

ONLINE = {"ada": True, "bob": False}
TRUTH = Truth(head=2, steps=[], messages=[StoredMessage("a", 1, 2, 0, "", "ada")])
RIGHT = Status("live", 2, 2, online=ONLINE, messages={"a": 2}, state_json="{}", followed=ONLINE, followed_state="{}")


def judged(*statuses: Status) -> dict[Wrong, int]:
    findings = Findings()
    judge_views({f"session {number}": status for number, status in enumerate(statuses)}, ONLINE, TRUTH, findings)
    return dict(findings.counts)


@pytest.mark.parametrize(
    "status",
    [
        RIGHT,
        replace(RIGHT, online={**ONLINE, "removed": False}),
        replace(RIGHT, followed=None, followed_state=None),
        replace(RIGHT, messages={"a": 2, "older": 1}),
    ],
)
def test_a_right_view_is_right(status: Status) -> None:
    assert judged(status, RIGHT) == {}


@pytest.mark.parametrize(
    ("status", "wrong"),
    [
        (replace(RIGHT, online={"ada": True, "bob": True}), Wrong.ONLINE_WRONG),
        (replace(RIGHT, online={"ada": True}), Wrong.ONLINE_WRONG),
        (replace(RIGHT, followed={"ada": False, "bob": False}), Wrong.ONLINE_WRONG),
        (replace(RIGHT, followed_state="[]"), Wrong.VIEW_WRONG),
        (replace(RIGHT, messages={"a": 1}), Wrong.VIEW_WRONG),
        (replace(RIGHT, messages={}), Wrong.VIEW_WRONG),
    ],
)
def test_a_wrong_view_is_found(status: Status, wrong: Wrong) -> None:
    assert judged(status) == {wrong: 1}


def test_two_states_of_one_room() -> None:
    assert judged(RIGHT, replace(RIGHT, state_json="[]", followed_state="[]")) == {Wrong.VIEW_WRONG: 1}


@pytest.mark.parametrize(("living", "count"), [({"ada"}, 0), (set[str](), 1), ({"ada", "bob"}, 1), ({"cy"}, 2)])
def test_marks_are_who_lives(living: set[str], count: int) -> None:
    findings = Findings()
    judge_online(ONLINE, living, findings)
    assert findings.counts[Wrong.ONLINE_WRONG] == count

"""Presence of one topic, and the budget of a channel."""

from __future__ import annotations

import json
from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces_sdk.local.realtime.presence import CallBudget, Diff, PresenceState

pytestmark = pytest.mark.unit


def _state() -> PresenceState:
    refs = count(1)
    return PresenceState(lambda: f"ref-{next(refs)}")


def _shape(diff: Diff | None) -> Any:
    return None if diff is None else json.loads(diff.to_json())


def test_track_update_and_untrack_each_give_one_diff() -> None:
    state = _state()
    joined = _shape(state.track("A", "alice", {"n": 1}))
    assert joined == {"joins": {"alice": {"metas": [{"phx_ref": "ref-1", "n": 1}]}}, "leaves": {}}
    updated = _shape(state.track("A", "alice", {"n": 2}))
    assert updated["joins"]["alice"]["metas"] == [{"phx_ref": "ref-2", "phx_ref_prev": "ref-1", "n": 2}]
    assert updated["leaves"]["alice"]["metas"] == [{"phx_ref": "ref-1", "n": 1}]
    left = _shape(state.untrack("A"))
    assert left["leaves"]["alice"]["metas"][0]["phx_ref"] == "ref-2"
    assert left["joins"] == {}
    assert state.to_json() == "{}"


def test_the_identical_payload_gives_no_diff_whatever_the_order_of_its_keys() -> None:
    state = _state()
    state.track("A", "k", {"a": 1, "b": {"c": 2, "d": 3}})
    assert state.track("A", "k", {"b": {"d": 3, "c": 2}, "a": 1}) is None
    assert state.untrack("nobody") is None


def test_two_members_under_one_key_have_two_metas_and_a_diff_names_only_its_own() -> None:
    state = _state()
    state.track("A", "alice", {"n": 1})
    second = _shape(state.track("B", "alice", {"n": 2}))
    assert second == {"joins": {"alice": {"metas": [{"phx_ref": "ref-2", "n": 2}]}}, "leaves": {}}
    assert [meta["n"] for meta in json.loads(state.to_json())["alice"]["metas"]] == [1, 2]


def test_a_client_cannot_set_its_own_reference() -> None:
    state = _state()
    state.track("A", "k", {"phx_ref": "forged", "phx_ref_prev": "forged"})
    assert json.loads(state.to_json())["k"]["metas"] == [{"phx_ref": "ref-1"}]


Step = tuple[str, str, int]
STEPS = st.lists(
    st.tuples(st.sampled_from("ABCD"), st.sampled_from(["track", "untrack"]), st.integers(0, 2)), max_size=40
)


@given(STEPS)
def test_whoever_applies_the_diffs_has_the_state(steps: list[Step]) -> None:
    state = _state()
    seen: dict[str, dict[str, Any]] = {}
    for member, action, number in steps:
        key = "k1" if member in "AB" else "k2"
        diff = state.track(member, key, {"n": number}) if action == "track" else state.untrack(member)
        diff = diff or Diff()
        for name, meta in diff.leaves.items():
            del seen[name][str(meta["phx_ref"])]
        for name, meta in diff.joins.items():
            seen.setdefault(name, {})[str(meta["phx_ref"])] = meta
    expected = {key: list(metas.values()) for key, metas in seen.items() if metas}
    got = {key: entry["metas"] for key, entry in json.loads(state.to_json()).items()}
    assert {key: sorted(metas, key=str) for key, metas in got.items()} == {
        key: sorted(metas, key=str) for key, metas in expected.items()
    }


def test_the_budget_opens_anew_after_its_window() -> None:
    budget = CallBudget(5, 30.0)
    seen: list[bool] = []
    for second in range(6):
        seen.append(budget.has_left(100.0 + second))
        budget.spend(100.0 + second)
    assert seen == [True] * 5 + [False]
    assert not budget.has_left(130.0)
    assert budget.has_left(130.01)

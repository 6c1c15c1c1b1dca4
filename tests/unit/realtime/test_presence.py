"""Presence: states and diffs against a simple model, and whatever clients track."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces_sdk.realtime.presence import PENDING_LIMIT, Presence, parse_presences

pytestmark = pytest.mark.unit

keys = st.sampled_from(["a", "b", "c"])
steps = st.lists(st.tuples(st.sampled_from(["track", "update", "untrack"]), keys, st.integers(0, 5)), max_size=30)


def entry(*metas: dict[str, Any]) -> dict[str, Any]:
    return {"metas": list(metas)}


class Model:
    """The server's side: at most one meta for each key and slot, each with a ref of its own."""

    def __init__(self) -> None:
        self.refs = 0
        self.metas: dict[str, list[dict[str, Any]]] = {}

    def step(self, kind: str, key: str, value: int) -> tuple[dict[str, Any], dict[str, Any]] | None:
        present = self.metas.setdefault(key, [])
        self.refs += 1
        new = {"phx_ref": f"r{self.refs}", "value": value}
        if kind == "track":
            present.append(new)
            return {key: entry(new)}, {}
        if not present:
            return None
        old = present.pop(value % len(present))
        if kind == "untrack":
            return {}, {key: entry(old)}
        new["phx_ref_prev"] = old["phx_ref"]
        present.append(new)
        return {key: entry(new)}, {key: entry(old)}

    def state(self) -> dict[str, Any]:
        return {key: entry(*metas) for key, metas in self.metas.items() if metas}


def comparable(state: Any) -> dict[str, set[str]]:
    return {key: {str(sorted(meta.items())) for meta in metas} for key, metas in state.items()}


@given(steps, st.integers(0, 30))
def test_diffs_after_a_state_lead_where_the_server_is(moves: list[tuple[str, str, int]], joined_at: int) -> None:
    server, presence = Model(), Presence()
    held: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for index, move in enumerate(moves):
        if index == joined_at:
            presence.apply_state(server.state())
        diff = server.step(*move)
        if diff is None:
            continue
        if index >= joined_at:
            presence.apply_diff(*diff)
        else:
            held.append(diff)
    if joined_at >= len(moves):
        presence.apply_state(server.state())
    assert comparable(presence.snapshot()) == comparable({key: value["metas"] for key, value in server.state().items()})
    assert all(presence.snapshot().values())


@given(steps)
def test_diffs_that_come_before_the_state_are_not_lost(moves: list[tuple[str, str, int]]) -> None:
    server, presence = Model(), Presence()
    state = server.state()
    for move in moves:
        if (diff := server.step(*move)) is not None:
            assert presence.apply_diff(*diff) is None
    assert not presence.snapshot()
    presence.apply_state(state)
    assert comparable(presence.snapshot()) == comparable({k: v["metas"] for k, v in server.state().items()})


@given(steps)
def test_a_diff_twice_is_a_diff_once(moves: list[tuple[str, str, int]]) -> None:
    server, once, twice = Model(), Presence(), Presence()
    once.apply_state({})
    twice.apply_state({})
    for move in moves:
        if (diff := server.step(*move)) is not None:
            once.apply_diff(*diff)
            twice.apply_diff(*diff)
            if diff[0] and not diff[1]:
                assert twice.apply_diff(*diff) is None
    assert comparable(once.snapshot()) == comparable(twice.snapshot())


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["metas", "phx_ref", "x", "a"]), inner, max_size=3)
    ),
    max_leaves=12,
)
any_object = st.dictionaries(keys, anything, max_size=3)


@given(any_object, any_object, any_object)
def test_nothing_that_is_tracked_can_break_it(
    state: dict[str, Any], joins: dict[str, Any], leaves: dict[str, Any]
) -> None:
    presence = Presence()
    presence.apply_diff(joins, leaves)
    presence.apply_state(state)
    presence.apply_diff(joins, leaves)
    assert all(presence.snapshot().values())


def test_metas_without_a_ref_are_known_by_their_content() -> None:
    presence = Presence()
    presence.apply_state({"a": entry({"x": 1}, {"x": 2})})
    assert presence.apply_diff({"a": entry({"x": 1})}, {}) is None
    assert presence.apply_diff({}, {"a": entry({"x": 1})}) == ({}, {"a": ({"x": 1},)})
    assert presence.snapshot() == {"a": ({"x": 2},)}


def test_an_update_stands_in_joins_and_leaves_and_never_empties_the_key() -> None:
    presence = Presence()
    old, new = {"phx_ref": "1", "n": 1}, {"phx_ref": "2", "phx_ref_prev": "1", "n": 2}
    presence.apply_state({"a": entry(old)})
    assert presence.apply_diff({"a": entry(new)}, {"a": entry(old)}) == ({"a": (new,)}, {"a": (old,)})
    assert presence.snapshot() == {"a": (new,)}


def test_two_connections_under_one_key() -> None:
    presence = Presence()
    presence.apply_state({"a": entry({"phx_ref": "1"})})
    presence.apply_diff({"a": entry({"phx_ref": "2"})}, {})
    presence.apply_diff({}, {"a": entry({"phx_ref": "1"})})
    assert presence.snapshot() == {"a": ({"phx_ref": "2"},)}


def test_a_snapshot_does_not_change_later() -> None:
    presence = Presence()
    before = presence.apply_state({"a": entry({"phx_ref": "1"})})
    presence.apply_diff({}, {"a": entry({"phx_ref": "1"})})
    assert before == {"a": ({"phx_ref": "1"},)}
    assert presence.snapshot() == {}


def test_diffs_held_back_are_bounded() -> None:
    presence = Presence()
    for ref in range(PENDING_LIMIT + 10):
        presence.apply_diff({"a": entry({"phx_ref": str(ref)})}, {})
    presence.apply_state({})
    assert len(presence.snapshot()["a"]) == PENDING_LIMIT


def test_unreadable_parts_are_left_out() -> None:
    assert parse_presences({"a": None, "b": {"metas": {}}, "c": {"metas": [1, {}]}, "d": entry()}) == {"c": [{}]}

"""The ordering core: what is told, in which order, and when a gap is reported."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from spaces_sdk.events import Event, VoiceStarted
from spaces_sdk.session.positions import Ordering, Step

pytestmark = pytest.mark.unit

SOMEBODY = uuid4()


def event(pos: int) -> Event:
    return VoiceStarted(pos=pos, user_id=SOMEBODY)


def step(pos: int, *, is_truncated: bool = False) -> Step:
    return Step(pos, None if is_truncated else event(pos), is_truncated)


def positions(steps: list[Step]) -> list[int]:
    return [s.pos for s in steps]


def test_the_next_step_is_taken() -> None:
    ordering = Ordering(5)
    taken = ordering.offer(step(6))
    assert (positions(taken.steps), taken.has_gap, ordering.position) == ([6], False, 6)


def test_what_was_had_is_dropped() -> None:
    ordering = Ordering(5)
    for pos in (5, 1):
        taken = ordering.offer(step(pos))
        assert (taken.steps, taken.has_gap, taken.duplicates) == ([], False, 1)
    assert ordering.position == 5


def test_what_lies_above_waits_and_is_a_gap() -> None:
    ordering = Ordering(5)
    assert ordering.offer(step(8)).has_gap
    assert ordering.offer(step(7)).has_gap
    taken = ordering.offer(step(6))
    assert (positions(taken.steps), taken.has_gap) == ([6, 7, 8], False)


def test_during_a_catch_up_everything_waits() -> None:
    ordering = Ordering(5)
    assert ordering.begin() == 5
    ordering.asking(is_first=True)
    for pos in (6, 7, 8):
        assert ordering.offer(step(pos)).steps == []
    taken = ordering.finish(7, head=7)
    assert (positions(taken.steps), taken.has_gap, taken.duplicates, ordering.position) == ([8], False, 2, 8)


def test_a_truncated_step_is_a_gap_that_a_catch_up_closes() -> None:
    ordering = Ordering(5)
    assert ordering.offer(step(6, is_truncated=True)).has_gap
    ordering.begin()
    ordering.asking(is_first=True)
    assert ordering.offer(step(7)).steps == []
    taken = ordering.finish(6, head=6)
    assert (positions(taken.steps), taken.has_gap) == ([7], False)


def test_a_full_buffer_is_a_gap_even_after_the_catch_up() -> None:
    ordering = Ordering(0, buffer_size=3)
    ordering.begin()
    ordering.asking(is_first=True)
    for pos in range(1, 9):
        ordering.offer(step(pos))
    taken = ordering.finish(2, head=2)
    assert (positions(taken.steps), taken.has_gap) == ([3], True)
    ordering.begin()
    ordering.asking(is_first=True)
    assert not ordering.finish(8, head=8).has_gap


def test_a_full_buffer_does_not_stop_the_next_step() -> None:
    ordering = Ordering(0, buffer_size=2)
    for pos in (3, 4, 5, 6):
        ordering.offer(step(pos))
    assert positions(ordering.offer(step(1)).steps) == [1]
    assert positions(ordering.offer(step(2)).steps) == [2, 3, 4]


def test_a_step_above_the_head_of_a_later_sync_does_not_exist() -> None:
    ordering = Ordering(5)
    assert ordering.offer(step(10**12)).has_gap
    ordering.begin()
    ordering.asking(is_first=True)
    taken = ordering.finish(5, head=5)
    assert (taken.has_gap, ordering.position) == (False, 5)


def test_a_step_that_came_after_the_question_may_be_above_the_answers_head() -> None:
    ordering = Ordering(5)
    ordering.begin()
    ordering.asking(is_first=True)
    ordering.offer(step(6))
    assert positions(ordering.finish(5, head=5).steps) == [6]


def test_the_next_step_is_taken_though_the_sync_could_not_see_it_yet() -> None:
    """A commit is broadcast when it is flushed; other transactions see it a moment later."""
    ordering = Ordering(5)
    ordering.begin()
    ordering.asking(is_first=True)
    ordering.offer(step(7))
    ordering.asking(is_first=False)
    taken = ordering.finish(6, head=6)
    assert (positions(taken.steps), taken.has_gap, ordering.position) == ([7], False, 7)


def test_the_position_never_goes_back() -> None:
    ordering = Ordering(5)
    ordering.begin()
    assert ordering.finish(3, head=9).steps == []
    assert ordering.position == 5


@st.composite
def arrivals(draw: st.DrawFn) -> tuple[int, list[int | None]]:
    """Steps 1 to n as the network brings them: some lost, some twice, out of order; None: a catch-up."""
    count = draw(st.integers(1, 25))
    kept = draw(st.lists(st.sampled_from(range(1, count + 1)), max_size=40))
    order: list[int | None] = list(kept)
    for at in draw(st.lists(st.integers(0, len(order)), max_size=6)):
        order.insert(at, None)
    return count, order


@settings(max_examples=150, deadline=None)
@given(arrivals(), st.integers(1, 30))
def test_every_step_is_told_once_and_in_order_whatever_the_network_does(
    network: tuple[int, list[int | None]], buffer_size: int
) -> None:
    count, order = network
    ordering = Ordering(0, buffer_size=buffer_size)
    covered: list[int] = []
    head = 0  # highest step that exists in the database so far: what was broadcast is committed

    def catch_up(to: int) -> bool:
        after = ordering.begin()
        ordering.asking(is_first=True)
        taken = ordering.finish(to, head=to)
        covered.extend(range(after + 1, to + 1))
        covered.extend(positions(taken.steps))
        return taken.has_gap

    for arrival in order:
        if arrival is None:
            catch_up(head)
        else:
            head = max(head, arrival)
            covered.extend(positions(ordering.offer(step(arrival)).steps))
        assert covered == list(range(1, ordering.position + 1))
    assert not catch_up(count)
    assert covered == list(range(1, count + 1))


@settings(deadline=None)
@given(st.lists(st.integers(1, 30), max_size=60))
def test_without_a_gap_there_is_nothing_below_that_was_not_told(order: list[int]) -> None:
    ordering = Ordering(0)
    seen: set[int] = set()
    for pos in order:
        taken = ordering.offer(step(pos))
        seen.add(pos)
        assert taken.duplicates or taken.has_gap is (max(seen) > ordering.position)
        assert ordering.position == next(p for p in range(1, 40) if p not in seen) - 1

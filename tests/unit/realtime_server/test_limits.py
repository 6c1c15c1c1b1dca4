"""Rate counters and payload sizes."""

from __future__ import annotations

import pytest

from spaces_sdk.local.realtime.limits import PayloadGauge, RateCounter, external_size

pytestmark = pytest.mark.unit


def test_a_burst_is_noticed_at_the_next_tick_and_forgotten_after_twelve() -> None:
    counter = RateCounter(5)
    counter.add(750)
    assert not counter.is_triggered
    counter.tick()
    assert counter.is_triggered
    assert counter.average == 75.0
    ticks = 0
    while counter.is_triggered:
        counter.tick()
        ticks += 1
    assert ticks == 12


def test_it_trips_at_the_tick_of_the_recording() -> None:
    # 32 events a second against 20: the recorded server went on at 5 s and tripped at 10 s.
    counter = RateCounter(20)
    seen: list[bool] = []
    for _ in range(2):
        counter.add(160)
        counter.tick()
        seen.append(counter.is_triggered)
    assert seen == [False, True]


def test_it_triggers_at_the_limit_itself_and_is_exceeded_above_it() -> None:
    counter = RateCounter(10, tick_s=1.0, ticks=2)
    counter.add(20)
    counter.tick()
    assert (counter.is_triggered, counter.is_exceeded) == (True, False)
    counter.add(1)
    counter.tick()
    assert (counter.is_triggered, counter.is_exceeded, counter.rolling) == (True, True, 10)
    counter.restart(1)
    assert (counter.is_triggered, counter.average) == (False, 0.0)


# Sizes by `:erlang.external_size/1`'s documented format.
@pytest.mark.parametrize(
    ("value", "size"),
    [
        ({}, 6),
        ([], 2),
        ("abc", 9),
        ("ü", 8),
        (0, 3),
        (255, 3),
        (256, 6),
        (-1, 6),
        (2**31, 8),
        (1.5, 10),
        (True, 7),
        (False, 8),
        (None, 6),
        ([1, 2], 11),
        ({"x": "y" * 1600}, 1 + 5 + 6 + 1605),
    ],
)
def test_the_size_of_a_term(value: object, size: int) -> None:
    assert external_size(value) == size


def test_the_gauge_lets_1300_bytes_pass_and_1600_not() -> None:
    gauge = PayloadGauge(1500)
    for length, is_exceeded in ((1300, False), (1600, True)):
        payload = {"type": "broadcast", "event": "e", "payload": {"x": "y" * length}}
        assert gauge.is_exceeded_by(payload, length + 50) is is_exceeded
        assert gauge.is_exceeded_by_bytes(b"y" * length) is is_exceeded
        assert gauge.is_exceeded_by_user_broadcast("e", b"y" * length, is_json=True) is is_exceeded


def test_what_the_term_has_around_the_bytes_counts() -> None:
    gauge = PayloadGauge(1500)
    # 131 109 <5 bytes> data; and in a tuple with the event, an atom and an empty map.
    assert [gauge.is_exceeded_by_bytes(b"y" * (1500 - 6 + more)) for more in (0, 1)] == [False, True]
    around = 1 + 2 + (5 + 3) + (2 + 4) + 5 + 5
    for more in (0, 1):
        assert gauge.is_exceeded_by_user_broadcast("evt", b"y" * (1500 - around + more), is_json=True) is bool(more)

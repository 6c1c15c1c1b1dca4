"""The schedule of `make chaos` is a pure function of its options, and gives each fault its turn."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise

import pytest

from tests.chaos.options import parse_options
from tests.chaos.schedule import OF_STACK, Kind, make_schedule

pytestmark = pytest.mark.unit


def test_a_seed_repeats_its_schedule() -> None:
    first = make_schedule(seed=7, seconds=600, sessions=12, kinds=list(Kind))
    assert first == make_schedule(seed=7, seconds=600, sessions=12, kinds=list(Kind))
    assert first != make_schedule(seed=8, seconds=600, sessions=12, kinds=list(Kind))


@pytest.mark.parametrize("seed", range(5))
def test_each_kind_has_its_turn_in_a_minute(seed: int) -> None:
    faults = make_schedule(seed=seed, seconds=60, sessions=6, kinds=list(Kind))
    assert {fault.kind for fault in faults} == set(Kind)
    assert all(before.at_s <= after.at_s < 60 for before, after in pairwise(faults))
    assert all(fault.session is None or 0 <= fault.session < 6 for fault in faults)
    assert all(fault.session != 0 for fault in faults if fault.kind is Kind.KICK), "the host cannot be kicked"
    assert {fault.target for fault in faults if fault.kind in OF_STACK} == {"stack"}
    assert all(fault.session in (0, 1, 4, 5) for fault in faults if fault.kind is Kind.CROWD), "2 and 3 are one user"


def test_a_long_run_has_hundreds_and_none_is_left_out() -> None:
    faults = make_schedule(seed=1, seconds=600, sessions=12, kinds=list(Kind))
    counts = Counter(fault.kind for fault in faults)
    assert len(faults) >= 400
    assert min(counts.values()) >= 10


@pytest.mark.parametrize("arguments", [["--seconds", "4"], ["--sessions", "1"], ["--kinds", "cut,flood"]])
def test_a_wrong_option_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parse_options(arguments)
    assert ended.value.code == 2
    assert "error" in capsys.readouterr().err


def test_options() -> None:
    options = parse_options(["--seconds", "5", "--sessions", "2", "--kinds", "cut,kill", "--seed", "3"])
    assert (options.seconds, options.sessions, options.seed) == (5, 2, 3)
    assert options.kinds == (Kind.CUT, Kind.KILL)
    assert parse_options([]).kinds == tuple(Kind)

"""The journal of a session outlives its process: what is whole stays, what was torn is cut off."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.chaos import journal as module
from tests.chaos.journal import Journal, read_journal, saved_position
from tests.chaos.lines import Line, What
from tests.chaos.recovery import Done, quantile, recoveries_of

pytestmark = pytest.mark.unit

OPENED = Line(what=What.OPENED, at_s=1.0)


def told(position: int) -> Line:
    return Line(what=What.TOLD, at_s=2.0, name="MessageReceived", pos=position, position=position, digest=0)


def ended(reason: str) -> Line:
    return Line(what=What.ENDED, at_s=3.0, name=reason)


def test_what_was_written_is_read(tmp_path: Path) -> None:
    lines = [OPENED, told(3), Line(what=What.GAP, at_s=2.5, name="socket_lost")]
    with Journal(tmp_path / "j") as journal:
        for line in lines:
            journal.write(line)
    assert read_journal(tmp_path / "j") == lines
    assert read_journal(tmp_path / "none") == []


@pytest.mark.parametrize("torn", [1, 10, 30])
def test_a_torn_line_is_cut_off_and_the_next_begins_anew(tmp_path: Path, torn: int) -> None:
    path = tmp_path / "j"
    whole = f"{OPENED.to_json()}\n{told(3).to_json()}\n"
    path.write_text(whole + told(4).to_json()[:torn], encoding="utf-8")
    assert read_journal(path) == [OPENED, told(3)]
    with Journal(path) as journal:
        journal.write(told(4))
    assert read_journal(path) == [OPENED, told(3), told(4)]


def test_a_journal_has_a_bound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 100)
    with Journal(tmp_path / "j") as journal:
        journal.write(OPENED)
        with pytest.raises(OSError, match="bound"):
            journal.write(told(3))


def test_where_a_new_process_goes_on() -> None:
    assert saved_position([]) is None
    assert saved_position([OPENED]) is None
    assert saved_position([OPENED, told(3), told(4), OPENED]) == 4
    assert saved_position([OPENED, told(3), ended("internal_error")]) == 3
    assert saved_position([OPENED, told(3), ended("kicked")]) is None
    assert saved_position([OPENED, told(3), ended("kicked"), OPENED, told(7)]) == 7


# -- recovery ----------------------------------------------------------------------------------------------


def state(at_s: float, name: str) -> Line:
    return Line(what=What.STATE, at_s=at_s, name=name)


LIVE = Line(what=What.OPENED, at_s=0.0)


def times(*lines: Line, faults: list[Done], killed_at_s: tuple[float, ...] = ()) -> list[float]:
    return [round(each.took_s, 3) for each in recoveries_of(1, lines, faults, killed_at_s=killed_at_s)]


def test_recovery_counts_from_the_end_of_the_fault() -> None:
    outage = [LIVE, state(10.1, "stale"), state(14.0, "catching_up"), state(14.5, "live")]
    assert times(*outage, faults=[Done("refuse", 1, 10.0, 13.0)]) == [1.5]
    assert times(*outage, faults=[Done("refuse", 2, 10.0, 13.0)]) == [], "of another session"
    assert times(*outage, faults=[Done("delay", 1, 10.0, 20.0)]) == [], "it is not over"
    assert times(*outage, faults=[Done("cut", 1, 8.0, 8.0)]) == [], "it had been over for two seconds"
    assert times(*outage, faults=[Done("realtime", None, 9.0, 12.0), Done("cut", 1, 13.5, 13.5)]) == [1.0]


def test_a_half_open_connection_counts_from_its_end_though_it_is_noticed_later() -> None:
    noticed = [LIVE, state(20.0, "stale"), state(21.0, "live")]
    assert times(*noticed, faults=[Done("stall", 1, 10.0, 18.0)]) == [3.0]


def test_a_kill_counts_until_the_next_process_is_live() -> None:
    opened = Line(what=What.OPENED, at_s=8.0, pos=3)
    assert times(LIVE, opened, faults=[Done("kill", 1, 5.0, 6.5)], killed_at_s=(5.0,)) == [1.5]


def test_an_own_leave_is_no_outage() -> None:
    assert times(LIVE, state(5.0, "closing"), Line(what=What.OPENED, at_s=9.0), faults=[]) == []


def test_an_own_leave_takes_the_fault_with_it() -> None:
    left = [LIVE, state(5.0, "closing"), Line(what=What.OPENED, at_s=9.0)]
    gap = [state(15.0, "stale"), state(15.1, "live")]
    assert times(*left, *gap, faults=[Done("stall", 1, 3.0, 6.0)]) == [], "the gap is another matter"


def test_quantiles() -> None:
    assert quantile([], 0.5) == 0.0
    assert quantile([3.0, 1.0, 2.0], 0.5) == 2.0
    assert quantile([float(each) for each in range(100)], 0.95) == 95.0

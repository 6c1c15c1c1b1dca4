"""What compares recordings with the local server: that it forgives nothing else than it declares."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.conformance.comparison import compare
from tests.conformance.frames import WILDCARDS, Comparable, comparable
from tests.conformance.reasons import REASONS
from tests.conformance.recording import Kind, load, names

pytestmark = pytest.mark.unit

DOCS = Path(__file__).parents[2] / "docs" / "local-stack.md"
ONE, TWO = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
REPLY: dict[str, Any] = {
    "ref": "1",
    "event": "phx_reply",
    "payload": {"status": "ok", "response": {}},
    "topic": "realtime:a",
}


def _sent_by_database(meta_id: str, payload_id: str) -> Comparable:
    payload = {"event": "evt", "meta": {"id": meta_id}, "payload": {"n": 1, "id": payload_id}, "type": "broadcast"}
    return comparable({"ref": None, "event": "broadcast", "payload": payload, "topic": "realtime:a"})


def test_the_wildcards_are_few_and_spare_what_matters() -> None:
    assert len(WILDCARDS) <= 20
    assert {path[-1] for path in WILDCARDS}.isdisjoint({"event", "status", "reason", "message", "*"})


def test_ids_may_differ_but_not_their_kind_nor_their_sameness() -> None:
    assert _sent_by_database(ONE, ONE) == _sent_by_database(TWO, TWO)
    assert _sent_by_database(ONE, ONE) != _sent_by_database(ONE, TWO)
    assert _sent_by_database(ONE, ONE) != _sent_by_database("mine", ONE)


@pytest.mark.parametrize(
    "change",
    [{"ref": "2"}, {"event": "phx_error"}, {"topic": "realtime:b"}, {"payload": {"status": "error", "response": {}}}],
)
def test_every_other_field_counts(change: dict[str, Any]) -> None:
    assert comparable(REPLY) != comparable(REPLY | change)


def test_the_order_of_keys_and_the_version_count() -> None:
    assert comparable(REPLY) != comparable(dict(reversed(REPLY.items())))
    array = [None, "1", "realtime:a", "phx_reply", REPLY["payload"]]
    assert comparable(json.dumps(array)) == comparable(array) != comparable(REPLY)


def test_the_layout_of_binary_frames_counts() -> None:
    def frame(event: bytes, metadata: bytes, encoding: int) -> bytes:
        head = bytes([4, 1, len(event), len(metadata), encoding])
        return head + b"a" + event + metadata + b'{"n":1}'

    first = comparable(frame(b"evt", f'{{"id":"{ONE}"}}'.encode(), 1))
    assert first == comparable(frame(b"evt", f'{{"id":"{TWO}"}}'.encode(), 1))
    assert first != comparable(frame(b"evt", f'{{"id":"{TWO}"}}'.encode(), 0))
    assert first != comparable(frame(b"evt", b"", 1))
    assert first != comparable(frame(b"evu", f'{{"id":"{TWO}"}}'.encode(), 1))


def _own(name: str) -> Comparable:
    return Comparable(name, is_fanned_out=False)


def _fanned(name: str) -> Comparable:
    return Comparable(name, is_fanned_out=True)


def test_within_a_step_only_what_is_fanned_out_changes_places() -> None:
    expected = [_own("reply"), _own("close"), _fanned("x"), _fanned("y")]
    moved = compare("s", "A", expected, [_fanned("y"), _own("reply"), _fanned("x"), _own("close")], [0])
    assert (moved.equal, moved.differences) == (4, [])
    assert moved.moved
    swapped = compare("s", "A", expected, [_own("close"), _own("reply"), _fanned("x"), _fanned("y")], [0])
    assert swapped.differences
    later = compare("s", "A", expected, [_own("reply"), _fanned("x"), _own("close"), _fanned("y")], [0, 2])
    assert later.differences


def test_what_is_missing_or_too_much_is_told_once_and_the_rest_is_still_compared() -> None:
    expected = [_own(str(number)) for number in range(10)]
    missing = compare("s", "A", expected, [frame for frame in expected if frame.text != "3"], [0, 2, 5])
    assert (missing.compared, missing.equal, len(missing.differences)) == (10, 9, 1)
    extra = compare("s", "A", expected, [*expected[:4], _own("?"), *expected[4:]], [0, 2, 5])
    assert (extra.compared, extra.equal, len(extra.differences)) == (11, 10, 1)
    other = compare("s", "A", expected, [*expected[:4], _own("?"), *expected[5:]], [0, 2, 5])
    assert (other.compared, other.equal, len(other.differences)) == (10, 9, 1)


def test_every_recording_is_read_whole() -> None:
    assert len(names()) == 43
    for name in names():
        entries = load(name).entries
        assert [entry.t for entry in entries] == sorted(entry.t for entry in entries)
        assert any(entry.kind is Kind.OPEN for entry in entries)


def test_the_documentation_has_a_row_for_each_reason() -> None:
    section = DOCS.read_text().partition("## How near it is to the real Realtime")[2].partition("\n## ")[0]
    rows = [line.split("|")[1].strip() for line in section.splitlines() if line.startswith("|")]
    for reason in REASONS:
        assert reason.name in rows

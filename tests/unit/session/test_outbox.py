"""What of a queue goes into one request, and a clock that can be held."""

from __future__ import annotations

import asyncio
from uuid import UUID, uuid4

import pytest

from spaces_sdk.drafts import MessageDraft
from spaces_sdk.session.outbox import BATCH_BYTES, Outbox, Outgoing, Stopwatch, size_of
from tests.support.clock import FakeClock

pytestmark = pytest.mark.unit


async def outgoing(content: str = "a", *, key: UUID | None = None, size_bytes: int = 0) -> Outgoing:
    draft = MessageDraft(content=content, id=key or uuid4())
    answer = asyncio.get_running_loop().create_future()
    return Outgoing(draft, answer, FakeClock().now(), 10.0, size_bytes or size_of(draft))


def told(batch: list[Outgoing]) -> list[str]:
    return [each.draft.content for each in batch]


async def test_a_request_takes_fifty() -> None:
    outbox = Outbox()
    for number in range(51):
        outbox.add(await outgoing(str(number)))
    assert told(outbox.take()) == [str(number) for number in range(50)]
    assert told(outbox.take()) == ["50"]
    assert outbox.take() == []


@pytest.mark.parametrize(
    ("sizes", "taken"),
    [
        ([BATCH_BYTES // 2, BATCH_BYTES // 2], 2),
        ([BATCH_BYTES // 2, BATCH_BYTES // 2 + 1], 1),
        ([BATCH_BYTES * 4, 1], 1),
        ([1, BATCH_BYTES * 4], 1),
    ],
    ids=["just", "one_byte_more", "a_large_one_goes_alone", "a_large_one_waits"],
)
async def test_a_request_has_so_many_bytes(sizes: list[int], taken: int) -> None:
    outbox = Outbox()
    for size in sizes:
        outbox.add(await outgoing(size_bytes=size))
    assert len(outbox.take()) == taken
    assert len(outbox) == len(sizes) - taken


def test_metadata_and_what_is_no_ascii_count() -> None:
    plain = size_of(MessageDraft(content="a" * 100))
    assert size_of(MessageDraft(content="ä" * 100)) == plain + 100
    assert size_of(MessageDraft(content="a" * 100, metadata={"a": "b" * 1000})) > plain + 1000


async def test_an_id_is_in_a_request_once() -> None:
    outbox, key = Outbox(), uuid4()
    for content, own in (("a", key), ("b", None), ("c", key), ("d", None)):
        outbox.add(await outgoing(content, key=own))
    assert told(outbox.take()) == ["a", "b"]
    assert told(outbox.take()) == ["c", "d"]


async def test_what_is_put_back_comes_first_and_whose_caller_has_gone_does_not() -> None:
    outbox = Outbox()
    for content in "abcd":
        outbox.add(await outgoing(content))
    batch = outbox.take(3)
    batch[1].answer.cancel()
    outbox.put_back(batch)
    assert told(outbox.take()) == ["a", "c", "d"]


async def test_a_stopwatch_stands_still_while_it_is_held() -> None:
    clock = FakeClock()
    watch = Stopwatch(clock)
    await clock.advance(2)
    watch.hold()
    watch.hold()
    released = watch.released()
    await clock.advance(100)
    assert (watch.elapsed_s, watch.is_held, released.done()) == (2, True, False)
    watch.go_on()
    watch.go_on()
    await clock.advance(3)
    assert (watch.elapsed_s, watch.is_held, released.done()) == (5, False, True)

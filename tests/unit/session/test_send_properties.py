"""Sends under any order of calls, losses, refusals, outages and cancellations."""

from __future__ import annotations

import asyncio
from typing import Final
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spaces_sdk.errors import ConnectError, OutcomeUnknownError, SpacesError
from spaces_sdk.models import Message
from spaces_sdk.realtime.events import CloseReason
from spaces_sdk.session import SessionOptions
from tests.support.clock import settle
from tests.support.fake_room import FakeApi, LooseRoom
from tests.unit.session.conftest import SleepyClock, World

pytestmark = pytest.mark.unit

KEYS: Final = [UUID(int=number) for number in range(1, 200)]
REQUESTS: Final = ("insert_message", "insert_messages")
LOST: Final = OutcomeUnknownError("cannot send: no answer", operation_id=KEYS[-1])
# After these nothing of the message is in the room.
NOT_SENT: Final = {
    "SendCancelledError",
    "SendQueueFullError",
    "SessionClosedError",
    "InvalidRequestError",
    "RateLimitedError",
    "ConnectError",
    "ConnectTimeoutError",
}

FAULTS: Final = ("lose_answer", "fail", "refuse_rate", "outage", "back", "block", "unblock")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(1, 8)),
        st.tuples(st.just("send_twin"), st.integers(0, 20)),
        st.tuples(st.just("cancel"), st.integers(0, 30)),
        st.tuples(st.just("take_back"), st.integers(0, 30)),
        st.tuples(st.sampled_from(FAULTS), st.none()),
        st.tuples(st.just("wait"), st.integers(0, 12)),
    ),
    max_size=25,
)


class Play:
    """One session, and whatever happens to its sends."""

    def __init__(self, *, is_queueing: bool) -> None:
        clock = SleepyClock()
        self.world = World(clock, LooseRoom(clock))
        self.api = FakeApi(self.world.room)
        self.options = SessionOptions(queue_while_offline=is_queueing, send_queue_size=30)
        self.tasks: list[tuple[UUID, asyncio.Task[Message]]] = []

    async def run(self, plan: list[tuple[str, int | None]]) -> None:
        self.session = await self.world.live(api=self.api, options=self.options)
        for what, number in plan:
            await self.do(what, number or 0)
            await settle(3)
        self.restore()
        await self.world.clock.advance(40)
        await self.session.aclose()
        await asyncio.wait([task for _, task in self.tasks] or [asyncio.create_task(settle())])
        await self.world.end()

    async def do(self, what: str, number: int) -> None:
        match what:
            case "send":
                for _ in range(number):
                    self.send(KEYS[len(self.tasks)])
            case "send_twin" if self.tasks:
                self.send(self.tasks[number % len(self.tasks)][0])
            case "cancel" if self.tasks:
                self.tasks[number % len(self.tasks)][1].cancel()
            case "take_back":
                for pending in self.session.pending[number : number + 2]:
                    pending.cancel()
            case "lose_answer":
                self.api.lost_answers.update(dict.fromkeys(REQUESTS, LOST))
            case "fail":
                self.api.failures.update(dict.fromkeys(REQUESTS, LOST))
            case "refuse_rate":
                self.api.tokens = 3
            case "block":
                for name in REQUESTS:
                    self.api.gate(name)
            case "unblock":
                self.unblock()
            case "outage":
                self.api.down, self.world.room.faults.realtime_is_down = ConnectError("cannot connect"), True
                self.world.room.faults.close_channels(CloseReason.SOCKET_LOST)
            case "back":
                self.restore()
            case "wait":
                await self.world.clock.advance(number)
            case _:
                pass

    def send(self, key: UUID) -> None:
        if len(self.tasks) < len(KEYS) - 1:
            task = asyncio.create_task(self.session.send(str(key.int), message_id=key, timeout_s=10))
            self.tasks.append((key, task))

    def unblock(self) -> None:
        for name in REQUESTS:
            if (gate := self.api.gates.pop(name, None)) is not None:
                gate.set()

    def restore(self) -> None:
        self.unblock()
        self.api.down, self.world.room.faults.realtime_is_down, self.api.tokens = None, False, None

    def check(self) -> None:
        rows = sorted(self.world.room.messages.values(), key=lambda m: m.seq)
        stored = [row.id for row in rows]
        assert len(stored) == len(set(stored))
        assert set(stored) <= {key for key, _ in self.tasks}
        tried = self.fates()
        for key, fates in tried.items():
            assert fates <= {"Message", "OutcomeUnknownError", "cancelled"} | NOT_SENT
            if "Message" in fates:
                assert key in stored, "returned, and not in the room"
            elif fates <= NOT_SENT:
                assert key not in stored, "said to be not sent, and in the room"
        # In the order of the calls: who was sent twice may stand where either call would put it.
        once = [key for key in stored if sum(other == key for other, _ in self.tasks) == 1]
        assert once == sorted(once, key=lambda key: key.int)

    def fates(self) -> dict[UUID, set[str]]:
        tried: dict[UUID, set[str]] = {}
        for key, task in self.tasks:
            error = None if task.cancelled() else task.exception()
            assert error is None or isinstance(error, SpacesError), error
            fate = "cancelled" if task.cancelled() else "Message" if error is None else type(error).__name__
            tried.setdefault(key, set()).add(fate)
        return tried


@given(plan=steps, is_queueing=st.booleans())
def test_each_is_stored_once_in_order_or_says_what_became_of_it(
    plan: list[tuple[str, int | None]], is_queueing: bool
) -> None:
    async def play() -> None:
        play = Play(is_queueing=is_queueing)
        await play.run(plan)
        play.check()
        left = asyncio.all_tasks() - {asyncio.current_task()}
        assert {task.get_name() for task in left} == set()

    asyncio.run(play())

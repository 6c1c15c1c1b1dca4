"""The same table as `test_faults`, one floor deeper: faults of the socket under the whole client, session included."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from spaces_sdk.realtime.frames import Message
from tests.support.bridge import Whole, whole_session
from tests.support.clock import settle
from tests.support.phoenix import Answer, phx_close, refusal, system
from tests.unit.session.conftest import Reader

pytestmark = [pytest.mark.unit, pytest.mark.usefixtures("no_task_left")]

Script = Callable[[Whole], Awaitable[None]]


@dataclass(frozen=True)
class Fault:
    """`expected` begins after RoomJoined and LIVE, at position 1."""

    name: str
    script: Script
    expected: list[str]


FAULTS: list[Fault] = []


def fault(*expected: str) -> Callable[[Script], Script]:
    def add(script: Script) -> Script:
        FAULTS.append(Fault(script.__name__, script, list(expected)))
        return script

    return add


def once(event: str, answer: Callable[[Message], list[Message]]) -> Answer:
    """Answers the next frame of that name so, then all as usual."""
    left = [True]

    def override(message: Message) -> list[Message] | None:
        if message.event == event and left[0]:
            left[0] = False
            return answer(message)
        return None

    return override


@fault("2 a", "3 b")
async def nothing_happens(whole: Whole) -> None:
    whole.room.post("a")
    whole.room.post("b")
    await whole.clock.advance(300)
    assert whole.client.stats.losses == 0


async def closed_with(whole: Whole, code: int, reason: str = "") -> None:
    whole.wire.cut(code, reason)
    whole.room.post("a")
    await whole.clock.advance(2.5)
    whole.room.post("b")
    await settle()


def mended(*, error: str = "") -> list[str]:
    """What is told of a loss after which the first try failed with that error: the database first, then the channel."""
    return [
        *("stale", "gap after 1: socket_lost", "2* a", "caught up 1-2: 1"),
        *([f"error: {error}"] if error else []),
        *("catching_up", "caught up 2-2: 0", "live", "3 b"),
    ]


@fault(*mended())
async def closed_with_1000(whole: Whole) -> None:
    await closed_with(whole, 1000)


@fault(*mended())
async def closed_with_1001(whole: Whole) -> None:
    await closed_with(whole, 1001, "going away")


@fault(*mended())
async def closed_with_1006(whole: Whole) -> None:
    await closed_with(whole, 1006)


@fault(*mended())
async def closed_with_1012_for_a_restart(whole: Whole) -> None:
    await closed_with(whole, 1012, "service restart")


@fault(*mended())
async def the_server_says_that_it_goes(whole: Whole) -> None:
    topic = f"realtime:{whole.room.topic}"
    whole.wire.push(system(whole.wire.join_ref(whole.room.topic), topic, "Server requested disconnect"))
    await settle()
    await closed_with(whole, 1000)


@fault(*mended(error="connection_lost"))
async def cut_again_before_the_answer_of_the_rejoin(whole: Whole) -> None:
    def cut(_: Message) -> list[Message]:
        whole.wire.cut()
        return []

    whole.server.override = once("phx_join", cut)
    await closed_with(whole, 1006)


@fault(*mended(error="token_expired"))
async def the_token_has_expired_at_the_rejoin(whole: Whole) -> None:
    pulls = whole.token_pulls
    whole.server.override = once(
        "phx_join", lambda message: [refusal(message, "InvalidJWTToken: Token has expired 1 seconds ago")]
    )
    await closed_with(whole, 1006)
    assert whole.token_pulls == pulls + 2, "another one for each join"


@fault(*mended(error="unauthorized"))
async def the_rejoin_is_refused_though_the_lease_is_good(whole: Whole) -> None:
    beats = whole.session.stats.heartbeats
    whole.server.override = once("phx_join", lambda message: [refusal(message, "Unauthorized: no")])
    await closed_with(whole, 1006)
    assert whole.session.stats.joins_refused == 1
    assert whole.session.stats.heartbeats > beats, "the lease was asked for before the next join"


@fault("stale", "gap after 1: channel_closed", "catching_up", "2* a", "caught up 1-2: 1", "live", "3 b")
async def the_token_expires_on_the_channel(whole: Whole) -> None:
    topic = f"realtime:{whole.room.topic}"
    whole.wire.push(system(whole.wire.join_ref(whole.room.topic), topic, "Token has expired 0 seconds ago"))
    whole.wire.end(whole.room.topic)
    await settle()
    whole.room.post("a")
    await whole.clock.advance(2.5)
    whole.room.post("b")


@fault("2 a")
async def a_token_that_rotates_is_pushed_and_nothing_happens(whole: Whole) -> None:
    whole.client.push_token("token-of-later")
    whole.room.post("a")
    await settle()
    assert whole.wire.manners.received[-1].payload == {"access_token": "token-of-later"}


@fault("2 a")
async def the_close_of_a_former_join_comes_late(whole: Whole) -> None:
    whole.wire.push(phx_close("0", f"realtime:{whole.room.topic}"))
    whole.room.post("a")
    await settle()
    assert whole.client.stats.pushes_unrouted == 1


@fault("stale", "gap after 1: socket_lost", "catching_up", "caught up 1-1: 0", "live")
async def half_open(whole: Whole) -> None:
    await whole.clock.advance(60)
    whole.wire.manners.override = lambda _: []
    await whole.clock.advance(35)
    assert whole.client.stats.heartbeats_missed == 1


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_fault(fault: Fault) -> None:
    async with whole_session() as whole:
        reader = Reader(whole.session.events()).start()
        await settle()
        reader.events.clear()
        try:
            await fault.script(whole)
            await settle()
            assert reader.told == fault.expected
            assert whole.session.is_connected
        finally:
            await reader.stop()

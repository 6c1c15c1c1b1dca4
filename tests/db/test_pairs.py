"""Every two writes at once come out as one after the other, whatever they are."""

from __future__ import annotations

import difflib
import itertools
from contextlib import AsyncExitStack

import pytest

from tests.db.support.actors import Refused
from tests.db.support.barrier import after_the_barrier, outcome, pending
from tests.db.support.database import Database
from tests.db.support.scenario import CLEANUP, NEVER_WAIT, READER, WRITES, Scene, set_scene

pytestmark = pytest.mark.db

# A heartbeat that has come to the lock sweeps the room, also when its own lease was ended while it waited.
SWEEP_ALL_THE_SAME = {
    ("leave_room", "heartbeat"),
    ("forget_room", "heartbeat"),
    ("kick_participant", "heartbeat"),
    ("ban_participant", "heartbeat"),
}

# After these the other call is judged by other rules than it was when it began.
TAKES_AWAY = {
    "ban_participant",
    "close the room",
    "delete_message",
    "delete_room",
    "forget_room",
    "join_room",
    "kick_participant",
    "leave_room",
    "make it small",
    "mute_participant",
    "set_participant_kind",
    "transfer_host",
    CLEANUP,
}

# What these write, another call writes in the same way, or it is nothing that others read: at the lock they meet that
# call and themselves. What takes something away from them is shown behind it, for each of them.
ALIKE = {
    "claim_turns": "give_turn",
    "insert_messages": "insert_message",
    "rotate_code": "update_room_state",
    "signal": "heartbeat",
    "unban_participant": "ban_participant",
}


def pairs_at_the_lock() -> list[tuple[str, str]]:
    """Each two calls in one order, except what the pairs behind an uncommitted call show as well.

    That one of them takes something away and comes first is shown there; here it comes second. Calls that stand in no
    queue meet what takes something away, and themselves.
    """
    pairs: list[tuple[str, str]] = []
    for first, second in itertools.combinations_with_replacement(WRITES, 2):
        taking = {first, second} & TAKES_AWAY
        alike = [ALIKE[name] for name in (first, second) if name in ALIKE]
        if first == second:
            pairs.append((first, second))
        elif alike and not set(alike) & {first, second}:
            continue
        elif CLEANUP in taking:
            pairs.append((first, second))
        elif len(taking) == 1:
            pairs.append((first, second) if second in TAKES_AWAY else (second, first))
        elif not taking and not {first, second} & NEVER_WAIT:
            pairs.append((first, second))
    return pairs


def pairs_behind() -> list[tuple[str, str]]:
    """Each call behind each that takes something away; the clean-up would go past it."""
    return [pair for pair in itertools.product(sorted(TAKES_AWAY), WRITES) if pair[1] != CLEANUP]


_serial: dict[tuple[str, ...], str] = {}


async def scene_for(db: Database, *names: str) -> Scene:
    if CLEANUP in names:
        await db.sql("delete from public.rooms")  # it would count what other scenes have left behind
    scene = await set_scene(db)
    if CLEANUP in names:
        await scene.forsake()
    return scene


async def one_after_the_other(db: Database, *names: str) -> str:
    """The picture when each call is answered before the next one is made."""
    if names not in _serial:
        scene = await scene_for(db, *names)
        answers = [await outcome(db, WRITES[name](scene)) for name in names]
        _serial[names] = await scene.picture(answers)
    return _serial[names]


async def with_a_sweep_between(db: Database, first: str, second: str) -> str:
    """The picture when somebody's time-out is noticed between the two calls."""
    scene = await scene_for(db, first, second)
    answers = [await outcome(db, WRITES[first](scene))]
    await db.sql("select spaces.sweep_room(%s)", [scene.space.id])
    return await scene.picture([*answers, await outcome(db, WRITES[second](scene))])


async def the_other_way_round(db: Database, first: str, second: str) -> str:
    """The picture when the second call has come before the first one."""
    scene = await scene_for(db, first, second)
    answer = await outcome(db, WRITES[second](scene))
    return await scene.picture([await outcome(db, WRITES[first](scene)), answer])


async def expected_pictures(db: Database, first: str, second: str) -> list[str]:
    """What may come out when the second call comes to the lock while the first one has it."""
    pictures = [await one_after_the_other(db, first, second)]
    if (first, second) in SWEEP_ALL_THE_SAME:
        pictures.append(await with_a_sweep_between(db, first, second))
    if READER in (first, second) and first != second:
        pictures.append(await the_other_way_round(db, first, second))  # it stands in no queue
    return pictures


async def with_the_cleanup_passing_by(db: Database, *names: str) -> str:
    """The picture when the clean-up finds the room locked, leaves it for another time, and the other call follows."""
    scene = await scene_for(db, *names)
    answers: dict[int, object] = {}
    for index, name in sorted(enumerate(names), key=lambda pair: pair[1] != CLEANUP):
        if name == CLEANUP:
            _, (answers[index],) = await after_the_barrier(db, scene.space.id, WRITES[name](scene))
        else:
            answers[index] = await outcome(db, WRITES[name](scene))
    return await scene.picture([answers[index] for index in range(len(names))])


def check_picture(picture: str, expected: list[str]) -> None:
    """It is one of those expected; else show how it differs from the first."""
    if picture not in expected:
        difference = difflib.unified_diff(
            expected[0].splitlines(), picture.splitlines(), "expected", "got", lineterm=""
        )
        pytest.fail("\n".join(difference))


@pytest.mark.parametrize(("first", "second"), pairs_at_the_lock())
async def test_two_calls_at_the_rooms_lock(db: Database, first: str, second: str) -> None:
    names = (first, second)
    if CLEANUP in names:
        expected = [await with_the_cleanup_passing_by(db, *names)]
    else:
        expected = await expected_pictures(db, *names)
    scene = await scene_for(db, *names)
    waited, answers = await after_the_barrier(db, scene.space.id, *(WRITES[name](scene) for name in names))
    for name, has_waited in zip(names, waited, strict=True):
        assert has_waited or name in NEVER_WAIT, f"{name} did not wait for the room's lock"
        assert not has_waited or name not in NEVER_WAIT or first == second, f"{name} waited for the room's lock"
    check_picture(await scene.picture(answers), expected)
    await scene.check()


@pytest.mark.parametrize(("first", "second"), pairs_behind())
async def test_a_call_behind_one_that_is_not_committed(db: Database, first: str, second: str) -> None:
    expected = await expected_pictures(db, first, second)
    scene = await scene_for(db, first, second)
    ahead, behind = WRITES[first](scene), WRITES[second](scene)
    async with AsyncExitStack() as started, db.api.connection() as connection:
        async with connection.transaction():
            try:
                answers = [await db.call_on(connection, ahead.who, ahead.rpc, ahead.arguments)]
            except Refused as refusal:
                answers = [refusal]
            (waiting,) = await started.enter_async_context(pending(db, behind))
        answers.append(await waiting.answer())
    check_picture(await scene.picture(answers), expected)
    await scene.check()

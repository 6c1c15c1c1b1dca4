"""What the host steers."""

from __future__ import annotations

from typing import Any

import pytest

from tests.db.support.actors import Json, expect_refusal
from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import Space, check_steps, open_space

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


async def change(space: Space, **changes: Any) -> Json:
    answer: Json = await space.call(space.host, "update_room_state", p_changes=changes)
    assert answer["ok"]
    return answer


@pytest.mark.parametrize("mode", ["playful", "philosopher", "conspiracy", "wildcard"])
async def test_all_modes(space: Space, mode: str) -> None:
    answer = await change(space, mode=mode)
    assert answer["state"]["mode"] == answer["room"]["current_mode"] == mode


async def test_a_mode_of_the_apps_own(space: Space) -> None:
    await space.db.sql(
        "insert into public.room_modes (name, label, system_prompt) values ('pirate', 'Pirate', 'Talk like one') "
        "on conflict do nothing"
    )
    assert (await change(space, mode="pirate"))["state"]["mode"] == "pirate"


async def test_all_at_once_is_one_step(space: Space) -> None:
    await space.enter(space.host)
    head = await space.head()
    changes: dict[str, Any] = {
        "mode": "playful",
        "conversation_active": True,
        "name": "  Monday jam ",
        "max_participants": 7,
        "settings": {"theme": "dark"},
        "visibility": "public",
    }
    answer = await change(space, **changes)
    others = {"host": str(space.host.id), "is_active": True, "bots_resume_at": None, "turn": None}
    assert answer["state"] == {**changes, "name": "Monday jam", **others}
    assert answer["head"] == await space.head() == head + 1
    (event,) = named(await space.broadcasts(), "room:state-updated")
    assert event.payload["state"] == answer["state"]


# RFC 7396, appendix A: those of its examples whose target and patch are objects.
MERGES: list[tuple[Json, Json, Json]] = [
    ({"a": "b"}, {"a": "c"}, {"a": "c"}),
    ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
    ({"a": "b"}, {"a": None}, {}),
    ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
    ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
    ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
    ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
    ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
    ({"e": None}, {"a": 1}, {"a": 1}),
    ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
]


@pytest.mark.parametrize(("target", "patch", "result"), MERGES)
async def test_settings_are_merged(space: Space, target: Json, patch: Json, result: Json) -> None:
    await change(space, settings=target)
    assert (await change(space, settings=patch))["state"]["settings"] == result


async def test_a_closed_room_has_nobody_in_it_and_can_be_opened_again(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.call(bob, "set_voice", p_on=True)
    head = await space.head()
    await change(space, is_active=False)
    assert await space.head() == head + 1
    assert await space.live_count() == 0
    row = await space.participant(bob)
    assert (row["is_online"], row["voice_since"], row["status"]) == (False, None, "active")
    with expect_refusal("room_inactive"):
        await change(space, mode="playful")
    assert (await change(space, is_active=True, mode="playful"))["state"]["mode"] == "playful"
    await space.join(bob)
    await check_steps(space)


async def test_the_state_that_a_join_answers_is_the_one_that_was_set(space: Space) -> None:
    state = (await change(space, mode="playful", settings={"a": [1, {"b": "c"}]}))["state"]
    answer = await space.call(space.host, "join_room", p_display_name="Ada")
    assert answer["state"] == state


async def test_voice_ends_with_the_last_connection(space: Space) -> None:
    bob = await space.newcomer("bob")
    await space.call(bob, "set_voice", p_on=True)
    await space.call(bob, "leave_room")
    (left,) = named(await space.broadcasts(), "room:participant-left")
    assert left.payload["participants"][0]["voice_since"] is None
    await space.join(bob)
    assert (await space.participant(bob))["voice_since"] is None


async def test_a_change_of_kind_is_seen_in_the_next_message(space: Space) -> None:
    bob = await space.newcomer("bob")
    before = await space.say(bob)
    await space.call(space.host, "set_participant_kind", p_user_id=bob.id, p_kind="bot")
    after = await space.say(bob)
    assert (before["sender_kind"], after["sender_kind"]) == ("human", "bot")
    kinds = [row["sender_kind"] for row in await space.messages() if row["user_id"] == bob.id]
    assert kinds == ["human", "bot"]

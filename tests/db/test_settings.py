"""Settings of a room: the app's keys are free, those of this package are checked."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from tests.db.support.actors import Json, Refused, check_refusal, expect_refusal
from tests.db.support.database import Database
from tests.db.support.realtime import named
from tests.db.support.rooms import Space, open_space, unchanged

pytestmark = pytest.mark.db

DOCS = Path(__file__).parents[2] / "docs" / "database.md"


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


async def change(space: Space, settings: Any) -> Json:
    answer: Json = await space.call(space.host, "update_room_state", p_changes={"settings": settings})
    return answer["state"]["settings"]


def nested(levels: int, innermost: Any = 1) -> Any:
    for number in range(levels):
        innermost = {"a": innermost} if number % 2 else [innermost]
    return innermost


GOOD: list[Json] = [
    *({"turn_mode": mode} for mode in ("mention", "round_robin", "first", "host_picks", "everyone")),
    {"bot_cooldown_s": 0},
    {"bot_cooldown_s": 0.5},
    {"bot_cooldown_s": 3600},
    {"bot_depth": 0},
    {"bot_depth": 100},
    {"bot_depth": 3.0},
    {"bot_messages_per_day": 1_000_000},
    {"bot_tokens_per_day": 1_000_000_000},
    {},
]


@pytest.mark.parametrize("known", GOOD)
async def test_known_keys(space: Space, known: Json) -> None:
    assert await change(space, {"spaces": known}) == {"spaces": known}
    made = await open_space(space.db, p_settings={"spaces": known, "mine": [1]})
    assert (await made.call(made.host, "get_room_by_id"))["room"]["settings"] == {"spaces": known, "mine": [1]}


BAD: list[Any] = [
    {"spaces": 1},
    {"spaces": []},
    {"spaces": "turn_mode"},
    {"spaces": {"turnmode": "first"}},
    {"spaces": {"": 1}},
    {"spaces": {"turn_mode": "loud"}},
    {"spaces": {"turn_mode": "First"}},
    {"spaces": {"turn_mode": 1}},
    {"spaces": {"turn_mode": ["first"]}},
    {"spaces": {"turn_mode": {"a": 1}}},
    {"spaces": {"bot_cooldown_s": -0.1}},
    {"spaces": {"bot_cooldown_s": 3600.1}},
    {"spaces": {"bot_cooldown_s": "5"}},
    {"spaces": {"bot_cooldown_s": True}},
    {"spaces": {"bot_depth": 1.5}},
    {"spaces": {"bot_depth": -1}},
    {"spaces": {"bot_depth": 101}},
    {"spaces": {"bot_messages_per_day": 1_000_001}},
    {"spaces": {"bot_tokens_per_day": 10**300}},
    {"spaces": {"turn_mode": "first", "unknown": 1}},
    {"spaces.turn_mode": "first"},
    {"spaces.": 1},
    nested(9),
    {"a": nested(8)},
    {"text": "x" * 16_384},
]


@pytest.mark.parametrize("settings", BAD, ids=lambda value: repr(value)[:40])
async def test_what_does_not_fit_changes_nothing(space: Space, settings: Any) -> None:
    await change(space, {"theme": "dark", "spaces": {"turn_mode": "first"}})
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await change(space, settings)
        with expect_refusal("invalid_argument"):
            await space.db.call(await space.db.user(), "create_room", p_name="Jam", p_settings=settings)


@pytest.mark.parametrize("settings", [None, [], "x", 1, True])
async def test_what_is_no_object(space: Space, settings: Any) -> None:
    async with unchanged(space.db):
        with expect_refusal("invalid_argument"):
            await change(space, settings)
        with expect_refusal("invalid_argument"):
            await space.db.call(await space.db.user(), "create_room", p_name="Jam", p_settings=settings)


async def test_eight_levels_are_not_too_deep(space: Space) -> None:
    settings = {"a": nested(7), "b": nested(6, {"c": None})}
    assert await change(space, {"a": nested(7)}) == {"a": nested(7)}
    made = await open_space(space.db, p_settings=settings)
    assert (await made.call(made.host, "get_room_by_id"))["room"]["settings"] == settings


async def test_free_keys_are_free(space: Space) -> None:
    settings: Json = {"space": 1, "Spaces": {"turn_mode": 7}, "my.spaces.key": [None, {}], "": "", "spaces_x": True}
    assert await change(space, settings) == settings


async def test_known_keys_are_merged_and_removed_like_all_others(space: Space) -> None:
    await change(space, {"theme": "dark", "spaces": {"turn_mode": "first", "bot_depth": 3}})
    assert await change(space, {"spaces": {"bot_depth": None}}) == {"theme": "dark", "spaces": {"turn_mode": "first"}}
    assert await change(space, {"spaces": {"nothing": None}}) == {"theme": "dark", "spaces": {"turn_mode": "first"}}
    assert await change(space, {"spaces": None}) == {"theme": "dark"}


async def test_the_same_again_is_no_step(space: Space) -> None:
    await space.enter(space.host)
    await change(space, {"spaces": {"turn_mode": "first"}})
    async with unchanged(space.db):
        await change(space, {"spaces": {"turn_mode": "first"}, "absent": None})
    (event,) = named(await space.broadcasts(), "room:state-updated")
    assert event.payload["state"]["settings"] == {"spaces": {"turn_mode": "first"}}


async def test_nobody_but_the_host_sets_them(space: Space) -> None:
    bob = await space.newcomer("Bob")
    async with unchanged(space.db):
        with expect_refusal("not_host"):
            await space.call(bob, "update_room_state", p_changes={"settings": {"spaces": {"turn_mode": "first"}}})


async def test_a_refusal_says_what_would_fit(space: Space) -> None:
    for settings, word in (
        ({"spaces": {"turn_mode": "loud"}}, "host_picks"),
        ({"spaces": {"bot_depth": 101}}, "0 to 100"),
        ({"spaces": {"colour": 1}}, "turn_mode"),
        ({"spaces.turn_mode": "first"}, '{"spaces"'),
    ):
        with pytest.raises(Refused) as caught:
            await change(space, settings)
        check_refusal(caught.value, "invalid_argument")
        assert word in caught.value.hint


async def test_the_documents_have_the_same_keys(db: Database) -> None:
    text = DOCS.read_text(encoding="utf-8").partition("## Settings of a room")[2].partition("\n## ")[0]
    written = set(re.findall(r"^\| `([a-z_]+)` \|", text, flags=re.MULTILINE))
    assert written == set(await db.column("select name from spaces.setting_keys"))

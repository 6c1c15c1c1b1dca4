"""A token that the project has signed for something else is nobody's here: the REST API and Realtime let it pass."""

from __future__ import annotations

from typing import Any

import pytest

from tests.db.support.actors import Actor, expect_refusal
from tests.db.support.database import Database
from tests.db.support.realtime import may_read, may_write
from tests.db.support.rooms import Space, open_space

pytestmark = pytest.mark.db


@pytest.fixture
async def space(db: Database) -> Space:
    made = await open_space(db)
    await made.enter(made.host)
    return made


def with_audience(who: Actor, audience: Any) -> Actor:
    return Actor(who.label, who.role, who.user_id, {**who.claims, "aud": audience})


@pytest.mark.parametrize("audience", ["letters", "", ["letters"], [], 5, None, {"authenticated": True}])
async def test_of_another_audience_is_nobody(space: Space, audience: Any) -> None:
    host = with_audience(space.host, audience)
    with expect_refusal("not_authenticated"):
        await space.call(host, "insert_message", p_content="hello")
    for table in ("rooms", "room_participants"):
        assert await space.db.select(host, f"select 1 from public.{table}") == []
    assert not await may_read(space.db, host, await space.topic())
    assert not await may_write(space.db, host, await space.topic(), extension="presence")


@pytest.mark.parametrize("audience", ["authenticated", ["letters", "authenticated"]])
async def test_signed_in_users_may_be_one_audience_of_several(space: Space, audience: Any) -> None:
    host = with_audience(space.host, audience)
    assert await space.say(host)
    assert await space.db.select(host, "select 1 from public.rooms")
    assert await may_read(space.db, host, await space.topic())


async def test_a_token_without_an_audience_is_its_users(space: Space) -> None:
    # As those that an app signs itself.
    bare = {name: value for name, value in space.host.claims.items() if name != "aud"}
    assert await space.say(Actor("bare", space.host.role, space.host.user_id, bare))

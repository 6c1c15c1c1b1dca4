"""Whom a message names."""

from __future__ import annotations

import pytest
import pytest_asyncio

from tests.db.support.actors import Json
from tests.db.support.database import Database
from tests.db.support.rooms import Space, open_space
from tests.db.support.turns import Replica, bot, claim_of

pytestmark = pytest.mark.db


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def space(db: Database) -> Space:
    made = await open_space(db, p_max_participants=20)
    await made.enter(made.host, "Ada")
    await made.newcomer("Ann Bee")
    await db.sql("delete from spaces.limits where action like 'send%'")
    return made


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def bots(space: Space) -> dict[str, Replica]:
    names = ("Ann", "Ann Lee", "Bo", "100%", "a_b", "back\\slash", "dot.*", "me@home", "[x]", "Zoë", "Q!")
    return {name: await bot(space, name) for name in names}


async def mentioned(space: Space, message: Json) -> set[str]:
    """The names of the bots that a message is for, as they stand in the room."""
    names = await space.db.column(
        """select p.display_name from public.room_messages m, unnest(spaces.mentioned_bots(m)) u (id)
           join public.room_participants p on p.user_id = u.id
           where m.id = %s and p.room_id = m.room_id""",
        [message["id"]],
    )
    return set(names)


NAMES = {
    "hello": set[str](),
    "@": set[str](),
    "@ Ann": set[str](),
    "@Ann": {"Ann"},
    "@ann": {"Ann"},
    "@ANN, well?": {"Ann"},
    "so @Ann?": {"Ann"},
    "(@Ann)": {"Ann"},
    "@Ann's": {"Ann"},
    "@@Ann": {"Ann"},
    "@Ann@Bo": {"Ann"},
    "@Ann\n@Bo": {"Ann", "Bo"},
    "@Anna": set[str](),
    "@Ann_": set[str](),
    "@Ann2": set[str](),
    "@Ann Lee": {"Ann Lee"},
    "@ann lee!": {"Ann Lee"},
    "@Ann Leeward": {"Ann"},
    "@Ann and @Ann Lee": {"Ann", "Ann Lee"},
    "ask ada@Bo": set[str](),
    "mail bo@ann.org": set[str](),
    "@100%": {"100%"},
    "@100": set[str](),
    "@1000": set[str](),
    "@a_b": {"a_b"},
    "@axb": set[str](),
    "@back\\slash": {"back\\slash"},
    "@dot.*": {"dot.*"},
    "@dotted": set[str](),
    "@me@home": {"me@home"},
    "@[x]": {"[x]"},
    "@x": set[str](),
    "@zoë": {"Zoë"},
    "@Q!": {"Q!"},
    "@Q": set[str](),
    "@Eve": set[str](),
    "@Ann B": {"Ann"},
    "@Ann Bee": set[str](),
    "@Ann Bee and @ann": {"Ann"},
    "@Ann Lee, @Ann Bee": {"Ann Lee"},
}


@pytest.mark.usefixtures("bots")
@pytest.mark.parametrize("text", NAMES)
async def test_names(space: Space, text: str) -> None:
    assert await mentioned(space, await space.say(space.host, text)) == NAMES[text]


async def test_the_author_of_what_is_replied_to(space: Space, bots: dict[str, Replica]) -> None:
    said = await space.say(bots["Bo"].member, "I think so")
    by_a_human = await space.say(space.host, "me too")
    assert await mentioned(space, await space.say(space.host, "why?", p_reply_to=said["id"])) == {"Bo"}
    assert await mentioned(space, await space.say(space.host, "@Ann?", p_reply_to=said["id"])) == {"Ann", "Bo"}
    assert await mentioned(space, await space.say(space.host, "right", p_reply_to=by_a_human["id"])) == set()


async def test_two_bots_with_one_name_are_both_named(db: Database) -> None:
    space = await open_space(db)
    await space.enter(space.host)
    one, two = await bot(space, "Twin"), await bot(space, "twin")
    other = await bot(space, "Other")
    message = await space.say(space.host, "@Twin?")
    assert [await each.verdict(message) for each in (other, two, one)] == ["not_mentioned", "granted", "taken"]


async def test_who_has_left_for_good_is_nobody_that_is_named(db: Database) -> None:
    space = await open_space(db)
    await space.enter(space.host)
    one, two = await bot(space, "One"), await bot(space, "Two")
    await space.call(space.host, "kick_participant", p_user_id=two.id)
    assert await one.verdict(await space.say(space.host, "@Two?")) == "granted"


async def test_one_who_is_offline_is_named_all_the_same(db: Database) -> None:
    space = await open_space(db)
    await space.enter(space.host)
    one, two = await bot(space, "One"), await bot(space, "Two")
    await space.call(two.member, "leave_room")
    assert await one.verdict(await space.say(space.host, "@Two?")) == "not_mentioned"


async def test_many_texts_full_of_names_in_a_room_of_thousands(db: Database) -> None:
    space = await open_space(db)
    await space.enter(space.host)
    await space.db.sql(
        """with people as (
             insert into auth.users (id) select gen_random_uuid() from generate_series(1, 5000) returning id)
           insert into public.room_participants (room_id, user_id, display_name, is_online)
           select %s, id, 'Person ' || row_number() over (), false from people""",
        [space.id],
    )
    one, two = await bot(space, "One"), await bot(space, "Two")
    await space.newcomer("One of many")
    await db.sql("delete from spaces.limits where action like 'send%'")
    texts = ("@person 7, ", "@one, what of you? ", "@one of many, perhaps ")
    messages = [await space.say(space.host, text * 50) for _ in range(33) for text in texts]
    turns = await one.claims(*(claim_of(message) for message in messages))  # in the time that a call may take
    assert {turn["status"] for turn in turns} == {"granted"}
    assert [await two.verdict(message) for message in messages[:3]] == ["taken", "not_mentioned", "taken"]


@pytest.mark.usefixtures("bots")
async def test_a_text_full_of_names_is_read_to_a_point(space: Space) -> None:
    assert await mentioned(space, await space.say(space.host, "@" * 7990)) == set()
    assert await mentioned(space, await space.say(space.host, "@nobody " * 900 + "@Ann")) == set()
    assert await mentioned(space, await space.say(space.host, "@nobody " * 40 + "@Ann")) == {"Ann"}

"""Beside the policies that Supabase's own guide has people write, which let everybody read and write every topic."""

from __future__ import annotations

import pytest

from tests.db.support.actors import ANON
from tests.db.support.database import Database
from tests.db.support.realtime import may_read, may_write, topic_of
from tests.db.support.rooms import Space, open_space
from tests.db.support.templates import Templates

pytestmark = pytest.mark.db

QUICKSTART = """
create policy "authenticated can receive broadcasts" on realtime.messages for select to authenticated using (true);
create policy "authenticated can send broadcasts" on realtime.messages for insert to authenticated with check (true);
create policy "authenticated can change them" on realtime.messages for update to authenticated using (true);
create policy "anon can receive broadcasts" on realtime.messages for select to anon using (true);
create policy "anon can send broadcasts" on realtime.messages for insert to anon with check (true);
"""

APP_TOPICS = ["chat:1", "spaces", "spaces:lobby", "my-spaces:1", "room:12:1", ""]


async def quickstart(database: Database) -> None:
    for statement in QUICKSTART.strip().split(";\n"):
        await database.sql(statement.removesuffix(";"))


@pytest.fixture(scope="module")
async def db(templates: Templates) -> Database:
    return await templates.migrated(before=quickstart)


@pytest.fixture
async def space(db: Database) -> Space:
    return await open_space(db)


async def test_the_apps_policies_are_as_they_were(db: Database) -> None:
    names = await db.column(
        "select policyname from pg_policies where schemaname = 'realtime' and not starts_with(policyname, 'spaces')"
    )
    assert len(names) == 5


async def test_an_outsider_does_not_listen(space: Space) -> None:
    await space.newcomer()
    outsider = await space.db.user("outsider")
    for extension in ("broadcast", "presence"):
        assert not await may_read(space.db, outsider, await space.topic(), extension=extension)
        assert not await may_read(space.db, ANON, await space.topic(), extension=extension)


async def test_an_outsider_does_not_write(space: Space) -> None:
    outsider = await space.db.user("outsider")
    for who in (ANON, outsider):
        for extension in ("broadcast", "presence"):
            assert not await may_write(space.db, who, await space.topic(), extension=extension)


async def test_a_members_forged_broadcast_is_refused(space: Space) -> None:
    bob = await space.newcomer()
    topic = await space.topic()
    assert not await may_write(space.db, bob.actor, topic)
    forged = {"message": {"content": "forged"}}
    for extension in ("broadcast", "presence"):
        assert not await may_write(
            space.db, bob.actor, topic, extension=extension, event="room:message-received", payload=forged
        )


async def test_a_row_for_our_topic_by_way_of_another_is_refused(space: Space) -> None:
    # The policies see the topic that was asked for and the one of the row; neither may lie about the other.
    bob = await space.newcomer()
    async with space.db.transaction(bob.actor) as connection:
        await connection.execute("select set_config('realtime.topic', 'chat:1', true)")
        await connection.execute("select set_config('client_min_messages', 'error', true)")
        await connection.execute(
            "select realtime.send(%s::jsonb, 'room:message-received', %s, true)", ["{}", await space.topic()]
        )
    assert "room:message-received" not in [
        event.event for event in await space.broadcasts() if not event.payload.get("message")
    ]


async def test_a_member_listens_and_tracks(space: Space) -> None:
    bob = await space.newcomer()
    assert await may_read(space.db, bob.actor, await space.topic())
    assert await may_write(space.db, bob.actor, await space.topic(), extension="presence")


async def test_a_kicked_one_is_out(space: Space) -> None:
    bob = await space.newcomer()
    await space.call(space.host, "kick_participant", p_user_id=bob.id)
    for epoch in range(await space.epoch() + 2):
        assert not await may_read(space.db, bob.actor, topic_of(space.id, epoch))


async def test_a_future_epoch_is_refused(space: Space) -> None:
    bob = await space.newcomer()
    assert not await may_read(space.db, bob.actor, topic_of(space.id, await space.epoch() + 1))


@pytest.mark.parametrize("topic", APP_TOPICS)
async def test_the_apps_topics_go_on(space: Space, topic: str) -> None:
    user = await space.db.user()
    for who in (ANON, user, (await space.newcomer()).actor):
        assert await may_read(space.db, who, topic)
        assert await may_write(space.db, who, topic)
        assert await may_write(space.db, who, topic, event="hello", payload={"from": "the app"})


async def test_the_apps_rows_may_still_be_changed_and_ours_not(space: Space) -> None:
    bob = await space.newcomer()
    await space.db.sql("select realtime.send('{}', 'hello', 'chat:9', true)")
    changed = await space.db.select(bob.actor, "update realtime.messages set event = 'changed' returning topic")
    assert {row["topic"] for row in changed} == {"chat:9"}

"""The harness itself acts as the REST API does."""

from __future__ import annotations

import pytest

from tests.db.support.actors import ANON, SERVICE, Actor, expect_denied
from tests.db.support.database import Database
from tests.db.support.templates import Templates

pytestmark = pytest.mark.db


@pytest.fixture(scope="module")
async def bare(templates: Templates) -> Database:
    return await templates.bootstrapped()


async def test_a_user_is_seen_by_the_database(bare: Database) -> None:
    ada = await bare.user("ada")
    (row,) = await bare.select(ada, "select auth.uid() as id, auth.role() as role, current_user::text as db_role")
    assert row == {"id": ada.id, "role": "authenticated", "db_role": "authenticated"}


async def test_a_caller_is_forgotten_after_the_transaction(bare: Database) -> None:
    await bare.select(await bare.user(), "select 1")
    async with bare.api.connection() as connection:
        cursor = await connection.execute(
            "select current_user::text as db_role, nullif(current_setting('request.jwt.claims', true), '') as claims"
        )
        assert await cursor.fetchone() == {"db_role": "authenticator", "claims": None}


@pytest.mark.parametrize("key", [ANON, SERVICE], ids=lambda key: key.label)
async def test_keys_have_no_user(bare: Database, key: Actor) -> None:
    (row,) = await bare.select(key, "select auth.uid() as id, auth.role() as role")
    assert row == {"id": None, "role": key.role}


async def test_the_migration_role_is_no_superuser(bare: Database) -> None:
    (row,) = await bare.sql("select rolsuper, rolbypassrls from pg_roles where rolname = 'postgres'")
    assert row == {"rolsuper": False, "rolbypassrls": True}


async def test_users_cannot_make_tables(bare: Database) -> None:
    ada = await bare.user("ada")
    with expect_denied():
        await bare.select(ada, "create table public.mine ()")

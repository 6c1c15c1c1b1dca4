"""Databases for tests, copied from templates that are made once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import psycopg
from psycopg import sql

from spaces_sdk.local.database import bootstrap, migrate
from spaces_sdk.local.postgres import PostgresCluster
from tests.db.support.database import Database

# Rows of realtime.messages have no order of their own: their times are those of the transactions. Tests ask for the
# rows of one room among those of a whole module.
_NUMBER_BROADCASTS = """alter table realtime.messages add column test_order bigint generated always as identity;
  create index on realtime.messages (split_part(topic, ':', 2), test_order)"""


@dataclass
class Templates:
    """Makes databases of one cluster.

    Attributes:
        mode: Default privileges of the bootstrap, `closed` or `open`.
    """

    cluster: PostgresCluster
    mode: str
    _count: int = 0
    _made: set[str] = field(default_factory=set[str])
    _opened: list[Database] = field(default_factory=list[Database])

    async def bootstrapped(self) -> Database:
        """A new database as a hosted project is before any migration."""
        name = f"bootstrapped_{self.mode}"
        if name not in self._made:
            await self._create(name, "template0")
            await bootstrap(self.cluster.url(dbname=name), self.mode, password_of=self.cluster.password_of)
            self._made.add(name)
        return await self._copy(name)

    async def migrated(self, before: Callable[[Database], Awaitable[None]] | None = None) -> Database:
        """A new database with the package's migrations.

        Args:
            before: What the app had done in its project before the migrations came.
        """
        if before is not None:
            database = await self.bootstrapped()
            await before(database)
            await self._migrate(database.name)
            return database
        name = f"migrated_{self.mode}"
        if name not in self._made:
            source = await self.bootstrapped()
            await source.aclose()
            await self._create(name, source.name)
            await self._migrate(name)
            self._made.add(name)
        return await self._copy(name)

    async def aclose(self) -> None:
        """Close all connections of all databases."""
        for database in self._opened:
            await database.aclose()

    async def _migrate(self, name: str) -> None:
        await migrate(self.cluster.url("postgres", name))
        async with await psycopg.AsyncConnection.connect(self.cluster.url(dbname=name), autocommit=True) as connection:
            await connection.execute(_NUMBER_BROADCASTS)

    async def _copy(self, template: str) -> Database:
        self._count += 1
        name = f"test_{self.mode}_{self._count}"
        await self._create(name, template)
        url = self.cluster.url
        database = Database(name, superuser_url=url(dbname=name), api_url=url("authenticator", name))
        self._opened.append(database)
        return database

    async def _create(self, name: str, template: str) -> None:
        async with await psycopg.AsyncConnection.connect(self.cluster.url(), autocommit=True) as connection:
            # The owner is not copied, and the migration role is the owner on a hosted project.
            statement = sql.SQL("create database {} template {} {}").format(
                sql.Identifier(name),
                sql.Identifier(template),
                sql.SQL("" if template == "template0" else "owner postgres"),
            )
            await connection.execute(statement)

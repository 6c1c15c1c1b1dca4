"""Databases with rooms in them, and how long calls into them take."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import md5
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql

from spaces_sdk.local.database import bootstrap, migrate
from spaces_sdk.local.postgres import PostgresCluster

SQL = Path(__file__).parent
Connection = psycopg.AsyncConnection[tuple[Any, ...]]


def made_id(kind: str, number: int) -> UUID:
    """The id that `bench.id` makes."""
    return UUID(md5(f"{kind}{number}".encode(), usedforsecurity=False).hexdigest())


async def fill(connection: psycopg.AsyncConnection[Any], **numbers: int) -> None:
    """Make rooms, people and messages in a database with the migrations.

    Args:
        connection: The superuser's.
        numbers: Those that `data.sql` names.
    """
    script = re.sub(r"(?<!:):(\w+)", lambda found: str(numbers[found[1]]), (SQL / "data.sql").read_text("utf-8"))
    await connection.execute((SQL / "runs.sql").read_bytes())
    # One by one: vacuum wants to be alone. There is no quoted semicolon.
    for statement in re.sub(r"--.*", "", script).split(";"):
        if statement.strip():
            await connection.execute(statement.encode())


@dataclass(frozen=True, slots=True)
class Subject:
    """A database with the migrations and some data.

    Attributes:
        old_rooms: How many rooms wait for the clean-up.
    """

    cluster: PostgresCluster
    name: str
    rooms: int
    messages: int
    users: int
    old_rooms: int = 480

    @classmethod
    async def make(cls, cluster: PostgresCluster, messages: int, rooms: int) -> Subject:
        """A new database."""
        subject = cls(cluster, f"bench_{messages}", rooms, messages, users=max(200, rooms // 5))
        async with await psycopg.AsyncConnection.connect(cluster.url(), autocommit=True) as connection:
            await connection.execute(sql.SQL("create database {}").format(sql.Identifier(subject.name)))
        await bootstrap(cluster.url(dbname=subject.name), "closed", password_of=cluster.password_of)
        await migrate(cluster.url("postgres", subject.name))
        async with await subject.connect() as connection:
            await fill(connection, messages=messages, rooms=rooms, users=subject.users, old_rooms=subject.old_rooms)
        return subject

    async def connect(self) -> Connection:
        """A new connection of the superuser."""
        return await psycopg.AsyncConnection.connect(self.cluster.url(dbname=self.name), autocommit=True)

    async def times_us(
        self, call: str, rounds: int, first: int = 0, *, role: str = "authenticated", is_undone: bool = False
    ) -> list[float]:
        """Microseconds of each round of a statement, whose `$1` is the number of the round, as a member of room 0."""
        async with await self.connect() as connection:
            cursor = await connection.execute(
                "call bench.measure(%s, %s, %s, %s, %s, %s, null)",
                (call, made_id("user", 7), first, rounds, role, is_undone),
            )
            row = await cursor.fetchone()
            return list(row[0]) if row else []

    async def per_second(self, how: str, connections: int, rooms: int, seconds: float) -> float:
        """Messages a second that so many users send at once, each on a connection of their own."""
        room_ids = [made_id("room", number) for number in range(rooms)]

        async def one(number: int) -> int:
            async with await self.connect() as connection:
                cursor = await connection.execute(
                    "call bench.send(%s, %s, %s, %s, null)", (how, made_id("user", number), room_ids, seconds)
                )
                row = await cursor.fetchone()
                return int(row[0]) if row else 0

        return sum(await asyncio.gather(*(one(number) for number in range(connections)))) / seconds

    async def let_all_into(self, rooms: int, users: int) -> None:
        """Make the first users active participants of the first rooms."""
        async with await self.connect() as connection:
            await connection.execute(
                """insert into public.room_participants (room_id, user_id, display_name)
                   select bench.id('room', r), bench.id('user', u), 'Person'
                   from generate_series(0, %s) r cross join generate_series(0, %s) u
                   on conflict do nothing""",
                (rooms - 1, users - 1),
            )

    async def run(self, statement: str) -> None:
        """Run something that is not measured."""
        async with await self.connect() as connection:
            await connection.execute(statement.encode())


async def compared(
    subjects: Sequence[Subject],
    call: str,
    rounds: int,
    *,
    turns: int = 6,
    role: str = "authenticated",
    is_undone: bool = False,
) -> list[float]:
    """How long a call takes in each database, in microseconds: what four in five calls exceed.

    The median would show what else the machine does; and they take turns, so that all have the same minutes.
    """
    times: list[list[float]] = [[] for _ in subjects]
    for turn in range(turns):
        for subject, its_times in zip(subjects, times, strict=True):
            found = await subject.times_us(call, rounds, turn * rounds, role=role, is_undone=is_undone)
            its_times.extend(found[1:])  # the first one of a connection reads the catalogue
    return [sorted(its_times)[len(its_times) // 5] for its_times in times]

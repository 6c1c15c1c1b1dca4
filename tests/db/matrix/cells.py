"""Tries one cell: an actor does something inside a savepoint, and what came of it is read before it is undone."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, cast

import psycopg
from psycopg import sql

from spaces_sdk.codes import STATUS_OF_CODE
from tests.db.matrix.actors import ACTORS
from tests.db.matrix.grid import DENIED, MARK_OF_CODE, MISS, NOTHING, SHUT_OUT, THROUGH, Section
from tests.db.matrix.scene import Scene
from tests.db.matrix.tally import Tally
from tests.db.support.actors import Actor, Refused
from tests.db.support.database import Connection

Act = Callable[[Connection, str], Awaitable[Any]]

# Counts of calls stand whatever comes of the call.
_COUNTERS = {"spaces.rate_buckets"}
_BACK = sql.SQL("rollback to savepoint cell")


@dataclass(frozen=True, slots=True)
class Attempt:
    """One line of the matrix: what each actor tries.

    Attributes:
        line: The names that it may have in expected.txt, most particular first.
        act: Does it as the actor; a refusal is raised, or answered as an object with `ok: false`.
        before: What the superuser prepares inside the savepoint.
        changes: The tables that a success must have changed. None: it is about what is seen.
        leaves: Tables that it may change beside.
        shows: Whether an answer shows what it was about; for what only reads.
    """

    line: tuple[str, ...]
    act: Act
    before: Act | None = None
    changes: Collection[str] | None = None
    leaves: Collection[str] = ()
    shows: Callable[[Any], bool] = bool


class Cells:
    """A scene, and one connection on which everything is tried and undone."""

    def __init__(self, scene: Scene, connection: Connection, digest: sql.Composed) -> None:
        self.scene = scene
        self._connection = connection
        self._digest = digest
        self._at_rest: dict[str, str] = {}

    @classmethod
    @asynccontextmanager
    async def of(cls, scene: Scene) -> AsyncGenerator[Cells]:
        """In one transaction, rolled back at the end; everything in the database is as before then."""
        tables = await tables_of(scene)
        print_of = sql.SQL(
            "select {} as name, md5(coalesce(string_agg(t::text, ' ' order by t::text), '')) as print from {} t"
        )
        pieces = [print_of.format(name, sql.Identifier(*name.split("."))) for name in tables if name not in _COUNTERS]
        async with scene.db.superuser.connection() as connection, connection.transaction(force_rollback=True):
            cells = cls(scene, connection, sql.SQL(" union all ").join(pieces))
            cells._at_rest = await cells._fingerprint()
            await connection.execute("savepoint cell")
            yield cells
            await connection.execute(_BACK)
            assert await cells._fingerprint() == cells._at_rest, "an attempt that was undone has left something"

    async def run(self, attempt: Attempt, section: Section, tally: Tally) -> None:
        """Let every actor try it."""
        outcomes = {actor: await self._outcome(attempt, actor) for actor in ACTORS}
        tally.add(f"{section.name}: {attempt.line[0]}", section.marks(*attempt.line), outcomes)

    async def _outcome(self, attempt: Attempt, actor: str) -> str:
        connection, rested = self._connection, self._at_rest
        become = acting_as(self.scene.actors[actor])
        if attempt.before is None:
            await connection.execute(sql.SQL("; ").join([_BACK, become]))
        else:
            await connection.execute(_BACK)
            await attempt.before(connection, actor)
            rested = await self._fingerprint()
            await connection.execute(become)
        try:
            answer = await attempt.act(connection, actor)
        except psycopg.Error as error:
            return mark_of_error(error)
        await connection.execute("reset role")
        after = await self._fingerprint()
        return _judge(self.scene, attempt, answer, {name for name in after if after[name] != rested[name]})

    async def _fingerprint(self) -> dict[str, str]:
        cursor = await self._connection.execute(self._digest)
        return {row["name"]: row["print"] for row in await cursor.fetchall()}


def _judge(scene: Scene, attempt: Attempt, answer: Any, changed: set[str]) -> str:
    refusal = _refusal_in(answer)
    told = f"changed {', '.join(sorted(changed))}"
    if refusal is not None:
        mark = MISS if refusal in scene.misses else MARK_OF_CODE.get(refusal["code"], refusal["code"])
        return f"{mark}, and yet {told}" if changed else mark
    if attempt.changes is None:
        return told if changed - set(attempt.leaves) else THROUGH if attempt.shows(answer) else NOTHING
    if isinstance(answer, list) and answer:  # rows that a statement has written
        return THROUGH
    return THROUGH if changed and set(attempt.changes) <= changed else told if changed else NOTHING


def _refusal_in(answer: Any) -> dict[str, Any] | None:
    """What is refused by an answer and not by an error, also inside a batch of one."""
    if not isinstance(answer, dict):
        return None
    given = cast("dict[str, Any]", answer)
    (inner,) = given.get("results", [given])
    return inner if inner.get("ok") is False else None


def mark_of_error(error: psycopg.Error) -> str:
    """The mark of a refusal; for any other error its state and text, which no line expects."""
    refused = Refused.read(error)
    if refused is not None and refused.status == STATUS_OF_CODE.get(refused.code):
        return MARK_OF_CODE.get(refused.code, refused.code)
    text = error.diag.message_primary or str(error)
    if isinstance(error, psycopg.errors.InsufficientPrivilege):
        return SHUT_OUT if "row-level security" in text else DENIED if text.startswith("permission denied") else text
    return f"{error.sqlstate} {text}"


def acting_as(who: Actor) -> sql.Composed:
    """Takes on role and claims until the savepoint is gone back to, as the REST API does for a call."""
    settings = {"request.jwt.claims": json.dumps(who.claims), "request.method": "POST", "search_path": "public"}
    # The role last: it may not set the others once it is somebody else's.
    each = [sql.SQL("set_config({}, {}, true)").format(*pair) for pair in [*settings.items(), ("role", who.role)]]
    return sql.SQL("select {}").format(sql.SQL(", ").join(each))


async def tables_of(scene: Scene) -> list[str]:
    """Every table, view and sequence that could be reached, from the catalogue."""
    return await scene.db.column(
        """select n.nspname || '.' || c.relname from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where c.relkind in ('r', 'p', 'v', 'm') and n.nspname in ('public', 'spaces')
              or n.nspname = 'realtime' and c.relname = 'messages' or n.nspname = 'auth' and c.relname = 'users'
           order by 1"""
    )

"""Calling functions: with good arguments about either room, or with nulls those that nobody is meant to call."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from typing import Any
from uuid import UUID

from tests.db.matrix.cells import Act, Attempt, acting_as
from tests.db.matrix.scene import Place, Scene
from tests.db.support.database import Connection, Signature, fetch, invoke

Arguments = Mapping[str, Any]


class Calls:
    """Collects the attempts on the functions that there are; what the catalogue does not have is passed over."""

    def __init__(self, scene: Scene, signatures: Mapping[str, Signature]) -> None:
        self.scene = scene
        self._signatures = signatures
        self.attempts: list[Attempt] = []

    @classmethod
    async def of(cls, scene: Scene) -> Calls:
        """For the functions of schema public."""
        names = await scene.db.column("select proname from pg_proc where pronamespace = 'public'::regnamespace")
        return cls(scene, {name: await scene.db.signature(name) for name in names})

    @property
    def called(self) -> set[str]:
        """The functions that something is tried for."""
        return {attempt.line[-1] for attempt in self.attempts}

    def once(
        self,
        rpc: str,
        what: str,
        arguments: Arguments | Callable[[str], Arguments],
        *,
        changes: Collection[str] | None = None,
        leaves: Collection[str] = (),
        shows: Callable[[Any], bool] = bool,
        before: Act | None = None,
    ) -> None:
        """One line.

        Args:
            what: What it is about; the line is named `rpc: what`.
            arguments: The same for everybody, or made for each actor.
            changes: And the rest: as in `Attempt`.
        """
        if rpc not in self._signatures:
            return
        signature = self._signatures[rpc]

        async def act(connection: Connection, actor: str) -> Any:
            given = arguments(actor) if callable(arguments) else arguments
            return await invoke(connection, rpc, signature, given)

        line = (f"{rpc}: {what}", rpc) if what else (rpc,)
        self.attempts.append(Attempt(line, act, before, changes, leaves, shows))

    def in_both(
        self,
        rpc: str,
        arguments: Arguments | Callable[[Place], Arguments] | None = None,
        *,
        what: str = "",
        changes: Collection[str] | None = None,
        leaves: Collection[str] = (),
        shows: Callable[[Any], bool] = bool,
    ) -> None:
        """Two lines: about the room, and about another one with ids of that one."""
        for place in (self.scene.here, self.scene.there):
            given = arguments(place) if callable(arguments) else arguments or {}
            name = f"{what}, {place.name}" if what else place.name
            with_room = {"p_room_id": place.id, **given}
            self.once(rpc, name, with_room, changes=changes, leaves=leaves, shows=shows)

    def looked_up(self, code: str) -> Act:
        """Before: the actor has looked a room up by its code, if they may call at all."""
        return self.having_called("get_room_by_code", {"p_code": code})

    def having_called(self, rpc: str, arguments: Arguments) -> Act:
        """Before: the actor has made this call, if they are a user."""

        async def before(connection: Connection, actor: str) -> None:
            who = self.scene.actors[actor]
            if who.user_id is not None:
                await connection.execute(acting_as(who))
                await invoke(connection, rpc, self._signatures[rpc], arguments)
                await connection.execute("reset role")

        return before

    def about(self, user: str) -> UUID:
        """The id of one of the actors, as the target of a call."""
        return self.scene.actors[user].id


async def bare_attempts(scene: Scene, schema: str, without: Collection[str] = ()) -> list[Attempt]:
    """Functions that nobody is meant to call, each with nulls."""
    rows = await scene.db.sql(
        """select p.proname as name, array(select format_type(t, null) from unnest(p.proargtypes) t) as types
           from pg_proc p where p.pronamespace = %s::regnamespace order by 1, 2""",
        [schema],
    )

    def attempt(name: str, types: list[str]) -> Attempt:
        statement = f"select {schema}.{name}({', '.join(f'null::{each}' for each in types)})"

        async def act(connection: Connection, _actor: str) -> Any:
            return await fetch(connection, statement)

        shown = f"{schema}.{name}({', '.join(types)})" if schema != "public" else name
        return Attempt((shown,), act)

    return [attempt(row["name"], row["types"]) for row in rows if row["name"] not in without]

"""Calls of the fake database's functions: what `RpcClient` is to a project."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any, Final, cast
from uuid import UUID

from pydantic_core import to_jsonable_python

from spaces_sdk.clock import Clock
from spaces_sdk.errors import ConnectError, ConnectionLostError, InvalidRequestError, OutcomeUnknownError
from spaces_sdk.models import RoomMode
from spaces_sdk.rpc.procedures import Procedure, Repeat, TableRead
from spaces_sdk.testing.fake.functions.connections import ConnectionFunctions
from spaces_sdk.testing.fake.functions.invitations import InvitationFunctions
from spaces_sdk.testing.fake.functions.moderation import ModerationFunctions
from spaces_sdk.testing.fake.functions.streams import StreamFunctions
from spaces_sdk.testing.fake.functions.turns import TurnFunctions
from spaces_sdk.testing.fake.refusals import Refusal
from spaces_sdk.testing.fake.tables import Account, Tables

SHORTEST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 2.0
IDS: Final = frozenset({"p_id", "p_reply_to", "p_holder"})


class Functions(InvitationFunctions, ConnectionFunctions, StreamFunctions, ModerationFunctions, TurnFunctions):
    """All functions of the database, for one caller."""

    def schema_version(self) -> int:
        return 1


class FakeRpc:
    """`RpcPort` for one user. What is lost on the way is repeated as `RpcClient` repeats it, by the backend's clock."""

    def __init__(self, tables: Tables, account: Account) -> None:
        self._tables = tables
        self._functions = Functions(tables, account)

    @property
    def clock(self) -> Clock:
        return self._tables.clock

    async def call(
        self,
        procedure: Procedure,
        arguments: Mapping[str, object],
        *,
        timeout_s: float,
        operation_id: UUID | None = None,
        unknown_hint: str = "",
    ) -> Any:
        doing, faults = procedure.operation, self._tables.faults
        if not timeout_s > 0:
            raise InvalidRequestError(f"cannot {doing}: timeout_s must be over 0", status=400)
        ends_at = self.clock.monotonic() + timeout_s
        pause_s = SHORTEST_PAUSE_S
        is_open = False
        await asyncio.sleep(0)
        while True:
            if not faults.database_is_down:
                answer = self.execute(procedure, arguments)
                if not faults.is_answer_lost():
                    return answer
                is_open = True
                if procedure.repeat is Repeat.NEVER:
                    raise ConnectionLostError(f"cannot {doing}: the connection ended before the answer was complete")
            left_s = ends_at - self.clock.monotonic()
            if left_s <= 0:
                if is_open and procedure.repeat is Repeat.SAFE and operation_id is not None:
                    reason = f"cannot {doing} for certain: an answer was lost"
                    raise OutcomeUnknownError(reason, operation_id=operation_id, hint=unknown_hint)
                raise ConnectError(f"cannot {doing}: the backend could not be reached", hint="check the network")
            await self.clock.sleep(min(pause_s, left_s))
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def execute(self, procedure: Procedure, arguments: Mapping[str, object]) -> Any:
        """Carry a call out; the answer is JSON that shares nothing with the rows.

        Raises:
            ApiError: The database refuses.
        """
        if isinstance(procedure, TableRead):
            return to_jsonable_python(self._rows(arguments))
        self._tables.buckets.begin()
        function = getattr(self._functions, procedure.name)
        try:
            answer = function(**{name.removeprefix("p_"): _typed(name, value) for name, value in arguments.items()})
        except Refusal as refused:
            if not refused.is_answer:
                self._tables.buckets.undo()
            raise refused.error(procedure.operation) from None
        return to_jsonable_python(answer)

    def _rows(self, filters: Mapping[str, object]) -> list[RoomMode]:
        """The modes, which are all that is read as a table; `{"name": "eq.playful"}` is one of them."""
        wanted = [str(condition).removeprefix("eq.") for condition in filters.values()]
        return [mode for name, mode in sorted(self._tables.modes.items()) if wanted in ([], [name])]


def _typed(name: str, value: object) -> object:
    """An argument as the functions take it: ids are UUIDs."""
    if isinstance(value, str) and (name in IDS or name.endswith("_id")):
        return UUID(value)
    if isinstance(value, list) and name.endswith("_ids"):
        return [UUID(str(each)) for each in cast("list[object]", value)]
    return cast("object", value)

"""What all groups of calls stand on: one transport, and answers parsed once."""

from __future__ import annotations

from functools import lru_cache
from typing import Any, Final, TypeVar
from uuid import UUID

from pydantic import BaseModel, TypeAdapter, ValidationError

from spaces_sdk.errors import ProtocolError
from spaces_sdk.models import Page
from spaces_sdk.rooms import checks
from spaces_sdk.rpc.answers import fields_of
from spaces_sdk.rpc.port import RpcPort
from spaces_sdk.rpc.procedures import Procedure

T = TypeVar("T")
M = TypeVar("M", bound=BaseModel)

TIMEOUT_S: Final = 10.0


class Calls:
    """The base of the groups of calls that together are `RoomManager`."""

    def __init__(self, rpc: RpcPort) -> None:
        self._rpc = rpc

    async def _page_of(
        self, kind: type[M], procedure: Procedure, room_id: UUID | str, limit: int, cursor: str | None, timeout_s: float
    ) -> Page[M]:
        """One page of something that a room has; `limit` as `spaces.page_after` in the migrations has it."""
        doing = procedure.operation
        checks.within(doing, "limit", limit, 1, 200)
        key = str(checks.uuid_of(doing, "room_id", room_id))
        arguments = {"p_room_id": key, "p_limit": limit, "p_cursor": cursor}
        return parsed(Page[kind], await self._rpc.call(procedure, arguments, timeout_s=timeout_s), doing)


def parsed(kind: type[T], value: object, operation: str) -> T:
    """A value of the wire as a typed one.

    Raises:
        ProtocolError: It is not what this version of the package expects.
    """
    try:
        return _adapter(kind).validate_python(value)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(step) for step in first["loc"]) or "the answer"
        reason = f"cannot {operation}: the database answered what this package cannot read ({where}: {first['msg']})"
        # Not chained: the library's text quotes the answer.
        raise ProtocolError(reason, raw=value, hint="compare the versions of the package and the migrations") from None


def field_of(value: object, name: str) -> Any:
    """A field of a JSON object; None when it is absent, or the value no object."""
    return fields_of(value).get(name)


@lru_cache(maxsize=32)
def _adapter(kind: type[T]) -> TypeAdapter[T]:
    return TypeAdapter(kind)

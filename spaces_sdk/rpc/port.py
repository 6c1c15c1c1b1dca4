"""What the calls on rooms need of a transport, as a protocol: replace it to run them on another bottom."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol
from uuid import UUID

from spaces_sdk.clock import Clock
from spaces_sdk.rpc.procedures import Procedure


class RpcPort(Protocol):
    """`RpcClient` by structure."""

    @property
    def clock(self) -> Clock: ...

    async def call(
        self,
        procedure: Procedure,
        arguments: Mapping[str, object],
        *,
        timeout_s: float,
        operation_id: UUID | None = ...,
        unknown_hint: str = ...,
    ) -> Any: ...

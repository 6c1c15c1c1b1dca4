"""What the gateway is told, as one JSON document on standard input: no secret in arguments or environment."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict, dataclass

from spaces_sdk.local.functions.settings import FunctionSettings


@dataclass(frozen=True, slots=True)
class GatewaySettings:
    """Settings of a gateway process.

    Attributes:
        listen_fd: An inherited listening socket: the port is taken before anything else is started.
        lite_port: Loopback port of REST and Auth.
        realtime_port: Loopback port of Realtime.
        publishable_key: The key that stands for the role `anon`.
        secret_key: The key that stands for `service_role`.
        jwt_secret: HS256 secret of all tokens.
        functions: The edge functions that it runs.
    """

    listen_fd: int
    lite_port: int
    realtime_port: int
    publishable_key: str
    secret_key: str
    jwt_secret: str
    functions: FunctionSettings

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_stdin(cls) -> GatewaySettings:
        told = json.load(sys.stdin)
        functions = FunctionSettings(**told.pop("functions"))
        return cls(**told, functions=functions)

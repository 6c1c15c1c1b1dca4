"""A running stack with the scene in it, and what each actor puts into a request."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt

from spaces_sdk.local.stack import LocalStack
from tests.db.matrix.scene import Scene, set_scene
from tests.db.support.database import Database
from tests.db.test_quickstart_policies import quickstart

# Refusals are held back, and a plan has limits: neither is what this is about.
_REALTIME = {
    "JOIN_ERROR_DELAY_S": "0.01",
    "CONNECT_ERROR_DELAY_S": "0.01",
    "MAX_EVENTS_PER_SECOND": "100000",
    "MAX_PRESENCE_EVENTS_PER_SECOND": "100000",
    "MAX_JOINS_PER_SECOND": "100000",
}


@dataclass(frozen=True, slots=True)
class Caller:
    """An API key, and the token of a user beside it."""

    key: str | None
    token: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """Of an HTTP request."""
        headers = {} if self.key is None else {"apikey": self.key}
        return headers if self.token is None else headers | {"Authorization": f"Bearer {self.token}"}


@dataclass(frozen=True, slots=True)
class Stage:
    """The stack, who is in it, and what they call with: all actors and the impostors."""

    stack: LocalStack
    scene: Scene
    callers: Mapping[str, Caller]


@asynccontextmanager
async def set_stage(postgres_bin: Path | str | None) -> AsyncGenerator[Stage]:
    """A stack of its own, as an older project is: the API roles get everything by default."""
    realtime_env = {f"SPACES_REALTIME_{name}": value for name, value in _REALTIME.items()}
    async with LocalStack.temporary(
        postgres_bin=postgres_bin, default_privileges="open", realtime_env=realtime_env, sweep_interval_s=3600
    ) as stack:
        database = Database("postgres", superuser_url=stack.db_url, api_url=stack.cluster.url("authenticator"))
        try:
            await quickstart(database)
            scene = await set_scene(database)
            yield Stage(stack, scene, _callers(stack, scene))
        finally:
            await database.aclose()


def _callers(stack: LocalStack, scene: Scene) -> dict[str, Caller]:
    key, secret, now = stack.publishable_key, stack.jwt_secret, int(time.time())

    def of(claims: Mapping[str, Any], secret: str = secret) -> str:
        return jwt.encode({"iat": now, "exp": now + 3600, **claims}, secret, "HS256")

    callers = {
        name: Caller(key, of(actor.claims) if actor.user_id is not None else None)
        for name, actor in scene.actors.items()
    }
    host = scene.actors["host"].claims
    return callers | {
        "service key": Caller(stack.secret_key),
        "no key": Caller(None, of(host)),
        "expired": Caller(key, of({**host, "exp": now - 1})),
        "wrong secret": Caller(key, of(host, secret="another-secret-than-that-of-the-project")),
        "alg none": Caller(key, _unsigned({"iat": now, "exp": now + 3600, **host})),
        "wrong audience": Caller(key, of({**host, "aud": "letters"})),
    }


def _unsigned(claims: Mapping[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."

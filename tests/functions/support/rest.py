"""Users of the REST service: each signs in anonymously, and knows nothing but HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx

from spaces_sdk.local.stack import LocalStack

BASE = "/functions/v1"
Json = dict[str, Any]


@dataclass
class Caller:
    """One user's way to the service; the paths are those of the documentation, `/rooms/…`."""

    http: httpx.AsyncClient
    key: str
    token: str
    user_id: str

    async def send(self, method: str, path: str, body: Any = None, **more: Any) -> httpx.Response:
        """One request as this user; `headers` are added to the token."""
        headers = {"authorization": f"Bearer {self.token}", **more.pop("headers", {})}
        if body is not None:
            more["json"] = body
        return await self.http.request(method, f"{BASE}{path}", headers=headers, **more)

    async def get(self, path: str, **more: Any) -> httpx.Response:
        return await self.send("GET", path, **more)

    async def post(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return await self.send("POST", path, body, **more)

    async def patch(self, path: str, body: Any = None, **more: Any) -> httpx.Response:
        return await self.send("PATCH", path, body, **more)

    async def delete(self, path: str, **more: Any) -> httpx.Response:
        return await self.send("DELETE", path, **more)

    async def create(self, name: str = "My Room", **fields: Any) -> Json:
        """A room of this user's own."""
        return ok(await self.post("/rooms/create", {"name": name, **fields}), 201)["room"]

    async def enter(self, room: Json, name: str = "Ada") -> Json:
        """Join by the code, as somebody does who was given it."""
        ok(await self.get(f"/rooms/code/{room['roomCode']}"))
        return ok(await self.post(f"/rooms/{room['id']}/join", {"displayName": name}))

    async def rpc(self, name: str, **arguments: Any) -> Any:
        """A function of the database, past the service."""
        headers = {"apikey": self.key, "authorization": f"Bearer {self.token}"}
        values = {f"p_{key}": value for key, value in arguments.items()}
        answer = await self.http.post(f"/rest/v1/rpc/{name}", headers=headers, json=values)
        assert answer.status_code == 200, answer.text
        return answer.json()

    async def connect(self, room: Json, name: str = "Ada") -> str:
        """Join with a connection that takes a place, as the SDK does."""
        connection = str(uuid4())
        await self.rpc("join_room", room_id=room["id"], display_name=name, connection_id=connection)
        return connection


async def sign_in(http: httpx.AsyncClient, stack: LocalStack) -> Caller:
    """A new user."""
    answer = await http.post("/auth/v1/signup", headers={"apikey": stack.publishable_key}, json={})
    session = answer.json()
    return Caller(http, stack.publishable_key, session["access_token"], session["user"]["id"])


def ok(answer: httpx.Response, status: int = 200) -> Json:
    """The body of an answer that is a success."""
    assert answer.status_code == status, answer.text
    body = answer.json()
    assert body["success"] is True
    return body


def refused(answer: httpx.Response, status: int, code: str) -> Json:
    """The error of an answer that is a refusal in the service's own words."""
    body = answer.json()
    assert (answer.status_code, body["success"], body["error"]["code"]) == (status, False, code), answer.text
    assert body["error"]["message"].startswith("cannot ")
    assert body["error"]["hint"]
    return body["error"]

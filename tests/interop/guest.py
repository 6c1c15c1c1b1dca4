"""Other people's clients as guests in a room: supabase-js on Deno and realtime-py, moved by the same commands."""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Protocol, cast

import httpx
from supabase import AsyncClient, AsyncClientOptions, acreate_client

from spaces_sdk.local.deno import DenoProgram
from spaces_sdk.local.stack import LocalStack

FOLDER = Path(__file__).parent / "supabase_js"
_WITHIN_S = 60.0


class Guest(Protocol):
    """One client. `heard` grows by `{"heard": "broadcast" | "presence", …}`, in the order of arrival."""

    heard: list[dict[str, Any]]

    async def do(self, command: str, **args: str) -> dict[str, Any]:
        """`sign_in`, `join`, `track`, `say`, `forge`, `refresh`, `listen`, as main.ts has them."""
        ...


class JsGuest:
    """supabase-js, in a Deno of its own that reaches nothing but the stack."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.heard: list[dict[str, Any]] = []
        self._process = process
        self._answers: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._reader = asyncio.create_task(self._read(), name="supabase-js")

    @classmethod
    @asynccontextmanager
    async def on(cls, stack: LocalStack) -> AsyncGenerator[JsGuest]:
        """Run it."""
        program = DenoProgram(FOLDER)
        await program.fetch(print)
        process = await asyncio.create_subprocess_exec(
            *program.command(net=[stack.url.removeprefix("http://")]),
            env=program.environment(GUEST_URL=stack.url, GUEST_KEY=stack.publishable_key),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
        )
        guest = cls(process)
        try:
            yield guest
        finally:
            process.kill()
            await process.wait()
            await guest._reader

    async def _read(self) -> None:
        if self._process.stdout is None:
            return
        async for raw in self._process.stdout:
            line: dict[str, Any] = json.loads(raw)
            if "heard" in line:
                self.heard.append(line)
            else:
                self._answers.put_nowait(line)

    async def do(self, command: str, **args: str) -> dict[str, Any]:
        if self._process.stdin is None:
            raise RuntimeError("the program has no input")
        self._process.stdin.write((json.dumps({"command": command, **args}) + "\n").encode())
        async with asyncio.timeout(_WITHIN_S):
            line = await self._answers.get()
        if "failed" in line:
            raise AssertionError(line["failed"])
        return cast("dict[str, Any]", line["answer"])


class PyGuest:
    """The `supabase` package with its realtime-py."""

    def __init__(self, client: AsyncClient) -> None:
        self.heard: list[dict[str, Any]] = []
        self._client = client
        self._room: Any = None

    @classmethod
    @asynccontextmanager
    async def on(cls, stack: LocalStack) -> AsyncGenerator[PyGuest]:
        """Make a client."""
        http = httpx.AsyncClient(trust_env=False, http2=False)
        client = await acreate_client(stack.url, stack.publishable_key, AsyncClientOptions(httpx_client=http))
        try:
            yield cls(client)
        finally:
            await client.realtime.close()
            await client.auth.sign_out({"scope": "local"})
            await http.aclose()

    async def do(self, command: str, **args: str) -> dict[str, Any]:
        async with asyncio.timeout(_WITHIN_S):
            return await getattr(self, f"_{command}")(**args)

    async def _sign_in(self, email: str, password: str) -> dict[str, Any]:
        await self._client.auth.sign_in_with_password({"email": email, "password": password})
        return {}

    async def _join(self, code: str, name: str) -> dict[str, Any]:
        found: Any = (await self._client.rpc("get_room_by_code", {"p_code": code}).execute()).data
        arguments = {"p_room_id": found["room"]["id"], "p_display_name": name, "p_connection_id": str(uuid.uuid4())}
        joined: Any = (await self._client.rpc("join_room", arguments).execute()).data
        channel: Any = self._client.channel(
            joined["topic"],
            {"config": {"private": True, "presence": {"key": name, "enabled": True}, "broadcast": None}},
        )
        channel.on_broadcast("*", self._hear)
        channel.on_presence_sync(lambda: self.heard.append({"heard": "presence", "state": channel.presence_state()}))
        self._room = channel
        return {"topic": joined["topic"], **await _subscribed(channel)}

    def _hear(self, message: dict[str, Any]) -> None:
        self.heard.append({"heard": "broadcast", **message})

    async def _track(self, mood: str) -> dict[str, Any]:
        await self._room.track({"mood": mood})
        return {"status": "ok"}

    async def _say(self, room_id: str, content: str) -> dict[str, Any]:
        await self._client.rpc("insert_message", {"p_room_id": room_id, "p_content": content}).execute()
        return {}

    async def _forge(self, event: str) -> dict[str, Any]:
        await self._room.send_broadcast(event, {})
        return {"status": "ok"}

    async def _refresh(self) -> dict[str, Any]:
        refreshed: Any = await self._client.auth.refresh_session()
        return {"token": refreshed.session.access_token}

    async def _listen(self, topic: str) -> dict[str, Any]:
        channel: Any = self._client.channel(topic, {"config": {"private": True, "presence": None, "broadcast": None}})
        answer = await _subscribed(channel)
        await self._client.remove_channel(channel)
        return answer


async def _subscribed(channel: Any) -> dict[str, Any]:
    told: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()

    def tell(status: Any, error: Exception | None) -> None:
        if not told.done():
            told.set_result({"status": str(getattr(status, "value", status)), "error": str(error or "")})

    await channel.subscribe(tell)
    return await told

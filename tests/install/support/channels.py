"""An app's own Realtime channels, by hand: whether one may join, and hears what is said there."""

from __future__ import annotations

import asyncio
import json
from typing import Any

from websockets.asyncio.client import connect

from spaces_sdk.local.stack import LocalStack

_WITHIN_S = 15.0


async def speaks_and_hears(stack: LocalStack, topic: str, *, token: str | None = None) -> bool:
    """Join a topic and broadcast there; True when one's own broadcast comes back, False when the join is refused.

    Args:
        token: A user's access token, for a private channel; None takes a public one.
    """
    config = {"broadcast": {"self": True}, "presence": {"enabled": False}, "private": token is not None}
    join: dict[str, Any] = {"config": config} | ({"access_token": token} if token else {})
    url = f"{stack.url.replace('http', 'ws', 1)}/realtime/v1/websocket?apikey={stack.publishable_key}&vsn=2.0.0"
    async with connect(url, proxy=None) as socket, asyncio.timeout(_WITHIN_S):
        await socket.send(json.dumps(["1", "1", f"realtime:{topic}", "phx_join", join]))
        reply = json.loads(await socket.recv())
        if reply[4]["status"] != "ok":
            return False
        said = {"type": "broadcast", "event": "app", "payload": {"text": "hello"}}
        await socket.send(json.dumps(["1", "2", f"realtime:{topic}", "broadcast", said]))
        while (frame := json.loads(await socket.recv()))[3] != "broadcast":
            pass
        return frame[4]["payload"] == said["payload"]


async def channels_of(stack: LocalStack, *, member: str, guest: str) -> dict[str, bool]:
    """Which of the app's channels work, for a user with an account and an anonymous one."""
    tried = {
        "private, as the member": speaks_and_hears(stack, "app:members", token=member),
        "private, as a guest": speaks_and_hears(stack, "app:members", token=guest),
        "for everybody signed in, as a guest": speaks_and_hears(stack, "app:lobby", token=guest),
        "private, without an account": speaks_and_hears(stack, "app:open", token=stack.anon_key),
        "public": speaks_and_hears(stack, "app:public"),
        "without a policy": speaks_and_hears(stack, "app:nobody", token=member),
    }
    return dict(zip(tried, await asyncio.gather(*tried.values()), strict=True))


EXPECTED = {
    "private, as the member": True,
    "private, as a guest": False,
    "for everybody signed in, as a guest": True,
    "private, without an account": True,
    "public": True,
    "without a policy": False,
}

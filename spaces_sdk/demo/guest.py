"""A participant in a process of its own, so that the demo can kill it: `python -m spaces_sdk.demo.guest`.

The first line of standard input is a JSON object: url, key, access_token, room, display_name, message.
Nothing of it is on the command line, where other users of the machine could read it. It answers on
standard output, one JSON object a line, and ends when its standard input ends.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

from spaces_sdk.client import Spaces


async def run() -> None:
    """Join, say one thing, and stay until the input ends (or somebody kills the process)."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader(loop=loop)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader, loop=loop), sys.stdin)
    order: dict[str, Any] = json.loads(await reader.readline())
    token: str = order["access_token"]

    async def access_token() -> str:
        return token

    async with (
        Spaces(order["url"], order["key"], access_token=access_token) as spaces,
        spaces.join(order["room"], display_name=order["display_name"]) as session,
    ):
        message = await session.send(order["message"])
        say(connection_id=str(session.connection_id), message_id=str(message.id), position=session.position)
        await reader.read()


def say(**facts: object) -> None:
    """Tell the parent."""
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    asyncio.run(run())

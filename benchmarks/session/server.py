"""A Realtime server in a process of its own that says what it is told to: the measured process only listens.

    python -m benchmarks.session.server

It prints its port. `{"bench": {"topic", "room_id", "first", "count"}}` on any connection makes it send that many
messages of the room, in the database's format, to all that have joined the topic: a chunk, a pause, and so on.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import parse_qs, urlsplit
from uuid import uuid4

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from spaces_sdk.realtime.binary import BinaryFrame, Kind, Sender, encode_binary
from spaces_sdk.realtime.protocol import Vsn, decode_text

CHUNK = 20
PAUSE_S = 0.005
EVENT = "room:message-received"


def message_of(room_id: str, pos: int) -> dict[str, Any]:
    """A message as the database broadcasts it: some 90 characters of text, 900 bytes in all."""
    at = "2026-11-23T12:00:00.123456+00:00"
    return {
        "at": at,
        "pos": pos,
        "epoch": 1,
        "room_id": room_id,
        "message": {
            "id": str(uuid4()),
            "seq": pos,
            "room_id": room_id,
            "user_id": str(uuid4()),
            "content": f"{pos}: what people write to each other is mostly a line or two, and some of it is longer",
            "status": "final",
            "metadata": {"client": "bench", "tags": ["a", "b"]},
            "reply_to": None,
            "revision": pos,
            "reactions": {},
            "created_at": at,
            "updated_at": at,
            "sender_kind": "human",
            "display_name": "Ada",
            "message_type": "user_text",
        },
    }


def frame_of(vsn: Vsn, topic: str, payload: dict[str, Any]) -> str | bytes:
    """As Realtime writes it."""
    message_id = payload["message"]["id"]
    if vsn is Vsn.V1:
        body = {"event": EVENT, "payload": payload, "type": "broadcast", "meta": {"id": message_id}}
        return json.dumps({"ref": None, "event": "broadcast", "payload": body, "topic": topic})
    frame = BinaryFrame(
        Kind.USER_BROADCAST,
        topic=topic,
        event=EVENT,
        data=json.dumps(payload).encode(),
        metadata=json.dumps({"id": message_id}, separators=(",", ":")).encode(),
        is_json=True,
    )
    return encode_binary(frame, sender=Sender.SERVER)


class Server:
    """Who has joined what."""

    def __init__(self) -> None:
        self._joined: dict[str, set[ServerConnection]] = {}

    async def handle(self, connection: ServerConnection) -> None:
        """One connection, until it ends."""
        vsn = vsn_of(connection)
        try:
            async for data in connection:
                if '"bench"' in str(data):
                    await self.broadcast(**json.loads(data)["bench"])
                    continue
                asked = decode_text(vsn, data)
                if asked.event == "phx_join":
                    self._joined.setdefault(asked.topic, set()).add(connection)
                answer = {"status": "ok", "response": {"postgres_changes": list[object]()}}
                reply = {"ref": asked.ref, "event": "phx_reply", "payload": answer, "topic": asked.topic}
                row = [asked.join_ref, asked.ref, asked.topic, "phx_reply", answer]
                await connection.send(json.dumps(reply if vsn is Vsn.V1 else row))
        except ConnectionClosed:
            pass
        finally:
            for members in self._joined.values():
                members.discard(connection)

    async def broadcast(self, topic: str, room_id: str, first: int, count: int) -> None:
        """Send the messages from `first` on."""
        wire_topic = f"realtime:{topic}"
        listeners = [(each, vsn_of(each)) for each in self._joined.get(wire_topic, ())]
        payloads = [message_of(room_id, pos) for pos in range(first, first + count)]
        frames = {vsn: [frame_of(vsn, wire_topic, each) for each in payloads] for vsn in {vsn for _, vsn in listeners}}
        for start in range(0, count, CHUNK):
            for listener, vsn in listeners:
                for frame in frames[vsn][start : start + CHUNK]:
                    await listener.send(frame)
            await asyncio.sleep(PAUSE_S)


def vsn_of(connection: ServerConnection) -> Vsn:
    """The protocol's version that the client has asked for."""
    request = connection.request
    query = parse_qs(urlsplit(request.path).query) if request is not None else {}
    return Vsn(query.get("vsn", ["1.0.0"])[0])


async def main() -> None:
    """Serve until the process is ended."""
    async with serve(Server().handle, "127.0.0.1", 0, compression=None, ping_interval=None) as server:
        print(next(iter(server.sockets)).getsockname()[1], flush=True)
        await asyncio.get_running_loop().create_future()


if __name__ == "__main__":
    asyncio.run(main())

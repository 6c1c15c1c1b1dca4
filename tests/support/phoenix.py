"""How a Phoenix server behaves, for servers in tests: what it answers to each frame of a client."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from spaces_sdk.realtime.binary import BinaryFrame, Kind, Sender, encode_binary
from spaces_sdk.realtime.frames import Message
from spaces_sdk.realtime.protocol import Vsn, decode_text


def server_text(vsn: Vsn, message: Message) -> str:
    """A text frame as the server writes it: 1.0.0 has no join_ref."""
    if vsn is Vsn.V2:
        return json.dumps([message.join_ref, message.ref, message.topic, message.event, message.payload])
    fields = {"ref": message.ref, "event": message.event, "payload": message.payload, "topic": message.topic}
    return json.dumps(fields)


def reply(to: Message, *, status: str = "ok", response: Any = None) -> Message:
    """The answer to a frame."""
    join_ref = to.ref if to.event == "phx_join" else to.join_ref
    return Message(join_ref, to.ref, to.topic, "phx_reply", {"status": status, "response": response or {}})


def refusal(to: Message, reason: str) -> Message:
    """The answer to a join that is not allowed."""
    return reply(to, status="error", response={"reason": reason})


def phx_close(join_ref: str, topic: str) -> Message:
    """The end of the channel of a join."""
    return Message(join_ref, join_ref, topic, "phx_close", {})


def system(join_ref: str | None, topic: str, message: str, *, status: str = "error") -> Message:
    """A word of the server about a channel."""
    payload = {"message": message, "status": status, "extension": "system", "channel": topic.removeprefix("realtime:")}
    return Message(join_ref, None, topic, "system", payload)


def database_broadcast(topic: str, event: str, payload: Any, *, message_id: str = "m-1") -> bytes:
    """A message from the database, as 2.0.0 carries it."""
    frame = BinaryFrame(
        Kind.USER_BROADCAST,
        topic=topic,
        event=event,
        data=json.dumps(payload).encode(),
        metadata=json.dumps({"id": message_id}, separators=(",", ":")).encode(),
        is_json=True,
    )
    return encode_binary(frame, sender=Sender.SERVER)


Answer = Callable[[Message], list[Message] | None]


@dataclass
class Manners:
    """Answers as a server that allows everything; what `override` returns goes before (an empty list: silence)."""

    vsn: Vsn = Vsn.V2
    override: Answer | None = None
    received: list[Message] = field(default_factory=list[Message])

    def answers(self, data: str | bytes) -> list[Message]:
        message = decode_text(self.vsn, data)
        self.received.append(message)
        if self.override is not None and (answers := self.override(message)) is not None:
            return answers
        match message.event:
            case "phx_join":
                return [reply(message, response={"postgres_changes": []})]
            case "phx_leave":
                return [reply(message), phx_close(message.join_ref or "", message.topic)]
            case "heartbeat" | "presence":
                return [reply(message)]
            case _:
                return []

    def events(self, *, but: frozenset[str] = frozenset({"heartbeat"})) -> list[str]:
        """Names of what came in, in order."""
        return [message.event for message in self.received if message.event not in but]

"""What Realtime asks the database about a topic: may this user hear, be seen, speak there?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from psycopg.types.json import Jsonb

from tests.db.matrix.cells import Act, Attempt
from tests.db.matrix.scene import Scene
from tests.db.support.database import Connection, fetch

_FORGED = {"message": {"content": "forged"}}


def attempts_on_topics(scene: Scene) -> Iterator[Attempt]:
    """Hearing and writing either kind of message, and a row with content, on every topic."""
    for name, topic in scene.topics.items():
        for extension, word in (("broadcast", "hear broadcasts"), ("presence", "hear presence")):
            yield Attempt(_names(word, name), _hear(topic), _probe(topic, extension))
        yield Attempt(_names("broadcast", name), _write(topic, "broadcast"), changes={"realtime.messages"})
        yield Attempt(_names("track", name), _write(topic, "presence"), changes={"realtime.messages"})
        for extension in ("broadcast", "presence"):
            yield Attempt(
                _names("forge a message", name, f"as {extension}"),
                _write(topic, extension, "room:message-received", _FORGED),
                changes={"realtime.messages"},
            )


def _names(action: str, topic: str, detail: str = "") -> tuple[str, ...]:
    kind = "malformed" if topic.startswith("malformed") else topic
    return (f"{action}, {topic}{detail and f', {detail}'}", f"{action}, {topic}", f"{action}, {kind}")


def _probe(topic: str, extension: str) -> Act:
    async def before(connection: Connection, _actor: str) -> None:
        await fetch(connection, "insert into realtime.messages (topic, extension) values (%s, %s)", [topic, extension])
        await fetch(connection, "select set_config('realtime.topic', %s, true)", [topic])

    return before


def _hear(topic: str) -> Act:
    async def act(connection: Connection, _actor: str) -> Any:
        return await fetch(connection, "select 1 from realtime.messages where topic = %s", [topic])

    return act


def _write(topic: str, extension: str, event: str | None = None, payload: Any = None) -> Act:
    async def act(connection: Connection, _actor: str) -> Any:
        await fetch(connection, "select set_config('realtime.topic', %s, true)", [topic])
        return await fetch(
            connection,
            "insert into realtime.messages (topic, extension, event, payload) values (%s, %s, %s, %s)",
            [topic, extension, event, None if payload is None else Jsonb(payload)],
        )

    return act

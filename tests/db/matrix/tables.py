"""Reading and writing every table directly, row by row where it has rows of rooms."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from tests.db.matrix.cells import Act, Attempt
from tests.db.matrix.scene import Scene
from tests.db.support.database import Connection, fetch

# Where a table that users read says which room a row belongs to.
ROOM_COLUMN = {
    "public.rooms": "id",
    "public.room_participants": "room_id",
    "public.room_messages": "room_id",
    "public.room_message_reactions": "room_id",
}
ACTIONS = ("select", "insert", "update", "delete", "truncate")


async def attempts_on_tables(scene: Scene, tables: list[str]) -> list[Attempt]:
    """Every action on every table, and on the rows of either room."""
    columns = await scene.db.sql(
        """select format('%I.%I', n.nspname, c.relname) as name, min(a.attname) as first
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped and a.attgenerated = ''
           group by 1"""
    )
    first = {row["name"]: row["first"] for row in columns}
    attempts: list[Attempt] = []
    for table in tables:
        for action in ACTIONS if table != "realtime.messages" else ("truncate",):
            whole = _on_the_whole(action, table, first[table])
            attempts.append(_attempt(table, action, "", whole, None))
        if (column := ROOM_COLUMN.get(table)) is not None:
            for place in (scene.here, scene.there):
                for action, statement in _on_rows(table, column, first[table]):
                    attempts.append(_attempt(table, action, place.name, statement, [place.id]))
    attempts += _on_own_rows(scene)
    attempts += _on_broadcasts(scene)
    return attempts


def _on_the_whole(action: str, table: str, column: str) -> str:
    # Each in the form that needs the least rights.
    return {
        "select": f"select 1 from {table} limit 1",
        "insert": f"insert into {table} default values",
        "update": f"update {table} set {column} = default",
        "delete": f"delete from {table}",
        "truncate": f"truncate {table} cascade",
    }[action]


def _on_rows(table: str, room_column: str, column: str) -> Iterator[tuple[str, str]]:
    yield "select", f"select 1 from {table} where {room_column} = %s"
    yield "insert", f"insert into {table} ({room_column}) values (%s)"
    yield "update", f"update {table} set {column} = {column} where {room_column} = %s returning 1"
    yield "delete", f"delete from {table} where {room_column} = %s returning 1"


def _attempt(table: str, action: str, rows: str, statement: str, parameters: list[Any] | None) -> Attempt:
    async def act(connection: Connection, _actor: str) -> Any:
        return await fetch(connection, statement, parameters)

    rows = f"of {rows}" if rows else ""
    return Attempt(_names(action, table, rows), act, changes=None if action == "select" else {table})


def _names(action: str, table: str, rows: str = "") -> tuple[str, ...]:
    particular = (f"{action} {table} {rows}",) if rows else ()
    return (*particular, f"{action} {table}", f"all else on {table}", f"all {table}")


def _on_own_rows(scene: Scene) -> Iterator[Attempt]:
    """What is an actor's own is no more theirs to write than the rest."""

    def own(name: str, table: str, statement: str) -> Attempt:
        async def act(connection: Connection, actor: str) -> Any:
            who = scene.actors[actor]
            me = who.user_id or scene.here.target.id
            ids = {"room": scene.here.id, "me": me, "message": scene.message_of(actor)}
            return await fetch(connection, statement, ids)

        return Attempt(_names(name, table, "of one's own"), act, changes={table})

    people, messages, rooms = "public.room_participants", "public.room_messages", "public.rooms"
    reactions = "public.room_message_reactions"
    yield own("insert", rooms, f"insert into {rooms} (room_code, host_user_id, name) values ('ABCDEF', %(me)s, 'Mine')")
    yield own("update", rooms, f"update {rooms} set host_user_id = %(me)s where id = %(room)s returning 1")
    yield own(
        "insert",
        people,
        f"insert into {people} (room_id, user_id, display_name) values (%(room)s, %(me)s, 'Me')"
        " on conflict (room_id, user_id) do update set role = 'moderator', is_muted = false, status = 'active'",
    )
    yield own("update", people, f"update {people} set role = 'moderator' where user_id = %(me)s returning 1")
    yield own("delete", people, f"delete from {people} where user_id = %(me)s returning 1")
    yield own(
        "insert",
        messages,
        f"""insert into {messages} (room_id, user_id, message_type, content, seq, revision, display_name, sender_kind)
            values (%(room)s, %(me)s, 'user_text', 'forged', 999, 999, 'Me', 'human')""",
    )
    yield own("update", messages, f"update {messages} set content = 'other words' where id = %(message)s returning 1")
    yield own("delete", messages, f"delete from {messages} where id = %(message)s returning 1")
    yield own(
        "insert",
        reactions,
        f"""insert into {reactions} (message_id, user_id, emoji, room_id)
            values (%(message)s, %(me)s, '👎', %(room)s)""",
    )


def _on_broadcasts(scene: Scene) -> Iterator[Attempt]:
    """Rows of realtime.messages by plain SQL, without asking Realtime: of a room's topic and of the app's own."""
    forged = """insert into realtime.messages (topic, extension, event, payload, private)
                values (%s, 'broadcast', 'room:message-received', '{"forged": true}', true)"""
    for name in ("this epoch", "another room", "the app's own"):
        topic = scene.topics[name]

        async def there_is_one(connection: Connection, _actor: str, topic: str = topic) -> None:
            await fetch(
                connection, "insert into realtime.messages (topic, extension) values (%s, 'broadcast')", [topic]
            )

        yield _on_topic("select", name, "select 1 from realtime.messages where topic = %s", topic, there_is_one)
        yield _on_topic("insert", name, forged, topic, None)
        change = "update realtime.messages set event = 'forged' where topic = %s returning 1"
        yield _on_topic("update", name, change, topic, there_is_one)
        yield _on_topic("delete", name, "delete from realtime.messages where topic = %s", topic, there_is_one)


def _on_topic(action: str, name: str, statement: str, topic: str, before: Act | None) -> Attempt:
    async def act(connection: Connection, _actor: str) -> Any:
        return await fetch(connection, statement, [topic])

    table = "realtime.messages"
    return Attempt(_names(action, table, f"of {name}"), act, before, None if action == "select" else {table})

"""The history, what changed since a position, and how far one has read."""

from __future__ import annotations

from uuid import UUID, uuid4

from spaces_sdk.models import JsonObject, SyncPage
from tests.contract_suite.stage import Person, Stage, case


async def pages(person: Person, room_id: UUID, after: int) -> list[SyncPage]:
    """A whole sync."""
    found: list[SyncPage] = []
    to: int | None = None
    cursor: JsonObject | None = None
    while not found or cursor is not None:
        found.append(await person.rooms.sync_room(room_id, after, to=to, cursor=cursor))
        to, cursor = found[-1].to, found[-1].cursor
    return found


@case
async def the_history_comes_in_pages(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    for text in "abcde":
        await bob.rooms.insert_message(room.id, text)
    newest = await ada.rooms.get_room_messages(room.id, limit=2)
    assert [m.content for m in newest.items] == ["d", "e"]
    older = await ada.rooms.get_room_messages(room.id, limit=2, before=int(newest.next_cursor or 0))
    assert [m.content for m in older.items] == ["b", "c"]
    later = await ada.rooms.get_room_messages(room.id, limit=200, after=older.items[-1].seq)
    assert ([m.content for m in later.items], later.next_cursor) == (["d", "e"], None)
    first = await ada.rooms.get_room_messages(room.id, limit=1, after=0)
    assert first.next_cursor == str(first.items[0].seq)
    await stage.refused("not_participant", (await stage.person("eve")).rooms.get_room_messages(room.id))


@case
async def a_page_has_a_size(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    for _ in range(3):
        await bob.rooms.insert_message(room.id, "x" * 6000)
    await stage.configure(page_bytes=14_000)
    newest = await ada.rooms.get_room_messages(room.id)
    assert len(newest.items) == 2
    assert len((await ada.rooms.join_room(room.id)).messages) == 2
    await stage.configure(page_bytes=10)
    assert len((await ada.rooms.get_room_messages(room.id)).items) == 1


@case
async def a_sync_brings_what_is_new_then_what_changed(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    said = [await bob.rooms.insert_message(room.id, text) for text in "abcd"]
    at = await stage.head(room.id)
    await bob.rooms.edit_message(room.id, said[1].id, "B")
    await bob.rooms.insert_message(room.id, "e")
    await ada.rooms.delete_message(room.id, said[0].id)
    await bob.rooms.insert_message(room.id, "f")
    (whole,) = await pages(ada, room.id, at)
    assert [m.content for m in whole.messages] == ["e", "f", "B", ""]
    assert (whole.to, whole.head, whole.epoch) == (at + 4, at + 4, 1)
    assert whole.participants is not None
    assert [p.display_name for p in whole.participants] == ["ada", "bob"]
    await stage.configure(page_rows=3)
    first, last = await pages(ada, room.id, at)
    assert ([m.content for m in first.messages], first.participants, first.state) == (["e", "f", "B"], None, None)
    assert ([m.content for m in last.messages], last.room is not None) == ([""], True)
    (empty,) = await pages(ada, room.id, at + 4)
    assert empty.messages == []
    await stage.refused("invalid_argument", ada.rooms.sync_room(room.id, at + 5))
    await stage.refused("invalid_argument", ada.rooms.sync_room(room.id, at, to=at + 5))
    await stage.refused("not_participant", (await stage.person("eve")).rooms.sync_room(room.id, 0))


@case
async def what_is_unread(stage: Stage) -> None:
    room, (ada, bob) = await stage.seat("ada", "bob")
    said = [await bob.rooms.insert_message(room.id, text) for text in "abc"]
    await ada.rooms.insert_message(room.id, "own")
    await bob.rooms.delete_message(room.id, said[1].id)
    counts = {mark.room_id: mark.unread_count for mark in await ada.rooms.unread_counts([room.id, uuid4()])}
    assert counts == {room.id: 2}
    mark = await ada.rooms.mark_read(room.id, said[0].seq)
    assert (mark.last_read_seq, mark.unread_count) == (said[0].seq, 1)
    assert (await ada.rooms.mark_read(room.id, 1)).last_read_seq == said[0].seq
    await stage.refused("invalid_argument", ada.rooms.mark_read(room.id, await stage.head(room.id) + 1))
    await stage.refused("not_participant", (await stage.person("eve")).rooms.mark_read(room.id, 1))

"""Messages that change, on the real parts: who is live sees it, who was away gets it once, and what is unread."""

from __future__ import annotations

import pytest

from spaces_sdk.errors import NotFoundError, PermissionDeniedError
from spaces_sdk.events import CaughtUp, GapDetected, MessageUpdated
from spaces_sdk.models import Message, MessageStatus, Room
from tests.integration.people import WITHIN_S, LocalPeople, People, Visit
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration


async def two(people: People) -> tuple[Room, Visit, Visit]:
    """Ada's room, with Ada and Bob in it."""
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Live")
    return room, await people.enter(ada, room), await people.enter(bob, room.room_code)


async def shows(visit: Visit, message: Message, within_s: float = WITHIN_S) -> None:
    """The session holds that message as it is, and its reader was told."""

    def is_so() -> bool:
        told = [e for e in visit.of(MessageUpdated) if e.message.revision == message.revision]
        return message in visit.session.messages and bool(told)

    await eventually(is_so, within_s, what=lambda: f"{message} for {visit.user.name} in {visit.events}")


def changes_of(visit: Visit, message: Message) -> list[int]:
    """The revisions of a message that a reader was told of."""
    return [e.message.revision for e in visit.of(MessageUpdated, lambda e: e.message.id == message.id)]


async def test_two_sessions_see_edits_tombstones_and_reactions(people: People) -> None:
    _, ada, bob = await two(people)
    said = await bob.session.send("helo", metadata={"lang": "en"})
    edited = await bob.session.edit(said.id, "hello")
    assert (edited.content, edited.metadata, edited.seq) == ("hello", {"lang": "en"}, said.seq)
    await ada.session.react(said.id, "👍")
    both = await bob.session.react(said.id, "👍")
    assert both.reactions == {"👍": 2}
    one = await ada.session.unreact(said.id, "👍")
    for visit in (ada, bob):
        await shows(visit, one)
    assert one == edited.model_copy(update={"reactions": {"👍": 1}, "revision": one.revision})

    gone = await ada.session.delete(said.id)
    assert (gone.content, gone.metadata, gone.reactions, gone.status) == ("", {}, {}, MessageStatus.DELETED)
    assert (gone.user_id, gone.display_name, gone.created_at) == (bob.user.user_id, "Bob", said.created_at)
    for visit in (ada, bob):
        await shows(visit, gone)
        assert changes_of(visit, said) == [
            edited.revision,
            both.revision - 1,
            both.revision,
            one.revision,
            gone.revision,
        ]
        assert not visit.of(GapDetected), "nothing was lost, so nothing was said to be"
    assert gone in (await bob.session.history()).items
    assert (await ada.session.delete(said.id)) == gone, "deleted already"
    with pytest.raises(NotFoundError):
        await bob.session.edit(said.id, "I take it back")


async def test_only_the_author_edits_and_also_from_afar(people: People) -> None:
    room, ada, bob = await two(people)
    said = await bob.session.send("mine")
    with pytest.raises(PermissionDeniedError) as denied:
        await ada.session.edit(said.id, "yours")
    assert denied.value.code == "not_allowed"
    await bob.leave()
    rooms = bob.user.spaces.rooms
    assert (await rooms.edit_message(room.id, said.id, "from afar")).content == "from afar"
    assert (await rooms.react(room.id, said.id, "👍")).reactions == {"👍": 1}
    assert (await rooms.delete_message(room.id, said.id)).status == "deleted"


async def test_who_was_away_gets_each_change_once(local_people: LocalPeople) -> None:
    room, ada, bob = await two(local_people)
    said = [await bob.session.send(text) for text in ("to be edited", "to be deleted", "to be liked", "to stay")]
    await eventually(lambda: all(m in ada.session.messages for m in said), WITHIN_S, what="Ada has heard all four")
    await local_people.stack.stop_part("realtime")
    try:
        await bob.session.edit(said[0].id, "once")
        expected = [
            await bob.session.edit(said[0].id, "edited"),
            await bob.session.delete(said[1].id),
            await ada.user.spaces.rooms.react(room.id, said[2].id, "🎉"),
        ]
    finally:
        await local_people.stack.start_part("realtime")
    for visit in (ada, bob):
        for message in expected:
            await shows(visit, message)
        await eventually(lambda v=visit: v.session.is_connected, WITHIN_S, what=lambda v=visit: repr(v.session))
    last = await bob.session.react(said[3].id, "👍")
    for visit in (ada, bob):
        await shows(visit, last)
        assert visit.of(CaughtUp)
        for message in expected:
            revisions = changes_of(visit, message)
            assert revisions == sorted(set(revisions)), "no change was told twice"
            assert revisions[-1] == message.revision
        assert changes_of(visit, said[3]) == [last.revision]


async def test_unread_messages(people: People) -> None:
    room, ada, bob = await two(people)
    rooms = bob.user.spaces.rooms
    said = [await ada.session.send(f"{number}") for number in range(3)]
    await bob.session.send("my own")
    (mark,) = await rooms.unread_counts()
    assert (mark.room_id, mark.unread_count) == (room.id, 3)
    assert (await bob.session.mark_read(said[1].seq)).unread_count == 1
    assert (await rooms.mark_read(room.id, said[0].seq)).last_read_seq == said[1].seq
    await eventually(lambda: said[2] in bob.session.messages, WITHIN_S, what="Bob has heard the last one")
    await bob.session.mark_read()
    await bob.leave()
    assert [each.unread_count for each in await rooms.unread_counts([room.id])] == [0]
    await ada.session.send("while Bob is away")
    assert [each.unread_count for each in await rooms.unread_counts()] == [1]


async def test_a_message_can_be_marked_in_the_moment_it_is_heard(people: People) -> None:
    # A step is broadcast a moment before others can read it: the mark must not be refused for that.
    _, ada, bob = await two(people)
    for number in range(10):
        said = await ada.session.send(f"{number}")
        await eventually(lambda s=said: s in bob.session.messages, WITHIN_S, what="Bob has heard it")
        assert (await bob.session.mark_read(said.seq)).unread_count == 0

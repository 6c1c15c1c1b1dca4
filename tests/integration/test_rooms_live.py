"""`RoomManager` against the real database: each operation, repeats, lost answers, pages."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import timedelta
from uuid import UUID, uuid4

import httpx
import pytest

from spaces_sdk import Spaces
from spaces_sdk.drafts import MessageDraft
from spaces_sdk.errors import (
    AuthError,
    ConflictError,
    InvalidRequestError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateLimitedError,
    RoomFullError,
    SchemaMismatchError,
)
from spaces_sdk.models import Kind, Message, Role, Room, Visibility
from spaces_sdk.testing.modes import NAMES
from tests.integration.lossy import LossyTransport
from tests.integration.people import WITHIN_S, LocalPeople, People, Person
from tests.support.eventually import eventually

pytestmark = pytest.mark.integration

MANY = 100
"""Messages at once: more than the limit lets through, also while a slow machine stores them."""


async def pair(people: People) -> tuple[Person, Person, Room]:
    """A host, a member, and their room; neither has a connection."""
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Friday jam")
    await people.member(ada, room)
    await people.member(bob, room)
    return ada, bob, room


@asynccontextmanager
async def lossy(people: People, person: Person) -> AsyncGenerator[tuple[Spaces, LossyTransport]]:
    """The same user, on a network that loses answers."""
    transport = LossyTransport()
    async with (
        httpx.AsyncClient(transport=transport) as http,
        Spaces(
            people.project.url,
            people.project.publishable_key,
            access_token=person.spaces.auth.access_token,
            http_client=http,
        ) as spaces,
    ):
        yield spaces, transport


async def test_a_room_is_made_as_asked(people: People) -> None:
    ada = await people.person("Ada")
    room_id = uuid4()
    made = await ada.spaces.rooms.create_room(
        "  Friday jam ",
        max_participants=3,
        mode="philosopher",
        visibility=Visibility.PUBLIC,
        settings={"theme": "dark"},
        expires_after=timedelta(hours=2),
        room_id=room_id,
    )
    assert (made.id, made.name, made.max_participants, made.current_mode) == (room_id, "Friday jam", 3, "philosopher")
    assert (made.visibility, made.settings, made.expires_after_s) == (Visibility.PUBLIC, {"theme": "dark"}, 7200)
    assert (made.host_user_id, made.is_active, made.conversation_active) == (ada.user_id, True, False)
    assert len(made.room_code) == 6
    kept = await ada.spaces.rooms.create_room("Kept", expires_after=None)
    assert kept.expires_after_s is None
    details = await ada.spaces.rooms.get_room_by_id(room_id)
    assert details.room == made
    assert (details.participants, details.participant_count) == ([], 0)


async def test_a_room_is_made_once(people: People) -> None:
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room_id = uuid4()
    rooms = await asyncio.gather(*(ada.spaces.rooms.create_room("Jam", room_id=room_id) for _ in range(5)))
    assert len({room.room_code for room in rooms}) == 1
    with pytest.raises(ConflictError):
        await bob.spaces.rooms.create_room("Jam", room_id=room_id)


async def test_a_code_shows_the_room_in_every_spelling(people: People) -> None:
    ada, bob, room = await pair(people)
    for spelling in (room.room_code, room.room_code.lower(), f" {room.room_code[:3]}-{room.room_code[3:]} "):
        preview = await bob.spaces.rooms.get_room_by_code(spelling)
        assert preview.room.id == room.id
        assert {participant.display_name for participant in preview.participants} == {"Ada", "Bob"}
    assert preview.participant_count == 0, "nobody has a live connection"
    assert not preview.is_full
    assert {participant.role for participant in preview.participants} == {Role.HOST, Role.MEMBER}
    assert ada.user_id == room.host_user_id


async def test_the_id_alone_admits_nobody_new(people: People) -> None:
    ada, eve = await people.person("Ada"), await people.person("Eve")
    room = await ada.spaces.rooms.create_room("Jam")
    for work in (
        eve.spaces.rooms.get_room_by_id(room.id),
        eve.spaces.rooms.join_room(room.id, "Eve"),
        eve.spaces.rooms.get_room_by_id(uuid4()),
    ):
        with pytest.raises(NotFoundError) as caught:
            await work
        assert caught.value.code == "room_not_found"
    assert not await eve.spaces.rooms.is_host(room.id)


async def test_join_heartbeat_and_leave(people: People) -> None:
    ada, bob, room = await pair(people)
    connection = uuid4()
    joined = await bob.spaces.rooms.join_room(room.id, "Bobby", connection_id=connection, latest=10)
    assert (joined.connection_id, joined.me.display_name, joined.me.is_online) == (connection, "Bobby", True)
    assert joined.topic == f"spaces:{room.id}:{joined.epoch}"
    assert joined.lease_s > joined.heartbeat_s > 0
    assert joined.state.host == ada.user_id
    again = await bob.spaces.rooms.join_room(room.id, connection_id=connection)
    assert (again.me.display_name, again.connection_id) == ("Bobby", connection)
    live, unknown = sorted(
        await bob.spaces.rooms.heartbeat([connection, uuid4()]), key=lambda lease: lease.connection_id != connection
    )
    assert live.is_live
    assert (live.room_id, live.topic, live.head) == (room.id, joined.topic, again.head)
    assert live.state == joined.state
    assert not unknown.is_live
    assert (await ada.spaces.rooms.get_room_by_id(room.id)).participant_count == 1
    await bob.spaces.rooms.leave_room(room.id, connection_id=connection)
    await bob.spaces.rooms.leave_room(room.id, connection_id=connection)
    (gone,) = await bob.spaces.rooms.heartbeat([connection])
    assert gone.status == "lease_expired"
    people_now = (await ada.spaces.rooms.get_participants(room.id)).items
    assert {one.display_name: one.is_online for one in people_now} == {"Ada": False, "Bobby": False}


async def test_participants_come_in_pages(people: People) -> None:
    ada, _, room = await pair(people)
    seen: list[UUID] = []
    cursor: str | None = None
    while True:
        page = await ada.spaces.rooms.get_participants(room.id, limit=1, cursor=cursor)
        seen += [participant.user_id for participant in page.items]
        cursor = page.next_cursor
        if cursor is None:
            break
    assert len(seen) == len(set(seen)) == 2


async def test_a_full_room_and_its_free_place(people: People) -> None:
    ada, bob = await people.person("Ada"), await people.person("Bob")
    room = await ada.spaces.rooms.create_room("Jam", max_participants=1)
    first = uuid4()
    await ada.spaces.rooms.join_room(room.id, "Ada", connection_id=first)
    preview = await bob.spaces.rooms.get_room_by_code(room.room_code)
    assert preview.is_full
    with pytest.raises(RoomFullError):
        await bob.spaces.rooms.join_room(room.id, "Bob", connection_id=uuid4())
    await ada.spaces.rooms.leave_room(room.id, connection_id=first)
    await bob.spaces.rooms.join_room(room.id, "Bob", connection_id=uuid4())
    assert await bob.spaces.rooms.is_room_full(room.id)


async def test_a_message_is_stored_once_whatever_comes_back(people: People) -> None:
    _, bob, room = await pair(people)
    message_id = uuid4()
    work = (bob.spaces.rooms.insert_message(room.id, "hello", message_id=message_id) for _ in range(10))
    stored = await asyncio.gather(*work)
    assert len({message.seq for message in stored}) == 1
    async with lossy(people, bob) as (spaces, network):
        network.lose["insert_message"] = 3
        lost = await spaces.rooms.insert_message(room.id, "through the noise", metadata={"n": [1, {"a": None}]})
        assert network.sent.count("insert_message") == 4
    history = (await bob.spaces.rooms.get_room_messages(room.id)).items
    said = [message for message in history if message.user_id is not None]
    assert said == [stored[0], lost]
    assert lost.metadata == {"n": [1, {"a": None}]}


async def test_an_unanswered_message_can_be_repeated_by_its_id(people: People) -> None:
    _, bob, room = await pair(people)
    async with lossy(people, bob) as (spaces, network):
        await spaces.rooms.is_host(room.id)
        network.lose["insert_message"] = 1_000_000
        with pytest.raises(OutcomeUnknownError) as caught:
            await spaces.rooms.insert_message(room.id, "hello?", timeout_s=1.0)
    first = await bob.spaces.rooms.insert_message(room.id, "hello?", message_id=caught.value.operation_id)
    said = [message for message in (await bob.spaces.rooms.get_room_messages(room.id)).items if message.user_id]
    assert said == [first]


async def test_lost_answers_of_the_other_writes(people: People) -> None:
    ada, bob, room = await pair(people)
    async with lossy(people, ada) as (spaces, network):
        for name in ("create_room", "join_room", "update_room_state", "set_voice", "kick_participant", "leave_room"):
            network.lose[name] = 1
        network.lose["delete_room"] = 1
        made = await spaces.rooms.create_room("Made once")
        connection = uuid4()
        joined = await spaces.rooms.join_room(made.id, "Ada", connection_id=connection)
        assert len(joined.participants) == 1
        state = await spaces.rooms.update_room_state(room.id, mode="playful", settings={"a": 1})
        assert (state.mode, state.settings) == ("playful", {"a": 1})
        assert (await spaces.rooms.set_voice(made.id, True)).voice_since is not None
        await spaces.rooms.kick_participant(room.id, bob.user_id)
        await spaces.rooms.leave_room(made.id, connection_id=connection)
        await spaces.rooms.delete_room(made.id)
        with pytest.raises(NotFoundError):
            await spaces.rooms.get_room_by_id(made.id)
    assert all(count == 0 for count in network.lose.values()), "each lost one answer"


async def test_an_id_belongs_to_one_message(people: People) -> None:
    ada, bob, room = await pair(people)
    message = await bob.spaces.rooms.insert_message(room.id, "mine")
    with pytest.raises(ConflictError) as caught:
        await ada.spaces.rooms.insert_message(room.id, "not yours", message_id=message.id)
    assert "mine" not in str(caught.value)


async def test_a_batch_answers_for_each(people: People) -> None:
    ada, bob, room = await pair(people)
    taken = await ada.spaces.rooms.insert_message(room.id, "taken")
    drafts = [
        MessageDraft(content="one", metadata={"n": 1}),
        MessageDraft(content="\n"),
        MessageDraft(content="two", id=taken.id),
        MessageDraft(content="three", reply_to=taken.id),
    ]
    first, blank, conflict, last = await bob.spaces.rooms.insert_messages(room.id, drafts)
    assert isinstance(first, Message)
    assert isinstance(blank, InvalidRequestError)
    assert isinstance(conflict, ConflictError)
    assert isinstance(last, Message)
    assert (first.id, last.id, last.reply_to) == (drafts[0].id, drafts[3].id, taken.id)
    assert first.seq < last.seq
    assert await bob.spaces.rooms.insert_messages(room.id, [drafts[0], drafts[3]]) == [first, last]


async def test_history_in_both_directions(people: People) -> None:
    ada, _, room = await pair(people)
    for start in range(0, 20, 5):
        drafts = [MessageDraft(content=f"{number}") for number in range(start, start + 5)]
        stored = await ada.spaces.rooms.insert_messages(room.id, drafts)
        assert all(isinstance(message, Message) for message in stored)
    everything = (await ada.spaces.rooms.get_room_messages(room.id, limit=200)).items
    assert [message.content for message in everything if message.user_id] == [str(number) for number in range(20)]
    assert [message.seq for message in everything] == sorted({message.seq for message in everything})
    backwards: list[Message] = []
    cursor: str | None = None
    while True:
        page = await ada.spaces.rooms.get_room_messages(room.id, limit=7, before=cursor)
        backwards = page.items + backwards
        cursor = page.next_cursor
        if cursor is None:
            break
    assert backwards == everything
    forwards: list[Message] = []
    cursor = "0"
    while cursor is not None:
        page = await ada.spaces.rooms.get_room_messages(room.id, limit=7, after=cursor)
        forwards += page.items
        cursor = page.next_cursor
    assert forwards == everything


async def test_a_sync_brings_what_came_after_a_position(people: People) -> None:
    ada, bob, room = await pair(people)
    start = (await bob.spaces.rooms.join_room(room.id)).head
    first = await ada.spaces.rooms.insert_message(room.id, "one")
    second = await ada.spaces.rooms.insert_message(room.id, "two")
    page = await bob.spaces.rooms.sync_room(room.id, start)
    assert page.messages == [first, second]
    assert page.cursor is None
    assert page.to == page.head == second.seq
    assert page.state is not None
    assert page.room is not None
    assert page.participants is not None
    nothing = await bob.spaces.rooms.sync_room(room.id, page.to)
    assert nothing.messages == []
    with pytest.raises(InvalidRequestError):
        await bob.spaces.rooms.sync_room(room.id, page.head + 1)


async def test_the_host_steers_and_nobody_else(people: People) -> None:
    ada, bob, room = await pair(people)
    state = await ada.spaces.rooms.update_room_state(
        room.id, name=" Saturday ", conversation_active=True, settings={"a": 1, "b": {"c": 2}}, visibility="public"
    )
    assert (state.name, state.conversation_active, state.visibility) == ("Saturday", True, Visibility.PUBLIC)
    state = await ada.spaces.rooms.update_room_state(room.id, settings={"a": None, "b": {"d": 3}})
    assert state.settings == {"b": {"c": 2, "d": 3}}, "merged"
    head = (await ada.spaces.rooms.sync_room(room.id, 0)).head
    await ada.spaces.rooms.update_room_state(room.id, conversation_active=True)
    assert (await ada.spaces.rooms.sync_room(room.id, 0)).head == head, "no change, no step"
    for work in (
        bob.spaces.rooms.update_room_state(room.id, mode="playful"),
        bob.spaces.rooms.delete_room(room.id),
        bob.spaces.rooms.set_participant_kind(room.id, bob.user_id, Kind.BOT),
    ):
        with pytest.raises(PermissionDeniedError) as caught:
            await work
        assert caught.value.code == "not_host"
    with pytest.raises(PermissionDeniedError):
        await bob.spaces.rooms.kick_participant(room.id, ada.user_id)
    assert await ada.spaces.rooms.is_host(room.id)
    assert not await bob.spaces.rooms.is_host(room.id)


async def test_a_participant_that_the_host_made_a_bot_speaks_as_one(people: People) -> None:
    ada, bob, room = await pair(people)
    assert (await ada.spaces.rooms.set_participant_kind(room.id, bob.user_id, "bot")).kind is Kind.BOT
    message = await bob.spaces.rooms.insert_message(room.id, "x" * 20_000, message_type="ai_response")
    assert (message.sender_kind, len(message.content)) == ("bot", 20_000)


async def test_voice_needs_a_live_connection(people: People) -> None:
    _, bob, room = await pair(people)
    with pytest.raises(ConflictError) as caught:
        await bob.spaces.rooms.set_voice(room.id, True)
    assert caught.value.code == "lease_expired"
    await bob.spaces.rooms.join_room(room.id, connection_id=uuid4())
    assert (await bob.spaces.rooms.set_voice(room.id, True)).voice_since is not None
    assert (await bob.spaces.rooms.set_voice(room.id, False)).voice_since is None


async def test_signals_are_dropped_over_the_rooms_limit(people: People) -> None:
    _, bob, room = await pair(people)
    await bob.spaces.rooms.join_room(room.id, connection_id=uuid4())
    assert await bob.spaces.rooms.signal(room.id, "typing", {"n": 0}) is True
    assert False in await asyncio.gather(
        *(bob.spaces.rooms.signal(room.id, "typing", {"n": number}) for number in range(1, 25))
    )


async def test_a_kicked_one_comes_back_by_the_code_only(people: People) -> None:
    ada, bob, room = await pair(people)
    message = await bob.spaces.rooms.insert_message(room.id, "before")
    before = await ada.spaces.rooms.join_room(room.id)
    await ada.spaces.rooms.kick_participant(room.id, bob.user_id)
    after = await ada.spaces.rooms.join_room(room.id)
    assert after.epoch == before.epoch + 1
    assert after.topic != before.topic
    with pytest.raises(PermissionDeniedError) as caught:
        await bob.spaces.rooms.join_room(room.id, "Bob")
    assert caught.value.code == "kicked"
    with pytest.raises(PermissionDeniedError, match=f"it is stored as number {message.seq}"):
        await bob.spaces.rooms.insert_message(room.id, "before", message_id=message.id)
    await people.member(bob, room)
    await bob.spaces.rooms.insert_message(room.id, "back")


async def test_a_muted_one_learns_that_the_message_is_stored(local_people: LocalPeople) -> None:
    _, bob, room = await pair(local_people)
    message = await bob.spaces.rooms.insert_message(room.id, "before")
    async with local_people.sql() as connection:
        await connection.execute(
            "update public.room_participants set is_muted = true where room_id = %s and user_id = %s",
            (room.id, bob.user_id),
        )
    assert await bob.spaces.rooms.insert_message(room.id, "before", message_id=message.id) == message
    with pytest.raises(PermissionDeniedError) as caught:
        await bob.spaces.rooms.insert_message(room.id, "after")
    assert caught.value.code == "muted"


async def test_over_the_limit_it_says_how_long_to_wait(people: People) -> None:
    _, bob, room = await pair(people)
    outcomes = await asyncio.gather(
        *(bob.spaces.rooms.insert_message(room.id, f"{number}") for number in range(MANY)), return_exceptions=True
    )
    limited = [outcome for outcome in outcomes if isinstance(outcome, RateLimitedError)]
    stored = [outcome for outcome in outcomes if isinstance(outcome, Message)]
    assert len(limited) + len(stored) == MANY
    assert limited
    assert all(0 < error.retry_after_s <= 10 for error in limited)

    async def is_let_in() -> Message | None:
        try:
            return await bob.spaces.rooms.insert_message(room.id, "later")
        except RateLimitedError:
            return None

    await eventually(is_let_in, within_s=max(error.retry_after_s for error in limited) + 5)


async def test_what_the_server_does_needs_the_secret_key(people: People) -> None:
    ada = await people.person("Ada")
    with pytest.raises(PermissionDeniedError):
        await ada.spaces.rooms.cleanup_inactive_rooms()
    operator = await people.client(people.project.secret_key)
    assert (await operator.rooms.cleanup_inactive_rooms()).rooms_deleted >= 0
    assert await operator.rooms.schema_version() == 1


async def test_a_missing_schema_is_named_with_the_command(local_people: LocalPeople) -> None:
    ada = await local_people.person("Ada")
    project = local_people.project
    hints: set[str] = set()

    async def is_there() -> bool:
        """Asked by a new client each time: one that has once seen the right schema does not ask again."""
        async with Spaces(project.url, project.publishable_key, access_token=ada.spaces.auth.access_token) as spaces:
            try:
                await spaces.rooms.is_host(uuid4())
            except SchemaMismatchError as error:
                hints.add(error.hint)
                return False
            return True

    async def is_missing() -> bool:
        return not await is_there()

    async with local_people.sql() as connection:
        await connection.execute("alter function public.schema_version() rename to schema_version_away")
        await connection.execute("notify pgrst, 'reload schema'")
        try:
            await eventually(is_missing, WITHIN_S)
        finally:
            await connection.execute("alter function public.schema_version_away() rename to schema_version")
            await connection.execute("notify pgrst, 'reload schema'")
            await eventually(is_there, WITHIN_S)
    assert all("supabase db push" in hint for hint in hints)


async def test_modes_are_read_by_who_is_signed_in(people: People) -> None:
    ada = await people.person("Ada")
    listed = await ada.spaces.rooms.list_modes()
    assert [mode.name for mode in listed] == sorted(mode.name for mode in listed)
    assert set(NAMES) <= {mode.name for mode in listed}
    assert all(mode.label and mode.system_prompt for mode in listed)
    assert await ada.spaces.rooms.find_mode("playful") in listed
    for none in ("pirate", "", "Playful", "playful,name.eq.gangster", "playful&name=eq.gangster", "%"):
        assert await ada.spaces.rooms.find_mode(none) is None
    nobody = await people.client()
    with pytest.raises(AuthError):
        await nobody.rooms.list_modes()

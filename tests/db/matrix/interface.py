"""Every function that somebody may call, with good arguments: whoever is refused is refused for who they are."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any
from uuid import UUID, uuid4

from tests.db.matrix.calls import Arguments, Calls, bare_attempts
from tests.db.matrix.cells import Attempt
from tests.db.matrix.scene import HOLDER, OPENS_NOTHING, STANDING_WORK, Place, Scene

HEAD, EVENTS = "spaces.room_heads", "realtime.messages"
ROOMS, PEOPLE, MESSAGES = "public.rooms", "public.room_participants", "public.room_messages"
REACTIONS, LEASES = "public.room_message_reactions", "spaces.connections"
BANS, ADMISSIONS, STREAMS = "spaces.bans", "spaces.admissions", "spaces.streams"
INVITATIONS, AUDIT = "spaces.invitations", "spaces.audit"
BOTS, TURNS, ROOM_TURNS = "spaces.bots", "spaces.turns", "spaces.room_turns"


async def attempts_on_calls(scene: Scene) -> list[Attempt]:
    """Every function of schema public; those without a line here with nulls, and denied to everybody."""
    calls = await Calls.of(scene)
    for part in (
        _rooms,
        _looking_up,
        _invitations,
        _coming_in,
        _being_there,
        _reading,
        _messages,
        _streams,
        _turns,
        _moderation,
        _service,
    ):
        part(calls)
    return calls.attempts + await bare_attempts(scene, "public", without=calls.called)


def _rooms(calls: Calls) -> None:
    calls.once("create_room", "", {"p_name": "Mine"}, changes={ROOMS, HEAD})
    scene = calls.scene
    for what, scope, room in (
        ("one's own, the room", "mine", scene.here.id),
        ("one's own, another room", "mine", scene.there.id),
        ("a public room", "public", scene.public.id),
        ("a room that is not public", "public", scene.here.id),
    ):
        listed = partial(_lists, room)
        calls.once("list_rooms", what, {"p_scope": scope, "p_limit": 200}, shows=listed)
    calls.in_both("get_room_by_id", shows=lambda answer: bool(answer["room"]))
    calls.in_both("is_host")
    calls.in_both("is_room_full", shows=lambda answer: answer is False)
    opened = {"p_changes": {"mode": "playful", "visibility": "public"}}
    calls.in_both("update_room_state", opened, changes={ROOMS, HEAD})
    calls.in_both("rotate_code", changes={ROOMS, HEAD})
    calls.in_both("delete_room", changes={ROOMS, HEAD, PEOPLE, MESSAGES})


def _lists(room: UUID, answer: Any) -> bool:
    return str(room) in [item["room"]["id"] for item in answer["items"]]


def _looking_up(calls: Calls) -> None:
    scene = calls.scene
    for what, code in (
        ("the room", scene.here.space.code),
        ("a public room", scene.public.code),
        ("a private room", scene.private.code),
        ("no room has it", OPENS_NOTHING["get_room_by_code"]["p_code"]),
    ):
        calls.once("get_room_by_code", what, {"p_code": code}, leaves={ADMISSIONS}, shows=_is_ok)


def _invitations(calls: Calls) -> None:
    scene, here = calls.scene, calls.scene.here.id
    calls.in_both("create_invitation", changes={INVITATIONS, "spaces.invitation_tokens"})
    calls.in_both("list_invitations", shows=_has_items)
    calls.in_both("revoke_invitation", lambda place: {"p_invitation_id": place.invitation_id}, changes={INVITATIONS})
    crosswise = {"p_room_id": here, "p_invitation_id": scene.there.invitation_id}
    calls.once("revoke_invitation", "another room's, by way of the room", crosswise, changes={INVITATIONS})
    leaves = {ADMISSIONS, INVITATIONS, AUDIT}
    for what, token in (*scene.tokens.items(), ("no room has it", OPENS_NOTHING["accept_invitation"]["p_token"])):
        calls.once("accept_invitation", what, {"p_token": token}, leaves=leaves, shows=_is_ok)


def _coming_in(calls: Calls) -> None:
    scene = calls.scene
    for what, space in (
        ("the room", scene.here.space),
        ("another room", scene.there.space),
        ("a public room", scene.public),
        ("a private room", scene.private),
    ):
        me = {"p_room_id": space.id, "p_display_name": "Me", "p_connection_id": uuid4()}
        calls.once("join_room", f"{what}, by its id", me, changes={LEASES})
        calls.once("join_room", f"{what}, by its code", me, changes={LEASES}, before=calls.looked_up(space.code))
        if what in scene.tokens:
            accepted = calls.having_called("accept_invitation", {"p_token": scene.tokens[what]})
            calls.once("join_room", f"{what}, by an invitation", me, changes={LEASES}, before=accepted)


def _being_there(calls: Calls) -> None:
    scene = calls.scene
    calls.in_both("leave_room", changes={PEOPLE, LEASES, HEAD})
    calls.in_both("forget_room", changes={PEOPLE, "spaces.former_participants", HEAD})

    def own(actor: str) -> Arguments:
        return {"p_connection_ids": [scene.connection_of(actor)]}

    calls.once("heartbeat", "one's own connection", own, changes={LEASES})
    others = [scene.here.target.connection, scene.there.target.connection]
    calls.once("heartbeat", "somebody else's", {"p_connection_ids": others}, changes={LEASES})
    calls.in_both("set_voice", {"p_on": True}, changes={PEOPLE, HEAD})
    calls.in_both("signal", {"p_kind": "typing"}, changes={EVENTS})


def _reading(calls: Calls) -> None:
    calls.in_both("sync_room", {"p_after": 0}, shows=lambda answer: bool(answer["messages"]))
    calls.in_both("get_participants", shows=_has_items)
    calls.in_both("get_room_messages", shows=_has_items)
    calls.once("take_request", "", {}, shows=lambda answer: answer["remaining"] >= 0)
    calls.in_both("mark_read", lambda place: {"p_seq": place.seq}, changes={PEOPLE})
    for place in (calls.scene.here, calls.scene.there):
        calls.once("unread_counts", place.name, {"p_room_ids": [place.id]}, shows=_has_items)


def _messages(calls: Calls) -> None:
    scene, here, words = calls.scene, calls.scene.here, {"p_content": "hello"}
    said, changed = {MESSAGES, HEAD, EVENTS}, {MESSAGES, HEAD}
    calls.in_both("insert_message", words, changes=said)
    for kind in ("user_voice", "ai_response", "system"):
        typed = {"p_room_id": here.id, "p_message_type": kind, **words}
        calls.once("insert_message", f"as {kind}", typed, changes=said)
    answer = {"p_room_id": here.id, "p_reply_to": scene.there.message_id, **words}
    calls.once("insert_message", "replying to another room's", answer, changes=said)
    calls.in_both("insert_messages", {"p_messages": [{"content": "hello"}]}, changes=said)
    for rpc, more, changes in (
        ("edit_message", {"p_content": "other words"}, changed),
        ("delete_message", {}, changed),
        ("react", {"p_emoji": "🎉"}, changed | {REACTIONS}),
    ):
        _on_a_message(calls, rpc, scene.message_of, lambda place: place.message_id, more, changes)


def _streams(calls: Calls) -> None:
    here, begun = calls.scene.here, {MESSAGES, HEAD, STREAMS, EVENTS}
    calls.in_both("begin_stream", {"p_message_type": "user_text"}, changes=begun)
    calls.once("begin_stream", "as ai_response", {"p_room_id": here.id}, changes=begun)
    for rpc, more, changes in (
        ("append_stream", {"p_offset": 0, "p_text": "once"}, {STREAMS, EVENTS}),
        ("finish_stream", {"p_text": "once"}, begun),
        ("stop_stream", {}, begun),
    ):
        _on_a_message(calls, rpc, calls.scene.stream_of, lambda place: place.stream_id, more, changes)


def _turns(calls: Calls) -> None:
    calls.in_both("enter_turns", changes={BOTS})
    for what, purpose, changes in (
        ("of a handler", "log", {TURNS}),
        ("to answer", "answer", {TURNS, BOTS, ROOM_TURNS}),
    ):

        def claim(place: Place, purpose: str = purpose) -> Arguments:
            return {"p_holder": HOLDER, "p_claims": [{"position": place.seq, "purpose": purpose}]}

        calls.in_both("claim_turns", claim, what=what, changes=changes)
    released = {"p_holder": HOLDER, "p_turns": [STANDING_WORK | {"outcome": "released"}]}
    calls.in_both("finish_turns", released, changes={TURNS})
    calls.in_both(
        "give_turn",
        lambda place: {"p_user_id": place.bot_id, "p_message_id": place.message_id},
        changes={TURNS, ROOM_TURNS, HEAD, EVENTS},
    )
    crosswise = {"p_room_id": calls.scene.here.id, "p_user_id": calls.scene.here.bot_id}
    theirs = {**crosswise, "p_message_id": calls.scene.there.message_id}
    calls.once("give_turn", "about another room's message", theirs, changes={TURNS, ROOM_TURNS, HEAD, EVENTS})


def _on_a_message(
    calls: Calls,
    rpc: str,
    mine: Callable[[str], UUID],
    theirs: Callable[[Place], UUID],
    more: Arguments,
    changes: set[str],
) -> None:
    scene, here = calls.scene, calls.scene.here

    def own(actor: str) -> Arguments:
        return {"p_room_id": here.id, "p_message_id": mine(actor), **more}

    def of_target(place: Place) -> Arguments:
        return {"p_message_id": theirs(place), **more}

    calls.once(rpc, "one's own", own, changes=changes)
    calls.in_both(rpc, of_target, what="somebody else's", changes=changes)
    crosswise = {"p_room_id": here.id, "p_message_id": theirs(scene.there), **more}
    calls.once(rpc, "another room's, by way of the room", crosswise, changes=changes)


def _moderation(calls: Calls) -> None:
    here, there, kicks = calls.scene.here.id, calls.scene.there.id, {PEOPLE, LEASES, HEAD}
    _on_the_target(calls, "kick_participant", {}, kicks)
    _on_the_target(calls, "ban_participant", {}, kicks | {BANS})
    _on_the_target(calls, "mute_participant", {"p_is_muted": True}, {PEOPLE, HEAD})
    _on_the_target(calls, "set_participant_role", {"p_role": "moderator"}, {PEOPLE, HEAD})
    _on_the_target(calls, "set_participant_kind", {"p_kind": "bot"}, {PEOPLE, HEAD})
    _on_the_target(calls, "transfer_host", {}, {ROOMS, HEAD})
    for rpc in ("kick_participant", "ban_participant"):
        calls.once(rpc, "the host", {"p_room_id": here, "p_user_id": calls.about("host")}, changes=kicks)
    unmute = {"p_room_id": here, "p_user_id": calls.about("muted"), "p_is_muted": False}
    calls.once("mute_participant", "to unmute, the room", unmute, changes={PEOPLE, HEAD})
    banned = calls.about("banned")
    calls.once("unban_participant", "the room", {"p_room_id": here, "p_user_id": banned}, changes={BANS})
    calls.once("unban_participant", "another room", {"p_room_id": there, "p_user_id": banned}, shows=_is_ok)
    calls.in_both("list_bans", shows=lambda answer: "items" in answer)


def _on_the_target(calls: Calls, rpc: str, more: Arguments, changes: set[str]) -> None:
    calls.in_both(rpc, lambda place: {"p_user_id": place.target.id, **more}, changes=changes)


def _service(calls: Calls) -> None:
    calls.once("cleanup_inactive_rooms", "", {}, changes={ROOMS, HEAD})
    calls.once("generate_room_code", "", {})
    calls.once("schema_version", "", {})


def _is_ok(answer: Any) -> bool:
    return answer["ok"] is True


def _has_items(answer: Any) -> bool:
    return bool(answer["items"])

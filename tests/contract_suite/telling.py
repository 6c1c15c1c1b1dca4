"""Events in words that are the same wherever they happen: names for ids, no times."""

from __future__ import annotations

import json
from collections.abc import Mapping
from uuid import UUID

from spaces_sdk.events import (
    Event,
    MessageChunk,
    MessageReceived,
    MessageUpdated,
    ParticipantJoined,
    ParticipantLeft,
    ParticipantUpdated,
    RoomJoined,
    SignalReceived,
    StateUpdated,
    VoiceStarted,
    VoiceStopped,
)
from spaces_sdk.models import Message, Participant


def told(event: Event, names: Mapping[UUID, str]) -> str:
    """An event in a few words; none for what depends on the network."""
    pos = "" if event.pos is None else f"{event.pos} "
    match event:
        case RoomJoined(participants=people):
            return f"{pos}joined: {', '.join(map(person, people))}"
        case MessageReceived(message=message):
            return f"{pos}+ {words(message)}"
        case MessageUpdated(message=message):
            return f"{pos}* {words(message)} {dict(sorted(message.reactions.items())) or ''}".rstrip()
        case MessageChunk(offset=offset, text=text):
            return f"… {offset} {text}"
        case ParticipantJoined(participant=who):
            return f"{pos}came {person(who)}"
        case ParticipantUpdated(participant=who):
            return f"{pos}is now {person(who)}"
        case ParticipantLeft(participants=gone, reason=reason):
            return f"{pos}went {', '.join(p.display_name for p in gone)} {reason}"
        case StateUpdated(state=state, room_code=code):
            host = names.get(state.host, "?") if state.host else "nobody"
            open_word = "open" if state.is_active else "closed"
            more = f" {json.dumps(state.settings, sort_keys=True)}" if state.settings else ""
            pick = f" turn of {names.get(state.turn.user_id, '?')} at {state.turn.position}" if state.turn else ""
            rest = " bots rest" if state.bots_resume_at else ""
            new = " new code" if code else ""
            return f"{pos}state {state.mode} {state.name} {host} {state.visibility} {open_word}{more}{pick}{rest}{new}"
        case VoiceStarted(user_id=user_id) | VoiceStopped(user_id=user_id):
            return f"{pos}{type(event).__name__} {names.get(user_id, '?')}"
        case SignalReceived(user_id=user_id, kind=kind, payload=payload):
            return f"signal {names.get(user_id, '?')} {kind} {payload}"
        case _:
            return ""


def person(who: Participant) -> str:
    """Somebody with what they are."""
    marks = [who.role, who.kind, "online" if who.is_online else "offline"]
    marks += ["muted"] if who.is_muted else []
    marks += ["speaking"] if who.voice_since else []
    return f"{who.display_name} ({' '.join(marks)})"


def words(message: Message) -> str:
    author = message.display_name if message.user_id else "-"
    more = f" {message.metadata}" if message.metadata and message.user_id else ""
    return f"{author}: {message.content} [{message.status} {message.message_type}]{more}"

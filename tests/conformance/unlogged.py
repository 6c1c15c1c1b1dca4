"""What the recordings' notes say was done and not logged, as entries that do it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from tests.conformance.frames import Comparable
from tests.conformance.player import Ignored, Player
from tests.conformance.recording import Entry, Kind, Recording
from tests.conformance.slow_reader import feed_slow_reader

Filler = Callable[[Recording], None]

_ANON = {"Authorization": "Bearer <jwt:anon>", "Content-Type": "application/json"}
_HEARTBEAT_EVERY_S = 25
_FLOOD = 400
_FLOOD_GAP_S = 0.02


def fill(recording: Recording) -> None:
    """Add the entries, each at its time."""
    for filler in _FILLERS.get(recording.name, ()):
        filler(recording)
    recording.entries.sort(key=lambda entry: entry.t)


def _is_note(entry: Entry, text: str) -> bool:
    return entry.kind is Kind.NOTE and text in entry.note


def _at(recording: Recording, text: str) -> Entry:
    return next(entry for entry in recording.entries if _is_note(entry, text))


def _frame(topic: str, event: str, payload: Any, ref: str, join_ref: str | None = None) -> dict[str, Any]:
    return {"topic": topic, "event": event, "payload": payload, "ref": ref, "join_ref": join_ref}


def _big_frames(recording: Recording) -> None:
    for entry in list(recording.entries):
        if _is_note(entry, "frame with a payload string of"):
            size = int(entry.note.split(" of ")[1].split()[0])
            payload = {"type": "broadcast", "event": "big", "payload": {"x": "y" * size}}
            frame = _frame("realtime:f", "broadcast", payload, f"s{size}", "1")
            recording.entries.append(Entry(entry.t, Kind.SEND, "A", frame))


def _big_bodies(recording: Recording) -> None:
    def messages_with(payload: dict[str, Any], count: int = 1) -> list[dict[str, Any]]:
        return [{"topic": "room:1", "event": "evt", "payload": payload}] * count

    bodies = {
        "<3,100,000 bytes>": messages_with({"x": "y" * 3_100_000}),
        "<10 MB": messages_with({"x": "y" * 2_500_000}, 4),
        "<101 messages>": messages_with({}, 101),
    }
    for entry in recording.entries:
        if entry.kind is Kind.HTTP and "headers" not in entry.frame:
            messages = next(value for mark, value in bodies.items() if mark in entry.frame["body"])
            entry.frame["headers"] = _ANON
            entry.frame["body"] = {"messages": messages}


def _heartbeats(recording: Recording) -> None:
    start, end = _at(recording, "heartbeats not logged").t, _at(recording, "after 651 s").t
    for number in range(1, int((end - start) / _HEARTBEAT_EVERY_S)):
        t = start + number * _HEARTBEAT_EVERY_S
        for conn in ("A", "B", "C"):
            beat = _frame("phoenix", "heartbeat", {}, f"h{number}")
            recording.entries.append(Entry(t, Kind.SEND, conn, beat))


def _pings(recording: Recording) -> None:
    recording.entries += [Entry(0.01 + 20 * number, Kind.PING, "B") for number in range(1, 5)]


def _flood(recording: Recording) -> None:
    start = _at(recording, "A sends 400 messages").t
    for number in range(_FLOOD):
        payload = {"type": "broadcast", "event": "flood", "payload": {"i": number}}
        frame = _frame("realtime:ev", "broadcast", payload, f"{number + 2}", "1")
        recording.entries.append(Entry(start + 0.001 + number * _FLOOD_GAP_S, Kind.SEND, "A", frame))


def _is_of_flood(conn: str, frame: Comparable) -> bool:
    if '"event": "flood"' in frame.text:
        return True
    is_ack = conn == "A" and '"phx_reply"' in frame.text and "postgres_changes" not in frame.text
    return is_ack and any(f'"ref": "{number + 2}"' in frame.text for number in range(_FLOOD))


def _other_receivers(recording: Recording) -> None:
    first = next(entry for entry in recording.entries if entry.conn == "R0")
    joined = next(entry for entry in recording.entries if entry.conn == "R0" and entry.kind is Kind.RECEIVE)
    join = next(entry for entry in recording.entries if entry.conn == "R0" and entry.kind is Kind.SEND)
    for number in range(1, 15):
        conn, t = f"R{number}", joined.t + number * 0.001
        recording.entries += [
            Entry(t, Kind.OPEN, conn, first.frame),
            Entry(t + 0.0002, Kind.SEND, conn, join.frame),
            Entry(t + 0.0004, Kind.RECEIVE, conn, joined.frame),
        ]


def _is_of_other_receivers(conn: str, frame: Comparable) -> bool:
    return conn not in ("A", "R0") and '"event": "broadcast"' in frame.text


def _stored_before(recording: Recording) -> None:
    times = {_since(entry.frame) for entry in recording.entries if entry.kind is Kind.SEND}
    between, future = sorted(time for time in times if 10**12 < time < 10**15)

    async def store(player: Player) -> None:
        send = "select realtime.send(jsonb_build_object('n', %s::int), 'evt', 'room:1', true)"
        for number in range(1, 31):
            await player.database.execute(send, (number,))
            if number == 20:
                await asyncio.sleep(0.005)
                player.integers[between] = int(time.time() * 1000)
                await asyncio.sleep(0.005)
        await player.database.execute("select realtime.send('{\"public\":true}', 'evt', 'room:1', false)")
        await player.database.execute("select realtime.send_binary('\\x0102', 'bin', 'room:1', true)")
        player.integers[future] = int(time.time() * 1000) + 3_600_000

    recording.entries.append(Entry(_at(recording, "stored: 30").t, Kind.CALL, call=store))


def _since(frame: Any) -> int:
    """From when on a join wants replayed messages; 0 if it does not."""
    match frame:
        case {"payload": {"config": {"broadcast": {"replay": {"since": int(since)}}}}}:
            return since
        case [*_, {"config": {"broadcast": {"replay": {"since": int(since)}}}}]:
            return since
        case _:
            return 0


def _burst(recording: Recording) -> None:
    """The database sends 150 messages, A joins in the midst of them, after the 99th."""
    send = "select realtime.send(jsonb_build_object('b', %s::int), 'evt', 'room:1', true)"
    join = next(entry for entry in recording.entries if entry.kind is Kind.SEND)
    first = next(entry for entry in recording.entries if entry.kind is Kind.RECEIVE)

    async def before(player: Player) -> None:
        for number in range(99):
            await player.database.execute(send, (number,))

    async def after(player: Player) -> None:
        for number in range(99, 150):
            await player.database.execute(send, (number,))

    recording.entries += [
        Entry(join.t - 0.001, Kind.CALL, call=before),
        Entry(first.t + 0.00001, Kind.CALL, call=after),
    ]


def _slow_reader(recording: Recording) -> None:
    t = _at(recording, "S joined").t
    recording.entries.append(Entry(t, Kind.CALL, call=feed_slow_reader))


_FILLERS: dict[str, tuple[Filler, ...]] = {
    "06-http-broadcast": (_big_bodies,),
    "08-limit-frame.v1": (_big_frames,),
    "08-no-channel-idle.v1": (_heartbeats,),
    "08-no-heartbeat.v1": (_pings,),
    "08-limit-events.v1": (_flood,),
    "08-limit-events-deliveries.v1": (_other_receivers,),
    "08-slow-consumer.v1": (_slow_reader,),
    "09-join-burst.v1": (_burst,),
    "09-replay.v1": (_stored_before,),
    "09-replay.v2": (_stored_before,),
}

IGNORED: dict[str, Ignored] = {
    "08-limit-events.v1": _is_of_flood,
    "08-limit-events-deliveries.v1": _is_of_other_receivers,
    "08-no-channel-idle.v1": lambda _conn, frame: '"ref": "h' in frame.text,
    "08-slow-consumer.v1": lambda _conn, frame: '"event": "slow"' in frame.text,
}
"""Frames that the recordings leave out, by scenario."""

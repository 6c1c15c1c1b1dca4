"""The questions: what a send costs, how many fit into a second, what grows with the database."""

from __future__ import annotations

import time
from collections.abc import Sequence
from statistics import median

from benchmarks.db.subject import Subject, compared
from benchmarks.report import Limit, Report
from spaces_sdk.local.postgres import PostgresCluster

FLAT = 1.2
SECONDS = 3.0
ROOMS = 200
CONNECTIONS = (1, 8, 16)
HEARTBEATS = 10_000

# The same few rooms again and again: whether their pages are warm is another question.
# What a session does; `$1` is the number of the round. User 7 is in room 0, which has half of all messages.
CALLS: tuple[tuple[str, str, int], ...] = (
    ("join_room, latest 50", "select public.join_room(bench.id('room', 0), 'Seven', gen_random_uuid())", 25),
    ("get_room_by_code, 20 rooms", "select public.get_room_by_code(bench.code(300 + $1 % 20))", 40),
    (
        "sync_room, 100 messages",
        "select public.sync_room(bench.id('room', 0), 2000 + 10 * $1, 2100 + 10 * $1)",
        25,
    ),
    (
        "get_room_messages, 50 old ones",
        "select public.get_room_messages(bench.id('room', 0), 50, p_before => 2000 + 10 * $1)",
        25,
    ),
    ("insert_message", "select public.insert_message(bench.id('room', 0), 'Hello there')", 60),
    ("heartbeat", "select public.heartbeat(array[bench.id('connection 1', 6)])", 60),
)

# It looks for old limits on a hundred pages somewhere: with this seed on a hundred in every database. Left to chance,
# a quarter of them would be fewer in a small one, where the table ends.
CLEANUP = "with s as materialized (select setseed(0.6)) select public.cleanup_inactive_rooms() from s"


async def subjects(report: Report, cluster: PostgresCluster, is_full: bool) -> tuple[Subject, list[Subject]]:
    """The small database and the large ones."""
    report.table("Databases", "rooms", "messages", "made in")
    made: list[Subject] = []
    for messages, rooms in ((10**4, 10**3), (10**6, 10**5), (10**7, 10**5))[: 3 if is_full else 2]:
        started = time.monotonic()
        report.working_on(f"making {messages:,} messages in {rooms:,} rooms")
        made.append(await Subject.make(cluster, messages, rooms))
        report.row(_size(messages), f"{rooms:,}", f"{messages:,}", f"{time.monotonic() - started:.1f} s")
    return made[0], made[1:]


async def of_a_send(report: Report, subject: Subject) -> None:
    """One connection, one room."""
    report.table("A send, one connection", "µs", "bare inserts")
    await subject.let_all_into(ROOMS, max(CONNECTIONS))
    base = 0.0
    for how, what in (
        ("bare", "a bare insert"),
        ("step", "insert, counter, broadcast: no rules"),
        ("one", "insert_message"),
        ("batch", "insert_messages of 20, each"),
    ):
        report.working_on(what)
        us = 1e6 / median([await subject.per_second(how, 1, 1, SECONDS / 3) for _ in range(3)])
        base = base or us
        report.row(what, f"{us:,.0f}", f"{us / base:.1f}")


async def of_sends_at_once(report: Report, subject: Subject) -> None:
    """Many connections."""
    report.table("Messages a second", *(f"{count} connection{'s' * (count > 1)}" for count in CONNECTIONS))
    for how, what in (("one", "insert_message"), ("batch", "insert_messages of 20")):
        for rooms, where in ((1, "one room"), (ROOMS, f"{ROOMS} rooms")):
            report.working_on(f"{what}, {where}")
            rates = [await subject.per_second(how, count, rooms, SECONDS) for count in CONNECTIONS]
            report.row(f"{what}, {where}", *(f"{rate:,.0f}" for rate in rates))


async def of_growth(report: Report, growing: Sequence[Subject]) -> None:
    """The same calls in databases of different sizes."""
    sizes = tuple(_size(subject.messages) for subject in growing)
    report.table("Microseconds a call", *sizes, f"ratio (≤ {FLAT:.2f})")
    for what, call, rounds in CALLS:
        report.working_on(what)
        _compare(report, what, await compared(growing, call, rounds))
    what = "cleanup_inactive_rooms, nothing to do"
    report.working_on(what)
    _compare(report, what, await compared(growing, CLEANUP, 12, role="service_role"))
    for subject in growing:
        await subject.run(
            f"""update public.rooms set is_active = false
                where id in (select bench.id('room', n) from generate_series({subject.rooms - subject.old_rooms},
                                                                             {subject.rooms - 1}) n)"""
        )
        await subject.run("vacuum analyze")  # of the update; of all that the turns before have written, too
    # The same twenty rooms again and again: others each time would leave fewer, and more to pass over.
    what = "cleanup_inactive_rooms, 20 rooms"
    report.working_on(what)
    _compare(report, what, await compared(growing, CLEANUP, 12, turns=15, role="service_role", is_undone=True))


async def of_row_level_security(report: Report, subject: Subject) -> None:
    """A page of messages read from the table, as a member and as the superuser."""
    report.table(f"Reads of tables, {_size(subject.messages)}", "superuser, µs", "member, µs", "ratio")
    for what, call in (
        (
            "the newest 50 messages of a room",
            "select count(m) from (select * from public.room_messages where room_id = bench.id('room', 0)"
            " order by seq desc limit 50) m",
        ),
        (
            "its participants",
            "select count(p) from (select * from public.room_participants where room_id = bench.id('room', 0)) p",
        ),
    ):
        report.working_on(what)
        free = median((await subject.times_us(call, 200, role="none"))[1:])
        bound = median((await subject.times_us(call, 200))[1:])
        report.row(what, f"{free:,.0f}", f"{bound:,.0f}", f"{bound / free:.1f}")


async def of_heartbeats(report: Report, subject: Subject) -> None:
    """Ten thousand of them, on one connection."""
    report.table(f"{HEARTBEATS:,} heartbeats, {_size(subject.messages)}", "s", "µs each")
    report.working_on("heartbeats")
    times = await subject.times_us("select public.heartbeat(array[bench.id('connection 1', 6)])", HEARTBEATS)
    report.row("one after the other", f"{sum(times) / 1e6:.1f}", f"{median(times):,.0f}")


def _compare(report: Report, what: str, times: list[float]) -> None:
    report.row(what, *(f"{us:,.0f}" for us in times), Limit(times[-1] / times[0], FLAT))


def _size(messages: int) -> str:
    return f"10{str(len(str(messages)) - 1).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))} messages"

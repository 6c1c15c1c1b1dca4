"""The guarantees that are broken on purpose, each with the test that must notice."""

from __future__ import annotations

from typing import Final

from tests.sabotage.entry import Sabotage

MIGRATIONS: Final = "supabase/migrations"

ENTRIES: Final[tuple[Sabotage, ...]] = (
    Sabotage(
        name="no-dedupe",
        breaks="exactly once: a step that was had already is told again",
        file="spaces_sdk/session/positions.py",
        old="        if step.pos <= self._position or step.pos in self._aside:\n            return Taken(duplicates=1)\n",
        new="        if step.pos <= self._position or step.pos in self._aside:\n            return Taken(steps=[step])\n",
        test="tests/unit/session/test_faults.py::test_fault[everything_comes_twice]",
    ),
    Sabotage(
        name="no-dedupe-in-chaos",
        breaks="the checker of chaos fails when it has to: a doubled broadcast is told twice",
        file="spaces_sdk/session/positions.py",
        old="        if step.pos <= self._position or step.pos in self._aside:\n            return Taken(duplicates=1)\n",
        new="        if step.pos <= self._position or step.pos in self._aside:\n            return Taken(steps=[step])\n",
        test="tests/stack/test_chaos.py::test_a_short_run",
    ),
    Sabotage(
        name="gap-ignored",
        breaks="in order, none lost: a step above the next one is taken at once",
        file="spaces_sdk/session/positions.py",
        old="while (kept := self._aside.get(self._position + 1)) is not None:",
        new="while self._aside and (kept := self._aside[min(self._aside)]) is not None:",
        test="tests/unit/session/test_faults.py::test_fault[one_is_lost_and_the_next_shows_it]",
    ),
    Sabotage(
        name="catch-up-untold",
        breaks="none lost: what a catch-up reads is not told to the readers",
        file="spaces_sdk/session/core.py",
        old="            self.log.append(event, run=before)\n",
        new="            pass\n",
        test="tests/unit/session/test_entering.py::test_what_fell_between_join_and_channel_is_told",
    ),
    Sabotage(
        name="heartbeat-blind",
        breaks="none lost in silence: a heartbeat does not compare the head",
        file="spaces_sdk/session/heartbeats.py",
        old="    if status.head is not None and status.head > position:\n        return Verdict.AHEAD\n",
        new="",
        test="tests/unit/session/test_faults.py::test_fault[the_last_one_is_lost_and_the_first_heartbeat_finds_it]",
    ),
    Sabotage(
        name="retry-without-id",
        breaks="sent once: a repeated call carries no idempotency key",
        file="spaces_sdk/rooms/message_calls.py",
        old='            "p_id": str(key),\n',
        new="",
        test="tests/integration/test_rooms_live.py::test_a_message_is_stored_once_whatever_comes_back",
    ),
    Sabotage(
        name="epoch-not-raised",
        breaks="a removed person hears nothing more: the room keeps its topic",
        file=f"{MIGRATIONS}/20261123102200_moderation.sql",
        old="set epoch = h.epoch + 1 where",
        new="set epoch = h.epoch where",
        test="tests/db/test_events.py::test_a_removal_sends_the_old_topic_away_and_goes_on_with_the_new_one[kick]",
    ),
    Sabotage(
        name="kicked-may-speak",
        breaks="access ends at commit: a removed participant's message is stored",
        file=f"{MIGRATIONS}/20261123101700_insert_message.sql",
        old="  elsif v_me.status <> 'active' then\n    v_code := 'kicked';",
        new="  elsif false then\n    v_code := 'kicked';",
        test="tests/db/test_kick.py::test_a_kicked_one_may_do_nothing",
    ),
    Sabotage(
        name="banned-may-return",
        breaks="a ban keeps out whoever has looked the code up",
        file=f"{MIGRATIONS}/20261123101400_join_room.sql",
        old="  elsif spaces.is_banned(p_room.id, p_user_id) then\n",
        new="  elsif false then\n",
        test="tests/db/test_bans.py::test_no_admission_opens_the_door",
    ),
    Sabotage(
        name="step-outside-the-lock",
        breaks="order of steps is order of commit: the room's lock is not taken",
        file=f"{MIGRATIONS}/20261123100800_publishing.sql",
        old="where h.room_id = p_room_id for no key update;",
        new="where h.room_id = p_room_id;",
        test="tests/db/test_storm.py::test_sixteen_connections_come_to_no_deadlock_and_leave_no_hole",
    ),
    Sabotage(
        name="one-revoke-dropped",
        breaks="rights by name: a function keeps the rights that the project gives by default",
        file=f"{MIGRATIONS}/20261123102200_moderation.sql",
        old="revoke all on function public.kick_participant(uuid, uuid) from public, anon, authenticated, service_role;\n",
        new="",
        test="tests/db/test_catalogue.py::test_who_may_call_what[open]",
    ),
    Sabotage(
        name="no-restrictive-policy",
        breaks="topics are shut whatever the app's own policies allow",
        file=f"{MIGRATIONS}/20261123101100_topic_policies.sql",
        old="create policy spaces_topics_are_heard_by_nobody_else on realtime.messages as restrictive for select",
        new="create policy spaces_topics_are_heard_by_nobody_else on realtime.messages for select",
        test="tests/db/test_quickstart_policies.py::test_an_outsider_does_not_listen",
    ),
    Sabotage(
        name="rls-off",
        breaks="every table under row level security",
        file=f"{MIGRATIONS}/20261123100500_room_messages.sql",
        old="alter table public.room_messages enable row level security;\n",
        new="",
        test="tests/db/test_catalogue.py::test_row_level_security_is_on_for_every_table[closed]",
    ),
    Sabotage(
        name="stale-policy-lease",
        breaks="only who has a live lease may listen",
        file=f"{MIGRATIONS}/20261123101000_topic_access.sql",
        old="      and c.ended_at is null and c.expires_at > clock_timestamp());",
        new="      );",
        test="tests/db/test_topics.py::test_an_expired_lease_ends_it",
    ),
    Sabotage(
        name="forged-broadcast",
        breaks="clients cannot broadcast into a room: the policy that takes presence alone is gone",
        file=f"{MIGRATIONS}/20261123101100_topic_policies.sql",
        old="create policy spaces_topics_take_nothing_else on realtime.messages as restrictive for insert",
        new="create policy spaces_topics_take_nothing_else on realtime.messages for insert",
        test="tests/db/test_quickstart_policies.py::test_a_members_forged_broadcast_is_refused",
    ),
    Sabotage(
        name="sync-of-two-snapshots",
        breaks="a head never names a message that the same answer lacks",
        file=f"{MIGRATIONS}/20261123101600_sync_room.sql",
        old="returns jsonb language plpgsql stable security definer",
        new="returns jsonb language plpgsql volatile security definer",
        test="tests/db/test_sync.py::test_what_is_committed_while_a_sync_runs_is_no_part_of_it",
    ),
    Sabotage(
        name="accounts-not-held",
        breaks="a call beside the deletion of an account ends in an answer of ours",
        file=f"{MIGRATIONS}/20261123100800_publishing.sql",
        old="perform from auth.users u where u.id = p_user_id for key share;",
        new="perform from auth.users u where u.id = p_user_id;",
        test="tests/db/test_deleted_accounts.py::test_a_call_beside_a_deletion_ends_in_an_answer[insert_message-the caller's]",
    ),
    Sabotage(
        name="appended-after-the-stop",
        breaks="a stop is the end: whether a message is still written is looked at before the room's lock",
        file=f"{MIGRATIONS}/20261123102710_begin_and_append.sql",
        old="  v_head := spaces.lock_room(p_room_id, c_operation);\n"
        "  v_message := spaces.require_own_stream(p_room_id, v_user_id, p_message_id, c_operation);\n",
        new="  v_message := spaces.require_own_stream(p_room_id, v_user_id, p_message_id, c_operation);\n"
        "  v_head := spaces.lock_room(p_room_id, c_operation);\n",
        test="tests/db/test_stream_races.py::test_nothing_is_added_after_the_end[a stop-append_stream]",
    ),
    Sabotage(
        name="chunk-offset-ignored",
        breaks="a message that grows has no repetition: what was had already is added again",
        file="spaces_sdk/session/growing.py",
        old="(new := chunk.text[length - chunk.offset :])",
        new="(new := chunk.text)",
        test="tests/unit/session/test_growing.py::test_what_comes_twice_is_told_once",
    ),
    Sabotage(
        name="late-joiner-hole",
        breaks="a message that grows has no hole: a sync does not bring those that are being written",
        file=f"{MIGRATIONS}/20261123101600_sync_room.sql",
        old="where s.room_id = p_room_id and m.seq <= p_after and",
        new="where false and s.room_id = p_room_id and m.seq <= p_after and",
        test="tests/db/test_streams.py::test_whoever_reads_gets_the_text_so_far",
    ),
)

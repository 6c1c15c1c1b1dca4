-- Rooms, people and messages, set by set: a million rows in seconds. Run in a database with the migrations, as the superuser.
-- `:rooms` rooms with five participants and two live leases each; `:messages` messages, half of them in the first room,
-- which has fifty participants. The last `:old_rooms` rooms wait for the clean-up.
set session_replication_role = replica; -- no foreign keys, no triggers: the rows are right as they are
set maintenance_work_mem = '256MB';
-- Indexes at the end and all at once: one by one they take four times as long.
update pg_index set indisready = false where indrelid in ('public.room_messages'::regclass, 'public.room_participants'::regclass,
                                                          'spaces.connections'::regclass);

insert into auth.users (id, aud, role, email, created_at)
select bench.id('user', n), 'authenticated', 'authenticated', n || '@example.test', now() from generate_series(0, :users - 1) n;

insert into public.rooms (id, room_code, host_user_id, name, max_participants, created_at, last_activity, expires_after, visibility)
select bench.id('room', n), bench.code(n), bench.id('user', n % :users), 'Room ' || n, 50, now() - n * interval '1 second',
       now() - n * interval '1 millisecond', case when n % 2 = 0 then interval '24 hours' end,
       case when n % 10 = 9 then 'public' else 'unlisted' end
from generate_series(0, :rooms - 1) n;

insert into public.room_participants (room_id, user_id, display_name, is_online, joined_at, kind)
select bench.id('room', n), bench.id('user', (n + p) % :users), 'Person ' || p, p < 2, now() - interval '1 hour' + p * interval '1 second',
       case when p between 9 and 19 then 'bot' else 'human' end
from generate_series(0, :rooms - 1) n cross join lateral generate_series(0, case n when 0 then 49 else 4 end) p;

insert into spaces.connections (connection_id, room_id, user_id, expires_at)
select bench.id('connection ' || p, n), bench.id('room', n), bench.id('user', (n + p) % :users), now() + interval '1 day'
from generate_series(0, :rooms - 1 - :old_rooms) n cross join generate_series(0, 1) p;

insert into public.room_messages (id, room_id, user_id, message_type, content, created_at, updated_at, seq, revision, display_name, sender_kind)
select bench.id('message', n), bench.id('room', r.room), bench.id('user', (r.room + n % 5) % :users), 'user_text',
       repeat('A message of about a hundred bytes. ', 3), now() - (:messages - n) * interval '1 millisecond', now(), r.seq, r.seq, 'Person', 'human'
from generate_series(0, :messages - 1) n cross join lateral (
  select case when n < :messages / 2 then 0 else 1 + (n - :messages / 2) % (:rooms - 1) end as room,
         case when n < :messages / 2 then n + 1 else 1 + (n - :messages / 2) / (:rooms - 1) end as seq) r;

reindex table public.room_messages;
reindex table public.room_participants;
reindex table spaces.connections;

insert into spaces.room_heads (room_id, head)
select r.id, coalesce(max(m.seq), 0) from public.rooms r left join public.room_messages m on m.room_id = r.id group by r.id;

insert into spaces.rate_buckets (user_id, action, room_id, tokens, taken, refilled_at)
select p.user_id, 'send', p.room_id, 20, 1, now() from public.room_participants p;

-- A little of everything else that grows.
insert into public.room_message_reactions (message_id, user_id, emoji, room_id)
select m.id, m.user_id, '👍', m.room_id from public.room_messages m where m.seq % 5 = 1;
update public.room_messages set reactions = '{"👍": 1}' where seq % 5 = 1;
insert into spaces.bans (room_id, user_id, display_name, banned_by)
select bench.id('room', n), bench.id('user', (n + 50) % :users), 'Banned', bench.id('user', n % :users) from generate_series(0, :rooms - 1) n;
insert into spaces.audit (room_id, user_id, action, target_user_id)
select b.room_id, b.banned_by, 'ban', b.user_id from spaces.bans b;
insert into spaces.admissions (room_id, user_id, expires_at)
select bench.id('room', n), bench.id('user', (n + 60) % :users), now() + interval '1 hour' from generate_series(0, :rooms - 1) n;
insert into spaces.former_participants (room_id, user_id, display_name, kind, is_muted, forgotten_at)
select bench.id('room', n), bench.id('user', (n + 70) % :users), 'Former', 'human', false, now() from generate_series(0, :rooms - 1) n;
insert into spaces.invitations (id, room_id, created_by, expires_at)
select bench.id('invitation', n), bench.id('room', n), bench.id('user', n % :users), now() + interval '1 day' from generate_series(0, :rooms - 1) n;
insert into spaces.invitation_tokens (token_hash, invitation_id)
select sha256(convert_to('token_' || lpad(n::text, 26, '0'), 'UTF8')), bench.id('invitation', n) from generate_series(0, :rooms - 1) n;
insert into spaces.departures (room_id, message_id)
select bench.id('room', n), bench.id('gone', n) from generate_series(:rooms / 2, :rooms - 1) n;
insert into spaces.streams (message_id, room_id, length, expires_at)
select m.id, m.room_id, 4, now() + interval '1 day' from public.room_messages m where m.seq = 2;
update public.room_messages m set status = 'streaming' from spaces.streams s where m.id = s.message_id;
insert into spaces.stream_chunks (message_id, starts_at, text) select s.message_id, 0, 'more' from spaces.streams s;
-- Bots take turns in the first room, and handlers are at work in all of them.
update public.rooms set settings = '{"spaces": {"turn_mode": "round_robin", "bot_depth": 5}}' where id = bench.id('room', 0);
insert into spaces.bots (room_id, user_id, position, takes_turns)
select p.room_id, p.user_id, 1, p.kind = 'bot' from public.room_participants p;
insert into spaces.turns (room_id, user_id, position, purpose, message_id, state, created_at)
select m.room_id, p.user_id, m.seq, 'answer', m.id, 'done', m.created_at
from public.room_messages m join public.room_participants p on p.room_id = m.room_id
where m.room_id = bench.id('room', 0) and p.user_id = bench.id('user', 10) and m.seq % 2 = 0;
insert into spaces.turns (room_id, user_id, position, purpose, state)
select b.room_id, b.user_id, 2, 'log', 'waiting' from spaces.bots b;
insert into spaces.room_turns (room_id, day, messages) select r.id, now()::date, 1 from public.rooms r;

-- The limits stay, and are paid for, but nobody reaches them.
update spaces.limits set capacity = 1000000000, refill_per_s = 1000000;
update spaces.config set active_rooms_per_user = 1000000;
set session_replication_role = origin;
vacuum analyze;

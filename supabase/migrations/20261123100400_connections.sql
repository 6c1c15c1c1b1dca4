-- Leases: a connection is live until it expires or is ended, and a user has a place in a room while one is live.
-- An ended row stays for a day, so that a heartbeat can say why. There is no foreign key to rooms for the
-- same reason: who held a lease in a deleted room is told that the room is gone.
create table spaces.connections (
  connection_id uuid not null,
  room_id uuid not null,
  user_id uuid not null,
  expires_at timestamptz not null,
  ended_at timestamptz,
  created_at timestamptz not null default now(),
  constraint connections_pkey primary key (connection_id),
  constraint connections_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
) with (fillfactor = 70);
-- expires_at is in no index: a heartbeat then updates its row in place.
create index connections_open_idx on spaces.connections (room_id, user_id) where ended_at is null;
create index connections_user_id_idx on spaces.connections (user_id, ended_at);
create index connections_ended_at_idx on spaces.connections (ended_at) where ended_at is not null;
alter table spaces.connections enable row level security;
revoke all on table spaces.connections from public, anon, authenticated, service_role;
comment on table spaces.connections is 'Leases. Live: ended_at is null and expires_at lies ahead.';
comment on column spaces.connections.connection_id is 'Chosen by the client, so that a repeated join renews instead of doubling.';

-- Who has looked a room up by its code may join it for a while.
create table spaces.admissions (
  room_id uuid not null,
  user_id uuid not null,
  expires_at timestamptz not null,
  constraint admissions_pkey primary key (room_id, user_id),
  constraint admissions_room_id_fkey foreign key (room_id) references public.rooms (id) on delete cascade,
  constraint admissions_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
create index admissions_user_id_idx on spaces.admissions (user_id);
create index admissions_expires_at_idx on spaces.admissions (expires_at);
alter table spaces.admissions enable row level security;
revoke all on table spaces.admissions from public, anon, authenticated, service_role;
comment on table spaces.admissions is 'Short-lived rights to join, left by a look-up of the room''s code.';

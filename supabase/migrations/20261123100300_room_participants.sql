-- Who is in a room. Leaving keeps the row, offline: history stays readable and the room stays among "my rooms".
create table public.room_participants (
  id uuid not null default gen_random_uuid(),
  room_id uuid not null,
  user_id uuid not null,
  display_name text not null,
  is_online boolean not null default false,
  joined_at timestamptz not null default now(),
  last_seen timestamptz not null default now(),
  role text not null default 'member',
  kind text not null default 'human',
  status text not null default 'active',
  is_muted boolean not null default false,
  voice_since timestamptz,
  last_read_seq bigint not null default 0,
  constraint room_participants_pkey primary key (id),
  constraint room_participants_room_id_user_id_key unique (room_id, user_id),
  constraint room_participants_room_id_fkey foreign key (room_id) references public.rooms (id) on delete cascade,
  constraint room_participants_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint room_participants_display_name_length check (char_length(display_name) between 1 and 50),
  constraint room_participants_role_values check (role in ('moderator', 'member')),
  constraint room_participants_kind_values check (kind in ('human', 'bot')),
  constraint room_participants_status_values check (status in ('active', 'kicked')),
  constraint room_participants_last_read_seq_range check (last_read_seq >= 0),
  constraint room_participants_removed_are_offline check (status = 'active' or (not is_online and voice_since is null))
) with (fillfactor = 80);
create index room_participants_user_id_idx on public.room_participants (user_id);
create index room_participants_is_online_idx on public.room_participants (room_id, is_online);

alter table public.room_participants enable row level security;
create policy room_participants_are_read_by_members on public.room_participants for select to authenticated
  using (room_id in (select spaces.my_room_ids()));
-- Nobody has the right to insert, update or delete; these stand behind that as a second wall.
create policy room_participants_insert_themselves on public.room_participants for insert to authenticated
  with check (user_id = (select auth.uid()));
create policy room_participants_update_themselves on public.room_participants for update to authenticated
  using (user_id = (select auth.uid())) with check (user_id = (select auth.uid()));
create policy room_participants_delete_themselves on public.room_participants for delete to authenticated
  using (user_id = (select auth.uid()));
comment on policy room_participants_are_read_by_members on public.room_participants is 'Host and active participants of the room.';
comment on policy room_participants_insert_themselves on public.room_participants is 'Second wall: the way in is join_room.';
comment on policy room_participants_update_themselves on public.room_participants is 'Second wall: the way in is join_room.';
comment on policy room_participants_delete_themselves on public.room_participants is 'Second wall: the way in is leave_room.';
revoke all on table public.room_participants from public, anon, authenticated, service_role;
grant select on table public.room_participants to authenticated, service_role;

comment on table public.room_participants is 'Users in rooms, human or bot, online or not.';
comment on column public.room_participants.is_online is 'A cache for display; rights and capacity count the leases in spaces.connections.';
comment on column public.room_participants.last_seen is 'Last join, heartbeat or leave.';
comment on column public.room_participants.role is 'moderator or member; whether somebody is host stands in rooms.host_user_id.';
comment on column public.room_participants.kind is 'bot only if the token''s app_metadata.spaces_kind says so, or the host did.';
comment on column public.room_participants.status is 'kicked: was removed, and may come back by the code of the room, unless spaces.bans has them.';
comment on column public.room_participants.voice_since is 'When voice was switched on; null while it is off.';
comment on column public.room_participants.last_read_seq is
  'How far they have marked the room as read; begins with what the room was when they joined first. Takes no step.';

-- What must not be got rid of by forgetting: a mute, what the host has said one is, the quiet of a short absence, and
-- that one can be banned for what one has said. Who was kicked keeps their participant, which is what keeps them out.
create table spaces.former_participants (
  room_id uuid not null,
  user_id uuid not null,
  display_name text not null,
  kind text not null,
  is_muted boolean not null,
  forgotten_at timestamptz not null,
  constraint former_participants_pkey primary key (room_id, user_id),
  constraint former_participants_room_id_fkey foreign key (room_id) references public.rooms (id) on delete cascade,
  constraint former_participants_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade
);
create index former_participants_user_id_idx on spaces.former_participants (user_id);
alter table spaces.former_participants enable row level security;
revoke all on table spaces.former_participants from public, anon, authenticated, service_role;
comment on table spaces.former_participants is 'Who has forgotten a room, until they come back or the room goes.';

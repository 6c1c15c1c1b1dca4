-- Rooms, and for each room the one small row that is its lock and its change counter.

-- The rooms that the caller belongs to. As a set, because a policy that asks row by row is sixty times slower.
create function spaces.my_room_ids()
returns setof uuid language plpgsql stable security definer set search_path = '' as $$
declare
  v_user_id uuid := spaces.user_id();
begin
  return query
    select p.room_id from public.room_participants p where p.user_id = v_user_id and p.status = 'active'
    union
    select r.id from public.rooms r where r.host_user_id = v_user_id;
end
$$;
-- Policies run it as the caller, so the caller must be allowed to; schema spaces stays shut all the same.
revoke all on function spaces.my_room_ids() from public, anon, authenticated, service_role;
grant execute on function spaces.my_room_ids() to authenticated;
comment on function spaces.my_room_ids() is 'Rooms that the caller hosts or is an active participant of.';

create table public.rooms (
  id uuid not null default gen_random_uuid(),
  room_code text not null,
  host_user_id uuid,
  name text not null,
  max_participants integer not null default 10,
  is_active boolean not null default true,
  current_mode text not null default 'gangster',
  created_at timestamptz not null default now(),
  last_activity timestamptz not null default now(),
  conversation_active boolean not null default false,
  settings jsonb not null default '{}',
  visibility text not null default 'unlisted',
  expires_after interval default interval '24 hours',
  constraint rooms_pkey primary key (id),
  constraint rooms_room_code_key unique (room_code),
  constraint rooms_room_code_format check (room_code ~ '^[A-HJ-NP-Z2-9]{6}$'),
  constraint rooms_host_user_id_fkey foreign key (host_user_id) references auth.users (id) on delete set null,
  constraint rooms_current_mode_fkey foreign key (current_mode) references public.room_modes (name) on update cascade,
  constraint rooms_name_length check (char_length(name) between 1 and 100),
  constraint rooms_max_participants_range check (max_participants between 1 and 50),
  constraint rooms_settings_size check (jsonb_typeof(settings) = 'object' and octet_length(settings::text) <= 16384),
  constraint rooms_visibility_values check (visibility in ('private', 'unlisted', 'public')),
  constraint rooms_expires_after_range check (expires_after > interval '0' and expires_after <= interval '3650 days')
);
create index rooms_host_user_id_idx on public.rooms (host_user_id);
create index rooms_current_mode_idx on public.rooms (current_mode);
create index rooms_is_active_idx on public.rooms (is_active);
create index rooms_last_activity_idx on public.rooms (last_activity);
-- For the clean-up: rooms that are closed, and those whose time is over. In UTC, because an index takes no sum that depends
-- on the session's time zone.
create index rooms_closed_idx on public.rooms (last_activity) where not is_active;
create index rooms_due_idx on public.rooms ((timezone('UTC', last_activity) + expires_after)) where is_active;

alter table public.rooms enable row level security;
create policy rooms_are_read_by_members on public.rooms for select to authenticated
  using (id in (select spaces.my_room_ids()));
-- Nobody has the right to insert, update or delete; these stand behind that as a second wall.
create policy rooms_are_made_by_their_host on public.rooms for insert to authenticated
  with check (host_user_id = (select auth.uid()));
create policy rooms_are_changed_by_their_host on public.rooms for update to authenticated
  using (host_user_id = (select auth.uid())) with check (host_user_id = (select auth.uid()));
create policy rooms_are_deleted_by_their_host on public.rooms for delete to authenticated
  using (host_user_id = (select auth.uid()));
comment on policy rooms_are_read_by_members on public.rooms is 'Host and active participants.';
comment on policy rooms_are_made_by_their_host on public.rooms is 'Second wall: the way in is create_room.';
comment on policy rooms_are_changed_by_their_host on public.rooms is 'Second wall: the way in is update_room_state.';
comment on policy rooms_are_deleted_by_their_host on public.rooms is 'Second wall: the way in is delete_room.';
revoke all on table public.rooms from public, anon, authenticated, service_role;
grant select on table public.rooms to authenticated, service_role;

comment on table public.rooms is 'Rooms. Written by functions alone; each change takes a step of the room (spaces.room_heads).';
comment on column public.rooms.room_code is 'Six characters without those that look alike; who has it may join an unlisted or public room.';
comment on column public.rooms.host_user_id is 'The truth about who is host; null after the account was deleted, until somebody is promoted.';
comment on column public.rooms.current_mode is 'Personality of the AI.';
comment on column public.rooms.last_activity is 'Refreshed at most once a minute; after it plus expires_after the room may be deleted.';
comment on column public.rooms.settings is 'The app''s own, and under the key "spaces" those of spaces.setting_keys; up to 16 kB.';
comment on column public.rooms.visibility is 'private: by invitation; unlisted: who has the code; public: everybody.';
comment on column public.rooms.expires_after is 'Null keeps the room for ever.';

create table spaces.room_heads (
  room_id uuid not null,
  head bigint not null default 0,
  epoch integer not null default 1,
  constraint room_heads_pkey primary key (room_id),
  constraint room_heads_room_id_fkey foreign key (room_id) references public.rooms (id) on delete cascade,
  constraint room_heads_range check (head >= 0 and epoch between 1 and 999999999)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_threshold = 200,
        autovacuum_vacuum_cost_delay = 0, autovacuum_analyze_threshold = 1000);
alter table spaces.room_heads enable row level security;
revoke all on table spaces.room_heads from public, anon, authenticated, service_role;
comment on table spaces.room_heads is
  'One row a room, which is the room''s lock: every write locks it first, for no key update. Updated in place, so kept half empty.';
comment on column spaces.room_heads.head is 'Change counter: every durable change takes exactly one step, in order of commit.';
comment on column spaces.room_heads.epoch is 'Part of the topic; raised when somebody loses the right to listen.';

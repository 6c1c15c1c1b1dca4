-- Who may not come back, and who did what to whom. Both belong to the operator and to the functions; nobody reads them as tables.
create table spaces.bans (
  room_id uuid not null,
  user_id uuid not null,
  display_name text not null,
  banned_by uuid,
  reason text,
  created_at timestamptz not null default now(),
  constraint bans_pkey primary key (room_id, user_id),
  constraint bans_room_id_fkey foreign key (room_id) references public.rooms (id) on delete cascade,
  constraint bans_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint bans_banned_by_fkey foreign key (banned_by) references auth.users (id) on delete set null,
  constraint bans_reason_length check (char_length(reason) between 1 and 500)
);
create index bans_user_id_idx on spaces.bans (user_id);
create index bans_banned_by_idx on spaces.bans (banned_by);
create index bans_order_idx on spaces.bans (room_id, created_at, user_id);
alter table spaces.bans enable row level security;
revoke all on table spaces.bans from public, anon, authenticated, service_role;
comment on table spaces.bans is 'Who may not come into a room. Their participant, if they still are one, has status kicked.';
comment on column spaces.bans.display_name is 'The name at that moment, by which the list of bans is read.';
comment on column spaces.bans.banned_by is 'Null after that account was deleted.';

-- No foreign keys: a record outlives the room and the accounts that it names, by ids alone, until its time is over.
create table spaces.audit (
  id bigint generated always as identity,
  room_id uuid not null,
  user_id uuid not null,
  action text not null,
  target_user_id uuid,
  detail text,
  created_at timestamptz not null default clock_timestamp(),
  constraint audit_pkey primary key (id),
  constraint audit_action_values check (action in (
    'kick', 'ban', 'unban', 'mute', 'unmute', 'set_role', 'set_kind', 'transfer_host', 'rotate_code', 'delete_message', 'delete_room',
    'create_invitation', 'revoke_invitation', 'accept_invitation'))
);
create index audit_room_id_idx on spaces.audit (room_id, id);
create index audit_created_at_idx on spaces.audit (created_at);
alter table spaces.audit enable row level security;
revoke all on table spaces.audit from public, anon, authenticated, service_role;
comment on table spaces.audit is 'Acts of moderation that changed something, and who came in by which invitation, for as long as spaces.config.audit_s says. Read it by SQL.';
comment on column spaces.audit.user_id is 'Who did it.';
comment on column spaces.audit.target_user_id is 'To whom, or whose words; null for what is done to the room.';
comment on column spaces.audit.detail is 'The new role or kind, the reason of a ban, the id of an invitation or of a message.';

create function spaces.is_banned(p_room_id uuid, p_user_id uuid)
returns boolean language plpgsql stable set search_path = '' as $$
begin
  return exists (select from spaces.bans b where b.room_id = p_room_id and b.user_id = p_user_id);
end
$$;
revoke all on function spaces.is_banned(uuid, uuid) from public, anon, authenticated, service_role;
comment on function spaces.is_banned(uuid, uuid) is 'Whether a user may not come into a room.';

create function spaces.record_act(
  p_room_id uuid, p_user_id uuid, p_action text, p_target_user_id uuid default null, p_detail text default null
) returns void language plpgsql volatile set search_path = '' as $$
begin
  insert into spaces.audit (room_id, user_id, action, target_user_id, detail)
  values (p_room_id, p_user_id, p_action, p_target_user_id, p_detail);
end
$$;
revoke all on function spaces.record_act(uuid, uuid, text, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.record_act(uuid, uuid, text, uuid, text) is 'Puts an act of moderation on record, with the change that it is.';

-- Invitations: a way into a room for who has its token, also into a private one. The token itself is never stored.
create table spaces.invitations (
  id uuid not null default gen_random_uuid(),
  room_id uuid not null,
  created_by uuid,
  created_at timestamptz not null default clock_timestamp(),
  expires_at timestamptz,
  max_uses integer,
  use_count integer not null default 0,
  revoked_at timestamptz,
  constraint invitations_pkey primary key (id),
  constraint invitations_room_id_fkey foreign key (room_id) references public.rooms (id) on delete cascade,
  constraint invitations_created_by_fkey foreign key (created_by) references auth.users (id) on delete set null,
  constraint invitations_max_uses_range check (max_uses between 1 and 10000),
  constraint invitations_use_count_range check (use_count >= 0 and use_count <= coalesce(max_uses, use_count))
);
create index invitations_room_id_idx on spaces.invitations (room_id, created_at, id);
create index invitations_created_by_idx on spaces.invitations (created_by);
create index invitations_expires_at_idx on spaces.invitations (expires_at) where expires_at is not null;
create index invitations_revoked_at_idx on spaces.invitations (revoked_at) where revoked_at is not null;
create index invitations_used_up_idx on spaces.invitations (created_at) where use_count = max_uses;
alter table spaces.invitations enable row level security;
revoke all on table spaces.invitations from public, anon, authenticated, service_role;
comment on table spaces.invitations is 'Who may let whom in without the code. A dead one (expired, revoked, used up) is deleted a day later.';
comment on column spaces.invitations.created_by is 'Null after that account was deleted; the invitation stands.';
comment on column spaces.invitations.expires_at is 'Null: it holds as long as the room.';
comment on column spaces.invitations.max_uses is 'Null: any number.';

-- A table of its own: creating is repeated when its answer was lost, and the lost token cannot be shown again. So a repeat
-- gives the same invitation another token.
create table spaces.invitation_tokens (
  token_hash bytea not null,
  invitation_id uuid not null,
  constraint invitation_tokens_pkey primary key (token_hash),
  constraint invitation_tokens_invitation_id_fkey foreign key (invitation_id) references spaces.invitations (id) on delete cascade,
  constraint invitation_tokens_hash_length check (octet_length(token_hash) = 32)
);
create index invitation_tokens_invitation_id_idx on spaces.invitation_tokens (invitation_id);
alter table spaces.invitation_tokens enable row level security;
revoke all on table spaces.invitation_tokens from public, anon, authenticated, service_role;
comment on table spaces.invitation_tokens is 'The sha256 of each token that opens an invitation.';

-- What an acceptance leaves, until its user joins: it ends with the invitation, and opens private rooms too.
alter table spaces.admissions
  add column invitation_id uuid,
  add constraint admissions_invitation_id_fkey foreign key (invitation_id) references spaces.invitations (id) on delete cascade;
create index admissions_invitation_id_idx on spaces.admissions (invitation_id) where invitation_id is not null;
comment on column spaces.admissions.invitation_id is 'Null: by the code of the room, which opens no private one.';

-- The one question whether somebody from outside may come in; bans and kicks are looked at elsewhere.
create function spaces.is_admitted(p_room public.rooms, p_user_id uuid)
returns boolean language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from spaces.admissions a
    where a.room_id = p_room.id and a.user_id = p_user_id and a.expires_at > clock_timestamp()
      and (p_room.visibility <> 'private' or a.invitation_id is not null));
end
$$;
revoke all on function spaces.is_admitted(public.rooms, uuid) from public, anon, authenticated, service_role;
comment on function spaces.is_admitted(public.rooms, uuid) is 'Whether the room''s code or an invitation has let a user in who has not joined yet.';

create function spaces.is_live(p_invitation spaces.invitations)
returns boolean language plpgsql stable set search_path = '' as $$
begin
  return p_invitation.revoked_at is null and coalesce(p_invitation.expires_at > clock_timestamp(), true);
end
$$;
revoke all on function spaces.is_live(spaces.invitations) from public, anon, authenticated, service_role;
comment on function spaces.is_live(spaces.invitations) is 'Neither revoked nor expired; it may be used up all the same.';

create function spaces.invitation_json(p_invitation spaces.invitations)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'id', p_invitation.id, 'room_id', p_invitation.room_id, 'created_by', p_invitation.created_by,
    'created_at', p_invitation.created_at, 'expires_at', p_invitation.expires_at,
    'max_uses', p_invitation.max_uses, 'use_count', p_invitation.use_count);
end
$$;
revoke all on function spaces.invitation_json(spaces.invitations) from public, anon, authenticated, service_role;
comment on function spaces.invitation_json(spaces.invitations) is 'An invitation, as host and moderators see it; never a token.';

-- A random UUID has 122 random bits: two of them, mixed, give 192.
create function spaces.add_token(p_invitation_id uuid)
returns text language plpgsql volatile set search_path = '' as $$
declare
  v_token text := translate(
    encode(substr(sha256(uuid_send(gen_random_uuid()) || uuid_send(gen_random_uuid())), 1, 24), 'base64'), '+/', '-_');
begin
  insert into spaces.invitation_tokens (token_hash, invitation_id) values (sha256(convert_to(v_token, 'UTF8')), p_invitation_id);
  return v_token;
end
$$;
revoke all on function spaces.add_token(uuid) from public, anon, authenticated, service_role;
comment on function spaces.add_token(uuid) is 'Gives an invitation a token: 32 characters of the URL-safe alphabet, shown once.';

-- With who is removed goes every way back in that they have made: a second account of theirs would take it.
create function spaces.revoke_invitations_of(p_room_id uuid, p_user_id uuid)
returns void language plpgsql volatile set search_path = '' as $$
begin
  with revoked as (
    update spaces.invitations i set revoked_at = clock_timestamp()
    where i.room_id = p_room_id and i.created_by = p_user_id and i.revoked_at is null returning i.id
  )
  delete from spaces.admissions a using revoked r where a.invitation_id = r.id;
end
$$;
revoke all on function spaces.revoke_invitations_of(uuid, uuid) from public, anon, authenticated, service_role;
comment on function spaces.revoke_invitations_of(uuid, uuid) is 'Ends the invitations that somebody has made, also for who has accepted one and not joined yet; under the lock.';

create function spaces.purge_invitations()
returns void language plpgsql volatile set search_path = '' as $$
declare
  v_long_ago timestamptz := clock_timestamp() - interval '1 day';
begin
  delete from spaces.invitations i where i.ctid = any (array(
    select o.ctid from spaces.invitations o
    where (o.expires_at < v_long_ago or o.revoked_at < v_long_ago or (o.use_count = o.max_uses and o.created_at < v_long_ago))
      and (select count(*) from spaces.admissions a where a.invitation_id = o.id) = 0
    limit 20000 for update skip locked));
end
$$;
revoke all on function spaces.purge_invitations() from public, anon, authenticated, service_role;
comment on function spaces.purge_invitations() is 'Deletes invitations that open nothing any more, and that nobody waits with at the door.';

-- Inviting, and coming in by an invitation.

create function public.create_invitation(
  p_room_id uuid, p_expires_in_s integer default 604800, p_max_uses integer default null, p_invitation_id uuid default null
) returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'create the invitation';
  c_tokens constant integer := 5;
  v_user_id uuid := spaces.caller(c_operation);
  v_id uuid := coalesce(p_invitation_id, gen_random_uuid());
  v_limit integer := (select c.invitations_per_room from spaces.config c);
  v_invitation spaces.invitations;
begin
  if p_expires_in_s not between 1 and 315360000 then
    perform spaces.fail('invalid_argument', format('cannot %s: expires_in_s is out of range', c_operation),
                        'Give 1 second to 10 years, or null for no end.');
  elsif p_max_uses not between 1 and 10000 then
    perform spaces.fail('invalid_argument', format('cannot %s: max_uses is out of range', c_operation), 'Give 1 to 10000, or null for any number.');
  end if;
  if spaces.take(v_user_id, 'moderation', p_room_id, 'moderation') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'moderation', p_room_id, 'moderation'));
  end if;
  perform spaces.lock_room(p_room_id, c_operation);
  perform spaces.require_right('invite', p_room_id, v_user_id, c_operation);
  select i.* into v_invitation from spaces.invitations i where i.id = v_id;
  if not found then
    if (select count(*) from spaces.invitations i
        where i.room_id = p_room_id and spaces.is_live(i) and i.use_count < coalesce(i.max_uses, i.use_count + 1)) >= v_limit then
      perform spaces.fail('not_allowed', format('cannot %s: the room has %s open invitations', c_operation, v_limit), 'Revoke one of them first.');
    end if;
    insert into spaces.invitations (id, room_id, created_by, expires_at, max_uses)
    values (v_id, p_room_id, v_user_id, clock_timestamp() + make_interval(secs => p_expires_in_s), p_max_uses)
    on conflict (id) do nothing -- in another room, at this moment
    returning * into v_invitation;
    if found then
      perform spaces.record_act(p_room_id, v_user_id, 'create_invitation', null, v_id::text);
    end if;
  end if;
  -- A repeat is its maker's alone, and for what still stands.
  if not coalesce(v_invitation.room_id = p_room_id and v_invitation.created_by = v_user_id and spaces.is_live(v_invitation), false)
     or (select count(*) from spaces.invitation_tokens t where t.invitation_id = v_id) >= c_tokens then
    perform spaces.fail('conflict', format('cannot %s: its id is taken', c_operation), 'Choose another id.');
  end if;
  return jsonb_build_object('ok', true, 'invitation', spaces.invitation_json(v_invitation), 'token', spaces.add_token(v_id));
end
$$;
revoke all on function public.create_invitation(uuid, integer, integer, uuid) from public, anon, authenticated, service_role;
grant execute on function public.create_invitation(uuid, integer, integer, uuid) to authenticated, service_role;
comment on function public.create_invitation(uuid, integer, integer, uuid) is
  'Makes an invitation and shows its token, this once. Repeated with its id: the same invitation, with one more token.';

create function public.list_invitations(p_room_id uuid, p_limit integer default 50, p_cursor text default null)
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  c_operation constant text := 'list the invitations';
  v_user_id uuid := spaces.caller(c_operation);
  v_created_at timestamptz;
  v_id uuid;
  v_items jsonb;
  v_count bigint;
  v_last text;
begin
  perform spaces.require_right('invite', p_room_id, v_user_id, c_operation);
  select a.at, a.id into v_created_at, v_id from spaces.page_after(p_limit, p_cursor, c_operation) a;
  select jsonb_agg(x.item order by x.created_at, x.id) filter (where x.n <= p_limit), count(*),
         max(x.cursor) filter (where x.n = p_limit)
    into v_items, v_count, v_last
  from (
    select i.created_at, i.id, row_number() over (order by i.created_at, i.id) as n,
           (to_jsonb(i.created_at) #>> '{}') || '_' || i.id as cursor, spaces.invitation_json(i) as item
    from spaces.invitations i
    where i.room_id = p_room_id and (i.created_at, i.id) > (v_created_at, v_id) and spaces.is_live(i)
    order by i.created_at, i.id
    limit p_limit + 1
  ) x;
  return jsonb_build_object('items', coalesce(v_items, '[]'), 'next_cursor', case when v_count > p_limit then v_last end);
end
$$;
revoke all on function public.list_invitations(uuid, integer, text) from public, anon, authenticated, service_role;
grant execute on function public.list_invitations(uuid, integer, text) to authenticated, service_role;
comment on function public.list_invitations(uuid, integer, text) is
  'The invitations of a room that are neither revoked nor expired, oldest first, without tokens; for its host and moderators.';

-- The row stays for a day, so that a late repeat of creating it does not bring it back.
create function public.revoke_invitation(p_room_id uuid, p_invitation_id uuid)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'revoke the invitation';
  v_user_id uuid := spaces.caller(c_operation);
begin
  if spaces.take(v_user_id, 'moderation', p_room_id, 'moderation') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'moderation', p_room_id, 'moderation'));
  end if;
  perform spaces.lock_room(p_room_id, c_operation);
  perform spaces.require_right('invite', p_room_id, v_user_id, c_operation);
  if not exists (select from spaces.invitations i where i.id = p_invitation_id and i.room_id = p_room_id) then
    -- Not passed over in silence: whoever revokes must know that it is shut.
    perform spaces.fail('invalid_argument', format('cannot %s: the room has no such invitation', c_operation), 'list_invitations has the ids of those that stand.');
  end if;
  update spaces.invitations i set revoked_at = clock_timestamp() where i.id = p_invitation_id and i.revoked_at is null;
  if found then -- a repeated call finds the work done
    delete from spaces.admissions a where a.invitation_id = p_invitation_id;
    perform spaces.record_act(p_room_id, v_user_id, 'revoke_invitation', null, p_invitation_id::text);
  end if;
  return jsonb_build_object('ok', true);
end
$$;
revoke all on function public.revoke_invitation(uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function public.revoke_invitation(uuid, uuid) to authenticated, service_role;
comment on function public.revoke_invitation(uuid, uuid) is
  'Ends an invitation, for those too who have accepted it and not joined yet; who has joined stays.';

-- Misses are counted as those of codes are, together with them. The lock is the room's: two never share the last use.
create function public.accept_invitation(p_token text)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'accept the invitation';
  v_user_id uuid := spaces.caller(c_operation);
  v_token text := regexp_replace(p_token, '^\s+|\s+$', '', 'g');
  v_refusal jsonb;
  v_id uuid;
  v_room_id uuid;
  v_invitation spaces.invitations;
  v_room public.rooms;
begin
  if v_token is null or v_token !~ '^[A-Za-z0-9_-]{32}$' then
    perform spaces.fail('invalid_argument', format('cannot %s: that is no token', c_operation), 'Pass the token of the invitation whole.');
  end if;
  v_refusal := spaces.refuse_guess(v_user_id, c_operation);
  if v_refusal is not null then
    return v_refusal;
  end if;
  select i.id, i.room_id into v_id, v_room_id
  from spaces.invitation_tokens t join spaces.invitations i on i.id = t.invitation_id
  where t.token_hash = sha256(convert_to(v_token, 'UTF8'));
  if found then
    perform from spaces.room_heads h where h.room_id = v_room_id for no key update;
    select i.* into v_invitation from spaces.invitations i where i.id = v_id;
    select r.* into v_room from public.rooms r where r.id = v_room_id;
  end if;
  -- Unknown, revoked, expired, used up, of a closed or a deleted room, and banned: one answer for all.
  if not coalesce(v_room.is_active and spaces.is_live(v_invitation), false) or spaces.is_banned(v_room_id, v_user_id)
     or not spaces.use_invitation(v_invitation, v_room, v_user_id, c_operation) then
    perform spaces.code_miss_wait_s(p_count => true);
    return spaces.refusal('room_not_found', format('cannot %s: it opens no room', c_operation), 'Ask for another invitation.');
  end if;
  perform spaces.give_back(v_user_id, 'code_miss', spaces.nil_uuid(), 'code_miss');
  return spaces.preview_json(v_room) || jsonb_build_object('room', spaces.room_json(v_room) || '{"room_code": ""}'); -- or else revoking shut one door of two
end
$$;
revoke all on function public.accept_invitation(text) from public, anon, authenticated, service_role;
grant execute on function public.accept_invitation(text) to authenticated, service_role;
comment on function public.accept_invitation(text) is
  'Lets the caller join the room of an invitation, as long as that stands. Misses are counted, not raised.';

-- Under the room's lock. Who may come in already uses nothing up: members, and who has accepted before.
create function spaces.use_invitation(p_invitation spaces.invitations, p_room public.rooms, p_user_id uuid, p_operation text)
returns boolean language plpgsql volatile set search_path = '' as $$
begin
  if p_room.host_user_id = p_user_id
     or exists (select from public.room_participants p where p.room_id = p_room.id and p.user_id = p_user_id and p.status = 'active')
     or exists (select from spaces.admissions a
                where a.room_id = p_room.id and a.user_id = p_user_id and a.invitation_id is not null and a.expires_at > clock_timestamp()) then
    return true;
  end if;
  if not spaces.hold_account(p_user_id) then
    perform spaces.fail('not_authenticated', format('cannot %s: your account is gone', p_operation), 'Sign in again.');
  end if;
  update spaces.invitations i set use_count = i.use_count + 1
  where i.id = p_invitation.id and i.use_count < coalesce(i.max_uses, i.use_count + 1);
  if not found then
    return false;
  end if;
  insert into spaces.admissions as a (room_id, user_id, expires_at, invitation_id)
  values (p_room.id, p_user_id, coalesce(p_invitation.expires_at, 'infinity'), p_invitation.id)
  on conflict (room_id, user_id) do update set expires_at = excluded.expires_at, invitation_id = excluded.invitation_id;
  perform spaces.record_act(p_room.id, p_user_id, 'accept_invitation', null, p_invitation.id::text);
  return true;
end
$$;
revoke all on function spaces.use_invitation(spaces.invitations, public.rooms, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.use_invitation(spaces.invitations, public.rooms, uuid, text) is
  'Gives a user the right to join by an invitation; false when it is used up.';

-- Looking rooms up. A code is tried here and nowhere else, and its misses are counted.

-- Before a code or a token is looked at: refused then, or else hits would still tell. A hit gives its token of the bucket back.
create function spaces.refuse_guess(p_user_id uuid, p_operation text)
returns jsonb language plpgsql volatile set search_path = '' as $$
declare
  v_wait_s numeric;
begin
  if spaces.take(p_user_id, 'code_miss', spaces.nil_uuid(), 'code_miss') = 0 then
    return spaces.rate_limited(p_operation, spaces.retry_after_s(p_user_id, 'code_miss', spaces.nil_uuid(), 'code_miss'));
  end if;
  v_wait_s := spaces.code_miss_wait_s(p_count => false);
  if v_wait_s > 0 then
    perform spaces.give_back(p_user_id, 'code_miss', spaces.nil_uuid(), 'code_miss');
    return spaces.rate_limited(p_operation, v_wait_s);
  end if;
  return null;
end
$$;
revoke all on function spaces.refuse_guess(uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.refuse_guess(uuid, text) is 'Counts a guess as a miss in advance; the answer when there were too many, else null.';

-- What somebody sees of a room who may come in and has not joined yet: of its people the names, no ids.
create function spaces.preview_json(p_room public.rooms)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'ok', true,
    'room', spaces.room_json(p_room),
    'participants', (
      select coalesce(jsonb_agg(jsonb_build_object('display_name', x.p -> 'display_name', 'is_online', x.p -> 'is_online',
                                                   'kind', x.p -> 'kind', 'role', x.p -> 'role') order by x.n), '[]')
      from jsonb_array_elements(spaces.participants_json(p_room.id, p_room.host_user_id, true)) with ordinality x (p, n)),
    'participant_count', spaces.live_user_count(p_room.id));
end
$$;
revoke all on function spaces.preview_json(public.rooms) from public, anon, authenticated, service_role;
comment on function spaces.preview_json(public.rooms) is 'The answer of a code or an invitation that opens a room.';

create function public.get_room_by_code(p_code text)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'find the room';
  v_user_id uuid := spaces.caller(c_operation);
  v_code text := upper(regexp_replace(p_code, '^\s+|\s+$', '', 'g'));
  v_room public.rooms;
  v_is_member boolean;
  v_refusal jsonb;
  v_miss constant jsonb := spaces.refusal('room_not_found', format('cannot %s: no open room has this code', c_operation),
                                          'Ask for the code again.');
begin
  if v_code is null or v_code !~ '^[A-HJ-NP-Z2-9]{6}$' then
    perform spaces.fail('invalid_room_code', format('cannot %s: that is no room code', c_operation));
  end if;
  v_refusal := spaces.refuse_guess(v_user_id, c_operation);
  if v_refusal is not null then
    return v_refusal;
  end if;

  select r.* into v_room from public.rooms r where r.room_code = v_code and r.is_active;
  v_is_member := v_room.host_user_id = v_user_id or exists (
    select from public.room_participants p
    where p.room_id = v_room.id and p.user_id = v_user_id and p.status = 'active');
  -- Wrong, closed, by invitation only, and banned: one answer for all.
  if v_room.id is null
     or (not coalesce(v_is_member, false) and (v_room.visibility = 'private' or spaces.is_banned(v_room.id, v_user_id))) then
    perform spaces.code_miss_wait_s(p_count => true);
    return v_miss;
  end if;
  perform spaces.give_back(v_user_id, 'code_miss', spaces.nil_uuid(), 'code_miss');

  if not coalesce(v_is_member, false) then
    if not exists (select from auth.users u where u.id = v_user_id) then
      perform spaces.fail('not_authenticated', format('cannot %s: your account is gone', c_operation), 'Sign in again.');
    end if;
    begin
      insert into spaces.admissions as a (room_id, user_id, expires_at)
      select v_room.id, v_user_id, clock_timestamp() + make_interval(secs => c.admission_s::double precision) from spaces.config c
      on conflict (room_id, user_id) do update set expires_at = excluded.expires_at, invitation_id = null
        where a.expires_at <= excluded.expires_at; -- an invitation that lasts longer is worth more
    exception when foreign_key_violation then -- deleted at this moment
      return v_miss;
    end;
    -- A change of the code waits for the row just written, and deletes it. If the change was quicker, and this has waited
    -- for it, the old code admits nobody any more.
    if not exists (select from public.rooms r where r.id = v_room.id and r.room_code = v_code) then
      delete from spaces.admissions a where a.room_id = v_room.id and a.user_id = v_user_id and a.invitation_id is null;
      perform spaces.code_miss_wait_s(p_count => true);
      return v_miss;
    end if;
  end if;
  return spaces.preview_json(v_room);
end
$$;
revoke all on function public.get_room_by_code(text) from public, anon, authenticated, service_role;
grant execute on function public.get_room_by_code(text) to authenticated, service_role;
comment on function public.get_room_by_code(text) is
  'The room of a code, for anybody who has it; leaves them an admission of some minutes. Misses are counted, not raised.';

create function public.get_room_by_id(p_room_id uuid)
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  c_operation constant text := 'find the room';
  v_user_id uuid := spaces.caller(c_operation);
  v_room public.rooms;
begin
  select r.* into v_room from public.rooms r
  where r.id = p_room_id and (r.host_user_id = v_user_id or exists (
    select from public.room_participants p where p.room_id = r.id and p.user_id = v_user_id and p.status = 'active'));
  if not found then
    perform spaces.fail('room_not_found', format('cannot %s: there is no such room among yours', c_operation),
                        'Look it up by its code.');
  end if;
  return jsonb_build_object(
    'room', spaces.room_json(v_room),
    'participants', spaces.participants_json(v_room.id, v_room.host_user_id, true),
    'participant_count', spaces.live_user_count(v_room.id),
    'head', (select h.head from spaces.room_heads h where h.room_id = v_room.id));
end
$$;
revoke all on function public.get_room_by_id(uuid) from public, anon, authenticated, service_role;
grant execute on function public.get_room_by_id(uuid) to authenticated, service_role;
comment on function public.get_room_by_id(uuid) is 'A room with its participants, for its host and its active participants.';

create function public.is_host(p_room_id uuid)
returns boolean language plpgsql stable security definer set search_path = '' as $$
declare
  v_user_id uuid := spaces.caller('check the host');
begin
  return exists (select from public.rooms r where r.id = p_room_id and r.host_user_id = v_user_id);
end
$$;
revoke all on function public.is_host(uuid) from public, anon, authenticated, service_role;
grant execute on function public.is_host(uuid) to authenticated, service_role;
comment on function public.is_host(uuid) is 'Whether the caller hosts the room; false also when there is none.';

create function public.is_room_full(p_room_id uuid)
returns boolean language plpgsql stable security definer set search_path = '' as $$
declare
  c_operation constant text := 'check the room''s places';
  v_user_id uuid := spaces.caller(c_operation);
  v_max integer;
begin
  select r.max_participants into v_max from public.rooms r
  where r.id = p_room_id and (
    r.host_user_id = v_user_id or (r.visibility = 'public' and not spaces.is_banned(r.id, v_user_id))
    or exists (select from public.room_participants p where p.room_id = r.id and p.user_id = v_user_id and p.status = 'active')
    or (not spaces.is_banned(r.id, v_user_id) and spaces.is_admitted(r, v_user_id)));
  if not found then
    perform spaces.fail('room_not_found', format('cannot %s: there is no such room', c_operation), 'Look it up by its code.');
  end if;
  return spaces.live_user_count(p_room_id) >= v_max;
end
$$;
revoke all on function public.is_room_full(uuid) from public, anon, authenticated, service_role;
grant execute on function public.is_room_full(uuid) to authenticated, service_role;
comment on function public.is_room_full(uuid) is 'Whether every place is taken by a live connection; for who may join the room.';

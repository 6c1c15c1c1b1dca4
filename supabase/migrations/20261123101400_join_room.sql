-- Joining: who may come in, whether there is a place, and all that a session starts from in one answer.

-- Whether the caller may join, read after the lock. The id alone serves the host and active participants; anybody
-- else needs a public room, or an admission: that of a look-up of the code, or of an invitation.
create function spaces.require_admission(p_room public.rooms, p_me public.room_participants, p_user_id uuid, p_operation text)
returns void language plpgsql stable set search_path = '' as $$
begin
  if p_room.host_user_id = p_user_id or p_me.status = 'active' then
    return;
  elsif spaces.is_banned(p_room.id, p_user_id) then
    perform spaces.fail('banned', format('cannot %s: you are banned from it', p_operation));
  end if;
  if spaces.is_admitted(p_room, p_user_id) then
    return;
  elsif p_me.status = 'kicked' then
    perform spaces.fail('kicked', format('cannot %s: you were removed from it', p_operation));
  elsif p_room.visibility <> 'public' then
    perform spaces.fail('room_not_found', format('cannot %s: there is no such room, or you may not join it by its id', p_operation),
                        'Look it up by its code first.');
  end if;
end
$$;
revoke all on function spaces.require_admission(public.rooms, public.room_participants, uuid, text)
  from public, anon, authenticated, service_role;
comment on function spaces.require_admission(public.rooms, public.room_participants, uuid, text) is 'Whether the caller may join the room, or the error that says why not.';

-- Makes or renews a lease. Only under the lock and after a sweep, so that counting places is exact.
create function spaces.take_lease(p_room public.rooms, p_user_id uuid, p_connection_id uuid, p_operation text)
returns void language plpgsql volatile set search_path = '' as $$
declare
  v_expires_at timestamptz := clock_timestamp() + make_interval(secs => (select c.lease_s from spaces.config c)::double precision);
  v_is_taken boolean;
begin
  if not spaces.has_live_lease(p_room.id, p_user_id) and spaces.live_user_count(p_room.id) >= p_room.max_participants then
    perform spaces.fail('room_full', format('cannot %s: all %s places are taken', p_operation, p_room.max_participants));
  end if;
  -- Looked at first: `on conflict do update` locks the row that it finds, also somebody else's.
  select c.room_id <> p_room.id or c.user_id <> p_user_id into v_is_taken
  from spaces.connections c where c.connection_id = p_connection_id;
  if not coalesce(v_is_taken, false) then
    insert into spaces.connections as c (connection_id, room_id, user_id, expires_at)
    values (p_connection_id, p_room.id, p_user_id, v_expires_at)
    on conflict (connection_id) do update set expires_at = excluded.expires_at, ended_at = null
      where c.room_id = excluded.room_id and c.user_id = excluded.user_id;
    v_is_taken := not found;
  end if;
  if v_is_taken then
    perform spaces.fail('conflict', format('cannot %s: the connection id is taken', p_operation), 'Choose another id for this connection.');
  end if;
  -- This user's own old rows, whose reasons nobody will ask for any more.
  delete from spaces.connections c where c.connection_id in (
    select o.connection_id from spaces.connections o
    where o.user_id = p_user_id and o.ended_at < clock_timestamp() - interval '1 day'
    limit 100 for update skip locked);
end
$$;
revoke all on function spaces.take_lease(public.rooms, uuid, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.take_lease(public.rooms, uuid, uuid, text) is 'Gives the caller''s connection a place in the room, or 403 room_full.';

-- The latest messages, oldest first; at most about a page of text, and at least the newest one.
create function spaces.latest_messages(p_room_id uuid, p_count integer)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_messages jsonb;
begin
  select jsonb_agg(spaces.message_json(m) order by m.seq) into v_messages
  from public.room_messages m
  join (
    select s.id, row_number() over (order by s.seq desc) as n,
           sum(octet_length(s.content) + octet_length(s.metadata::text) + octet_length(s.reactions::text) + 600
             + case s.status when 'streaming' then spaces.stream_tail_bytes(s.id) else 0 end) over (order by s.seq desc) as size_bytes
    from (select l.* from public.room_messages l where l.room_id = p_room_id order by l.seq desc limit p_count) s
  ) fits on fits.id = m.id
  where fits.n = 1 or fits.size_bytes <= (select c.page_bytes from spaces.config c);
  return coalesce(v_messages, '[]');
end
$$;
revoke all on function spaces.latest_messages(uuid, integer) from public, anon, authenticated, service_role;
comment on function spaces.latest_messages(uuid, integer) is 'The newest messages of a room, oldest first.';

create function public.join_room(
  p_room_id uuid, p_display_name text, p_connection_id uuid default null, p_latest integer default 50
) returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'join the room';
  v_user_id uuid := spaces.caller(c_operation);
  v_is_bot boolean := coalesce(auth.jwt() -> 'app_metadata' ->> 'spaces_kind' = 'bot', false);
  v_name text;
  v_room public.rooms;
  v_old public.room_participants;
  v_former spaces.former_participants;
  v_me public.room_participants;
  v_config spaces.config;
  v_head spaces.room_heads;
begin
  if p_latest is null or p_latest not between 0 and 200 then
    perform spaces.fail('invalid_argument', format('cannot %s: latest is out of range', c_operation), 'Give 0 to 200.');
  end if;
  if p_display_name is not null then
    v_name := spaces.clean_name(p_display_name, 50, c_operation, 'display name');
  end if;
  if spaces.take(v_user_id, 'join', spaces.nil_uuid(), 'join') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'join', spaces.nil_uuid(), 'join'));
  end if;

  perform spaces.lock_room(p_room_id, c_operation);
  select r.* into v_room from public.rooms r where r.id = p_room_id;
  select p.* into v_old from public.room_participants p where p.room_id = p_room_id and p.user_id = v_user_id;
  perform spaces.require_admission(v_room, v_old, v_user_id, c_operation);
  if not v_room.is_active then
    perform spaces.fail('room_inactive', format('cannot %s: it is closed', c_operation));
  end if;
  if v_name is null and v_old.id is null then
    perform spaces.fail('invalid_argument', format('cannot %s: a display name is needed', c_operation), 'Give 1 to 50 characters.');
  end if;
  if v_old.id is null and not exists (select from auth.users u where u.id = v_user_id) then
    perform spaces.fail('not_authenticated', format('cannot %s: your account is gone', c_operation), 'Sign in again.');
  end if;

  perform spaces.sweep_room(p_room_id);
  if p_connection_id is not null then
    perform spaces.take_lease(v_room, v_user_id, p_connection_id, c_operation);
  end if;
  select p.* into v_old from public.room_participants p where p.room_id = p_room_id and p.user_id = v_user_id;
  delete from spaces.former_participants f where f.room_id = p_room_id and f.user_id = v_user_id returning f.* into v_former;
  insert into public.room_participants as p (room_id, user_id, display_name, is_online, kind, is_muted, last_read_seq)
  values (p_room_id, v_user_id, coalesce(v_name, v_old.display_name), p_connection_id is not null, case when v_is_bot then 'bot' else coalesce(v_former.kind, 'human') end,
          coalesce(v_former.is_muted, false), -- forgetting the room was no way around it
          (select h.head from spaces.room_heads h where h.room_id = p_room_id)) -- what was said before is not unread
  on conflict (room_id, user_id) do update set
    display_name = excluded.display_name,
    is_online = p.is_online or p_connection_id is not null,
    kind = case when v_is_bot then 'bot' else p.kind end,
    status = 'active',
    last_seen = clock_timestamp()
  returning p.* into v_me;
  delete from spaces.admissions a where a.room_id = p_room_id and a.user_id = v_user_id;

  if v_old.id is null or v_old.status <> 'active' or v_me.is_online <> v_old.is_online then
    perform spaces.step(p_room_id, 'room:participant-joined',
                        jsonb_build_object('participant', spaces.participant_json(v_me, v_room.host_user_id)));
  elsif v_me.display_name <> v_old.display_name or v_me.kind <> v_old.kind then
    perform spaces.step(p_room_id, 'room:participant-updated',
                        jsonb_build_object('participant', spaces.participant_json(v_me, v_room.host_user_id)));
  end if;
  select c.* into v_config from spaces.config c;
  -- A short absence is not worth a line in the conversation.
  if (v_old.id is null and v_former.room_id is null) or (not coalesce(v_old.is_online, false) and v_me.is_online
      and coalesce(v_old.last_seen, v_former.forgotten_at) < clock_timestamp() - make_interval(secs => v_config.rejoin_quiet_s::double precision)) then
    perform spaces.write_system_message(p_room_id, v_me, 'joined');
  end if;
  if v_room.host_user_id is null then
    perform spaces.promote_host(p_room_id);
  end if;
  perform spaces.touch_room(p_room_id);

  select r.* into v_room from public.rooms r where r.id = p_room_id;
  select h.* into v_head from spaces.room_heads h where h.room_id = p_room_id;
  return jsonb_build_object(
    'ok', true,
    'room', spaces.room_json(v_room),
    'me', spaces.participant_json(v_me, v_room.host_user_id),
    'participants', spaces.participants_json(p_room_id, v_room.host_user_id),
    'state', spaces.state_json(v_room),
    'messages', spaces.latest_messages(p_room_id, p_latest),
    'head', v_head.head, 'epoch', v_head.epoch, 'topic', spaces.topic(p_room_id, v_head.epoch),
    'connection_id', p_connection_id, 'lease_s', v_config.lease_s, 'heartbeat_s', v_config.heartbeat_s);
end
$$;
revoke all on function public.join_room(uuid, text, uuid, integer) from public, anon, authenticated, service_role;
grant execute on function public.join_room(uuid, text, uuid, integer) to authenticated, service_role;
comment on function public.join_room(uuid, text, uuid, integer) is
  'Makes the caller a participant, with a lease when a connection id is given, and answers all that a session starts from.';

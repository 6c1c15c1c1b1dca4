-- The rest of a connection's life.

-- A return within that time is not announced, so neither is leaving again: else coming and going, under a new name each
-- time, would be a way to speak that no mute and no limit on messages stops.
create function spaces.has_left_lately(p_room_id uuid, p_user_id uuid)
returns boolean language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from public.room_messages m
    where m.room_id = p_room_id and m.message_type = 'system'
      and m.metadata ->> 'user_id' = p_user_id::text and m.metadata ->> 'event' = 'left'
      and m.created_at > clock_timestamp() - make_interval(secs => (select c.rejoin_quiet_s from spaces.config c)::double precision));
end
$$;
revoke all on function spaces.has_left_lately(uuid, uuid) from public, anon, authenticated, service_role;
comment on function spaces.has_left_lately(uuid, uuid) is 'Whether the conversation has said so a short while ago.';

create function public.leave_room(p_room_id uuid, p_connection_id uuid default null)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'leave the room';
  v_user_id uuid := spaces.caller(c_operation);
  v_me public.room_participants;
  v_host_user_id uuid;
begin
  perform spaces.lock_room(p_room_id, c_operation);
  select p.* into v_me from public.room_participants p where p.room_id = p_room_id and p.user_id = v_user_id;
  if v_me.id is null then
    perform spaces.require_participant(p_room_id, v_user_id, c_operation);
  elsif v_me.status <> 'active' then
    return jsonb_build_object('ok', true, 'head', null); -- removed already; how far the room is, is no longer theirs
  end if;
  update spaces.connections c set ended_at = clock_timestamp()
  where c.room_id = p_room_id and c.user_id = v_user_id and c.ended_at is null
    and (p_connection_id is null or c.connection_id = p_connection_id);
  update public.room_participants p
  set is_online = false, voice_since = null, last_seen = clock_timestamp()
  where p.id = v_me.id and p.is_online and not spaces.has_live_lease(p_room_id, v_user_id)
  returning p.* into v_me;
  if found then
    select r.host_user_id into v_host_user_id from public.rooms r where r.id = p_room_id;
    perform spaces.step(p_room_id, 'room:participant-left', jsonb_build_object(
      'participants', jsonb_build_array(spaces.participant_json(v_me, v_host_user_id)), 'reason', 'left'));
    if not spaces.has_left_lately(p_room_id, v_user_id) then
      perform spaces.write_system_message(p_room_id, v_me, 'left');
    end if;
  end if;
  return jsonb_build_object('ok', true, 'head', (select h.head from spaces.room_heads h where h.room_id = p_room_id));
end
$$;
revoke all on function public.leave_room(uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function public.leave_room(uuid, uuid) to authenticated, service_role;
comment on function public.leave_room(uuid, uuid) is
  'Ends one connection of the caller, or all of them; they stay a participant, offline once none is live. Repeating it is harmless.';

-- Extends the caller's leases in one room. What somebody else has locked is being ended or extended at this moment:
-- it is passed over, for this runs without the room's lock and must not wait while it holds rows.
create function spaces.extend_leases(p_room_id uuid, p_user_id uuid, p_connection_ids uuid[])
returns void language plpgsql volatile set search_path = '' as $$
begin
  update spaces.connections c
  set expires_at = greatest(c.expires_at, clock_timestamp() + make_interval(secs => f.lease_s::double precision))
  from spaces.config f
  where c.connection_id in (
    select l.connection_id from spaces.connections l
    where l.room_id = p_room_id and l.user_id = p_user_id and l.connection_id = any (p_connection_ids)
      and l.ended_at is null and l.expires_at > clock_timestamp()
    for no key update skip locked);
  update public.room_participants p set last_seen = clock_timestamp()
  where p.id in (
    select q.id from public.room_participants q
    where q.room_id = p_room_id and q.user_id = p_user_id and q.status = 'active' and q.is_online
      and q.last_seen < clock_timestamp() - interval '5 seconds'
    for no key update skip locked);
end
$$;
revoke all on function spaces.extend_leases(uuid, uuid, uuid[]) from public, anon, authenticated, service_role;
comment on function spaces.extend_leases(uuid, uuid, uuid[]) is 'Extends live leases of one user in one room, without waiting for anybody.';

-- What one connection is worth now.
create function spaces.lease_json(p_connection_id uuid, p_user_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_lease spaces.connections;
  v_room public.rooms;
  v_head spaces.room_heads;
  v_status text;
begin
  select c.* into v_lease from spaces.connections c where c.connection_id = p_connection_id and c.user_id = p_user_id;
  if not found then
    return jsonb_build_object('connection_id', p_connection_id, 'status', 'lease_expired');
  end if;
  select r.* into v_room from public.rooms r join spaces.room_heads h on h.room_id = r.id where r.id = v_lease.room_id;
  if not found then
    v_status := 'room_not_found';
  elsif exists (select from public.room_participants p
                where p.room_id = v_room.id and p.user_id = p_user_id and p.status <> 'active') then
    v_status := case when spaces.is_banned(v_room.id, p_user_id) then 'banned' else 'kicked' end;
  elsif not exists (select from public.room_participants p where p.room_id = v_room.id and p.user_id = p_user_id) then
    v_status := 'not_participant'; -- they have forgotten the room, from another connection perhaps
  elsif not v_room.is_active then
    v_status := 'room_inactive';
  elsif v_lease.ended_at is not null or v_lease.expires_at <= clock_timestamp() then
    v_status := 'lease_expired';
  else
    select h.* into v_head from spaces.room_heads h where h.room_id = v_room.id;
    return jsonb_build_object(
      'connection_id', p_connection_id, 'room_id', v_room.id, 'status', 'live', 'head', v_head.head, 'epoch', v_head.epoch,
      'topic', spaces.topic(v_room.id, v_head.epoch), 'state', spaces.state_json(v_room));
  end if;
  return jsonb_build_object('connection_id', p_connection_id, 'room_id', v_lease.room_id, 'status', v_status);
end
$$;
revoke all on function spaces.lease_json(uuid, uuid) from public, anon, authenticated, service_role;
comment on function spaces.lease_json(uuid, uuid) is 'The state of one connection, for its owner.';

create function public.heartbeat(p_connection_ids uuid[])
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'keep the connections alive';
  v_user_id uuid := spaces.caller(c_operation);
  v_ids uuid[];
  v_room_id uuid;
  v_leases jsonb;
begin
  select array_agg(distinct i.id) into v_ids from unnest(p_connection_ids) i (id) where i.id is not null;
  if v_ids is null or cardinality(v_ids) > 100 then
    perform spaces.fail('invalid_argument', format('cannot %s: connection_ids is empty or too long', c_operation), 'Give 1 to 100 ids.');
  end if;
  -- By ascending id, as everybody who locks several rooms does.
  for v_room_id in
    select distinct c.room_id from spaces.connections c
    where c.connection_id = any (v_ids) and c.user_id = v_user_id and c.ended_at is null
    order by c.room_id
  loop
    -- The room's lock only where there is something to write under it: a heartbeat is frequent, a sweep is not.
    -- Also for a lease of the caller that is about to end: a join that counts it as gone must not be under way meanwhile.
    if exists (select from spaces.departures d where d.room_id = v_room_id)
       or exists (select from public.rooms r where r.id = v_room_id and (r.host_user_id is null
        or exists (select from spaces.streams s where s.room_id = r.id and s.expires_at <= clock_timestamp())
        or exists (
        select from spaces.connections c cross join spaces.config f
        where c.room_id = r.id and c.ended_at is null and c.expires_at <= clock_timestamp()
          + case when c.connection_id = any (v_ids) then make_interval(secs => f.lease_s::double precision / 4) else '0' end))) then
      perform from spaces.room_heads h where h.room_id = v_room_id for no key update;
      if found then
        perform spaces.sweep_room(v_room_id);
        if exists (select from public.rooms r where r.id = v_room_id and r.host_user_id is null) then
          perform spaces.promote_host(v_room_id);
        end if;
      end if;
    end if;
  end loop;
  -- Only now, when it waits for nothing any more: who ends one of these leases must not wait for another room's lock.
  perform spaces.extend_leases(l.room_id, v_user_id, v_ids) from (
    select distinct c.room_id from spaces.connections c
    where c.connection_id = any (v_ids) and c.user_id = v_user_id and c.ended_at is null) l;
  select jsonb_agg(spaces.lease_json(i.id, v_user_id) order by i.id) into v_leases from unnest(v_ids) i (id);
  return jsonb_build_object('ok', true, 'leases', v_leases, 'server_now', clock_timestamp());
end
$$;
revoke all on function public.heartbeat(uuid[]) from public, anon, authenticated, service_role;
grant execute on function public.heartbeat(uuid[]) to authenticated, service_role;
comment on function public.heartbeat(uuid[]) is
  'Extends the caller''s leases, sweeps their rooms, and says of each what it is worth: head, topic and state, or why it is gone.';

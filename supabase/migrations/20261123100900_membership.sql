-- Who is in the room, and who has just dropped out. All of it under the room's lock, unless it says STABLE.

create function spaces.has_live_lease(p_room_id uuid, p_user_id uuid)
returns boolean language plpgsql stable set search_path = '' as $$
begin
  return exists (
    select from spaces.connections c
    where c.room_id = p_room_id and c.user_id = p_user_id and c.ended_at is null and c.expires_at > clock_timestamp());
end
$$;
revoke all on function spaces.has_live_lease(uuid, uuid) from public, anon, authenticated, service_role;
comment on function spaces.has_live_lease(uuid, uuid) is 'Whether a user has a live connection in a room.';

-- Places taken: users with a live lease, however many connections each has.
create function spaces.live_user_count(p_room_id uuid)
returns integer language plpgsql stable set search_path = '' as $$
begin
  return (
    select count(distinct c.user_id) from spaces.connections c
    where c.room_id = p_room_id and c.ended_at is null and c.expires_at > clock_timestamp());
end
$$;
revoke all on function spaces.live_user_count(uuid) from public, anon, authenticated, service_role;
comment on function spaces.live_user_count(uuid) is 'How many places of a room are taken.';

-- The caller as an active participant, or the error that says why not.
create function spaces.require_participant(p_room_id uuid, p_user_id uuid, p_operation text)
returns public.room_participants language plpgsql stable set search_path = '' as $$
declare
  v_me public.room_participants;
begin
  select p.* into v_me from public.room_participants p where p.room_id = p_room_id and p.user_id = p_user_id;
  if v_me.status is distinct from 'active' and spaces.is_banned(p_room_id, p_user_id) then
    perform spaces.fail('banned', format('cannot %s: you are banned from this room', p_operation));
  elsif v_me.status = 'kicked' then
    perform spaces.fail('kicked', format('cannot %s: you were removed from this room', p_operation));
  elsif v_me.id is null then
    perform spaces.fail('not_participant', format('cannot %s: you are not in this room', p_operation));
  end if;
  return v_me;
end
$$;
revoke all on function spaces.require_participant(uuid, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.require_participant(uuid, uuid, text) is 'The caller''s row in the room, or 403.';

-- For readers: the room, for its host and its active participants.
create function spaces.require_member(p_room_id uuid, p_user_id uuid, p_operation text)
returns public.rooms language plpgsql stable set search_path = '' as $$
declare
  v_room public.rooms;
begin
  select r.* into v_room from public.rooms r join spaces.room_heads h on h.room_id = r.id where r.id = p_room_id;
  if not found then
    perform spaces.fail('room_not_found', format('cannot %s: there is no such room', p_operation));
  end if;
  if v_room.host_user_id is distinct from p_user_id then
    perform spaces.require_participant(p_room_id, p_user_id, p_operation);
  end if;
  return v_room;
end
$$;
revoke all on function spaces.require_member(uuid, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.require_member(uuid, uuid, text) is 'The room, if the caller hosts it or takes part in it; 403 or 404 otherwise.';

-- For the host's own calls, after the lock.
create function spaces.require_host(p_room_id uuid, p_user_id uuid, p_operation text)
returns public.rooms language plpgsql stable set search_path = '' as $$
declare
  v_room public.rooms;
begin
  select r.* into v_room from public.rooms r where r.id = p_room_id;
  if not found then
    perform spaces.fail('room_not_found', format('cannot %s: there is no such room', p_operation));
  end if;
  if v_room.host_user_id is distinct from p_user_id then
    perform spaces.fail('not_host', format('cannot %s: you are not its host', p_operation));
  end if;
  return v_room;
end
$$;
revoke all on function spaces.require_host(uuid, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.require_host(uuid, uuid, text) is 'The room, if the caller hosts it; 403 or 404 otherwise.';

-- Ends leases whose time is over, and says once who went with them; stops messages that nobody writes any more.
create function spaces.sweep_room(p_room_id uuid)
returns integer language plpgsql volatile set search_path = '' as $$
declare
  v_user_ids uuid[];
  v_gone jsonb;
begin
  perform spaces.settle_departures(p_room_id);
  -- Their accounts are held first. One that is being deleted at this moment takes its rows along by itself.
  select array_agg(x.id) into v_user_ids from (
    select u.id from auth.users u
    where u.id in (select c.user_id from spaces.connections c
                   where c.room_id = p_room_id and c.ended_at is null and c.expires_at <= clock_timestamp())
    for key share of u skip locked) x;
  if v_user_ids is not null then
    update spaces.connections c set ended_at = clock_timestamp()
    where c.room_id = p_room_id and c.user_id = any (v_user_ids) and c.ended_at is null and c.expires_at <= clock_timestamp();
    with gone as (
      update public.room_participants p set is_online = false, voice_since = null
      where p.room_id = p_room_id and p.user_id = any (v_user_ids) and p.is_online and not exists (
        select from spaces.connections c where c.room_id = p_room_id and c.user_id = p.user_id and c.ended_at is null)
      returning p.*
    )
    select jsonb_agg(spaces.participant_json(g::public.room_participants, r.host_user_id) order by g.joined_at, g.id) into v_gone
    from gone g join public.rooms r on r.id = p_room_id;
  end if;
  if v_gone is not null then
    perform spaces.step(p_room_id, 'room:participant-left', jsonb_build_object('participants', v_gone, 'reason', 'timeout'));
    perform spaces.touch_room(p_room_id);
  end if;
  perform spaces.end_streams(p_room_id, p_is_expired => true);
  return coalesce(jsonb_array_length(v_gone), 0);
end
$$;
revoke all on function spaces.sweep_room(uuid) from public, anon, authenticated, service_role;
comment on function spaces.sweep_room(uuid) is
  'Takes those offline whose leases have run out: one step and one event for all of them. Stops forsaken streams: a step each.';

-- A room whose host's account is gone gets another: the longest-standing moderator, else member, people before bots.
create function spaces.promote_host(p_room_id uuid)
returns void language plpgsql volatile set search_path = '' as $$
declare
  v_user_id uuid;
  v_room public.rooms;
begin
  -- Not one whose account is being deleted at this moment.
  select u.id into v_user_id
  from public.room_participants p join auth.users u on u.id = p.user_id
  where p.room_id = p_room_id and p.status = 'active'
  order by p.role = 'moderator' desc, p.kind = 'human' desc, p.joined_at, p.id
  limit 1 for key share of u skip locked;
  update public.rooms r set host_user_id = v_user_id
  where r.id = p_room_id and r.host_user_id is null and v_user_id is not null
  returning r.* into v_room;
  if found then
    perform spaces.step(p_room_id, 'room:state-updated', jsonb_build_object('state', spaces.state_json(v_room)));
  end if;
end
$$;
revoke all on function spaces.promote_host(uuid) from public, anon, authenticated, service_role;
comment on function spaces.promote_host(uuid) is 'Gives a room without a host a new one.';

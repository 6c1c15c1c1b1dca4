-- Voice as a state of a participant, and what is only worth hearing now.

create function public.set_voice(p_room_id uuid, p_on boolean)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'switch voice';
  v_user_id uuid := spaces.caller(c_operation);
  v_limit text := spaces.send_limit(p_room_id, v_user_id);
  v_me public.room_participants;
  v_room public.rooms;
  v_head bigint;
begin
  if p_on is null then
    perform spaces.fail('invalid_argument', format('cannot %s: on is missing', c_operation), 'Give true or false.');
  end if;
  if spaces.take(v_user_id, 'send', p_room_id, v_limit) = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'send', p_room_id, v_limit));
  end if;
  v_head := (spaces.lock_room(p_room_id, c_operation)).head;
  v_me := spaces.require_participant(p_room_id, v_user_id, c_operation);
  select r.* into v_room from public.rooms r where r.id = p_room_id;
  if not v_room.is_active then
    perform spaces.fail('room_inactive', format('cannot %s: the room is closed', c_operation));
  elsif not spaces.has_live_lease(p_room_id, v_user_id) then
    perform spaces.fail('lease_expired', format('cannot %s: you have no live connection in this room', c_operation), 'Join again.');
  elsif p_on and v_me.is_muted then
    perform spaces.fail('muted', format('cannot %s: you are muted in this room', c_operation));
  end if;
  if p_on <> (v_me.voice_since is not null) then
    update public.room_participants p set voice_since = case when p_on then clock_timestamp() end
    where p.id = v_me.id returning p.* into v_me;
    v_head := spaces.step(p_room_id, case when p_on then 'room:voice-started' else 'room:voice-stopped' end,
                          jsonb_build_object('user_id', v_user_id));
  end if;
  return jsonb_build_object('ok', true, 'participant', spaces.participant_json(v_me, v_room.host_user_id), 'head', v_head);
end
$$;
revoke all on function public.set_voice(uuid, boolean) from public, anon, authenticated, service_role;
grant execute on function public.set_voice(uuid, boolean) to authenticated, service_role;
comment on function public.set_voice(uuid, boolean) is 'Switches the caller''s voice on or off for all their connections in the room.';

create function spaces.require_speaker(p_room_id uuid, p_user_id uuid, p_operation text)
returns void language plpgsql stable set search_path = '' as $$
declare
  v_is_active boolean := (select r.is_active from public.rooms r where r.id = p_room_id);
begin
  if v_is_active is null then
    perform spaces.fail('room_not_found', format('cannot %s: there is no such room', p_operation));
  elsif (spaces.require_participant(p_room_id, p_user_id, p_operation)).is_muted then
    perform spaces.fail('muted', format('cannot %s: you are muted in this room', p_operation));
  elsif not v_is_active then
    perform spaces.fail('room_inactive', format('cannot %s: the room is closed', p_operation));
  end if;
end
$$;
revoke all on function spaces.require_speaker(uuid, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.require_speaker(uuid, uuid, text) is 'Refuses who may not be heard in the room now.';

-- Not durable: it takes no step. Each costs a stored row and a delivery to everybody, hence the limits,
-- over which it is dropped without an error.
create function public.signal(p_room_id uuid, p_kind text, p_payload jsonb default '{}', p_ttl_s numeric default 5)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'send the signal';
  v_user_id uuid := spaces.caller(c_operation);
  v_payload jsonb := coalesce(p_payload, '{}');
  v_head spaces.room_heads;
begin
  if p_kind is null or p_kind !~ '^[a-z][a-z0-9_.:-]{0,39}$' then
    perform spaces.fail('invalid_argument', format('cannot %s: its kind is malformed', c_operation), 'For example typing, speaking, or my_app.cursor.');
  elsif jsonb_typeof(v_payload) <> 'object' or octet_length(v_payload::text) > 1024 then
    perform spaces.fail('invalid_argument', format('cannot %s: its payload is malformed', c_operation), 'Give a JSON object of at most 1 kB.');
  elsif p_ttl_s is null or not (p_ttl_s > 0 and p_ttl_s <= 60) then
    perform spaces.fail('invalid_argument', format('cannot %s: ttl_s is out of range', c_operation), 'Give more than 0 and at most 60 seconds.');
  end if;
  if spaces.take(v_user_id, 'signal', p_room_id, 'signal') = 0 then
    return jsonb_build_object('ok', true, 'sent', false);
  end if;
  -- Before the bucket that all share, so that nobody from outside empties it.
  perform spaces.require_speaker(p_room_id, v_user_id, c_operation);
  if spaces.take(spaces.nil_uuid(), 'signal', p_room_id, 'signal_room') = 0 then
    return jsonb_build_object('ok', true, 'sent', false);
  end if;
  -- Once more, under the lock: who was removed while this waited says nothing more, and nothing goes to a topic
  -- that the room has left.
  v_head := spaces.lock_room(p_room_id, c_operation);
  perform spaces.require_speaker(p_room_id, v_user_id, c_operation);
  perform spaces.publish(p_room_id, v_head.epoch, 'room:signal', jsonb_build_object(
    'user_id', v_user_id, 'kind', p_kind, 'payload', v_payload, 'ttl_s', p_ttl_s, 'head', v_head.head));
  return jsonb_build_object('ok', true, 'sent', true);
end
$$;
revoke all on function public.signal(uuid, text, jsonb, numeric) from public, anon, authenticated, service_role;
grant execute on function public.signal(uuid, text, jsonb, numeric) to authenticated, service_role;
comment on function public.signal(uuid, text, jsonb, numeric) is 'Tells who is live now something that needs no keeping; sent: false when over the limit.';

-- What the host steers.

-- RFC 7396: an object is merged key by key, null removes a key, all else replaces.
create function spaces.merge_patch(p_target jsonb, p_patch jsonb, p_depth integer default 1)
returns jsonb language plpgsql immutable set search_path = '' as $$
declare
  v_result jsonb := case when jsonb_typeof(p_target) = 'object' then p_target else '{}' end;
  v_key text;
  v_value jsonb;
begin
  if jsonb_typeof(p_patch) <> 'object' then
    return p_patch;
  end if;
  if p_depth > 8 then
    perform spaces.fail('invalid_argument', 'cannot change the room: the settings are nested too deeply', 'At most 8 levels.');
  end if;
  for v_key, v_value in select e.key, e.value from jsonb_each(p_patch) e loop
    if v_value = 'null' then
      v_result := v_result - v_key;
    else
      v_result := v_result || jsonb_build_object(v_key, spaces.merge_patch(v_result -> v_key, v_value, p_depth + 1));
    end if;
  end loop;
  return v_result;
end
$$;
revoke all on function spaces.merge_patch(jsonb, jsonb, integer) from public, anon, authenticated, service_role;
comment on function spaces.merge_patch(jsonb, jsonb, integer) is 'JSON merge patch, RFC 7396.';

-- One key of p_changes as the type that it must have.
create function spaces.check_change(p_key text, p_value jsonb, p_operation text)
returns void language plpgsql immutable set search_path = '' as $$
declare
  v_type text := case p_key
    when 'mode' then 'string' when 'name' then 'string' when 'visibility' then 'string' when 'max_participants' then 'number'
    when 'conversation_active' then 'boolean' when 'is_active' then 'boolean' when 'settings' then 'object' end;
begin
  if v_type is null then
    perform spaces.fail('invalid_argument', format('cannot %s: there is no such setting as %s', p_operation, left(p_key, 40)),
      'One of: mode, conversation_active, name, max_participants, settings, visibility, is_active.');
  elsif jsonb_typeof(p_value) <> v_type or (v_type = 'number' and p_value::text !~ '^[0-9]{1,4}$') then
    perform spaces.fail('invalid_argument', format('cannot %s: the value of %s is malformed', p_operation, p_key), format('Give a JSON %s.', v_type));
  end if;
end
$$;
revoke all on function spaces.check_change(text, jsonb, text) from public, anon, authenticated, service_role;
comment on function spaces.check_change(text, jsonb, text) is 'Refuses keys and types that update_room_state does not know.';

create function public.update_room_state(p_room_id uuid, p_changes jsonb)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'change the room';
  v_user_id uuid := spaces.caller(c_operation);
  v_old public.rooms;
  v_new public.rooms;
  v_key text;
  v_value jsonb;
begin
  if p_changes is null or jsonb_typeof(p_changes) <> 'object' or octet_length(p_changes::text) > 65536 then
    perform spaces.fail('invalid_argument', format('cannot %s: changes is malformed', c_operation), 'Give a JSON object of at most 64 kB.');
  end if;
  for v_key, v_value in select e.key, e.value from jsonb_each(p_changes) e loop
    perform spaces.check_change(v_key, v_value, c_operation);
  end loop;
  if spaces.take(v_user_id, 'moderation', p_room_id, 'moderation') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'moderation', p_room_id, 'moderation'));
  end if;

  perform spaces.lock_room(p_room_id, c_operation);
  v_old := spaces.require_host(p_room_id, v_user_id, c_operation);
  v_new := v_old;
  v_new.current_mode := coalesce(p_changes ->> 'mode', v_old.current_mode);
  v_new.conversation_active := coalesce((p_changes ->> 'conversation_active')::boolean, v_old.conversation_active);
  v_new.max_participants := coalesce((p_changes ->> 'max_participants')::integer, v_old.max_participants);
  v_new.visibility := coalesce(p_changes ->> 'visibility', v_old.visibility);
  v_new.is_active := coalesce((p_changes ->> 'is_active')::boolean, v_old.is_active);
  if p_changes ? 'name' then
    v_new.name := spaces.clean_name(p_changes ->> 'name', 100, c_operation, 'name');
  end if;
  if p_changes ? 'settings' then
    v_new.settings := spaces.merge_patch(v_old.settings, p_changes -> 'settings');
    perform spaces.check_settings(v_new.settings, c_operation);
  end if;
  perform spaces.check_room_values(c_operation, v_new.max_participants, v_new.current_mode, v_new.visibility);

  if v_new is distinct from v_old then
    if not v_old.is_active and not v_new.is_active then
      perform spaces.fail('room_inactive', format('cannot %s: it is closed', c_operation), 'Open it with is_active: true in the same call.');
    elsif v_new.is_active and not v_old.is_active then
      perform spaces.lock_rooms_of(v_user_id);
      perform spaces.require_free_room_slot(v_user_id, c_operation);
    end if;
    if not v_new.is_active then
      perform spaces.hold_accounts_of_room(p_room_id);
    end if;
    update public.rooms r set
      current_mode = v_new.current_mode, conversation_active = v_new.conversation_active, name = v_new.name,
      max_participants = v_new.max_participants, settings = v_new.settings, visibility = v_new.visibility,
      is_active = v_new.is_active, last_activity = clock_timestamp()
    where r.id = p_room_id
    returning r.* into v_new;
    if not v_new.is_active then
      -- Closing ends all connections with the same step: nobody is online in a closed room.
      update spaces.connections c set ended_at = clock_timestamp() where c.room_id = p_room_id and c.ended_at is null;
      update public.room_participants p set is_online = false, voice_since = null where p.room_id = p_room_id and p.is_online;
      perform spaces.end_streams(p_room_id);
    end if;
    perform spaces.settle_budget(p_room_id, spaces.turn_rules_of(v_new.settings)); -- another limit may be reached, or not any more
    perform spaces.step(p_room_id, 'room:state-updated', jsonb_build_object('state', spaces.state_json(v_new)));
  end if;
  return jsonb_build_object('ok', true, 'room', spaces.room_json(v_new), 'state', spaces.state_json(v_new),
    'head', (select h.head from spaces.room_heads h where h.room_id = p_room_id));
end
$$;
revoke all on function public.update_room_state(uuid, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.update_room_state(uuid, jsonb) to authenticated, service_role;
comment on function public.update_room_state(uuid, jsonb) is
  'Changes what the host steers; settings are merged. A call that changes nothing takes no step. is_active: false closes the room.';

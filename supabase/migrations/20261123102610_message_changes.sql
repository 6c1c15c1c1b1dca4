-- Messages that change after they were said. Each change is one step and one room:message-updated with the whole row;
-- its step is the row's new revision, by which sync_room finds it.

-- Who changes what stands in a room takes part in it, as who sends does, and the room is open. A live connection is not asked
-- for: whoever speaks over plain HTTP has none, and is to be able to take a word back.
create function spaces.require_open(p_room_id uuid, p_user_id uuid, p_operation text)
returns public.room_participants language plpgsql stable set search_path = '' as $$
declare
  v_me public.room_participants := spaces.require_participant(p_room_id, p_user_id, p_operation);
begin
  if not exists (select from public.rooms r where r.id = p_room_id and r.is_active) then
    perform spaces.fail('room_inactive', format('cannot %s: the room is closed', p_operation));
  end if;
  return v_me;
end
$$;
revoke all on function spaces.require_open(uuid, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.require_open(uuid, uuid, text) is 'The caller''s row in the room, if the room is open; 403 or 409 otherwise.';

create function spaces.require_message(p_room_id uuid, p_message_id uuid, p_operation text)
returns public.room_messages language plpgsql stable set search_path = '' as $$
declare
  v_message public.room_messages;
begin
  select m.* into v_message from public.room_messages m where m.id = p_message_id and m.room_id = p_room_id;
  if not found then
    perform spaces.fail('message_not_found', format('cannot %s: it is not in this room', p_operation));
  end if;
  return v_message;
end
$$;
revoke all on function spaces.require_message(uuid, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.require_message(uuid, uuid, text) is 'A message of the room, deleted or not, or 404.';

-- Neither deleted nor still being written.
create function spaces.require_final(p_message public.room_messages, p_operation text)
returns void language plpgsql stable set search_path = '' as $$
begin
  if p_message.status = 'deleted' then
    perform spaces.fail('message_not_found', format('cannot %s: it was deleted', p_operation));
  elsif p_message.status = 'streaming' then
    perform spaces.fail('not_allowed', format('cannot %s: it is still being written', p_operation), 'Wait until it is finished.');
  end if;
end
$$;
revoke all on function spaces.require_final(public.room_messages, text) from public, anon, authenticated, service_role;
comment on function spaces.require_final(public.room_messages, text) is 'Refuses a message that is deleted, or still being written.';

-- The last thing of a change: p_message is the row as it stands now, with the next step as its revision.
create function spaces.publish_change(p_message public.room_messages)
returns jsonb language plpgsql volatile set search_path = '' as $$
declare
  v_json jsonb := spaces.message_json(p_message);
begin
  perform spaces.step(p_message.room_id, 'room:message-updated', spaces.message_event(p_message.id, p_message.content, v_json));
  return jsonb_build_object('ok', true, 'message', v_json, 'head', p_message.revision);
end
$$;
revoke all on function spaces.publish_change(public.room_messages) from public, anon, authenticated, service_role;
comment on function spaces.publish_change(public.room_messages) is 'Takes the step of a changed message and publishes it; the answer of the call that changed it.';

create function public.edit_message(p_room_id uuid, p_message_id uuid, p_content text, p_metadata jsonb default null)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'edit the message';
  v_user_id uuid := spaces.caller(c_operation);
  v_metadata jsonb := coalesce(p_metadata, '{}');
  -- As the type with the widest limit; the message's own comes below.
  v_problem text := spaces.message_problem(p_content, 'ai_response', v_metadata);
  v_limit text;
  v_head spaces.room_heads;
  v_me public.room_participants;
  v_message public.room_messages;
begin
  if v_problem is not null then
    perform spaces.fail('invalid_argument', format('cannot %s: %s', c_operation, v_problem), spaces.message_hint());
  end if;
  v_limit := spaces.send_limit(p_room_id, v_user_id);
  if spaces.take(v_user_id, 'send', p_room_id, v_limit) = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'send', p_room_id, v_limit));
  end if;
  v_head := spaces.lock_room(p_room_id, c_operation);
  v_me := spaces.require_open(p_room_id, v_user_id, c_operation);
  v_message := spaces.require_message(p_room_id, p_message_id, c_operation);
  if v_message.user_id is distinct from v_user_id then
    perform spaces.fail('not_allowed', format('cannot %s: it is not yours', c_operation), 'Only its author edits a message.');
  elsif v_me.is_muted then
    perform spaces.fail('muted', format('cannot %s: you are muted in this room', c_operation));
  end if;
  perform spaces.require_final(v_message, c_operation);
  if v_message.message_type = 'ai_response' and v_me.kind <> 'bot' then
    perform spaces.fail('not_allowed', format('cannot %s: a %s does not write %s', c_operation, v_me.kind, v_message.message_type),
                        'People write user_text and user_voice, bots also ai_response.');
  end if;
  v_problem := spaces.message_problem(p_content, v_message.message_type, v_metadata);
  if v_problem is not null then
    perform spaces.fail('invalid_argument', format('cannot %s: %s', c_operation, v_problem), spaces.message_hint());
  end if;
  if (p_content, coalesce(p_metadata, v_message.metadata)) = (v_message.content, v_message.metadata) then
    return jsonb_build_object('ok', true, 'message', spaces.message_json(v_message), 'head', v_head.head);
  end if;
  update public.room_messages m
  set content = p_content, metadata = coalesce(p_metadata, m.metadata), updated_at = clock_timestamp(), revision = v_head.head + 1
  where m.id = v_message.id returning m.* into v_message;
  return spaces.publish_change(v_message);
end
$$;
revoke all on function public.edit_message(uuid, uuid, text, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.edit_message(uuid, uuid, text, jsonb) to authenticated, service_role;
comment on function public.edit_message(uuid, uuid, text, jsonb) is
  'Its author changes what a message says; p_metadata null keeps the metadata. The same again changes nothing.';

-- The row stays, as a tombstone: replies keep what they point to, and positions have no hole.
create function public.delete_message(p_room_id uuid, p_message_id uuid)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'delete the message';
  v_user_id uuid := spaces.caller(c_operation);
  v_limit text := spaces.send_limit(p_room_id, v_user_id);
  v_head spaces.room_heads;
  v_is_moderating boolean;
  v_message public.room_messages;
begin
  if spaces.take(v_user_id, 'send', p_room_id, v_limit) = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'send', p_room_id, v_limit));
  end if;
  v_head := spaces.lock_room(p_room_id, c_operation);
  -- As with a kick, the host need not have joined; and for host and moderators the room may be closed.
  v_is_moderating := exists (select from public.rooms r where r.id = p_room_id and r.host_user_id = v_user_id);
  if not v_is_moderating then
    v_is_moderating := (spaces.require_participant(p_room_id, v_user_id, c_operation)).role = 'moderator';
  end if;
  if not v_is_moderating then
    perform spaces.require_open(p_room_id, v_user_id, c_operation);
  end if;
  v_message := spaces.require_message(p_room_id, p_message_id, c_operation);
  if not v_is_moderating and v_message.user_id is distinct from v_user_id then
    perform spaces.fail('not_allowed', format('cannot %s: it is not yours', c_operation),
                        'Its author, the host and moderators delete a message.');
  elsif v_message.status = 'deleted' then -- a repeated call finds the work done
    return jsonb_build_object('ok', true, 'message', spaces.message_json(v_message), 'head', v_head.head);
  elsif v_message.status = 'streaming' then
    perform spaces.end_turns_of(v_message, v_user_id);
  end if;
  -- The message before its reactions: so does the deletion of an account.
  update public.room_messages m
  set content = '', metadata = '{}', reactions = '{}', status = 'deleted', updated_at = clock_timestamp(), revision = v_head.head + 1
  where m.id = v_message.id returning m.* into v_message;
  delete from public.room_message_reactions x where x.message_id = v_message.id;
  delete from spaces.streams s where s.message_id = v_message.id; -- nobody goes on with it
  if v_message.user_id is distinct from v_user_id then
    perform spaces.record_act(p_room_id, v_user_id, 'delete_message', v_message.user_id, v_message.id::text);
  end if;
  return spaces.publish_change(v_message);
end
$$;
revoke all on function public.delete_message(uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function public.delete_message(uuid, uuid) to authenticated, service_role;
comment on function public.delete_message(uuid, uuid) is
  'Its author, the host or a moderator makes a message a tombstone. Realtime may replay what it said for up to 72 hours.';

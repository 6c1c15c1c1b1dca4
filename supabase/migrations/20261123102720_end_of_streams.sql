-- The end of a message that grows: by its author, or by somebody who has heard enough.

create function public.finish_stream(p_room_id uuid, p_message_id uuid, p_text text default null, p_metadata jsonb default null)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'finish the message';
  c_longest constant integer := 8000;
  v_user_id uuid := spaces.caller(c_operation);
  v_text text := coalesce(p_text, '');
  v_metadata jsonb := coalesce(p_metadata, '{}');
  v_head spaces.room_heads;
  v_message public.room_messages;
  v_content text;
begin
  if char_length(v_text) > c_longest then
    perform spaces.fail('invalid_argument', format('cannot %s: the text is too long', c_operation), 'Give at most 8,000 characters at once.');
  elsif jsonb_typeof(v_metadata) <> 'object' then
    perform spaces.fail('invalid_argument', format('cannot %s: its metadata is malformed', c_operation), 'Give a JSON object.');
  end if;
  if spaces.take(v_user_id, 'stream', p_room_id, 'stream') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'stream', p_room_id, 'stream'));
  end if;
  v_head := spaces.lock_room(p_room_id, c_operation);
  v_message := spaces.require_own_stream(p_room_id, v_user_id, p_message_id, c_operation);
  if v_message.status <> 'streaming' then -- by a call before this one, or by somebody else: its status says so
    return jsonb_build_object('ok', true, 'message', spaces.message_json(v_message), 'head', v_head.head);
  end if;
  v_content := v_message.content || spaces.stream_tail(v_message.id) || v_text;
  if char_length(v_content) > spaces.content_limit(v_message.message_type)
     or octet_length((v_message.metadata || v_metadata)::text) > 16384 then
    perform spaces.fail('invalid_argument', format('cannot %s: text or metadata would be too long', c_operation), spaces.message_hint());
  end if;
  -- Nothing said is nothing finished.
  return spaces.end_stream(v_message, case when v_content ~ '\S' then 'final' else 'stopped' end, v_text, v_metadata);
end
$$;
revoke all on function public.finish_stream(uuid, uuid, text, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.finish_stream(uuid, uuid, text, jsonb) to authenticated, service_role;
comment on function public.finish_stream(uuid, uuid, text, jsonb) is
  'Its author ends a message, with a last piece of text and with metadata that is merged by key. Repeating it answers the stored row.';

create function public.stop_stream(p_room_id uuid, p_message_id uuid)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'stop the message';
  v_user_id uuid := spaces.caller(c_operation);
  v_limit text := spaces.send_limit(p_room_id, v_user_id);
  v_head spaces.room_heads;
  v_host_user_id uuid;
  v_my_role text := 'host';
  v_their_role text;
  v_message public.room_messages;
begin
  if spaces.take(v_user_id, 'send', p_room_id, v_limit) = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'send', p_room_id, v_limit));
  end if;
  v_head := spaces.lock_room(p_room_id, c_operation);
  -- As with a kick, the host need not have joined, nor anybody be online.
  select r.host_user_id into v_host_user_id from public.rooms r where r.id = p_room_id;
  if v_host_user_id is distinct from v_user_id then
    v_my_role := (spaces.require_participant(p_room_id, v_user_id, c_operation)).role;
  end if;
  v_message := spaces.require_message(p_room_id, p_message_id, c_operation);
  v_their_role := case when v_message.user_id = v_host_user_id then 'host' else coalesce((
    select p.role from public.room_participants p where p.room_id = p_room_id and p.user_id = v_message.user_id), 'member') end;
  if not spaces.may_moderate('stop_stream', v_my_role, v_their_role, coalesce(v_message.user_id = v_user_id, false))
     and not exists (select from public.room_messages q where q.id = v_message.reply_to and q.user_id = v_user_id) then
    perform spaces.fail('not_allowed', format('cannot %s: it neither is yours nor answers you', c_operation),
                        'Its author, who was answered, the host and moderators stop a message.');
  elsif v_message.status <> 'streaming' then -- a repeated call finds the work done
    return jsonb_build_object('ok', true, 'message', spaces.message_json(v_message), 'head', v_head.head);
  end if;
  perform spaces.end_turns_of(v_message, v_user_id);
  return spaces.end_stream(v_message, 'stopped');
end
$$;
revoke all on function public.stop_stream(uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function public.stop_stream(uuid, uuid) to authenticated, service_role;
comment on function public.stop_stream(uuid, uuid) is
  'Its author, who was answered, the host or a moderator ends a message as it stands. Repeating it is harmless.';

-- Writing a message bit by bit. The beginning is a message like any other, and a step; what is added to it is none.

create function public.begin_stream(
  p_room_id uuid, p_id uuid default null, p_message_type text default 'ai_response', p_metadata jsonb default '{}',
  p_reply_to uuid default null
) returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'begin the message';
  v_user_id uuid := spaces.caller(c_operation);
  v_id uuid := coalesce(p_id, gen_random_uuid());
  v_metadata jsonb := coalesce(p_metadata, '{}');
  v_problem text := spaces.message_problem('its text is to come', p_message_type, v_metadata);
  v_config spaces.config;
  v_head spaces.room_heads;
  v_answer jsonb := spaces.answer_before_lock(p_room_id, v_user_id, p_id, v_problem, c_operation);
begin
  select c.* into v_config from spaces.config c;
  if v_answer is null then
    perform spaces.lock_room(p_room_id, c_operation);
    v_answer := spaces.repeated_message(p_room_id, v_user_id, p_id); -- its first try may have been ahead in the queue
    if v_answer is null then
      -- What nobody writes any more takes no place.
      perform spaces.end_streams(p_room_id, p_is_expired => true);
      select h.* into v_head from spaces.room_heads h where h.room_id = p_room_id;
      v_answer := spaces.store_message(v_head, v_user_id, v_id, '', p_message_type, v_metadata, p_reply_to, 'streaming');
      if (v_answer ->> 'ok')::boolean then
        if (select count(*) from spaces.streams s join public.room_messages m on m.id = s.message_id
            where s.room_id = p_room_id and m.user_id = v_user_id) >= v_config.streams_per_user then
          perform spaces.fail('not_allowed', format('cannot %s: you are writing %s already', c_operation, v_config.streams_per_user),
                              'Finish or stop one of them first.');
        end if;
        insert into spaces.streams (message_id, room_id, expires_at)
        values (v_id, p_room_id, clock_timestamp() + make_interval(secs => v_config.stream_lease_s::double precision));
      end if;
    end if;
  end if;
  if (v_answer ->> 'ok')::boolean then
    return v_answer || jsonb_build_object('head', spaces.head_for(p_room_id, v_user_id), 'lease_s', v_config.stream_lease_s);
  elsif v_answer ->> 'code' <> 'rate_limited' then
    perform spaces.fail(v_answer ->> 'code', v_answer ->> 'message', v_answer ->> 'hint');
  end if;
  return v_answer;
end
$$;
revoke all on function public.begin_stream(uuid, uuid, text, jsonb, uuid) from public, anon, authenticated, service_role;
grant execute on function public.begin_stream(uuid, uuid, text, jsonb, uuid) to authenticated, service_role;
comment on function public.begin_stream(uuid, uuid, text, jsonb, uuid) is
  'Makes a message whose text is still to come, and that its author adds to with append_stream. p_id is the idempotency key.';

-- After the lock: what the wait let pass may have ended the stream, or taken its author''s place in the room.
create function spaces.require_own_stream(p_room_id uuid, p_user_id uuid, p_message_id uuid, p_operation text)
returns public.room_messages language plpgsql stable set search_path = '' as $$
declare
  v_message public.room_messages;
begin
  perform spaces.require_participant(p_room_id, p_user_id, p_operation);
  v_message := spaces.require_message(p_room_id, p_message_id, p_operation);
  if v_message.user_id is distinct from p_user_id then
    perform spaces.fail('not_allowed', format('cannot %s: it is not yours', p_operation), 'Only its author writes a message.');
  elsif v_message.status = 'streaming' then
    perform spaces.require_speaker(p_room_id, p_user_id, p_operation);
  end if;
  return v_message;
end
$$;
revoke all on function spaces.require_own_stream(uuid, uuid, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.require_own_stream(uuid, uuid, uuid, text) is 'A message of the caller, ended or not, if they may still write it; 403 or 404 otherwise.';

-- Takes no step: the text so far is in every answer about the message, and a listener who lacks a part asks for it. Under
-- the lock all the same: nothing is said after a stop or a kick, and nothing to a topic that the room has left.
create function public.append_stream(p_room_id uuid, p_message_id uuid, p_offset integer, p_text text)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'go on with the message';
  c_longest constant integer := 8000;
  c_fold_from constant integer := 4096;
  v_user_id uuid := spaces.caller(c_operation);
  v_lease_s numeric := (select c.stream_lease_s from spaces.config c);
  v_head spaces.room_heads;
  v_message public.room_messages;
  v_stream spaces.streams;
  v_known integer;
  v_new text;
begin
  if p_offset is null or p_offset < 0 then
    perform spaces.fail('invalid_argument', format('cannot %s: offset is out of range', c_operation), 'Give the characters that stand before the text.');
  elsif p_text is null or char_length(p_text) > c_longest then
    perform spaces.fail('invalid_argument', format('cannot %s: the text is missing or too long', c_operation),
                        'Give at most 8,000 characters at once; none at all keeps the message open.');
  end if;
  if spaces.take(v_user_id, 'stream', p_room_id, 'stream') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'stream', p_room_id, 'stream'));
  end if;
  v_head := spaces.lock_room(p_room_id, c_operation);
  v_message := spaces.require_own_stream(p_room_id, v_user_id, p_message_id, c_operation);
  if v_message.status <> 'streaming' then
    return jsonb_build_object('ok', true, 'status', v_message.status, 'length', char_length(v_message.content), 'lease_s', v_lease_s);
  end if;
  select s.* into v_stream from spaces.streams s where s.message_id = v_message.id;
  -- How much of the text stands already: all of it when a call is repeated.
  v_known := least(v_stream.length - p_offset, char_length(p_text));
  if v_known < 0 or (v_known > 0
      and substr(v_message.content || spaces.stream_tail(v_message.id), p_offset + 1, v_known) <> left(p_text, v_known)) then
    return spaces.refusal('conflict', format('cannot %s: it has %s characters, and this does not follow', c_operation, v_stream.length),
                          'Go on where the message ends.')
      || jsonb_build_object('status', v_message.status, 'length', v_stream.length);
  end if;
  v_new := substr(p_text, v_known + 1);
  if v_stream.length + char_length(v_new) > spaces.content_limit(v_message.message_type) then
    perform spaces.fail('invalid_argument', format('cannot %s: it would be too long', c_operation), spaces.message_hint());
  end if;
  update spaces.streams s
  set length = s.length + char_length(v_new), expires_at = clock_timestamp() + make_interval(secs => v_lease_s::double precision)
  where s.message_id = v_message.id;
  if v_new <> '' then
    insert into spaces.stream_chunks (message_id, starts_at, text) values (v_message.id, v_stream.length, v_new);
    if v_stream.length + char_length(v_new) - v_stream.folded >= greatest(v_stream.folded, c_fold_from) then
      perform spaces.fold_stream(v_message.id);
      perform spaces.touch_room(p_room_id);
    end if;
    perform spaces.publish(p_room_id, v_head.epoch, 'room:message-chunk', jsonb_build_object(
      'message_id', v_message.id, 'offset', v_stream.length, 'text', v_new, 'head', v_head.head));
  end if;
  return jsonb_build_object('ok', true, 'status', 'streaming', 'length', v_stream.length + char_length(v_new), 'lease_s', v_lease_s);
end
$$;
revoke all on function public.append_stream(uuid, uuid, integer, text) from public, anon, authenticated, service_role;
grant execute on function public.append_stream(uuid, uuid, integer, text) to authenticated, service_role;
comment on function public.append_stream(uuid, uuid, integer, text) is
  'Its author adds to a message that is being written; the same part again changes nothing. status says whether it goes on.';

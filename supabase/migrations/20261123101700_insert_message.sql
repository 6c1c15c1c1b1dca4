-- Speaking. The client chooses the message's id, so that repeating a call never says a thing twice.

-- Null, or what is wrong with a message, whoever sends it.
create function spaces.message_problem(p_content text, p_message_type text, p_metadata jsonb)
returns text language plpgsql immutable set search_path = '' as $$
begin
  return case
    when p_message_type is null or p_message_type not in ('user_text', 'user_voice', 'ai_response', 'system')
      then 'there is no such message type'
    when p_content is null or p_content !~ '\S' then 'it is empty'
    when char_length(p_content) > case p_message_type when 'ai_response' then 200000 else 8000 end then 'it is too long'
    when p_metadata is null or jsonb_typeof(p_metadata) <> 'object' or octet_length(p_metadata::text) > 16384
      then 'its metadata is no JSON object or over 16 kB'
  end;
end
$$;
revoke all on function spaces.message_problem(text, text, jsonb) from public, anon, authenticated, service_role;
comment on function spaces.message_problem(text, text, jsonb) is 'What is wrong with a message''s own values, or null.';

create function spaces.message_hint()
returns text language plpgsql immutable set search_path = '' as $$
begin
  return 'Content: 1 to 8,000 characters, 200,000 as ai_response; type: user_text, user_voice or ai_response; metadata: an object of at most 16 kB.';
end
$$;
revoke all on function spaces.message_hint() from public, anon, authenticated, service_role;
comment on function spaces.message_hint() is 'What a message may be.';

-- A function, because a condition with a query in it costs a query also where it is not come to.
create function spaces.has_message(p_room_id uuid, p_id uuid)
returns boolean language plpgsql stable set search_path = '' as $$
begin
  return exists (select from public.room_messages m where m.id = p_id and m.room_id = p_room_id and m.status <> 'deleted');
end
$$;
revoke all on function spaces.has_message(uuid, uuid) from public, anon, authenticated, service_role;
comment on function spaces.has_message(uuid, uuid) is 'Whether a message stands in a room and is not deleted.';

-- One message, after the room's lock: {"ok": true, …} or {"ok": false, code, message, hint}. Every check reads here,
-- after the lock: what was true before it may have been taken back while this call waited.
create function spaces.store_message(
  p_head spaces.room_heads, p_user_id uuid, p_id uuid, p_content text, p_message_type text, p_metadata jsonb, p_reply_to uuid,
  p_status text default 'final'
) returns jsonb language plpgsql volatile set search_path = '' as $$
declare
  c_operation constant text := 'send the message';
  v_me record;
  v_message jsonb;
  v_code text;
  v_reason text;
  v_hint text;
begin
  select p.status, p.is_muted, p.kind, p.display_name, r.is_active into v_me
  from public.rooms r left join public.room_participants p on p.room_id = r.id and p.user_id = p_user_id
  where r.id = p_head.room_id;
  if v_me.status is distinct from 'active' and spaces.is_banned(p_head.room_id, p_user_id) then
    v_code := 'banned'; v_reason := 'you are banned from this room';
  elsif v_me.status is null then
    v_code := 'not_participant'; v_reason := 'you are not in this room';
  elsif v_me.status <> 'active' then
    v_code := 'kicked'; v_reason := 'you were removed from this room';
  elsif not v_me.is_active then
    v_code := 'room_inactive'; v_reason := 'the room is closed';
  elsif v_me.is_muted then
    v_code := 'muted'; v_reason := 'you are muted in this room';
  elsif p_message_type = 'system' or (p_message_type = 'ai_response' and v_me.kind <> 'bot') then
    v_code := 'not_allowed'; v_reason := format('a %s does not send %s', v_me.kind, p_message_type);
    v_hint := 'People send user_text and user_voice, bots also ai_response, the database system.';
  elsif p_reply_to is not null and not spaces.has_message(p_head.room_id, p_reply_to) then
    v_code := 'message_not_found'; v_reason := 'what it replies to is not in this room';
  else
    v_message := spaces.write_message(p_head, p_id, p_user_id, v_me.display_name, v_me.kind,
                                      p_message_type, p_content, p_metadata, p_reply_to, p_status);
    if v_message is not null then
      return jsonb_build_object('ok', true, 'message', v_message, 'is_repeated', false);
    end if;
    v_code := 'conflict'; v_reason := 'its id is taken';
  end if;
  return spaces.refusal(v_code, format('cannot %s: %s', c_operation, v_reason), v_hint);
end
$$;
revoke all on function spaces.store_message(spaces.room_heads, uuid, uuid, text, text, jsonb, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.store_message(spaces.room_heads, uuid, uuid, text, text, jsonb, uuid, text) is 'Checks and stores one message under the room''s lock.';

-- The answer to an id that is known already, or null: the stored message unchanged for its sender, as id and seq
-- alone when they may no longer speak here; a conflict for everybody else, without a word of the content.
create function spaces.repeated_message(p_room_id uuid, p_user_id uuid, p_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_message public.room_messages;
begin
  select m.* into v_message from public.room_messages m where m.id = p_id;
  if not found then
    return null;
  elsif v_message.room_id <> p_room_id or v_message.user_id is distinct from p_user_id then
    return spaces.refusal('conflict', 'cannot send the message: its id is taken');
  end if;
  return jsonb_build_object('ok', true, 'is_repeated', true, 'message', case
    when exists (select from public.room_participants p
                 where p.room_id = p_room_id and p.user_id = p_user_id and p.status = 'active' and not p.is_muted)
      then spaces.message_json(v_message)
    else jsonb_build_object('id', v_message.id, 'seq', v_message.seq) end);
end
$$;
revoke all on function spaces.repeated_message(uuid, uuid, uuid) from public, anon, authenticated, service_role;
comment on function spaces.repeated_message(uuid, uuid, uuid) is 'The answer to a repeated message id, or null when it is new.';

create function spaces.head_for(p_room_id uuid, p_user_id uuid)
returns bigint language plpgsql stable set search_path = '' as $$
begin
  return (select h.head from spaces.room_heads h join public.room_participants p on p.room_id = h.room_id
          where h.room_id = p_room_id and p.user_id = p_user_id and p.status = 'active');
end
$$;
revoke all on function spaces.head_for(uuid, uuid) from public, anon, authenticated, service_role;
comment on function spaces.head_for(uuid, uuid) is 'The room''s head, for an active participant; null for others.';

-- Which limit a participant's messages count against.
create function spaces.send_limit(p_room_id uuid, p_user_id uuid)
returns text language plpgsql stable set search_path = '' as $$
begin
  return case when exists (select from public.room_participants p
                           where p.room_id = p_room_id and p.user_id = p_user_id and p.kind = 'bot')
    then 'send_bot' else 'send' end;
end
$$;
revoke all on function spaces.send_limit(uuid, uuid) from public, anon, authenticated, service_role;
comment on function spaces.send_limit(uuid, uuid) is 'send or send_bot.';

-- What comes before the room's lock: the answer to a repeat or over the limit, else null.
create function spaces.answer_before_lock(p_room_id uuid, p_user_id uuid, p_id uuid, p_problem text, p_operation text)
returns jsonb language plpgsql volatile set search_path = '' as $$
declare
  v_answer jsonb := case when p_id is not null then spaces.repeated_message(p_room_id, p_user_id, p_id) end;
  v_limit text;
begin
  if v_answer is not null then
    return v_answer;
  elsif p_problem is not null then
    perform spaces.fail('invalid_argument', format('cannot %s: %s', p_operation, p_problem), spaces.message_hint());
  end if;
  v_limit := spaces.send_limit(p_room_id, p_user_id);
  if spaces.take(p_user_id, 'send', p_room_id, v_limit) > 0 then
    return null;
  end if;
  -- It waited for the bucket; the call that held it may have been its own first try.
  return coalesce(spaces.repeated_message(p_room_id, p_user_id, p_id),
    spaces.rate_limited(p_operation, spaces.retry_after_s(p_user_id, 'send', p_room_id, v_limit)));
end
$$;
revoke all on function spaces.answer_before_lock(uuid, uuid, uuid, text, text) from public, anon, authenticated, service_role;
comment on function spaces.answer_before_lock(uuid, uuid, uuid, text, text) is 'The answer of a call that makes a message, if it has one without the room; counts it otherwise.';

create function public.insert_message(
  p_room_id uuid, p_content text, p_message_type text default 'user_text', p_metadata jsonb default '{}',
  p_id uuid default null, p_reply_to uuid default null
) returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'send the message';
  v_user_id uuid := spaces.caller(c_operation);
  v_id uuid := coalesce(p_id, gen_random_uuid());
  v_metadata jsonb := coalesce(p_metadata, '{}');
  v_problem text := spaces.message_problem(p_content, p_message_type, v_metadata);
  v_head spaces.room_heads;
  v_answer jsonb := spaces.answer_before_lock(p_room_id, v_user_id, p_id, v_problem, c_operation);
begin
  if v_answer is null then
    v_head := spaces.lock_room(p_room_id, c_operation);
    v_answer := spaces.store_message(v_head, v_user_id, v_id, p_content, p_message_type, v_metadata, p_reply_to);
    if not (v_answer ->> 'ok')::boolean then
      -- Its first try may have been stored while this one waited, and comes before every refusal.
      v_answer := coalesce(spaces.repeated_message(p_room_id, v_user_id, p_id), v_answer);
    end if;
  end if;
  if (v_answer ->> 'ok')::boolean then
    -- A new message is the newest step. How far the room is now is for who still takes part in it.
    return v_answer || jsonb_build_object('head', case when not (v_answer ->> 'is_repeated')::boolean
      then v_answer -> 'message' -> 'seq' else to_jsonb(spaces.head_for(p_room_id, v_user_id)) end);
  elsif v_answer ->> 'code' <> 'rate_limited' then
    perform spaces.fail(v_answer ->> 'code', v_answer ->> 'message', v_answer ->> 'hint');
  end if;
  return v_answer;
end
$$;
revoke all on function public.insert_message(uuid, text, text, jsonb, uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function public.insert_message(uuid, text, text, jsonb, uuid, uuid) to authenticated, service_role;
comment on function public.insert_message(uuid, text, text, jsonb, uuid, uuid) is
  'Stores a message of the caller and publishes it. p_id is the idempotency key: a repeat answers the stored row.';

-- Several messages in one call, answered one by one: a bad one does not undo the others.

create function spaces.try_uuid(p_value jsonb)
returns uuid language plpgsql immutable set search_path = '' as $$
begin
  return case when jsonb_typeof(p_value) = 'string'
    and p_value #>> '{}' ~* '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' then (p_value #>> '{}')::uuid end;
end
$$;
revoke all on function spaces.try_uuid(jsonb) from public, anon, authenticated, service_role;
comment on function spaces.try_uuid(jsonb) is 'A UUID out of a JSON string, or null.';

-- What is wrong with one entry of p_messages, or null.
create function spaces.draft_problem(p_draft jsonb)
returns text language plpgsql immutable set search_path = '' as $$
begin
  return case
    when jsonb_typeof(p_draft) <> 'object' then 'it is no JSON object'
    when jsonb_typeof(p_draft -> 'id') <> 'null' and spaces.try_uuid(p_draft -> 'id') is null then 'its id is no UUID'
    when jsonb_typeof(p_draft -> 'reply_to') <> 'null' and spaces.try_uuid(p_draft -> 'reply_to') is null then 'its reply_to is no UUID'
    when jsonb_typeof(p_draft -> 'content') is distinct from 'string' then 'its content is no text'
    when jsonb_typeof(p_draft -> 'message_type') not in ('string', 'null') then 'there is no such message type'
    else spaces.message_problem(p_draft ->> 'content', coalesce(p_draft ->> 'message_type', 'user_text'),
                                coalesce(nullif(p_draft -> 'metadata', 'null'), '{}'))
  end;
end
$$;
revoke all on function spaces.draft_problem(jsonb) from public, anon, authenticated, service_role;
comment on function spaces.draft_problem(jsonb) is 'What is wrong with one message of a batch, or null.';

create function public.insert_messages(p_room_id uuid, p_messages jsonb)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'send the messages';
  v_user_id uuid := spaces.caller(c_operation);
  v_results jsonb[] := '{}';
  v_drafts jsonb[];
  v_draft jsonb;
  v_result jsonb;
  v_problem text;
  v_head spaces.room_heads;
  v_limit text;
  v_limited jsonb;
  v_pending integer := 0;
  v_tokens integer;
begin
  if p_messages is null or jsonb_typeof(p_messages) <> 'array' or jsonb_array_length(p_messages) not between 1 and 50 then
    perform spaces.fail('invalid_argument', format('cannot %s: messages is malformed', c_operation), 'Give an array of 1 to 50 messages.');
  end if;
  select array_agg(e.value order by e.n) into v_drafts from jsonb_array_elements(p_messages) with ordinality e (value, n);

  -- First what needs no lock: ids that are known already, before the limit, and entries that cannot be stored.
  for i in 1 .. cardinality(v_drafts) loop
    v_draft := v_drafts[i];
    v_result := spaces.repeated_message(p_room_id, v_user_id, spaces.try_uuid(v_draft -> 'id'));
    if v_result is null then
      v_problem := spaces.draft_problem(v_draft);
      if v_problem is null then
        v_pending := v_pending + 1;
      else
        v_result := spaces.refusal('invalid_argument', format('cannot send the message: %s', v_problem), spaces.message_hint());
      end if;
    end if;
    v_results[i] := v_result;
  end loop;

  if v_pending > 0 then
    v_limit := spaces.send_limit(p_room_id, v_user_id);
    v_tokens := spaces.take(v_user_id, 'send', p_room_id, v_limit, v_pending);
    if v_tokens < v_pending then
      v_limited := spaces.rate_limited('send the message', spaces.retry_after_s(v_user_id, 'send', p_room_id, v_limit));
    end if;
    -- Two batches with the same ids, crosswise and in two rooms, would wait for each other's rows while they hold
    -- both rooms: so the ids come before the room, in one order for all. One message alone cannot close such a ring.
    perform pg_advisory_xact_lock(k.key) from (
      select distinct hashtextextended('spaces:message:' || spaces.try_uuid(d.draft -> 'id'), 0) as key
      from unnest(v_drafts) d (draft) where spaces.try_uuid(d.draft -> 'id') is not null
      order by key) k;
    v_head := spaces.lock_room(p_room_id, c_operation);
    for i in 1 .. cardinality(v_drafts) loop
      continue when v_results[i] is not null;
      v_draft := v_drafts[i];
      -- A twin of this call, or an entry of this one, may have stored the id meanwhile.
      v_result := spaces.repeated_message(p_room_id, v_user_id, spaces.try_uuid(v_draft -> 'id'));
      if v_result is null and v_tokens = 0 then
        v_result := v_limited;
      elsif v_result is null then
        v_tokens := v_tokens - 1;
        v_result := spaces.store_message(
          v_head, v_user_id, coalesce(spaces.try_uuid(v_draft -> 'id'), gen_random_uuid()), v_draft ->> 'content',
          coalesce(v_draft ->> 'message_type', 'user_text'), coalesce(nullif(v_draft -> 'metadata', 'null'), '{}'),
          spaces.try_uuid(v_draft -> 'reply_to'));
        if (v_result ->> 'ok')::boolean then
          v_head.head := v_head.head + 1;
        end if;
      end if;
      v_results[i] := v_result;
    end loop;
  end if;
  return jsonb_build_object('ok', true, 'results', to_jsonb(v_results),
    'head', spaces.head_for(p_room_id, v_user_id));
end
$$;
revoke all on function public.insert_messages(uuid, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.insert_messages(uuid, jsonb) to authenticated, service_role;
comment on function public.insert_messages(uuid, jsonb) is
  'Stores up to 50 messages, each {id, content, message_type, metadata, reply_to}, and answers for each of them.';

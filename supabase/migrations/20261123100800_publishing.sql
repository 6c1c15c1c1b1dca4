-- The one way to write: lock the room, read, write, take a step, publish; all in one transaction.

-- Holds an account: false when it is gone. The deletion of an account locks the account and then its rows in all rooms,
-- without the lock of any. So whoever writes rows of others holds their accounts first, after the room and before any row:
-- then neither waits for the other in a ring, and no foreign key finds that an account has gone meanwhile.
create function spaces.hold_account(p_user_id uuid)
returns boolean language plpgsql volatile set search_path = '' as $$
begin
  perform from auth.users u where u.id = p_user_id for key share;
  return found;
end
$$;
revoke all on function spaces.hold_account(uuid) from public, anon, authenticated, service_role;
comment on function spaces.hold_account(uuid) is 'Keeps an account from being deleted until the transaction ends; false when it is gone.';

-- Locks the room: for no key update, which does not collide with the key share locks of foreign keys; and the caller's account.
-- Read everything else after it and in a later statement: only such a read sees what the wait let pass.
create function spaces.lock_room(p_room_id uuid, p_operation text)
returns spaces.room_heads language plpgsql volatile set search_path = '' as $$
declare
  v_head spaces.room_heads;
begin
  select h.* into v_head from spaces.room_heads h where h.room_id = p_room_id for no key update;
  if not found then
    perform spaces.fail('room_not_found', format('cannot %s: there is no such room', p_operation));
  elsif not spaces.hold_account(spaces.user_id()) then
    perform spaces.fail('not_authenticated', format('cannot %s: your account is gone', p_operation), 'Sign in again.');
  end if;
  return v_head;
end
$$;
revoke all on function spaces.lock_room(uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.lock_room(uuid, text) is 'Takes the room''s lock and holds the caller''s account; 404 or 401 otherwise.';

create function spaces.topic(p_room_id uuid, p_epoch integer)
returns text language plpgsql immutable set search_path = '' as $$
begin
  return 'spaces:' || p_room_id || ':' || p_epoch;
end
$$;
revoke all on function spaces.topic(uuid, integer) from public, anon, authenticated, service_role;
comment on function spaces.topic(uuid, integer) is 'The Realtime topic of a room, without the realtime: prefix.';

-- Definer rights: its owner passes row level security on realtime.messages. A failure of Realtime is a
-- warning there and no error here: the row is the truth, the broadcast a hint.
create function spaces.publish(p_room_id uuid, p_epoch integer, p_event text, p_body jsonb, p_pos bigint default null)
returns void language plpgsql volatile security definer set search_path = '' as $$
begin
  perform realtime.send(
    case when p_pos is null then jsonb_build_object('room_id', p_room_id, 'epoch', p_epoch, 'at', clock_timestamp())
      else jsonb_build_object('room_id', p_room_id, 'epoch', p_epoch, 'at', clock_timestamp(), 'pos', p_pos) end || p_body,
    p_event, spaces.topic(p_room_id, p_epoch), true);
end
$$;
revoke all on function spaces.publish(uuid, integer, text, jsonb, bigint) from public, anon, authenticated, service_role;
comment on function spaces.publish(uuid, integer, text, jsonb, bigint) is 'Broadcasts an event on a room''s topic when the transaction commits.';

-- One step of the room and the event that is that step. Only under the room's lock.
create function spaces.step(p_room_id uuid, p_event text, p_body jsonb)
returns bigint language plpgsql volatile set search_path = '' as $$
declare
  v_head bigint;
  v_epoch integer;
begin
  update spaces.room_heads h set head = h.head + 1 where h.room_id = p_room_id returning h.head, h.epoch into v_head, v_epoch;
  perform spaces.publish(p_room_id, v_epoch, p_event, p_body, v_head);
  return v_head;
end
$$;
revoke all on function spaces.step(uuid, text, jsonb) from public, anon, authenticated, service_role;
comment on function spaces.step(uuid, text, jsonb) is 'Takes the room''s next step and publishes the event of it; answers the step.';

-- What an event says of a message: the whole row. One over the transport's limit goes without it; the receiver fetches it.
create function spaces.message_event(p_id uuid, p_content text, p_json jsonb)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_body jsonb := jsonb_build_object('message', p_json);
begin
  -- Only large ones are measured: at most six bytes of JSON for a byte of text, and a little for the rest.
  if octet_length(p_content) > 8192
     and octet_length(v_body::text) > (select c.max_event_bytes from spaces.config c) then
    return jsonb_build_object('message', null, 'message_id', p_id, 'is_truncated', true);
  end if;
  return v_body;
end
$$;
revoke all on function spaces.message_event(uuid, text, jsonb) from public, anon, authenticated, service_role;
comment on function spaces.message_event(uuid, text, jsonb) is 'What an event about a message says of it, given its JSON.';

-- Stores a message as the room's next step and answers its JSON. Null when the id is taken: nothing has happened then.
create function spaces.write_message(
  p_head spaces.room_heads, p_id uuid, p_user_id uuid, p_display_name text, p_sender_kind text,
  p_message_type text, p_content text, p_metadata jsonb, p_reply_to uuid default null, p_status text default 'final'
) returns jsonb language plpgsql volatile set search_path = '' as $$
declare
  v_message public.room_messages;
  v_now timestamptz := clock_timestamp(); -- not now(): inside a room created_at follows seq
  v_json jsonb;
begin
  insert into public.room_messages (id, room_id, user_id, message_type, content, metadata, created_at, updated_at,
                                    seq, revision, status, reply_to, display_name, sender_kind)
  values (p_id, p_head.room_id, p_user_id, p_message_type, p_content, p_metadata, v_now, v_now,
          p_head.head + 1, p_head.head + 1, p_status, p_reply_to, p_display_name, p_sender_kind)
  on conflict (id) do nothing
  returning * into v_message;
  if v_message.id is null then
    return null;
  end if;
  v_json := spaces.message_json(v_message);
  perform spaces.step(p_head.room_id, 'room:message-received', spaces.message_event(v_message.id, v_message.content, v_json));
  return v_json;
end
$$;
revoke all on function spaces.write_message(spaces.room_heads, uuid, uuid, text, text, text, text, jsonb, uuid, text)
  from public, anon, authenticated, service_role;
comment on function spaces.write_message(spaces.room_heads, uuid, uuid, text, text, text, text, jsonb, uuid, text) is
  'Stores and publishes one message under the room''s lock; answers its JSON, null when its id is taken.';

-- "Ada joined", "Ada left": a message of the database, with the facts as metadata for whoever writes their own text.
create function spaces.write_system_message(p_room_id uuid, p_participant public.room_participants, p_event text)
returns void language plpgsql volatile set search_path = '' as $$
declare
  v_head spaces.room_heads;
begin
  select h.* into v_head from spaces.room_heads h where h.room_id = p_room_id;
  perform spaces.write_message(
    v_head, gen_random_uuid(), null, 'system', 'system', 'system',
    format('%s %s the room', p_participant.display_name, p_event),
    jsonb_build_object('event', p_event, 'user_id', p_participant.user_id, 'display_name', p_participant.display_name));
end
$$;
revoke all on function spaces.write_system_message(uuid, public.room_participants, text) from public, anon, authenticated, service_role;
comment on function spaces.write_system_message(uuid, public.room_participants, text) is 'A notice in the conversation: joined or left.';

-- Only the deletion of the host's account holds the room's row without the lock; it is not worth waiting for. At most once in
-- a transaction: a second change of the same row would look at its foreign keys, and wait for that account.
create function spaces.touch_room(p_room_id uuid)
returns void language plpgsql volatile set search_path = '' as $$
begin
  update public.rooms r set last_activity = clock_timestamp()
  where r.id in (
    select o.id from public.rooms o
    where o.id = p_room_id
      and o.last_activity < now()
      and o.last_activity < clock_timestamp() - make_interval(secs => (select c.activity_refresh_s from spaces.config c)::double precision)
    for no key update skip locked);
end
$$;
revoke all on function spaces.touch_room(uuid) from public, anon, authenticated, service_role;
comment on function spaces.touch_room(uuid) is 'Refreshes rooms.last_activity, at most once a minute; under the room''s lock.';

-- The turn by hand: the host picks who answers, and a person's stop ends what was claimed.

-- Null, or why a pick is not answered; p_turn is at the position of the pick, which is no message.
create function spaces.pick_problem(p_turn spaces.turns)
returns text language plpgsql stable set search_path = '' as $$
declare
  v_newest spaces.room_turns;
begin
  select t.* into v_newest from spaces.room_turns t where t.room_id = p_turn.room_id;
  return case
    when p_turn.position = v_newest.picked_position and p_turn.user_id <> v_newest.picked_user_id then 'picked_other'
    when p_turn.position is distinct from v_newest.picked_position and p_turn.state is distinct from 'held'
      then case when p_turn.state is null then 'gone' else 'picked_other' end
    when not spaces.has_message(p_turn.room_id, p_turn.message_id) then 'gone'
  end;
end
$$;
revoke all on function spaces.pick_problem(spaces.turns) from public, anon, authenticated, service_role;
comment on function spaces.pick_problem(spaces.turns) is 'Why a bot does not answer as picked, or null: a newer pick stands, unless it had begun.';

create function public.give_turn(p_room_id uuid, p_user_id uuid, p_message_id uuid default null)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'give the turn';
  v_user_id uuid := spaces.caller(c_operation);
  v_head bigint;
  v_room public.rooms;
  v_them public.room_participants;
  v_message_id uuid := p_message_id;
begin
  if spaces.take(v_user_id, 'turn', p_room_id, 'turn') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'turn', p_room_id, 'turn'));
  end if;
  v_head := (spaces.lock_room(p_room_id, c_operation)).head;
  v_room := spaces.require_right('give_turn', p_room_id, v_user_id, c_operation);
  v_them := spaces.require_target('give_turn', v_room, v_user_id, p_user_id, c_operation);
  if not v_room.is_active then
    perform spaces.fail('room_inactive', format('cannot %s: the room is closed', c_operation));
  elsif v_them.kind <> 'bot' or v_them.is_muted then
    perform spaces.fail('not_allowed', format('cannot %s: they are %s', c_operation, case when v_them.is_muted then 'muted' else 'no bot' end),
                        'Name a bot of the room that may speak.');
  end if;
  if v_message_id is null then
    select m.id into v_message_id from public.room_messages m
    where m.room_id = p_room_id and m.status in ('final', 'stopped') and m.sender_kind <> 'system' order by m.seq desc limit 1;
  end if;
  if v_message_id is null or not spaces.has_message(p_room_id, v_message_id) then
    perform spaces.fail('message_not_found', format('cannot %s: there is no such message', c_operation), 'Say something that they can answer.');
  end if;
  -- The same pick again, while it waits to be answered, is the same turn.
  if not exists (
      select from spaces.room_turns r join spaces.turns t
        on t.room_id = r.room_id and t.user_id = r.picked_user_id and t.position = r.picked_position and t.purpose = 'answer'
      where r.room_id = p_room_id and r.picked_user_id = p_user_id and r.picked_message_id = v_message_id
        and t.state in ('waiting', 'held')) then
    insert into spaces.room_turns (room_id, picked_user_id, picked_message_id, picked_position)
    values (p_room_id, p_user_id, v_message_id, v_head + 1)
    on conflict (room_id) do update set picked_user_id = excluded.picked_user_id,
      picked_message_id = excluded.picked_message_id, picked_position = excluded.picked_position;
    insert into spaces.turns (room_id, user_id, position, purpose, message_id, state)
    values (p_room_id, p_user_id, v_head + 1, 'answer', v_message_id, 'waiting');
    v_head := spaces.step(p_room_id, 'room:state-updated', jsonb_build_object('state', spaces.state_json(v_room)));
  end if;
  return jsonb_build_object('ok', true, 'state', spaces.state_json(v_room), 'head', v_head);
end
$$;
revoke all on function public.give_turn(uuid, uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function public.give_turn(uuid, uuid, uuid) to authenticated, service_role;
comment on function public.give_turn(uuid, uuid, uuid) is
  'The host or a moderator says which bot answers a message, the newest unless one is named. A new pick ends one that nobody has taken yet.';

-- A person has heard enough of an answer: no other copy of its bot begins it anew. An author whose account is being deleted
-- has no claims any more. A bot that stops by itself has a reason to go on, perhaps.
create function spaces.end_turns_of(p_message public.room_messages, p_user_id uuid)
returns void language plpgsql volatile set search_path = '' as $$
begin
  if p_message.user_id <> p_user_id and p_message.reply_to is not null and spaces.try_hold_accounts(array[p_message.user_id]) then
    update spaces.turns t set state = 'done', holder = null, expires_at = null, changed_at = clock_timestamp()
    where t.room_id = p_message.room_id and t.user_id = p_message.user_id and t.message_id = p_message.reply_to
      and t.state in ('waiting', 'offered', 'held');
  end if;
end
$$;
revoke all on function spaces.end_turns_of(public.room_messages, uuid) from public, anon, authenticated, service_role;
comment on function spaces.end_turns_of(public.room_messages, uuid) is 'What somebody else has stopped is done, for all copies of the bot that was writing it.';

-- Where a bot begins, how far it is, and the end of a piece of work.

create function public.enter_turns(p_room_id uuid, p_takes_turns boolean default false, p_position bigint default null)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'take part in the turns';
  c_open constant integer := 500;
  v_user_id uuid := spaces.caller(c_operation);
  v_head bigint;
  v_position bigint;
  v_open jsonb;
begin
  if p_takes_turns is null then
    perform spaces.fail('invalid_argument', format('cannot %s: takes_turns is missing', c_operation), 'Give true or false.');
  elsif p_position < 0 then
    perform spaces.fail('invalid_argument', format('cannot %s: position is out of range', c_operation), 'Give the head of your join, or none.');
  end if;
  if spaces.take(v_user_id, 'turn', p_room_id, 'turn') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'turn', p_room_id, 'turn'));
  end if;
  v_head := (spaces.lock_room(p_room_id, c_operation)).head;
  perform spaces.require_participant(p_room_id, v_user_id, c_operation);
  update spaces.bots b set takes_turns = p_takes_turns
  where b.room_id = p_room_id and b.user_id = v_user_id returning b.position into v_position;
  if not found then -- what was said before it came is not for it; what was said since its join is
    insert into spaces.bots (room_id, user_id, position, takes_turns)
    values (p_room_id, v_user_id, least(coalesce(p_position, v_head), v_head), p_takes_turns);
  end if;
  select jsonb_agg(x.turn order by x.position, x.purpose) into v_open from (
    select t.position, t.purpose,
           jsonb_build_object('position', t.position, 'purpose', t.purpose, 'message_id', t.message_id) as turn
    from spaces.turns t
    where t.room_id = p_room_id and t.user_id = v_user_id and t.position > 0 and t.state in ('waiting', 'offered', 'held')
      and t.changed_at > clock_timestamp() - interval '1 day'
    order by t.position desc limit c_open) x;
  return jsonb_build_object('ok', true, 'position', v_position, 'open', coalesce(v_open, '[]'), 'head', v_head);
end
$$;
revoke all on function public.enter_turns(uuid, boolean, bigint) from public, anon, authenticated, service_role;
grant execute on function public.enter_turns(uuid, boolean, bigint) to authenticated, service_role;
comment on function public.enter_turns(uuid, boolean, bigint) is
  'Where a bot goes on: its position, null the first time, and what it has open. p_takes_turns: it claims `answer` for each message; p_position: where it begins the first time.';

-- Under the lock: claims are for steps that the room has taken, by somebody who has entered.
create function spaces.require_entered(p_room_id uuid, p_user_id uuid, p_turns jsonb, p_operation text)
returns void language plpgsql stable set search_path = '' as $$
begin
  if not exists (select from spaces.bots b where b.room_id = p_room_id and b.user_id = p_user_id) then
    perform spaces.fail('not_allowed', format('cannot %s: you have not entered here', p_operation), 'Call enter_turns first.');
  elsif exists (select from jsonb_array_elements(p_turns) e
                where (e.value ->> 'position')::bigint > (select h.head from spaces.room_heads h where h.room_id = p_room_id)) then
    perform spaces.fail('invalid_argument', format('cannot %s: a position is not one of this room', p_operation),
                        'Give the seq of a message, or the pos of another event.');
  end if;
end
$$;
revoke all on function spaces.require_entered(uuid, uuid, jsonb, text) from public, anon, authenticated, service_role;
comment on function spaces.require_entered(uuid, uuid, jsonb, text) is 'Refuses who has not entered, and positions that the room has not reached.';

-- Forward only, and not past the room. What is done below it need not be known any more; answers are, by other bots.
create function spaces.move_position(p_room_id uuid, p_user_id uuid, p_position bigint, p_operation text)
returns void language plpgsql volatile set search_path = '' as $$
declare
  v_position bigint;
begin
  if p_position is null then
    return;
  elsif p_position < 0 then
    perform spaces.fail('invalid_argument', format('cannot %s: position is out of range', p_operation), 'Give a step of the room, or none.');
  end if;
  update spaces.bots b
  set position = greatest(b.position, least(p_position, (select h.head from spaces.room_heads h where h.room_id = p_room_id)))
  where b.room_id = p_room_id and b.user_id = p_user_id returning b.position into v_position;
  delete from spaces.turns t
  where t.room_id = p_room_id and t.user_id = p_user_id and t.purpose <> 'answer' and t.state = 'done' and t.position <= v_position;
end
$$;
revoke all on function spaces.move_position(uuid, uuid, bigint, text) from public, anon, authenticated, service_role;
comment on function spaces.move_position(uuid, uuid, bigint, text) is 'Moves how far a bot is, and forgets what is done up to there.';

create function public.finish_turns(p_room_id uuid, p_holder uuid, p_turns jsonb, p_position bigint default null)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'finish the turns';
  v_user_id uuid := spaces.caller(c_operation);
  v_me public.room_participants;
  v_room public.rooms;
  v_finished integer;
  v_tokens bigint;
  v_answers integer;
  v_declined integer;
begin
  if p_holder is null then
    perform spaces.fail('invalid_argument', format('cannot %s: holder is missing', c_operation), 'Give the one of the claim.');
  end if;
  perform spaces.check_turns(p_turns, true, c_operation);
  if spaces.take(v_user_id, 'turn', p_room_id, 'turn') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'turn', p_room_id, 'turn'));
  end if;
  perform spaces.lock_room(p_room_id, c_operation);
  v_me := spaces.require_participant(p_room_id, v_user_id, c_operation);
  perform spaces.require_entered(p_room_id, v_user_id, p_turns, c_operation);
  with ended as (
    update spaces.turns t set
      state = case e.value ->> 'outcome' when 'released' then 'waiting' else e.value ->> 'outcome' end,
      holder = null, expires_at = null, changed_at = clock_timestamp()
    from jsonb_array_elements(p_turns) e
    where t.room_id = p_room_id and t.user_id = v_user_id and t.position = (e.value ->> 'position')::bigint
      and t.purpose = e.value ->> 'purpose' and t.state = 'held' and t.holder = p_holder
    returning t.purpose, t.state, (e.value ->> 'tokens')::bigint as tokens
  )
  select count(*), coalesce(sum(d.tokens), 0), count(*) filter (where d.purpose = 'answer' and d.state = 'done'),
         count(*) filter (where d.state = 'declined')
    into v_finished, v_tokens, v_answers, v_declined
  from ended d;
  if v_answers > 0 then
    update spaces.bots b set last_done_at = clock_timestamp() where b.room_id = p_room_id and b.user_id = v_user_id;
  end if;
  if v_me.kind <> 'bot' then -- the budget is the bots': nobody else may use it up
    v_tokens := 0;
  end if;
  if v_tokens > 0 or v_declined > 0 then -- what was declined is no answer
    perform spaces.spend(p_room_id, -v_declined, v_tokens);
  end if;
  perform spaces.move_position(p_room_id, v_user_id, p_position, c_operation);
  select r.* into v_room from public.rooms r where r.id = p_room_id;
  perform spaces.tell_budget(v_room, spaces.turn_rules_of(v_room.settings));
  return jsonb_build_object('ok', true, 'finished', v_finished);
end
$$;
revoke all on function public.finish_turns(uuid, uuid, jsonb, bigint) from public, anon, authenticated, service_role;
grant execute on function public.finish_turns(uuid, uuid, jsonb, bigint) to authenticated, service_role;
comment on function public.finish_turns(uuid, uuid, jsonb, bigint) is
  'Ends turns that the holder has: done, released for another copy, or declined for other bots. What somebody else has taken meanwhile is not theirs to end.';

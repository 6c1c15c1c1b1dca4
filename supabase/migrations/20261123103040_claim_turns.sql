-- Claiming pieces of work, and keeping what one has.

-- The shape of p_claims and of p_turns of the calls below; whether a position is one of the room is asked under its lock.
create function spaces.check_turns(p_turns jsonb, p_is_end boolean, p_operation text)
returns void language plpgsql immutable set search_path = '' as $$
declare
  v_turn jsonb;
  v_problem text;
begin
  if p_turns is null or jsonb_typeof(p_turns) <> 'array' or jsonb_array_length(p_turns) > 100 then
    perform spaces.fail('invalid_argument', format('cannot %s: they are no list, or too many', p_operation), 'Give a JSON array of at most 100.');
  end if;
  for v_turn in select e.value from jsonb_array_elements(p_turns) e loop
    v_problem := case
      when jsonb_typeof(v_turn) <> 'object' then 'one of them is no JSON object'
      when coalesce(jsonb_typeof(v_turn -> 'position'), '') <> 'number' or v_turn ->> 'position' !~ '^[0-9]{1,18}$'
        then 'a position is malformed'
      when coalesce(jsonb_typeof(v_turn -> 'purpose'), '') <> 'string' or v_turn ->> 'purpose' !~ '^[a-z0-9_:.-]{1,60}$'
        then 'a purpose is malformed'
      when v_turn ->> 'message_id' !~* '^[0-9a-f]{8}-([0-9a-f]{4}-){3}[0-9a-f]{12}$' then 'a message_id is malformed'
      when p_is_end and coalesce(v_turn ->> 'outcome', '') not in ('done', 'released', 'declined') then 'an outcome is malformed'
      when p_is_end and v_turn ->> 'position' = '0' and v_turn ->> 'outcome' <> 'released' then 'standing work is never done'
      when p_is_end and v_turn ->> 'outcome' = 'declined' and v_turn ->> 'purpose' <> 'answer' then 'only an answer is declined'
      when p_is_end and coalesce(jsonb_typeof(v_turn -> 'tokens') not in ('number', 'null')
        or v_turn ->> 'tokens' !~ '^[0-9]{1,9}$', false) then 'tokens are malformed'
    end;
    if v_problem is not null then
      perform spaces.fail('invalid_argument', format('cannot %s: %s', p_operation, v_problem), case when p_is_end
        then '{"position", "purpose", "outcome": "done", "released" or "declined", "tokens": an integer}; position 0 is released.'
        else '{"position": an integer, "purpose": 1 to 60 of a-z, 0-9 and _:.-, "message_id": a UUID or nothing}.' end);
    end if;
  end loop;
end
$$;
revoke all on function spaces.check_turns(jsonb, boolean, text) from public, anon, authenticated, service_role;
comment on function spaces.check_turns(jsonb, boolean, text) is 'Refuses lists of claims, or of ends of turns, that are malformed.';

-- Keeps the verdict on a claim. Only what may still become this bot's stays open.
create function spaces.file_turn(p_turn spaces.turns, p_verdict jsonb, p_holder uuid, p_lease_s numeric)
returns spaces.turns language plpgsql volatile set search_path = '' as $$
declare
  v_turn spaces.turns;
  v_status constant text := p_verdict ->> 'status';
  v_is_held constant boolean := v_status = 'granted';
begin
  if v_status = 'refused' and p_turn.attempt = 0 then
    delete from spaces.turns t
    where t.room_id = p_turn.room_id and t.user_id = p_turn.user_id and t.position = p_turn.position and t.purpose = p_turn.purpose;
  elsif v_status = 'done' or (v_status = 'refused' and p_verdict ->> 'reason' not in ('muted', 'not_a_bot')) then
    -- A copy of this bot has begun it: nobody begins anew. Who may not speak any more only gives it back.
    update spaces.turns t set state = 'done', holder = null, expires_at = null, changed_at = clock_timestamp()
    where t.room_id = p_turn.room_id and t.user_id = p_turn.user_id and t.position = p_turn.position and t.purpose = p_turn.purpose
      and t.state not in ('done', 'declined');
  else
    insert into spaces.turns as t (room_id, user_id, position, purpose, message_id, state, holder, attempt, expires_at)
    values (p_turn.room_id, p_turn.user_id, p_turn.position, p_turn.purpose, p_turn.message_id,
            case when v_is_held then 'held' else 'waiting' end, case when v_is_held then p_holder end,
            p_turn.attempt + v_is_held::integer,
            case when v_is_held then clock_timestamp() + make_interval(secs => p_lease_s::double precision) end)
    on conflict (room_id, user_id, position, purpose) do update set
      state = excluded.state, holder = excluded.holder, attempt = excluded.attempt, expires_at = excluded.expires_at,
      changed_at = clock_timestamp()
    returning t.* into v_turn;
  end if;
  return v_turn;
end
$$;
revoke all on function spaces.file_turn(spaces.turns, jsonb, uuid, numeric) from public, anon, authenticated, service_role;
comment on function spaces.file_turn(spaces.turns, jsonb, uuid, numeric) is 'Writes down what became of a claim; the row, if one is kept.';

-- One claim: its answer. Read anew for each, because the one before it in the same call may have changed everything.
create function spaces.claim_turn(p_room public.rooms, p_me public.room_participants, p_holder uuid, p_claim jsonb)
returns jsonb language plpgsql volatile set search_path = '' as $$
declare
  c_operation constant text := 'claim the turns';
  v_config spaces.config;
  v_turn spaces.turns;
  v_is_known boolean;
  v_verdict jsonb := '{"status": "granted"}';
  v_answer constant jsonb := jsonb_build_object('position', p_claim -> 'position', 'purpose', p_claim -> 'purpose');
begin
  select c.* into v_config from spaces.config c;
  select t.* into v_turn from spaces.turns t
  where t.room_id = p_room.id and t.user_id = p_me.user_id
    and t.position = (p_claim ->> 'position')::bigint and t.purpose = p_claim ->> 'purpose';
  v_is_known := found;
  if not v_is_known then
    v_turn.room_id := p_room.id;
    v_turn.user_id := p_me.user_id;
    v_turn.position := (p_claim ->> 'position')::bigint;
    v_turn.purpose := p_claim ->> 'purpose';
    v_turn.message_id := coalesce(
      (select m.id from public.room_messages m where m.room_id = p_room.id and m.seq = v_turn.position),
      (select r.picked_message_id from spaces.room_turns r where r.room_id = p_room.id and r.picked_position = v_turn.position),
      (p_claim ->> 'message_id')::uuid);
    v_turn.attempt := 0;
  end if;
  if v_turn.state in ('done', 'declined') or (not v_is_known and v_turn.position > 0 and v_turn.position <= (
      select b.position from spaces.bots b where b.room_id = p_room.id and b.user_id = p_me.user_id)) then
    v_verdict := '{"status": "done"}';
  elsif v_turn.purpose = 'answer' and (p_me.kind <> 'bot' or p_me.is_muted) then
    -- Asked of who holds it, too: else it would keep the other bots waiting for as long as it likes.
    v_verdict := jsonb_build_object('status', 'refused', 'reason', case when p_me.is_muted then 'muted' else 'not_a_bot' end);
  elsif v_turn.state = 'held' and v_turn.holder = p_holder then
    -- Its lease goes on, also one that has run out and that nobody has taken; so does a lost answer come again.
    v_turn.attempt := v_turn.attempt - 1;
  elsif v_turn.state = 'held' and v_turn.expires_at > clock_timestamp() then
    return v_answer || jsonb_build_object('status', 'taken', 'retry_after_s', spaces.seconds_until(v_turn.expires_at));
  elsif v_turn.purpose = 'answer' then
    update spaces.bots b set is_silent = false where b.room_id = p_room.id and b.user_id = p_me.user_id and b.is_silent;
    v_verdict := spaces.judge_answer(p_room, p_me.user_id, v_turn);
    if v_turn.attempt = 0 and v_verdict ->> 'status' = 'granted' then
      perform spaces.spend(p_room.id, 1, 0);
      update spaces.bots b set last_turn_at = clock_timestamp() where b.room_id = p_room.id and b.user_id = p_me.user_id;
    end if;
  elsif not v_is_known and exists (
      select from spaces.turns t where t.room_id = p_room.id and t.user_id = p_me.user_id and t.purpose <> 'answer'
      offset v_config.turns_per_user - 1 limit 1) then
    perform spaces.fail('not_allowed', format('cannot %s: %s are kept for you already', c_operation, v_config.turns_per_user),
                        'Finish them and pass p_position on: what is done below it is forgotten.');
  end if;
  v_turn := spaces.file_turn(v_turn, v_verdict, p_holder, v_config.turn_lease_s);
  return v_answer || v_verdict || case when v_verdict ->> 'status' = 'granted' then jsonb_build_object(
    'turn_id', v_turn.id, 'attempt', v_turn.attempt, 'lease_s', v_config.turn_lease_s) else '{}' end;
end
$$;
revoke all on function spaces.claim_turn(public.rooms, public.room_participants, uuid, jsonb) from public, anon, authenticated, service_role;
comment on function spaces.claim_turn(public.rooms, public.room_participants, uuid, jsonb) is 'Decides one claim under the room''s lock.';

create function public.claim_turns(p_room_id uuid, p_holder uuid, p_claims jsonb, p_position bigint default null)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'claim the turns';
  v_user_id uuid := spaces.caller(c_operation);
  v_me public.room_participants;
  v_room public.rooms;
  v_claim jsonb;
  v_answers jsonb := '[]';
begin
  if p_holder is null then
    perform spaces.fail('invalid_argument', format('cannot %s: holder is missing', c_operation), 'Give a UUID that this copy of the bot has made for itself.');
  end if;
  perform spaces.check_turns(p_claims, false, c_operation);
  if spaces.take(v_user_id, 'turn', p_room_id, 'turn') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'turn', p_room_id, 'turn'));
  end if;
  perform spaces.lock_room(p_room_id, c_operation);
  v_me := spaces.require_open(p_room_id, v_user_id, c_operation);
  perform spaces.require_entered(p_room_id, v_user_id, p_claims, c_operation);
  select r.* into v_room from public.rooms r where r.id = p_room_id;
  for v_claim in select e.value from jsonb_array_elements(p_claims) with ordinality e (value, n) order by e.n loop
    v_answers := v_answers || spaces.claim_turn(v_room, v_me, p_holder, v_claim);
  end loop;
  perform spaces.move_position(p_room_id, v_user_id, p_position, c_operation);
  perform spaces.tell_budget(v_room, spaces.turn_rules_of(v_room.settings));
  return jsonb_build_object('ok', true, 'turns', v_answers);
end
$$;
revoke all on function public.claim_turns(uuid, uuid, jsonb, bigint) from public, anon, authenticated, service_role;
grant execute on function public.claim_turns(uuid, uuid, jsonb, bigint) to authenticated, service_role;
comment on function public.claim_turns(uuid, uuid, jsonb, bigint) is
  'Asks for pieces of work, and keeps what the same holder has; one answer each. p_position: all up to there is claimed or done.';

-- Whose turn it is to answer a message. All of it under the room's lock, and by the settings of that moment.

-- Null, or why a bot does not answer a message.
create function spaces.answer_problem(
  p_rules spaces.turn_rules, p_user_id uuid, p_message public.room_messages, p_mentioned uuid[]
) returns text language plpgsql stable set search_path = '' as $$
begin
  return case
    when p_message.id is null or p_message.status = 'deleted' then 'gone'
    when p_message.sender_kind = 'system' then 'system'
    when p_message.user_id = p_user_id then 'own'
    when p_message.status <> 'final' then 'not_final'
    -- Who has answered it is known for a day (spaces.purge).
    when p_message.created_at < clock_timestamp() - interval '1 day' then 'too_old'
    when p_rules.mode = 'host_picks' then 'mode'
    when (p_rules.mode = 'mention' or p_mentioned <> '{}') and not p_user_id = any (p_mentioned) then 'not_mentioned'
    when spaces.message_depth(p_message) > p_rules.depth then 'depth'
  end;
end
$$;
revoke all on function spaces.answer_problem(spaces.turn_rules, uuid, public.room_messages, uuid[]) from public, anon, authenticated, service_role;
comment on function spaces.answer_problem(spaces.turn_rules, uuid, public.room_messages, uuid[]) is 'Why a bot does not answer a message, or null.';

create function spaces.cooldown_left_s(p_room_id uuid, p_user_id uuid, p_rules spaces.turn_rules)
returns double precision language plpgsql stable set search_path = '' as $$
begin
  return coalesce((
    select greatest(0, p_rules.cooldown_s - extract(epoch from clock_timestamp() - greatest(b.last_turn_at, b.last_done_at)))
    from spaces.bots b where b.room_id = p_room_id and b.user_id = p_user_id), 0);
end
$$;
revoke all on function spaces.cooldown_left_s(uuid, uuid, spaces.turn_rules) from public, anon, authenticated, service_role;
comment on function spaces.cooldown_left_s(uuid, uuid, spaces.turn_rules) is 'Seconds until a bot may answer again.';

-- Who has waited longest of those who would take the turn; who let it pass comes after all others. Who asks is there,
-- whatever the leases say. Their account is held, because a row of theirs is about to be written; one that is being deleted is passed over.
create function spaces.next_bot(
  p_user_id uuid, p_rules spaces.turn_rules, p_message public.room_messages, p_mentioned uuid[]
) returns uuid language plpgsql volatile set search_path = '' as $$
declare
  v_next uuid;
begin
  select u.id into v_next
  from public.room_participants p
  join auth.users u on u.id = p.user_id
  left join spaces.bots b on b.room_id = p.room_id and b.user_id = p.user_id
  left join spaces.turns t on t.room_id = p.room_id and t.user_id = p.user_id and t.position = p_message.seq and t.purpose = 'answer'
  where p.room_id = p_message.room_id and p.status = 'active' and p.kind = 'bot' and not p.is_muted
    and p.user_id is distinct from p_message.user_id
    and t.state is distinct from 'declined'
    and (p_mentioned = '{}' or p.user_id = any (p_mentioned))
    and (p.user_id = p_user_id or (
      b.takes_turns and not b.is_silent and spaces.has_live_lease(p.room_id, p.user_id)
      and (b.position < p_message.seq or coalesce(t.state = 'waiting', false)))) -- else it is past this message, and asks no more
    and spaces.cooldown_left_s(p.room_id, p.user_id, p_rules) = 0
  order by t.passed_at nulls first, b.last_turn_at nulls first, p.joined_at, p.id
  limit 1 for key share of u skip locked;
  return v_next;
end
$$;
revoke all on function spaces.next_bot(uuid, spaces.turn_rules, public.room_messages, uuid[]) from public, anon, authenticated, service_role;
comment on function spaces.next_bot(uuid, spaces.turn_rules, public.room_messages, uuid[]) is 'Whose turn a message is in round_robin; null when all of them rest.';

-- Where one bot answers: {"status": "done"} when another one has, {"status": "taken", …} while another one does, else null: the
-- turns that others have let pass are taken away from them.
create function spaces.settle_rivals(p_room_id uuid, p_user_id uuid, p_position bigint)
returns jsonb language plpgsql volatile set search_path = '' as $$
declare
  v_is_done boolean;
  v_until timestamptz;
  v_lapsed uuid[];
begin
  select bool_or(t.state = 'done'), max(t.expires_at) filter (where t.expires_at > clock_timestamp()),
         array_agg(t.user_id) filter (where t.expires_at <= clock_timestamp())
    into v_is_done, v_until, v_lapsed
  from spaces.turns t
  where t.room_id = p_room_id and t.position = p_position and t.purpose = 'answer' and t.user_id <> p_user_id;
  if v_is_done then
    return '{"status": "done"}';
  elsif v_until is not null then
    return jsonb_build_object('status', 'taken', 'retry_after_s', spaces.seconds_until(v_until));
  elsif not spaces.try_hold_accounts(v_lapsed) then -- somebody's account is being deleted: their claim goes with it, or stays
    return '{"status": "taken", "retry_after_s": 1}';
  end if;
  update spaces.turns t
  set state = 'waiting', holder = null, expires_at = null, passed_at = clock_timestamp(), changed_at = clock_timestamp()
  where t.room_id = p_room_id and t.position = p_position and t.purpose = 'answer' and t.user_id = any (v_lapsed);
  update spaces.bots b set is_silent = true where b.room_id = p_room_id and b.user_id = any (v_lapsed);
  return null;
end
$$;
revoke all on function spaces.settle_rivals(uuid, uuid, bigint) from public, anon, authenticated, service_role;
comment on function spaces.settle_rivals(uuid, uuid, bigint) is 'What another bot has made of a message that one bot answers; null when it is free.';

create function spaces.seconds_until(p_at timestamptz)
returns numeric language plpgsql volatile set search_path = '' as $$
begin
  return greatest(0.001, ceil(extract(epoch from p_at - clock_timestamp()) * 1000) / 1000);
end
$$;
revoke all on function spaces.seconds_until(timestamptz) from public, anon, authenticated, service_role;
comment on function spaces.seconds_until(timestamptz) is 'How long to wait for a time, in seconds, rounded up.';

-- The verdict on a claim of the room's turn that nobody of the same bot holds: status, and reason or retry_after_s.
-- p_turn is what is known of it; with an attempt before this one, who answers was decided then, and it is counted already.
create function spaces.judge_answer(p_room public.rooms, p_user_id uuid, p_turn spaces.turns)
returns jsonb language plpgsql volatile set search_path = '' as $$
declare
  v_rules spaces.turn_rules := spaces.turn_rules_of(p_room.settings);
  v_is_new boolean := p_turn.attempt = 0;
  v_is_offered boolean := coalesce(p_turn.state = 'offered' and p_turn.expires_at > clock_timestamp(), false);
  v_message public.room_messages;
  v_mentioned uuid[] := '{}';
  v_problem text;
  v_verdict jsonb;
  v_wait_s double precision := 0;
  v_next uuid := p_user_id;
  v_offer_s numeric := (select c.turn_offer_s from spaces.config c);
begin
  select m.* into v_message from public.room_messages m where m.room_id = p_room.id and m.seq = p_turn.position;
  if not found then
    v_problem := spaces.pick_problem(p_turn);
  else
    if v_is_new then
      v_mentioned := spaces.mentioned_bots(v_message);
      v_problem := spaces.answer_problem(v_rules, p_user_id, v_message, v_mentioned);
    elsif v_message.status = 'deleted' then
      v_problem := 'gone';
    end if;
    -- What another bot has taken away from this one is that one's in every mode.
    if v_problem is null and (v_rules.mode in ('first', 'round_robin') or (not v_is_new and p_turn.passed_at is not null)) then
      v_verdict := spaces.settle_rivals(p_room.id, p_user_id, p_turn.position);
    end if;
  end if;
  if v_problem is null and v_verdict is null and v_is_new and spaces.is_spent(p_room.id, v_rules) then
    v_problem := 'budget';
  end if;
  if v_problem is not null then
    return jsonb_build_object('status', 'refused', 'reason', v_problem);
  elsif v_verdict is null and v_is_new and not v_is_offered and v_message.id is not null then
    v_wait_s := spaces.cooldown_left_s(p_room.id, p_user_id, v_rules);
    if v_rules.mode = 'round_robin' then
      v_next := spaces.next_bot(p_user_id, v_rules, v_message, v_mentioned);
    end if;
    if v_wait_s > 0 and (v_next is null or v_next = p_user_id) then
      return jsonb_build_object('status', 'later', 'reason', 'cooldown', 'retry_after_s', ceil(v_wait_s * 1000) / 1000);
    elsif v_next is distinct from p_user_id then
      insert into spaces.turns as t (room_id, user_id, position, purpose, message_id, state, expires_at)
      values (p_room.id, v_next, p_turn.position, 'answer', v_message.id, 'offered',
              clock_timestamp() + make_interval(secs => v_offer_s::double precision))
      on conflict (room_id, user_id, position, purpose) do update set
        state = excluded.state, expires_at = excluded.expires_at, changed_at = clock_timestamp();
      return jsonb_build_object('status', 'taken', 'retry_after_s', v_offer_s);
    end if;
  end if;
  return coalesce(v_verdict, '{"status": "granted"}');
end
$$;
revoke all on function spaces.judge_answer(public.rooms, uuid, spaces.turns) from public, anon, authenticated, service_role;
comment on function spaces.judge_answer(public.rooms, uuid, spaces.turns) is
  'Whether a bot may answer now what it claims; in round_robin it offers the turn to whose it is.';

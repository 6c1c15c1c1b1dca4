-- What all bots of a room may use up in a day, and how the room shows that it is used up.

create function spaces.utc_day()
returns date language plpgsql stable set search_path = '' as $$
begin
  return (clock_timestamp() at time zone 'UTC')::date;
end
$$;
revoke all on function spaces.utc_day() from public, anon, authenticated, service_role;
comment on function spaces.utc_day() is 'Today, in UTC.';

create function spaces.spend(p_room_id uuid, p_messages integer, p_tokens bigint)
returns void language plpgsql volatile set search_path = '' as $$
begin
  insert into spaces.room_turns as t (room_id, day, messages, tokens) values (p_room_id, spaces.utc_day(), greatest(0, p_messages), p_tokens)
  on conflict (room_id) do update set
    day = excluded.day,
    messages = greatest(0, case when t.day = excluded.day then t.messages else 0 end + p_messages),
    tokens = case when t.day = excluded.day then t.tokens else 0 end + excluded.tokens;
end
$$;
revoke all on function spaces.spend(uuid, integer, bigint) from public, anon, authenticated, service_role;
comment on function spaces.spend(uuid, integer, bigint) is 'Counts what bots have used in a room today, or have not used after all.';

create function spaces.is_spent(p_room_id uuid, p_rules spaces.turn_rules)
returns boolean language plpgsql stable set search_path = '' as $$
declare
  v_used spaces.room_turns;
begin
  select t.* into v_used from spaces.room_turns t where t.room_id = p_room_id and t.day = spaces.utc_day();
  return coalesce(v_used.messages, 0) >= p_rules.messages_per_day
    or coalesce(coalesce(v_used.tokens, 0) >= p_rules.tokens_per_day, false);
end
$$;
revoke all on function spaces.is_spent(uuid, spaces.turn_rules) from public, anon, authenticated, service_role;
comment on function spaces.is_spent(uuid, spaces.turn_rules) is 'Whether the bots of a room have used up their day.';

-- Says in the state how it is; true when that has changed, and then the caller takes the step that tells of it.
create function spaces.settle_budget(p_room_id uuid, p_rules spaces.turn_rules)
returns boolean language plpgsql volatile set search_path = '' as $$
declare
  v_resume_at timestamptz := case when spaces.is_spent(p_room_id, p_rules)
    then (spaces.utc_day() + 1)::timestamp at time zone 'UTC' end;
begin
  if v_resume_at is not distinct from (select t.bots_resume_at from spaces.room_turns t where t.room_id = p_room_id) then
    return false;
  end if;
  insert into spaces.room_turns as t (room_id, bots_resume_at) values (p_room_id, v_resume_at)
  on conflict (room_id) do update set bots_resume_at = excluded.bots_resume_at;
  return true;
end
$$;
revoke all on function spaces.settle_budget(uuid, spaces.turn_rules) from public, anon, authenticated, service_role;
comment on function spaces.settle_budget(uuid, spaces.turn_rules) is 'Keeps bots_resume_at true to what is used up; whether it has changed.';

create function spaces.tell_budget(p_room public.rooms, p_rules spaces.turn_rules)
returns void language plpgsql volatile set search_path = '' as $$
begin
  if spaces.settle_budget(p_room.id, p_rules) then
    perform spaces.step(p_room.id, 'room:state-updated', jsonb_build_object('state', spaces.state_json(p_room)));
  end if;
end
$$;
revoke all on function spaces.tell_budget(public.rooms, spaces.turn_rules) from public, anon, authenticated, service_role;
comment on function spaces.tell_budget(public.rooms, spaces.turn_rules) is 'Settles the budget, and takes the one step that says so when it has changed.';

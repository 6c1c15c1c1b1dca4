-- Token buckets. They are the first lock of every call; what they count is not undone, because a limit
-- is an answer and not an exception. Unlogged: after a crash all start full, and nothing waits for the disk.
-- No index beside the key: each update then stays in its page.
create unlogged table spaces.rate_buckets (
  user_id uuid not null,
  action text not null,
  room_id uuid not null,
  tokens double precision not null,
  taken integer not null,
  refilled_at timestamptz not null,
  constraint rate_buckets_pkey primary key (user_id, action, room_id)
) with (fillfactor = 50, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);
alter table spaces.rate_buckets enable row level security;
revoke all on table spaces.rate_buckets from public, anon, authenticated, service_role;
comment on table spaces.rate_buckets is
  'What is left of each limit. One row a user and room for send, signal and moderation: one a user would make a bot wait for itself.';
comment on column spaces.rate_buckets.user_id is 'All zeros for what all users of a room share.';
comment on column spaces.rate_buckets.room_id is 'All zeros for what does not belong to a room.';
comment on column spaces.rate_buckets.taken is 'How many the last call got.';

create function spaces.nil_uuid()
returns uuid language sql immutable set search_path = '' as $$ select '00000000-0000-0000-0000-000000000000'::uuid $$;
revoke all on function spaces.nil_uuid() from public, anon, authenticated, service_role;
comment on function spaces.nil_uuid() is 'Stands for "all users" or "no room" in the key of a bucket.';

-- Takes up to p_wanted tokens and answers how many it got. A limit without a row does not limit. A missing room
-- is let pass: the lock that follows says that there is none, and so undoes the count.
create function spaces.take(p_user_id uuid, p_action text, p_room_id uuid, p_limit text, p_wanted integer default 1)
returns integer language plpgsql set search_path = '' as $$
declare
  v_now timestamptz := clock_timestamp();
  v_room_id uuid := coalesce(p_room_id, spaces.nil_uuid());
  v_capacity integer;
  v_refill double precision;
  v_taken integer;
begin
  select l.capacity, l.refill_per_s into v_capacity, v_refill from spaces.limits l where l.action = p_limit;
  if not found then
    return p_wanted;
  end if;
  -- Nearly always the bucket is there, and an update costs half of an upsert.
  loop
    update spaces.rate_buckets b set
      tokens = least(v_capacity, b.tokens + v_refill * greatest(0, extract(epoch from v_now - b.refilled_at)))
        - least(p_wanted, floor(least(v_capacity, b.tokens + v_refill * greatest(0, extract(epoch from v_now - b.refilled_at))))),
      taken = least(p_wanted, floor(least(v_capacity, b.tokens + v_refill * greatest(0, extract(epoch from v_now - b.refilled_at))))),
      refilled_at = greatest(b.refilled_at, v_now)
    where b.user_id = p_user_id and b.action = p_action and b.room_id = v_room_id
    returning b.taken into v_taken;
    exit when found;
    insert into spaces.rate_buckets (user_id, action, room_id, tokens, taken, refilled_at)
    values (p_user_id, p_action, v_room_id, v_capacity - least(p_wanted, v_capacity), least(p_wanted, v_capacity), v_now)
    on conflict (user_id, action, room_id) do nothing -- made at this moment
    returning taken into v_taken;
    exit when found;
  end loop;
  return v_taken;
end
$$;
revoke all on function spaces.take(uuid, text, uuid, text, integer) from public, anon, authenticated, service_role;
comment on function spaces.take(uuid, text, uuid, text, integer) is 'Takes tokens from a bucket; answers how many it got.';

-- Puts a token back: a look-up that found its room was no miss.
create function spaces.give_back(p_user_id uuid, p_action text, p_room_id uuid, p_limit text)
returns void language plpgsql set search_path = '' as $$
begin
  update spaces.rate_buckets b set tokens = least(l.capacity, b.tokens + 1)
  from spaces.limits l
  where l.action = p_limit and b.user_id = p_user_id and b.action = p_action and b.room_id = p_room_id;
end
$$;
revoke all on function spaces.give_back(uuid, text, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.give_back(uuid, text, uuid, text) is 'Puts one token back into a bucket.';

-- Seconds until a bucket holds a whole token again; 0 when it does.
create function spaces.retry_after_s(p_user_id uuid, p_action text, p_room_id uuid, p_limit text)
returns numeric language plpgsql volatile set search_path = '' as $$
declare
  v_missing double precision;
  v_refill double precision;
begin
  select 1 - (b.tokens + l.refill_per_s * greatest(0, extract(epoch from clock_timestamp() - b.refilled_at))), l.refill_per_s
    into v_missing, v_refill
  from spaces.rate_buckets b join spaces.limits l on l.action = p_limit
  where b.user_id = p_user_id and b.action = p_action and b.room_id = p_room_id;
  if not found or v_missing <= 0 then
    return 0;
  end if;
  return ceil((v_missing / v_refill)::numeric * 1000) / 1000;
end
$$;
revoke all on function spaces.retry_after_s(uuid, text, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.retry_after_s(uuid, text, uuid, text) is 'Seconds until a bucket holds a whole token.';

-- The bucket of all users together for codes that led nowhere. It is a sequence, because no rollback undoes one: the
-- REST API lets a caller filter an answer, and a filter that fails on misses alone would take back every miss. Its unit is
-- a token: a bucket that is empty stands at `now` (seconds of the epoch times tokens a second), a full one a capacity below.
create sequence spaces.code_misses minvalue -4611686018427387904;
revoke all on sequence spaces.code_misses from public, anon, authenticated, service_role;
comment on sequence spaces.code_misses is 'How far the codes that led nowhere have used up what all users together may try.';

-- Seconds until one more miss is allowed; 0 when it is. With p_count it counts one, allowed or not.
create function spaces.code_miss_wait_s(p_count boolean)
returns numeric language plpgsql volatile set search_path = '' as $$
declare
  v_capacity integer;
  v_refill numeric;
  v_now numeric;
  v_at bigint;
begin
  select l.capacity, l.refill_per_s into v_capacity, v_refill from spaces.limits l where l.action = 'code_miss_all';
  if not found then
    return 0;
  end if;
  v_now := extract(epoch from clock_timestamp()) * v_refill;
  select s.last_value into v_at from spaces.code_misses s;
  -- Below: full for a while already. Far above: the limit or the clock was changed, and it starts full again.
  if v_at not between floor(v_now) - v_capacity and floor(v_now) + v_capacity then
    if not p_count then
      return 0;
    end if;
    -- One at a time, or else whoever comes second takes back what the first has counted since. Counting is the last that a
    -- call does: nobody waits for another lock while holding this one.
    perform pg_advisory_xact_lock(hashtextextended('spaces:code_misses', 0));
    select s.last_value into v_at from spaces.code_misses s;
    if v_at not between floor(v_now) - v_capacity and floor(v_now) + v_capacity then
      perform pg_catalog.setval('spaces.code_misses', (floor(v_now) - v_capacity)::bigint);
    end if;
  end if;
  if p_count then
    v_at := pg_catalog.nextval('spaces.code_misses');
  end if;
  return ceil(greatest(0, v_at + 1 - v_now) / v_refill * 1000) / 1000;
end
$$;
revoke all on function spaces.code_miss_wait_s(boolean) from public, anon, authenticated, service_role;
comment on function spaces.code_miss_wait_s(boolean) is 'Seconds until all users together may try another code; counts a miss that no rollback undoes.';

-- The answer of a call that is over its limit. An answer, because an exception would undo the count.
create function spaces.rate_limited(p_operation text, p_retry_after_s numeric)
returns jsonb language plpgsql immutable set search_path = '' as $$
begin
  return jsonb_build_object(
    'ok', false, 'code', 'rate_limited', 'retry_after_s', greatest(p_retry_after_s, 0.001),
    'message', format('cannot %s: too many calls', p_operation),
    'hint', format('Wait %s s before the next try.', greatest(p_retry_after_s, 0.001)));
end
$$;
revoke all on function spaces.rate_limited(text, numeric) from public, anon, authenticated, service_role;
comment on function spaces.rate_limited(text, numeric) is 'The scalar answer of a call over its limit.';

-- What measures, inside the database: a client's round trips would hide the differences.
create schema bench;
grant usage on schema bench to public;

create function bench.id(p_kind text, p_n bigint) returns uuid language sql immutable as $$ select md5(p_kind || p_n)::uuid $$;

create function bench.code(p_n bigint) returns text language sql immutable as $$
  select string_agg(substr('ABCDEFGHJKLMNPQRSTUVWXYZ23456789', ((p_n >> (5 * k)) & 31)::integer + 1, 1), '') from generate_series(0, 5) k
$$;

-- The signed-in user of this transaction, as the REST API tells it.
create function bench.be(p_user_id uuid) returns void language plpgsql as $$
begin
  perform set_config('request.jwt.claims', jsonb_build_object('sub', p_user_id, 'role', 'authenticated', 'aud', 'authenticated')::text, true);
end
$$;

-- Runs a statement with $1 = number of the round, each round in a transaction of its own; answers microseconds of each.
-- As a role, because row level security spares the superuser. Undone, each round finds what the one before has found.
create procedure bench.measure(
  p_statement text, p_user_id uuid, p_from integer, p_rounds integer, p_role text, p_is_undone boolean, inout p_us double precision[])
language plpgsql as $$
declare
  v_started timestamptz;
begin
  p_us := '{}';
  for n in p_from .. p_from + p_rounds - 1 loop
    perform bench.be(p_user_id);
    perform set_config('role', p_role, true);
    v_started := clock_timestamp();
    execute p_statement using n;
    p_us := p_us || extract(epoch from clock_timestamp() - v_started)::double precision * 1e6;
    if p_is_undone then rollback; else commit; end if;
  end loop;
end
$$;

-- Sends for some seconds, from one user into rooms in turn, a transaction each time; answers how many messages.
create procedure bench.send(p_how text, p_user_id uuid, p_rooms uuid[], p_seconds double precision, inout p_sent bigint)
language plpgsql as $$
declare
  v_until timestamptz := clock_timestamp() + make_interval(secs => p_seconds);
  v_room_id uuid;
  v_batch constant jsonb := (select jsonb_agg(jsonb_build_object('content', 'A message of about sixty bytes, as people write them.'))
                             from generate_series(1, 20));
begin
  p_sent := 0;
  while clock_timestamp() < v_until loop
    v_room_id := p_rooms[1 + floor(random() * cardinality(p_rooms))::integer];
    perform bench.be(p_user_id);
    if p_how = 'one' then
      perform public.insert_message(v_room_id, 'A message of about sixty bytes, as people write them.', p_id => gen_random_uuid());
      p_sent := p_sent + 1;
    elsif p_how = 'batch' then
      perform public.insert_messages(v_room_id, v_batch);
      p_sent := p_sent + 20;
    elsif p_how = 'bare' then
      insert into public.room_messages (room_id, user_id, message_type, content, seq, revision, display_name, sender_kind)
      values (v_room_id, p_user_id, 'user_text', 'A message of about sixty bytes, as people write them.',
              nextval('bench.seq'), currval('bench.seq'), 'Person', 'human');
      p_sent := p_sent + 1;
    else -- a bare insert, a counter and a broadcast: what no design with an order and live events can do without
      update spaces.room_heads set head = head + 1 where room_id = v_room_id;
      insert into public.room_messages (room_id, user_id, message_type, content, seq, revision, display_name, sender_kind)
      select v_room_id, p_user_id, 'user_text', 'A message of about sixty bytes, as people write them.', head, head, 'Person', 'human'
      from spaces.room_heads where room_id = v_room_id;
      perform realtime.send('{"message": {"content": "A message of about sixty bytes, as people write them."}}', 'room:message-received',
                            'spaces:' || v_room_id || ':1', true);
      p_sent := p_sent + 1;
    end if;
    commit;
  end loop;
end
$$;
create sequence bench.seq start 1000000000;

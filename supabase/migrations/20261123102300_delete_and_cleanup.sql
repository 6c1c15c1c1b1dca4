-- The end of rooms: by their host, or by the hourly job. The lock of the room comes first here too.

create function public.delete_room(p_room_id uuid)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'delete the room';
  c_rows constant bigint := 2000;
  v_user_id uuid := spaces.caller(c_operation);
  v_head spaces.room_heads;
begin
  if spaces.take(v_user_id, 'moderation', p_room_id, 'moderation') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'moderation', p_room_id, 'moderation'));
  end if;
  v_head := spaces.lock_room(p_room_id, c_operation);
  perform spaces.require_host(p_room_id, v_user_id, c_operation);
  perform spaces.hold_accounts_of_room(p_room_id);
  perform spaces.record_act(p_room_id, v_user_id, 'delete_room');
  perform spaces.dissolve_room(v_head);
  -- What was said in years goes in batches: no call is to run into the API's time limit.
  if (spaces.empty_room(p_room_id, c_rows) ->> 'is_empty')::boolean then
    delete from public.rooms r where r.id = p_room_id;
  end if;
  return jsonb_build_object('ok', true);
end
$$;
revoke all on function public.delete_room(uuid) from public, anon, authenticated, service_role;
grant execute on function public.delete_room(uuid) to authenticated, service_role;
comment on function public.delete_room(uuid) is
  'Deletes a room of the caller; its sessions are told first. A large one is gone for everybody at once, and its rows by the next clean-ups.';

-- Without a head, a host and participants nobody reads, enters or changes the room any more: each call says that there is none.
create function spaces.dissolve_room(p_head spaces.room_heads)
returns void language plpgsql volatile set search_path = '' as $$
begin
  perform spaces.publish(p_head.room_id, p_head.epoch, 'room:deleted', jsonb_build_object('head', p_head.head));
  update spaces.connections c set ended_at = clock_timestamp() where c.room_id = p_head.room_id and c.ended_at is null;
  delete from spaces.admissions a where a.room_id = p_head.room_id;
  delete from spaces.streams s where s.room_id = p_head.room_id;
  delete from public.room_participants p where p.room_id = p_head.room_id;
  delete from spaces.room_heads h where h.room_id = p_head.room_id;
  update public.rooms r set host_user_id = null, is_active = false, visibility = 'private' where r.id = p_head.room_id;
end
$$;
revoke all on function spaces.dissolve_room(spaces.room_heads) from public, anon, authenticated, service_role;
comment on function spaces.dissolve_room(spaces.room_heads) is
  'Publishes room:deleted and takes everybody''s access; under the lock, and with the accounts of all held. The rows of the room are still to be deleted.';

-- What nobody needs any more and what belongs to no room's lock. Rows that somebody holds are left for the next run.
-- By place (ctid): a plan by key would read a whole table for the few rows. And by times that are read before: a condition on
-- clock_timestamp() uses no index.
create function spaces.purge()
returns void language plpgsql volatile set search_path = '' as $$
declare
  c_window constant integer := 100;
  v_now constant timestamptz := clock_timestamp();
  v_a_day_ago constant timestamptz := v_now - interval '1 day';
  v_audit_ends constant timestamptz := v_now - make_interval(secs => (select c.audit_s from spaces.config c)::double precision);
  v_pages bigint := pg_relation_size('spaces.rate_buckets') / current_setting('block_size')::bigint;
  v_page bigint;
  v_deleted integer;
begin
  delete from spaces.connections c where c.ctid = any (array(
    select o.ctid from spaces.connections o where o.ended_at < v_a_day_ago limit 20000 for update skip locked));
  delete from spaces.admissions a where a.ctid = any (array(
    select o.ctid from spaces.admissions o where o.expires_at < v_now limit 20000 for update skip locked));
  delete from spaces.audit a where a.ctid = any (array(
    select o.ctid from spaces.audit o where o.created_at < v_audit_ends
    order by o.created_at limit 20000 for update skip locked));
  -- A bucket that was left alone for a day is full. No index finds those: it would cost each call that counts. So this looks
  -- at a hundred pages somewhere, and at more of them as long as there is much to delete.
  for i in 1 .. 20 loop
    v_page := greatest(0, floor(random() * (v_pages + c_window)) - c_window);
    v_page := case when v_pages > c_window then v_page else 0 end;
    delete from spaces.rate_buckets b where b.ctid = any (array(
      select o.ctid from spaces.rate_buckets o
      where o.ctid >= format('(%s,0)', v_page)::tid and o.ctid < format('(%s,0)', v_page + c_window)::tid
        and o.refilled_at < v_a_day_ago
      for update skip locked));
    get diagnostics v_deleted = row_count;
    exit when v_deleted < 1000;
  end loop;
  perform spaces.purge_invitations();
  -- Nobody claims a message of yesterday any more (spaces.answer_problem), so nobody asks who has answered it.
  delete from spaces.turns t where t.ctid = any (array(
    select o.ctid from spaces.turns o where o.created_at < v_a_day_ago and o.changed_at < v_a_day_ago limit 20000 for update skip locked));
end
$$;
revoke all on function spaces.purge() from public, anon, authenticated, service_role;
comment on function spaces.purge() is 'Deletes ended leases, old admissions, full buckets, old records of moderation, dead invitations and turns of yesterday, in batches.';

-- Deletes rows of a room, newest messages first, until nothing is left or the budget is used up. It passes over what somebody
-- holds: only the deletion of an account does, and waiting for that with so many rows in hand could close a ring.
-- Without sequential scans: where a table has grown since it was analysed last, one would be made for each row.
create function spaces.empty_room(p_room_id uuid, p_budget bigint)
returns jsonb language plpgsql volatile set search_path = '' set enable_seqscan = off as $$
declare
  v_left bigint := p_budget;
  v_messages bigint;
  v_deleted bigint;
  v_table text;
  v_is_empty boolean := true;
  v_has_rows boolean;
begin
  foreach v_table in array array['public.room_message_reactions', 'public.room_messages', 'spaces.admissions', 'spaces.invitations',
                                 'spaces.bans', 'spaces.former_participants', 'spaces.turns', 'public.room_participants'] loop
    if v_table = 'public.room_messages' then
      -- With a message go the references of its replies, which are newer: nobody may hold one of those either.
      if not spaces.try_hold_accounts(array(
          select m.user_id from public.room_messages m where m.room_id = p_room_id order by m.seq desc limit v_left)) then
        return jsonb_build_object('messages', 0, 'left', v_left, 'is_empty', false);
      end if;
    end if;
    execute format(
      'with batch as materialized (
         select y.ctid as at from %1$s y where y.room_id = $1 %2$s limit $2 for update skip locked
       ), gone as (
         delete from %1$s x using batch b where x.ctid = b.at returning 1)
       select count(*) from gone',
      v_table, case when v_table = 'public.room_messages' then 'order by y.seq desc' else '' end)
      into v_deleted using p_room_id, v_left;
    execute format('select exists (select from %s y where y.room_id = $1)', v_table) into v_has_rows using p_room_id;
    v_left := v_left - v_deleted;
    if v_table = 'public.room_messages' then
      v_messages := v_deleted;
    end if;
    if v_has_rows then
      v_is_empty := false;
      exit;
    end if;
  end loop;
  return jsonb_build_object('messages', coalesce(v_messages, 0), 'left', v_left, 'is_empty', v_is_empty);
end
$$;
revoke all on function spaces.empty_room(uuid, bigint) from public, anon, authenticated, service_role;
comment on function spaces.empty_room(uuid, bigint) is 'Deletes up to so many rows of a room under its lock; says how many messages, what is left of the budget, and whether the room is empty.';

-- Deletes closed rooms and those without activity for longer than they are kept. In batches, so that no call is long
-- and no room waits: at most 20 rooms and 20,000 rows in them, none that somebody holds, none with a live lease.
create function public.cleanup_inactive_rooms()
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_rooms constant integer := 20;
  v_now constant timestamptz := clock_timestamp();
  v_budget bigint := 20000;
  v_room_ids uuid[];
  v_room_id uuid;
  v_head spaces.room_heads;
  v_room public.rooms;
  v_emptied jsonb;
  v_rooms_deleted integer := 0;
  v_messages_deleted bigint := 0;
  v_has_more boolean;
begin
  -- Two questions, an index for each. Times of this shape, because an index takes no sum that depends on the time zone.
  select array_agg(x.id) into v_room_ids from (
    (select r.id from public.rooms r
     where not r.is_active and spaces.live_user_count(r.id) = 0
     order by r.last_activity limit c_rooms + 1)
    union all
    (select r.id from public.rooms r
     where r.is_active and timezone('UTC', r.last_activity) + r.expires_after < timezone('UTC', v_now)
       and spaces.live_user_count(r.id) = 0
     order by timezone('UTC', r.last_activity) + r.expires_after limit c_rooms + 1)
    limit c_rooms + 1) x;
  v_has_more := coalesce(cardinality(v_room_ids), 0) > c_rooms;
  -- By ascending id, as everybody who locks several rooms does.
  for v_room_id in select i.id from unnest(v_room_ids[1:c_rooms]) i (id) order by i.id loop
    select h.* into v_head from spaces.room_heads h where h.room_id = v_room_id for no key update skip locked;
    -- Without a head it was deleted already, and its rows are all that is left.
    if not found and exists (select from spaces.room_heads h where h.room_id = v_room_id) then
      v_has_more := true;
      continue;
    end if;
    -- A heartbeat extends without the room's lock: wait for those under way, and count in a later statement.
    if not spaces.try_hold_accounts(array(
        select c.user_id from spaces.connections c where c.room_id = v_room_id and c.ended_at is null)) then
      v_has_more := true;
      continue;
    end if;
    perform from spaces.connections c where c.room_id = v_room_id and c.ended_at is null for no key update;
    select r.* into v_room from public.rooms r
    where r.id = v_room_id and (not r.is_active or r.last_activity < clock_timestamp() - r.expires_after);
    continue when not found or spaces.live_user_count(v_room_id) > 0; -- somebody came back meanwhile
    v_emptied := spaces.empty_room(v_room_id, v_budget);
    v_budget := (v_emptied ->> 'left')::bigint;
    v_messages_deleted := v_messages_deleted + (v_emptied ->> 'messages')::bigint;
    perform from public.rooms r where r.id = v_room_id for update skip locked;
    if not found then
      v_has_more := true;
    elsif (v_emptied ->> 'is_empty')::boolean then
      if v_head.room_id is not null then
        perform spaces.publish(v_room_id, v_head.epoch, 'room:deleted', jsonb_build_object('head', v_head.head));
      end if;
      update spaces.connections c set ended_at = clock_timestamp() where c.room_id = v_room_id and c.ended_at is null;
      delete from public.rooms r where r.id = v_room_id;
      v_rooms_deleted := v_rooms_deleted + 1;
    else
      -- Half empty: closed and without a host, so that nobody comes in or opens it again before the next run.
      v_has_more := true;
      if v_head.room_id is not null and (v_room.is_active or v_room.host_user_id is not null) then
        update public.rooms r set is_active = false, host_user_id = null where r.id = v_room_id returning r.* into v_room;
        perform spaces.step(v_room_id, 'room:state-updated', jsonb_build_object('state', spaces.state_json(v_room)));
      end if;
    end if;
    exit when v_budget <= 0;
  end loop;
  perform spaces.purge();
  return jsonb_build_object('rooms_deleted', v_rooms_deleted, 'messages_deleted', v_messages_deleted,
                            'has_more', v_has_more or v_budget <= 0);
end
$$;
revoke all on function public.cleanup_inactive_rooms() from public, anon, authenticated, service_role;
grant execute on function public.cleanup_inactive_rooms() to service_role;
comment on function public.cleanup_inactive_rooms() is
  'Deletes closed and forgotten rooms, in batches; call it again while has_more is true.';

-- For pg_cron: the rooms in which nobody's heartbeat does it.
create function spaces.sweep_rooms()
returns integer language plpgsql volatile set search_path = '' as $$
declare
  v_room_id uuid;
  v_gone integer := 0;
begin
  for v_room_id in
    select x.room_id from (
      select c.room_id from spaces.connections c where c.ended_at is null and c.expires_at <= clock_timestamp()
      union
      select s.room_id from spaces.streams s where s.expires_at <= clock_timestamp()
      union
      select d.room_id from spaces.departures d
      limit 20) x
    order by x.room_id
  loop
    perform from spaces.room_heads h where h.room_id = v_room_id for no key update skip locked;
    if found then
      v_gone := v_gone + spaces.sweep_room(v_room_id);
    elsif not exists (select from spaces.room_heads h where h.room_id = v_room_id) then
      update spaces.connections c set ended_at = clock_timestamp() where c.room_id = v_room_id and c.ended_at is null;
      delete from spaces.departures d where d.room_id = v_room_id;
    end if;
  end loop;
  return v_gone;
end
$$;
revoke all on function spaces.sweep_rooms() from public, anon, authenticated, service_role;
comment on function spaces.sweep_rooms() is
  'Takes offline those whose leases have run out and stops forsaken streams, in up to 20 rooms; answers how many went.';

-- The rooms of a user, and the rooms that anybody may join.

-- Newest first, by a time that never changes: a page does not shift, whatever happens in the rooms meanwhile.
create index rooms_public_idx on public.rooms (created_at, id) where visibility = 'public' and is_active;

-- What the clean-up deletes next: no activity for as long as it is kept, and nobody in it.
create function spaces.is_forsaken(p_room public.rooms)
returns boolean language plpgsql stable set search_path = '' as $$
begin
  return coalesce(p_room.last_activity < clock_timestamp() - p_room.expires_after, false)
    and spaces.live_user_count(p_room.id) = 0;
end
$$;
revoke all on function spaces.is_forsaken(public.rooms) from public, anon, authenticated, service_role;
comment on function spaces.is_forsaken(public.rooms) is 'Whether a room''s time is over.';

-- A list is read without being seen in any of its rooms: so no code, which lets in later too, and nothing of the app.
create function spaces.listing_json(p_room public.rooms, p_user_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_me jsonb := (
    select spaces.participant_json(p, p_room.host_user_id)
      || jsonb_build_object('is_online', p.is_online and spaces.has_live_lease(p.room_id, p.user_id))
    from public.room_participants p
    where p.room_id = p_room.id and p.user_id = p_user_id and p.status = 'active');
begin
  return jsonb_build_object(
    'room', spaces.room_json(p_room)
      || case when v_me is null and p_room.host_user_id is distinct from p_user_id
           then '{"room_code": "", "settings": {}}'::jsonb else '{}' end,
    'participant_count', spaces.live_user_count(p_room.id), 'me', v_me);
end
$$;
revoke all on function spaces.listing_json(public.rooms, uuid) from public, anon, authenticated, service_role;
comment on function spaces.listing_json(public.rooms, uuid) is
  'A room in a list: with the places taken, and the caller''s participant if there is one; without code and settings for who is none.';

-- position() and not like: a search has no wildcards. The rooms listed are those that join_room lets the caller into.
create function spaces.list_public_rooms(p_user_id uuid, p_search text, p_limit integer, p_cursor text)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_created_at timestamptz := coalesce(split_part(p_cursor, '_', 1)::timestamptz, 'infinity');
  v_id uuid := coalesce(split_part(p_cursor, '_', 2)::uuid, spaces.nil_uuid());
  v_items jsonb;
  v_count bigint;
  v_last text;
begin
  select jsonb_agg(spaces.listing_json(x.room, p_user_id) order by x.n) filter (where x.n <= p_limit), count(*),
         max((to_jsonb((x.room).created_at) #>> '{}') || '_' || (x.room).id) filter (where x.n = p_limit)
    into v_items, v_count, v_last
  from (
    select r as room, row_number() over (order by r.created_at desc, r.id desc) as n
    from public.rooms r
    where r.visibility = 'public' and r.is_active and (r.created_at, r.id) < (v_created_at, v_id)
      and (p_search is null or position(lower(p_search) in lower(r.name)) > 0)
      and not exists (select from spaces.bans b where b.room_id = r.id and b.user_id = p_user_id)
      and not exists (select from public.room_participants p where p.room_id = r.id and p.user_id = p_user_id and p.status = 'kicked')
      and not spaces.is_forsaken(r)
    order by r.created_at desc, r.id desc
    limit p_limit + 1) x;
  return jsonb_build_object('items', coalesce(v_items, '[]'), 'next_cursor', case when v_count > p_limit then v_last end);
end
$$;
revoke all on function spaces.list_public_rooms(uuid, text, integer, text) from public, anon, authenticated, service_role;
comment on function spaces.list_public_rooms(uuid, text, integer, text) is 'One page of the open public rooms, newest first.';

-- By latest activity, which changes while somebody pages. So the cursor holds the latest activity of when the first page was
-- read: rooms that were active since then come after all others, once more perhaps, but none is left out.
create function spaces.list_my_rooms(p_user_id uuid, p_search text, p_limit integer, p_cursor text)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_ids uuid[] := array(select spaces.my_room_ids());
  v_as_of timestamptz := split_part(p_cursor, '_', 1)::timestamptz;
  v_is_later boolean := coalesce(split_part(p_cursor, '_', 2)::boolean, false);
  v_rank numeric := coalesce(split_part(p_cursor, '_', 3)::numeric, '-infinity');
  v_id uuid := coalesce(split_part(p_cursor, '_', 4)::uuid, spaces.nil_uuid());
  v_items jsonb;
  v_count bigint;
  v_last text;
begin
  if v_as_of is null then
    select coalesce(max(r.last_activity), 'infinity') into v_as_of from public.rooms r where r.id = any (v_ids);
  end if;
  with mine as (
    select r as room, r.id, r.last_activity > v_as_of as is_later,
           case when r.last_activity > v_as_of then 1 else -1 end * extract(epoch from r.last_activity) as rank
    from public.rooms r
    where r.id = any (v_ids)
      and (p_search is null or position(lower(p_search) in lower(r.name)) > 0)
      and not spaces.is_forsaken(r)
  ), page as (
    select m.*, row_number() over (order by m.is_later, m.rank, m.id) as n from mine m
    where (m.is_later, m.rank, m.id) > (v_is_later, v_rank, v_id)
    order by m.is_later, m.rank, m.id limit p_limit + 1
  )
  select jsonb_agg(spaces.listing_json(x.room, p_user_id) order by x.n) filter (where x.n <= p_limit), count(*),
         max(concat_ws('_', to_jsonb(v_as_of) #>> '{}', x.is_later, x.rank, x.id)) filter (where x.n = p_limit)
    into v_items, v_count, v_last
  from page x;
  return jsonb_build_object('items', coalesce(v_items, '[]'), 'next_cursor', case when v_count > p_limit then v_last end);
end
$$;
revoke all on function spaces.list_my_rooms(uuid, text, integer, text) from public, anon, authenticated, service_role;
comment on function spaces.list_my_rooms(uuid, text, integer, text) is 'One page of the rooms that the caller hosts or takes part in, latest activity first.';

create function public.list_rooms(
  p_scope text default 'mine', p_search text default null, p_limit integer default 50, p_cursor text default null
) returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  c_operation constant text := 'list the rooms';
  v_user_id uuid := spaces.caller(c_operation);
  v_search text := nullif(regexp_replace(p_search, '^\s+|\s+$', '', 'g'), '');
begin
  if p_scope is null or p_scope not in ('mine', 'public') then
    perform spaces.fail('invalid_argument', format('cannot %s: there is no such scope', c_operation), 'One of: mine, public.');
  elsif p_limit is null or p_limit not between 1 and 200 then
    perform spaces.fail('invalid_argument', format('cannot %s: limit is out of range', c_operation), 'Give 1 to 200.');
  elsif char_length(v_search) > 100 then
    perform spaces.fail('invalid_argument', format('cannot %s: the search text is too long', c_operation), 'Give at most 100 characters.');
  end if;
  begin
    return case p_scope
      when 'mine' then spaces.list_my_rooms(v_user_id, v_search, p_limit, p_cursor)
      else spaces.list_public_rooms(v_user_id, v_search, p_limit, p_cursor) end;
  exception when data_exception then
    perform spaces.fail('invalid_argument', format('cannot %s: the cursor is not one of its answers', c_operation), 'Pass next_cursor of the page before unchanged.');
  end;
end
$$;
revoke all on function public.list_rooms(text, text, integer, text) from public, anon, authenticated, service_role;
grant execute on function public.list_rooms(text, text, integer, text) to authenticated, service_role;
comment on function public.list_rooms(text, text, integer, text) is
  'The caller''s rooms, or the public ones that they may join; with the places taken, and a search in the names.';

-- Lists, in pages. A cursor is what the page before answered; a row that comes or goes does not shift the pages.

create function spaces.page_after(p_limit integer, p_cursor text, p_operation text, out at timestamptz, out id uuid)
language plpgsql stable set search_path = '' as $$
begin
  at := '-infinity';
  id := spaces.nil_uuid();
  if p_limit is null or p_limit not between 1 and 200 then
    perform spaces.fail('invalid_argument', format('cannot %s: limit is out of range', p_operation), 'Give 1 to 200.');
  elsif p_cursor is not null then
    begin
      at := split_part(p_cursor, '_', 1)::timestamptz;
      id := split_part(p_cursor, '_', 2)::uuid;
    exception when data_exception then
      perform spaces.fail('invalid_argument', format('cannot %s: the cursor is not one of its answers', p_operation), 'Pass next_cursor of the page before unchanged.');
    end;
  end if;
end
$$;
revoke all on function spaces.page_after(integer, text, text) from public, anon, authenticated, service_role;
comment on function spaces.page_after(integer, text, text) is 'The row that a page of a list by time begins after; refuses limits and cursors that are none.';

create function public.get_participants(p_room_id uuid, p_limit integer default 200, p_cursor text default null)
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  c_operation constant text := 'list the participants';
  v_user_id uuid := spaces.caller(c_operation);
  v_room public.rooms := spaces.require_member(p_room_id, v_user_id, c_operation);
  v_joined_at timestamptz;
  v_id uuid;
  v_items jsonb;
  v_count bigint;
  v_last text;
begin
  select a.at, a.id into v_joined_at, v_id from spaces.page_after(p_limit, p_cursor, c_operation) a;
  select jsonb_agg(x.item order by x.joined_at, x.id) filter (where x.n <= p_limit), count(*),
         max(x.cursor) filter (where x.n = p_limit)
    into v_items, v_count, v_last
  from (
    select p.joined_at, p.id, row_number() over (order by p.joined_at, p.id) as n,
           (to_jsonb(p.joined_at) #>> '{}') || '_' || p.id as cursor,
           spaces.participant_json(p, v_room.host_user_id)
             || jsonb_build_object('is_online', p.is_online and spaces.has_live_lease(p.room_id, p.user_id)) as item
    from public.room_participants p
    where p.room_id = p_room_id and p.status = 'active' and (p.joined_at, p.id) > (v_joined_at, v_id)
    order by p.joined_at, p.id
    limit p_limit + 1
  ) x;
  return jsonb_build_object(
    'items', coalesce(v_items, '[]'),
    'participant_count', spaces.live_user_count(p_room_id),
    'head', (select h.head from spaces.room_heads h where h.room_id = p_room_id),
    'next_cursor', case when v_count > p_limit then v_last end);
end
$$;
revoke all on function public.get_participants(uuid, integer, text) from public, anon, authenticated, service_role;
grant execute on function public.get_participants(uuid, integer, text) to authenticated, service_role;
comment on function public.get_participants(uuid, integer, text) is
  'Active participants by the time they joined first, for the room''s host and participants.';

create function public.get_room_messages(
  p_room_id uuid, p_limit integer default 50, p_before bigint default null, p_after bigint default null
) returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  c_operation constant text := 'read the messages';
  v_user_id uuid := spaces.caller(c_operation);
  v_is_forward boolean := p_after is not null;
  v_items jsonb;
  v_taken bigint;
  v_found bigint;
  v_first bigint;
  v_last bigint;
begin
  perform spaces.require_member(p_room_id, v_user_id, c_operation);
  if p_limit is null or p_limit not between 1 and 200 then
    perform spaces.fail('invalid_argument', format('cannot %s: limit is out of range', c_operation), 'Give 1 to 200.');
  end if;
  if p_before is not null and p_after is not null then
    perform spaces.fail('invalid_argument', format('cannot %s: before and after exclude each other', c_operation), 'Give one of them.');
  end if;
  with candidates as (
    (select m.id, m.seq, octet_length(m.content) + octet_length(m.metadata::text) + octet_length(m.reactions::text) + 600
       + case m.status when 'streaming' then spaces.stream_tail_bytes(m.id) else 0 end as size_bytes
     from public.room_messages m
     where v_is_forward and m.room_id = p_room_id and m.seq > p_after order by m.seq limit p_limit + 1)
    union all
    (select m.id, m.seq, octet_length(m.content) + octet_length(m.metadata::text) + octet_length(m.reactions::text) + 600
       + case m.status when 'streaming' then spaces.stream_tail_bytes(m.id) else 0 end
     from public.room_messages m
     where not v_is_forward and m.room_id = p_room_id and m.seq < coalesce(p_before, 9223372036854775807)
     order by m.seq desc limit p_limit + 1)
  ), numbered as (
    select c.*, row_number() over w as n, sum(c.size_bytes) over w as total_bytes
    from candidates c window w as (order by case when v_is_forward then c.seq else -c.seq end)
  ), page as (
    select n.* from numbered n
    where n.n = 1 or (n.n <= p_limit and n.total_bytes <= (select c.page_bytes from spaces.config c))
  )
  select jsonb_agg(spaces.message_json(m) order by m.seq), count(*), (select count(*) from numbered), min(m.seq), max(m.seq)
    into v_items, v_taken, v_found, v_first, v_last
  from page g join public.room_messages m on m.id = g.id;
  return jsonb_build_object(
    'items', coalesce(v_items, '[]'),
    'has_more', v_found > v_taken,
    'head', (select h.head from spaces.room_heads h where h.room_id = p_room_id),
    'next_cursor', case when v_found > v_taken then (case when v_is_forward then v_last else v_first end)::text end);
end
$$;
revoke all on function public.get_room_messages(uuid, integer, bigint, bigint) from public, anon, authenticated, service_role;
grant execute on function public.get_room_messages(uuid, integer, bigint, bigint) to authenticated, service_role;
comment on function public.get_room_messages(uuid, integer, bigint, bigint) is
  'Messages, oldest first: the newest, those before a seq, or those after one; about 256 kB a page at most.';

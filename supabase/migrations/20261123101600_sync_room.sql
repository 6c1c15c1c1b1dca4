-- What changed in a room after a position. STABLE on purpose: all that it answers is one snapshot, so the head
-- never names a message that the answer lacks. First rows that are new, by seq; then older rows that changed, by revision;
-- then older rows that are being written, by seq: what is added to them is no change that counts, and may have been missed.
create function public.sync_room(p_room_id uuid, p_after bigint, p_to bigint default null, p_cursor jsonb default null)
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  c_operation constant text := 'catch up with the room';
  v_user_id uuid := spaces.caller(c_operation);
  v_room public.rooms := spaces.require_member(p_room_id, v_user_id, c_operation);
  v_head spaces.room_heads;
  v_to bigint;
  v_phase integer := 1;
  v_at bigint := p_after;
  v_rows integer;
  v_bytes integer;
  v_messages jsonb;
  v_last_phase integer;
  v_last_at bigint;
  v_has_more boolean;
begin
  select h.* into v_head from spaces.room_heads h where h.room_id = p_room_id;
  v_to := coalesce(p_to, v_head.head);
  if p_after is null or p_after < 0 or p_after > v_head.head or v_to < p_after or v_to > v_head.head then
    perform spaces.fail('invalid_argument', format('cannot %s: the position is not one of this room', c_operation),
                        'Pass a position that this room has reached, and the `to` of the first page.');
  end if;
  if p_cursor is not null and jsonb_typeof(p_cursor) <> 'null' then
    if p_to is null or jsonb_typeof(p_cursor) <> 'object'
       or coalesce(p_cursor ->> 'phase' not in ('1', '2', '3') or p_cursor ->> 'at' !~ '^[0-9]{1,18}$', true) then
      perform spaces.fail('invalid_argument', format('cannot %s: the cursor is not one of its answers', c_operation),
                          'Pass `cursor` and `to` of the page before unchanged.');
    end if;
    v_phase := (p_cursor ->> 'phase')::integer;
    v_at := greatest((p_cursor ->> 'at')::bigint, case v_phase when 3 then 0 else p_after end);
  end if;
  select c.page_rows, c.page_bytes into v_rows, v_bytes from spaces.config c;

  with candidates as (
    (select 1 as phase, m.seq as at, m.id, octet_length(m.content) + octet_length(m.metadata::text) + octet_length(m.reactions::text) + 600
       + case m.status when 'streaming' then spaces.stream_tail_bytes(m.id) else 0 end as size_bytes
     from public.room_messages m
     where v_phase = 1 and m.room_id = p_room_id and m.seq > v_at and m.seq <= v_to
     order by m.seq limit v_rows + 1)
    union all
    (select 2, m.revision, m.id, octet_length(m.content) + octet_length(m.metadata::text) + octet_length(m.reactions::text) + 600
     from public.room_messages m
     where m.room_id = p_room_id and m.revision > m.seq and m.seq <= p_after
       and m.revision > case v_phase when 1 then p_after when 2 then v_at else v_to end and m.revision <= v_to
     order by m.revision limit v_rows + 1)
    union all
    (select 3, m.seq, m.id, octet_length(m.content) + spaces.stream_tail_bytes(m.id) + octet_length(m.metadata::text) + 600
     from spaces.streams s join public.room_messages m on m.id = s.message_id
     where s.room_id = p_room_id and m.seq <= p_after and m.seq > case v_phase when 3 then v_at else 0 end
     order by m.seq limit v_rows + 1)
  ), numbered as (
    select c.*, row_number() over w as n, sum(c.size_bytes) over w as total_bytes
    from candidates c window w as (order by c.phase, c.at)
  ), page as (
    select n.* from numbered n where n.n = 1 or (n.n <= v_rows and n.total_bytes <= v_bytes)
  )
  select jsonb_agg(spaces.message_json(m) order by g.n),
         (array_agg(g.phase order by g.n desc))[1], (array_agg(g.at order by g.n desc))[1],
         coalesce(count(*) < (select count(*) from numbered), false)
    into v_messages, v_last_phase, v_last_at, v_has_more
  from page g join public.room_messages m on m.id = g.id;

  return jsonb_build_object(
      'messages', coalesce(v_messages, '[]'), 'to', v_to,
      'cursor', case when v_has_more then jsonb_build_object('phase', v_last_phase, 'at', v_last_at) end,
      'head', v_head.head, 'epoch', v_head.epoch, 'topic', spaces.topic(p_room_id, v_head.epoch))
    || case when v_has_more then '{}' else jsonb_build_object(
      'participants', spaces.participants_json(p_room_id, v_room.host_user_id),
      'state', spaces.state_json(v_room), 'room', spaces.room_json(v_room)) end;
end
$$;
revoke all on function public.sync_room(uuid, bigint, bigint, jsonb) from public, anon, authenticated, service_role;
grant execute on function public.sync_room(uuid, bigint, bigint, jsonb) to authenticated, service_role;
comment on function public.sync_room(uuid, bigint, bigint, jsonb) is
  'One page of what changed after a position; the last page also has participants, state and room of the same snapshot.';

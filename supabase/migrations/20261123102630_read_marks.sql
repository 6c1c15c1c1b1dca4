-- How far each has read. It is their own affair: no step, no event, and no lock of the room, which 50 readers of each
-- message would queue for. One row is written, that of the caller, and nothing is locked after it.

create function spaces.require_reader(p_room_id uuid, p_user_id uuid, p_operation text)
returns public.room_participants language plpgsql stable set search_path = '' as $$
begin
  perform spaces.require_member(p_room_id, p_user_id, p_operation);
  return spaces.require_participant(p_room_id, p_user_id, p_operation);
end
$$;
revoke all on function spaces.require_reader(uuid, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.require_reader(uuid, uuid, text) is 'The caller''s row in the room; 404 when there is no such room, 403 when they are not in it.';

-- Unread is what others said after the mark and what still stands. Only the newest 1,000 messages are looked at:
-- whoever stays away for a year is not to cost a scan of that year.
create function spaces.read_mark_json(p_participant public.room_participants)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  c_looked_at constant integer := 1000;
begin
  return jsonb_build_object(
    'room_id', p_participant.room_id, 'last_read_seq', p_participant.last_read_seq,
    'unread_count', (
      select count(*) from (
        select m.user_id, m.message_type, m.status from public.room_messages m
        where m.room_id = p_participant.room_id and m.seq > p_participant.last_read_seq
        order by m.seq desc limit c_looked_at) n
      where n.user_id is distinct from p_participant.user_id and n.message_type <> 'system' and n.status <> 'deleted'));
end
$$;
revoke all on function spaces.read_mark_json(public.room_participants) from public, anon, authenticated, service_role;
comment on function spaces.read_mark_json(public.room_participants) is 'How far a participant has read, and how many messages of others came after it.';

create function public.mark_read(p_room_id uuid, p_seq bigint)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'mark the messages as read';
  v_user_id uuid := spaces.caller(c_operation);
begin
  if p_seq is null or p_seq < 0 then
    perform spaces.fail('invalid_argument', format('cannot %s: seq is no number of a message', c_operation), 'Give the seq of the last message that was read.');
  end if;
  perform spaces.require_reader(p_room_id, v_user_id, c_operation);
  -- A step is broadcast a moment before others can read it: whoever asks for it that early waits for its transaction.
  if p_seq > (select h.head from spaces.room_heads h where h.room_id = p_room_id) then
    if p_seq > (spaces.lock_room(p_room_id, c_operation)).head then
      perform spaces.fail('invalid_argument', format('cannot %s: the room has not come that far', c_operation), 'Give the seq of a message of this room.');
    end if;
  end if;
  -- It goes forward only, whichever of a user's devices calls last.
  update public.room_participants p set last_read_seq = p_seq
  where p.room_id = p_room_id and p.user_id = v_user_id and p.status = 'active' and p.last_read_seq < p_seq;
  -- Read anew: it may have waited for a kick, or for the end of the room.
  return jsonb_build_object('ok', true) || spaces.read_mark_json(spaces.require_reader(p_room_id, v_user_id, c_operation));
end
$$;
revoke all on function public.mark_read(uuid, bigint) from public, anon, authenticated, service_role;
grant execute on function public.mark_read(uuid, bigint) to authenticated, service_role;
comment on function public.mark_read(uuid, bigint) is 'The caller has read all up to a seq; answers how many messages are unread. Never goes back.';

create function public.unread_counts(p_room_ids uuid[] default null)
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  c_operation constant text := 'count the unread messages';
  c_most constant integer := 100;
  v_user_id uuid := spaces.caller(c_operation);
  v_items jsonb;
begin
  if cardinality(p_room_ids) > c_most then
    perform spaces.fail('invalid_argument', format('cannot %s: too many rooms', c_operation), 'Give at most 100.');
  end if;
  select jsonb_agg(spaces.read_mark_json(x.participant) order by x.last_activity desc, x.room_id) into v_items
  from (
    select p as participant, r.id as room_id, r.last_activity
    from public.room_participants p join public.rooms r on r.id = p.room_id
    where p.user_id = v_user_id and p.status = 'active' and (p_room_ids is null or p.room_id = any (p_room_ids))
    order by r.last_activity desc, r.id limit c_most) x;
  return jsonb_build_object('items', coalesce(v_items, '[]'));
end
$$;
revoke all on function public.unread_counts(uuid[]) from public, anon, authenticated, service_role;
grant execute on function public.unread_counts(uuid[]) to authenticated, service_role;
comment on function public.unread_counts(uuid[]) is
  'Unread messages in rooms that the caller takes part in: those named, else the 100 with the latest activity.';

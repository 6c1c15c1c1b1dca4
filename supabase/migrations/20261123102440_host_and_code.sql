-- What belongs to the host alone: handing the room on, and giving it another code.

create function public.transfer_host(p_room_id uuid, p_user_id uuid)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'hand the room on';
  v_user_id uuid := spaces.caller(c_operation);
  v_room public.rooms;
  v_head bigint;
begin
  if spaces.take(v_user_id, 'moderation', p_room_id, 'moderation') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'moderation', p_room_id, 'moderation'));
  end if;
  v_head := (spaces.lock_room(p_room_id, c_operation)).head;
  select r.* into v_room from public.rooms r where r.id = p_room_id;
  -- A repeat comes from somebody who is host no more, because the first call has done it: the record says so.
  if v_room.host_user_id <> v_user_id and v_room.host_user_id = p_user_id and exists (
      select from public.room_participants p where p.room_id = p_room_id and p.user_id = v_user_id and p.status = 'active'
    ) and (
      select a.user_id = v_user_id and a.target_user_id = p_user_id from spaces.audit a
      where a.room_id = p_room_id and a.action = 'transfer_host' order by a.id desc limit 1) then
    return jsonb_build_object('ok', true, 'room', spaces.room_json(v_room), 'state', spaces.state_json(v_room), 'head', v_head);
  end if;
  v_room := spaces.require_right('transfer_host', p_room_id, v_user_id, c_operation);
  perform spaces.require_target('transfer_host', v_room, v_user_id, p_user_id, c_operation);
  if p_user_id <> v_user_id then
    if v_room.is_active then
      -- After the room's lock, as when a room is opened again: nobody waits for a room while holding this one.
      perform spaces.lock_rooms_of(p_user_id);
      if spaces.active_room_count(p_user_id) >= (select c.active_rooms_per_user from spaces.config c) then
        perform spaces.fail('room_limit_reached', format('cannot %s: they host as many active rooms as one may', c_operation),
                            'They can close or delete one of theirs first; or close this one, and hand it on closed.');
      end if;
    end if;
    update public.rooms r set host_user_id = p_user_id where r.id = p_room_id returning r.* into v_room;
    -- Who was host is a member from now on, whatever they were before they became it: everybody can tell that from the event.
    update public.room_participants p set (role) = row ('member')
    where p.room_id = p_room_id and p.user_id = v_user_id and p.role <> 'member';
    perform spaces.record_act(p_room_id, v_user_id, 'transfer_host', p_user_id);
    v_head := spaces.step(p_room_id, 'room:state-updated', jsonb_build_object('state', spaces.state_json(v_room)));
  end if;
  return jsonb_build_object('ok', true, 'room', spaces.room_json(v_room), 'state', spaces.state_json(v_room), 'head', v_head);
end
$$;
revoke all on function public.transfer_host(uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function public.transfer_host(uuid, uuid) to authenticated, service_role;
comment on function public.transfer_host(uuid, uuid) is
  'Makes another participant the host; the caller is a member from then on. An active room counts against the new host''s limit.';

-- The code stands in a unique index, so this takes the strongest lock on the room's row. The one look-up that is about
-- to admit somebody by the old code holds that row's key: it is waited for, and what it wrote is deleted after that.
create function public.rotate_code(p_room_id uuid)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'change the room''s code';
  v_user_id uuid := spaces.caller(c_operation);
  v_room public.rooms;
  v_is_done boolean := false;
  v_head bigint;
begin
  if spaces.take(v_user_id, 'moderation', p_room_id, 'moderation') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'moderation', p_room_id, 'moderation'));
  end if;
  perform spaces.lock_room(p_room_id, c_operation);
  perform spaces.require_right('rotate_code', p_room_id, v_user_id, c_operation);
  while not v_is_done loop
    begin
      update public.rooms r set room_code = public.generate_room_code() where r.id = p_room_id returning r.* into v_room;
      v_is_done := true;
    exception when unique_violation then
      null; -- somebody was quicker with this code: another one
    end;
  end loop;
  delete from spaces.admissions a where a.room_id = p_room_id and a.invitation_id is null;
  perform spaces.record_act(p_room_id, v_user_id, 'rotate_code');
  v_head := spaces.step(p_room_id, 'room:state-updated',
    jsonb_build_object('state', spaces.state_json(v_room), 'room_code', v_room.room_code));
  return jsonb_build_object('ok', true, 'room', spaces.room_json(v_room), 'head', v_head);
end
$$;
revoke all on function public.rotate_code(uuid) from public, anon, authenticated, service_role;
grant execute on function public.rotate_code(uuid) to authenticated, service_role;
comment on function public.rotate_code(uuid) is
  'Gives the room another code; the old one, and who has looked it up and not joined yet, comes in no more. Each call makes a new one.';

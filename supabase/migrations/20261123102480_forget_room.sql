-- Going for good. Leaving keeps the participant, who goes on reading; forgetting ends that too.

create function public.forget_room(p_room_id uuid)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'forget the room';
  v_user_id uuid := spaces.caller(c_operation);
  v_me public.room_participants;
  v_host_user_id uuid;
  v_was_online boolean;
begin
  perform spaces.lock_room(p_room_id, c_operation);
  select r.host_user_id into v_host_user_id from public.rooms r where r.id = p_room_id;
  select p.* into v_me from public.room_participants p where p.room_id = p_room_id and p.user_id = v_user_id;
  if v_host_user_id = v_user_id then
    perform spaces.fail('not_allowed', format('cannot %s: you are its host', c_operation), 'Hand it on with transfer_host first, or delete it.');
  elsif v_me.status = 'kicked' or (v_me.id is null and exists (
      select from spaces.former_participants f where f.room_id = p_room_id and f.user_id = v_user_id)) then
    return jsonb_build_object('ok', true, 'head', null); -- gone already; how far the room is, is no longer theirs
  elsif v_me.id is null then
    perform spaces.require_participant(p_room_id, v_user_id, c_operation);
  end if;
  v_was_online := v_me.is_online;
  update spaces.connections c set ended_at = clock_timestamp()
  where c.room_id = p_room_id and c.user_id = v_user_id and c.ended_at is null;
  delete from spaces.admissions a where a.room_id = p_room_id and a.user_id = v_user_id;
  insert into spaces.former_participants (room_id, user_id, display_name, kind, is_muted, forgotten_at)
  values (p_room_id, v_user_id, v_me.display_name, v_me.kind, v_me.is_muted, clock_timestamp());
  delete from public.room_participants p where p.id = v_me.id;
  perform spaces.end_streams(p_room_id, v_user_id);
  v_me.is_online := false;
  v_me.voice_since := null;
  perform spaces.step(p_room_id, 'room:participant-left', jsonb_build_object(
    'participants', jsonb_build_array(spaces.participant_json(v_me, v_host_user_id)), 'reason', 'forgot'));
  if v_was_online and not spaces.has_left_lately(p_room_id, v_user_id) then
    perform spaces.write_system_message(p_room_id, v_me, 'left');
  end if;
  return jsonb_build_object('ok', true, 'head', (select h.head from spaces.room_heads h where h.room_id = p_room_id));
end
$$;
revoke all on function public.forget_room(uuid) from public, anon, authenticated, service_role;
grant execute on function public.forget_room(uuid) to authenticated, service_role;
comment on function public.forget_room(uuid) is
  'Takes the caller out of a room for good: they read nothing of it any more. What they said stays. Not for its host.';

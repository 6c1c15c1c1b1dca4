-- What a participant may do: speak, and moderate.

create function public.mute_participant(p_room_id uuid, p_user_id uuid, p_is_muted boolean)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'mute the participant';
  c_action constant text := case when p_is_muted then 'mute' else 'unmute' end;
  v_user_id uuid := spaces.caller(c_operation);
  v_room public.rooms;
  v_them public.room_participants;
  v_head bigint;
begin
  if p_is_muted is null then
    perform spaces.fail('invalid_argument', format('cannot %s: is_muted is missing', c_operation), 'Give true or false.');
  end if;
  if spaces.take(v_user_id, 'moderation', p_room_id, 'moderation') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'moderation', p_room_id, 'moderation'));
  end if;
  v_head := (spaces.lock_room(p_room_id, c_operation)).head;
  v_room := spaces.require_right(c_action, p_room_id, v_user_id, c_operation);
  v_them := spaces.require_target(c_action, v_room, v_user_id, p_user_id, c_operation);
  if v_them.is_muted <> p_is_muted then
    update public.room_participants p
    set is_muted = p_is_muted, voice_since = case when not p_is_muted then p.voice_since end
    where p.id = v_them.id returning p.* into v_them;
    perform spaces.record_act(p_room_id, v_user_id, c_action, p_user_id);
    v_head := spaces.step(p_room_id, 'room:participant-updated',
                          jsonb_build_object('participant', spaces.participant_json(v_them, v_room.host_user_id)));
    if p_is_muted then
      v_head := v_head + spaces.end_streams(p_room_id, p_user_id);
    end if;
  end if;
  return jsonb_build_object('ok', true, 'participant', spaces.participant_json(v_them, v_room.host_user_id), 'head', v_head);
end
$$;
revoke all on function public.mute_participant(uuid, uuid, boolean) from public, anon, authenticated, service_role;
grant execute on function public.mute_participant(uuid, uuid, boolean) to authenticated, service_role;
comment on function public.mute_participant(uuid, uuid, boolean) is
  'Takes a participant''s right to speak, or gives it back; their voice goes off with it, and what they are writing is stopped. It outlasts leaving and coming back.';

create function public.set_participant_role(p_room_id uuid, p_user_id uuid, p_role text)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'change the role';
  v_user_id uuid := spaces.caller(c_operation);
  v_room public.rooms;
  v_them public.room_participants;
  v_head bigint;
begin
  if p_role is null or p_role not in ('moderator', 'member') then
    perform spaces.fail('invalid_argument', format('cannot %s: there is no such role to give', c_operation),
                        'One of: moderator, member. A new host is named by transfer_host.');
  end if;
  if spaces.take(v_user_id, 'moderation', p_room_id, 'moderation') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'moderation', p_room_id, 'moderation'));
  end if;
  v_head := (spaces.lock_room(p_room_id, c_operation)).head;
  v_room := spaces.require_right('set_role', p_room_id, v_user_id, c_operation);
  v_them := spaces.require_target('set_role', v_room, v_user_id, p_user_id, c_operation);
  if v_them.role <> p_role then
    update public.room_participants p set (role) = row (p_role) where p.id = v_them.id returning p.* into v_them;
    perform spaces.record_act(p_room_id, v_user_id, 'set_role', p_user_id, p_role);
    v_head := spaces.step(p_room_id, 'room:participant-updated',
                          jsonb_build_object('participant', spaces.participant_json(v_them, v_room.host_user_id)));
  end if;
  return jsonb_build_object('ok', true, 'participant', spaces.participant_json(v_them, v_room.host_user_id), 'head', v_head);
end
$$;
revoke all on function public.set_participant_role(uuid, uuid, text) from public, anon, authenticated, service_role;
grant execute on function public.set_participant_role(uuid, uuid, text) to authenticated, service_role;
comment on function public.set_participant_role(uuid, uuid, text) is 'The host makes a participant a moderator, or a member again.';

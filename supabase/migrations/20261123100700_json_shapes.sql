-- The JSON of rows, one function a shape, for answers and events alike.
create function spaces.room_json(p_room public.rooms)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'id', p_room.id, 'room_code', p_room.room_code, 'name', p_room.name, 'host_user_id', p_room.host_user_id,
    'max_participants', p_room.max_participants, 'is_active', p_room.is_active, 'current_mode', p_room.current_mode,
    'conversation_active', p_room.conversation_active, 'settings', p_room.settings, 'visibility', p_room.visibility,
    'expires_after_s', ceil(extract(epoch from p_room.expires_after))::bigint,
    'created_at', p_room.created_at, 'last_activity', p_room.last_activity);
end
$$;
revoke all on function spaces.room_json(public.rooms) from public, anon, authenticated, service_role;
comment on function spaces.room_json(public.rooms) is 'A room, as its participants see it.';

create function spaces.state_json(p_room public.rooms)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_turns record; -- of a table that a later file makes
begin
  select t.* into v_turns from spaces.room_turns t where t.room_id = p_room.id;
  return jsonb_build_object(
    'mode', p_room.current_mode, 'conversation_active', p_room.conversation_active, 'name', p_room.name,
    'max_participants', p_room.max_participants, 'settings', p_room.settings, 'host', p_room.host_user_id,
    'visibility', p_room.visibility, 'is_active', p_room.is_active, 'bots_resume_at', v_turns.bots_resume_at,
    'turn', case when v_turns.picked_user_id is not null then jsonb_build_object(
      'user_id', v_turns.picked_user_id, 'message_id', v_turns.picked_message_id, 'position', v_turns.picked_position) end);
end
$$;
revoke all on function spaces.state_json(public.rooms) from public, anon, authenticated, service_role;
comment on function spaces.state_json(public.rooms) is 'What the host steers, and how far the bots may still answer.';

create function spaces.participant_json(p_participant public.room_participants, p_host_user_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'id', p_participant.id, 'room_id', p_participant.room_id, 'user_id', p_participant.user_id,
    'display_name', p_participant.display_name, 'is_online', p_participant.is_online,
    'joined_at', p_participant.joined_at, 'last_seen', p_participant.last_seen,
    'role', case when p_participant.user_id = p_host_user_id then 'host' else p_participant.role end,
    'kind', p_participant.kind, 'is_muted', p_participant.is_muted, 'voice_since', p_participant.voice_since);
end
$$;
revoke all on function spaces.participant_json(public.room_participants, uuid) from public, anon, authenticated, service_role;
comment on function spaces.participant_json(public.room_participants, uuid) is 'A participant; role host is computed from the room.';

create function spaces.message_json(p_message public.room_messages)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object(
    'id', p_message.id, 'room_id', p_message.room_id, 'user_id', p_message.user_id,
    'message_type', p_message.message_type, 'content', p_message.content || case p_message.status
      when 'streaming' then spaces.stream_tail(p_message.id) else '' end, 'metadata', p_message.metadata,
    'created_at', p_message.created_at, 'seq', p_message.seq, 'revision', p_message.revision,
    'status', p_message.status, 'reply_to', p_message.reply_to, 'updated_at', p_message.updated_at,
    'display_name', p_message.display_name, 'sender_kind', p_message.sender_kind,
    'reactions', p_message.reactions);
end
$$;
revoke all on function spaces.message_json(public.room_messages) from public, anon, authenticated, service_role;
comment on function spaces.message_json(public.room_messages) is 'A message, the whole row; of one that is being written, the text so far.';

-- Active participants, online first. STABLE, so that it belongs to the snapshot of who asks. With p_by_lease
-- is_online is worked out from the leases: the cache may lag behind until somebody sweeps.
create function spaces.participants_json(p_room_id uuid, p_host_user_id uuid, p_by_lease boolean default false)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_participants jsonb;
begin
  select jsonb_agg(x.participant order by x.is_online desc, x.joined_at, x.id) into v_participants
  from (
    select p.id, p.joined_at, l.is_online,
           spaces.participant_json(p, p_host_user_id) || jsonb_build_object('is_online', l.is_online) as participant
    from public.room_participants p
    cross join lateral (
      select p.is_online and (not p_by_lease or spaces.has_live_lease(p.room_id, p.user_id)) as is_online) l
    where p.room_id = p_room_id and p.status = 'active'
    order by l.is_online desc, p.joined_at, p.id
    limit (select c.participants_shown from spaces.config c)
  ) x;
  return coalesce(v_participants, '[]');
end
$$;
revoke all on function spaces.participants_json(uuid, uuid, boolean) from public, anon, authenticated, service_role;
comment on function spaces.participants_json(uuid, uuid, boolean) is 'Active participants of a room, online first.';

-- What host and moderators do to participants.

create function public.set_participant_kind(p_room_id uuid, p_user_id uuid, p_kind text)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'change the participant';
  v_user_id uuid := spaces.caller(c_operation);
  v_room public.rooms;
  v_them public.room_participants;
  v_head bigint;
begin
  if p_kind is null or p_kind not in ('human', 'bot') then
    perform spaces.fail('invalid_argument', format('cannot %s: there is no such kind', c_operation), 'One of: human, bot.');
  end if;
  if spaces.take(v_user_id, 'moderation', p_room_id, 'moderation') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'moderation', p_room_id, 'moderation'));
  end if;
  v_head := (spaces.lock_room(p_room_id, c_operation)).head;
  v_room := spaces.require_host(p_room_id, v_user_id, c_operation);
  select p.* into v_them from public.room_participants p
  where p.room_id = p_room_id and p.user_id = p_user_id and p.status = 'active';
  if not found then
    perform spaces.fail('participant_not_found', format('cannot %s: they are not in this room', c_operation));
  end if;
  if v_them.kind <> p_kind then
    update public.room_participants p set kind = p_kind where p.id = v_them.id returning p.* into v_them;
    v_head := spaces.step(p_room_id, 'room:participant-updated',
                          jsonb_build_object('participant', spaces.participant_json(v_them, v_room.host_user_id)));
  end if;
  return jsonb_build_object('ok', true, 'participant', spaces.participant_json(v_them, v_room.host_user_id), 'head', v_head);
end
$$;
revoke all on function public.set_participant_kind(uuid, uuid, text) from public, anon, authenticated, service_role;
grant execute on function public.set_participant_kind(uuid, uuid, text) to authenticated, service_role;
comment on function public.set_participant_kind(uuid, uuid, text) is 'The host says that a participant is a bot, or a human.';

-- Host and moderators may; never against the host, oneself, or, for a moderator, another moderator.
create function spaces.require_removable(
  p_room public.rooms, p_user_id uuid, p_them public.room_participants, p_operation text
) returns void language plpgsql stable set search_path = '' as $$
declare
  v_me public.room_participants;
  v_is_host boolean := p_room.host_user_id is not distinct from p_user_id;
begin
  if not v_is_host then
    v_me := spaces.require_participant(p_room.id, p_user_id, p_operation);
    if v_me.role <> 'moderator' then
      perform spaces.fail('not_allowed', format('cannot %s: you are neither host nor moderator', p_operation));
    end if;
  end if;
  if p_them.id is null then
    perform spaces.fail('participant_not_found', format('cannot %s: they are not in this room', p_operation));
  elsif p_them.user_id = p_user_id then
    perform spaces.fail('not_allowed', format('cannot %s: it is yourself', p_operation), 'Leave the room instead.');
  elsif p_them.user_id = p_room.host_user_id then
    perform spaces.fail('not_allowed', format('cannot %s: it is the host', p_operation), 'A host leaves by deleting the room.');
  elsif p_them.role = 'moderator' and not v_is_host then
    perform spaces.fail('not_allowed', format('cannot %s: it is a moderator', p_operation));
  end if;
end
$$;
revoke all on function spaces.require_removable(public.rooms, uuid, public.room_participants, text) from public, anon, authenticated, service_role;
comment on function spaces.require_removable(public.rooms, uuid, public.room_participants, text) is 'Refuses a removal that the caller has no right to.';

-- Takes the right to listen away, in one transaction with the new epoch: Realtime looks at its policies when a topic
-- is joined and not again, so those who stay move to another topic, and the old one falls silent.
create function spaces.remove_participant(p_room public.rooms, p_them public.room_participants, p_reason text)
returns void language plpgsql volatile set search_path = '' as $$
declare
  v_them public.room_participants;
  v_head spaces.room_heads;
begin
  update spaces.connections c set ended_at = clock_timestamp()
  where c.room_id = p_room.id and c.user_id = p_them.user_id and c.ended_at is null;
  update public.room_participants p
  set status = 'kicked', role = 'member', is_online = false, voice_since = null, last_seen = clock_timestamp()
  where p.id = p_them.id returning p.* into v_them;
  delete from spaces.admissions a where a.room_id = p_room.id and a.user_id = p_them.user_id;
  update spaces.room_heads h set epoch = h.epoch + 1 where h.room_id = p_room.id returning h.* into v_head;
  -- To those on the old topic, the one removed included: the last thing said there.
  perform spaces.publish(p_room.id, v_head.epoch - 1, 'room:moved', jsonb_build_object('epoch', v_head.epoch, 'head', v_head.head));
  perform spaces.step(p_room.id, 'room:participant-left', jsonb_build_object(
    'participants', jsonb_build_array(spaces.participant_json(v_them, p_room.host_user_id)), 'reason', p_reason));
end
$$;
revoke all on function spaces.remove_participant(public.rooms, public.room_participants, text) from public, anon, authenticated, service_role;
comment on function spaces.remove_participant(public.rooms, public.room_participants, text) is 'Removes a participant and moves the room to a new topic; under the lock.';

create function public.kick_participant(p_room_id uuid, p_user_id uuid)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'remove the participant';
  v_user_id uuid := spaces.caller(c_operation);
  v_room public.rooms;
  v_them public.room_participants;
  v_head spaces.room_heads;
begin
  if spaces.take(v_user_id, 'moderation', p_room_id, 'moderation') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'moderation', p_room_id, 'moderation'));
  end if;
  perform spaces.lock_room(p_room_id, c_operation);
  select r.* into v_room from public.rooms r where r.id = p_room_id;
  select p.* into v_them from public.room_participants p where p.room_id = p_room_id and p.user_id = p_user_id;
  perform spaces.require_removable(v_room, v_user_id, v_them, c_operation);
  if v_them.status = 'active' then -- a repeated call finds the work done
    perform spaces.remove_participant(v_room, v_them, 'kicked');
  end if;
  select h.* into v_head from spaces.room_heads h where h.room_id = p_room_id;
  return jsonb_build_object('ok', true, 'head', v_head.head, 'epoch', v_head.epoch);
end
$$;
revoke all on function public.kick_participant(uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function public.kick_participant(uuid, uuid) to authenticated, service_role;
comment on function public.kick_participant(uuid, uuid) is
  'Removes a participant; the room moves to a new topic. They may come back by the room''s code.';

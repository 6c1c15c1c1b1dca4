-- What host and moderators do to participants: who may do what to whom, removing, and what a participant is.

-- Who may do what to whom, all of it; docs/database.md has the same as a table. Roles are host, moderator and member;
-- p_their_role is null where the act is about nobody, or about somebody who may be gone.
create function spaces.may_moderate(p_action text, p_my_role text, p_their_role text default null, p_is_self boolean default false)
returns boolean language plpgsql immutable set search_path = '' as $$
begin
  return coalesce(case p_my_role
    when 'host' then case p_action
      when 'kick' then not p_is_self
      when 'ban' then not p_is_self
      when 'mute' then not p_is_self
      when 'set_role' then not p_is_self
      when 'stop_stream' then true
      when 'unmute' then true -- oneself too: who was muted may become host
      when 'set_kind' then true
      when 'transfer_host' then true
      when 'rotate_code' then true
      when 'unban' then true
      when 'list_bans' then true
      when 'invite' then true
      when 'give_turn' then true
    end
    when 'moderator' then case p_action
      when 'kick' then not p_is_self and p_their_role = 'member'
      when 'ban' then not p_is_self and p_their_role = 'member'
      when 'mute' then not p_is_self and p_their_role = 'member'
      when 'unmute' then not p_is_self and p_their_role = 'member'
      when 'stop_stream' then p_is_self or p_their_role = 'member'
      when 'unban' then true
      when 'list_bans' then true
      when 'invite' then true
      when 'give_turn' then true
    end
    when 'member' then p_action = 'stop_stream' and p_is_self
  end, false);
end
$$;
revoke all on function spaces.may_moderate(text, text, text, boolean) from public, anon, authenticated, service_role;
comment on function spaces.may_moderate(text, text, text, boolean) is 'Whether a role may do something to another role: the one place where that is decided.';

-- The room, if the caller may do such a thing in it to anybody; after the lock.
create function spaces.require_right(p_action text, p_room_id uuid, p_user_id uuid, p_operation text)
returns public.rooms language plpgsql stable set search_path = '' as $$
declare
  v_room public.rooms;
begin
  select r.* into v_room from public.rooms r where r.id = p_room_id;
  if not found then
    perform spaces.fail('room_not_found', format('cannot %s: there is no such room', p_operation));
  elsif v_room.host_user_id is distinct from p_user_id then
    if not spaces.may_moderate(p_action, 'moderator', 'member') then
      perform spaces.fail('not_host', format('cannot %s: you are not the host of the room', p_operation));
    elsif not spaces.may_moderate(p_action, (spaces.require_participant(p_room_id, p_user_id, p_operation)).role, 'member') then
      perform spaces.fail('not_allowed', format('cannot %s: you are neither host nor moderator', p_operation));
    end if;
  end if;
  return v_room;
end
$$;
revoke all on function spaces.require_right(text, uuid, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.require_right(text, uuid, uuid, text) is 'The room, if the caller may do this there; 403 or 404 otherwise.';

-- Whom it is done to, if the caller may do it to them; after require_right. With p_or_removed also somebody who was
-- removed before: to them it is done already, or may still be done.
create function spaces.require_target(
  p_action text, p_room public.rooms, p_user_id uuid, p_their_id uuid, p_operation text, p_or_removed boolean default false
) returns public.room_participants language plpgsql volatile set search_path = '' as $$
declare
  v_them public.room_participants;
  v_my_role text;
begin
  perform spaces.hold_account(p_their_id); -- their participant goes with it, so the next statement knows
  select p.* into v_them from public.room_participants p
  where p.room_id = p_room.id and p.user_id = p_their_id and (p.status = 'active' or p_or_removed);
  if not found and p_action = 'ban' then -- who has forgotten the room is banned for what they have said in it
    select f.room_id, f.user_id, f.display_name, 'member', 'kicked'
      into v_them.room_id, v_them.user_id, v_them.display_name, v_them.role, v_them.status
    from spaces.former_participants f where f.room_id = p_room.id and f.user_id = p_their_id;
  end if;
  if v_them.user_id is null then
    perform spaces.fail('participant_not_found', format('cannot %s: they are not in this room', p_operation));
  end if;
  v_my_role := case when p_room.host_user_id = p_user_id then 'host' else (
    select p.role from public.room_participants p where p.room_id = p_room.id and p.user_id = p_user_id and p.status = 'active') end;
  if not spaces.may_moderate(p_action, v_my_role,
      case when p_room.host_user_id = p_their_id then 'host' else v_them.role end, p_their_id = p_user_id) then
    perform spaces.fail('not_allowed', format('cannot %s: %s', p_operation, case
      when p_their_id = p_user_id then 'not to yourself'
      when p_room.host_user_id = p_their_id then 'not to the host'
      else 'a moderator does not do this to another moderator' end),
      case when p_their_id = p_user_id then 'Name somebody else; leave_room is how you go yourself.' end);
  end if;
  return v_them;
end
$$;
revoke all on function spaces.require_target(text, public.rooms, uuid, uuid, text, boolean) from public, anon, authenticated, service_role;
comment on function spaces.require_target(text, public.rooms, uuid, uuid, text, boolean) is 'A participant, if the caller may do this to them; 403 or 404 otherwise.';

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
  v_room := spaces.require_right('set_kind', p_room_id, v_user_id, c_operation);
  v_them := spaces.require_target('set_kind', v_room, v_user_id, p_user_id, c_operation);
  if v_them.kind <> p_kind then
    update public.room_participants p set kind = p_kind where p.id = v_them.id returning p.* into v_them;
    perform spaces.record_act(p_room_id, v_user_id, 'set_kind', p_user_id, p_kind);
    v_head := spaces.step(p_room_id, 'room:participant-updated',
                          jsonb_build_object('participant', spaces.participant_json(v_them, v_room.host_user_id)));
    if p_kind = 'human' then -- an answer that is being written may be of a kind and a length that are a bot's alone
      v_head := v_head + spaces.end_streams(p_room_id, p_user_id);
    end if;
  end if;
  return jsonb_build_object('ok', true, 'participant', spaces.participant_json(v_them, v_room.host_user_id), 'head', v_head);
end
$$;
revoke all on function public.set_participant_kind(uuid, uuid, text) from public, anon, authenticated, service_role;
grant execute on function public.set_participant_kind(uuid, uuid, text) to authenticated, service_role;
comment on function public.set_participant_kind(uuid, uuid, text) is 'The host says that a participant is a bot, or a human.';

-- Realtime looks at its policies when a topic is joined and not again. So those who stay move to another topic, in one
-- transaction with the loss of a right to listen, and the old one falls silent.
create function spaces.move_room(p_room_id uuid)
returns void language plpgsql volatile set search_path = '' as $$
declare
  v_head spaces.room_heads;
begin
  update spaces.room_heads h set epoch = h.epoch + 1 where h.room_id = p_room_id returning h.* into v_head;
  -- The last word there: the one removed hears it too, and nothing after it.
  perform spaces.publish(p_room_id, v_head.epoch - 1, 'room:moved', jsonb_build_object('epoch', v_head.epoch, 'head', v_head.head));
end
$$;
revoke all on function spaces.move_room(uuid) from public, anon, authenticated, service_role;
comment on function spaces.move_room(uuid) is 'Raises the epoch of a room, and says so on the topic that it leaves; under the lock.';

create function spaces.remove_participant(p_room public.rooms, p_them public.room_participants, p_reason text)
returns void language plpgsql volatile set search_path = '' as $$
declare
  v_them public.room_participants;
begin
  update spaces.connections c set ended_at = clock_timestamp()
  where c.room_id = p_room.id and c.user_id = p_them.user_id and c.ended_at is null;
  update public.room_participants p
  set status = 'kicked', role = 'member', is_online = false, voice_since = null, last_seen = clock_timestamp()
  where p.id = p_them.id returning p.* into v_them;
  delete from spaces.admissions a where a.room_id = p_room.id and a.user_id = p_them.user_id;
  perform spaces.end_streams(p_room.id, p_them.user_id);
  perform spaces.revoke_invitations_of(p_room.id, p_them.user_id);
  -- The word of it is the last step on the old topic: those who stay are there, and nobody is on the new one yet.
  perform spaces.step(p_room.id, 'room:participant-left', jsonb_build_object(
    'participants', jsonb_build_array(spaces.participant_json(v_them, p_room.host_user_id)), 'reason', p_reason));
  perform spaces.move_room(p_room.id);
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
  v_room := spaces.require_right('kick', p_room_id, v_user_id, c_operation);
  v_them := spaces.require_target('kick', v_room, v_user_id, p_user_id, c_operation, p_or_removed => true);
  if v_them.status = 'active' then -- a repeated call finds the work done
    perform spaces.record_act(p_room_id, v_user_id, 'kick', p_user_id);
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

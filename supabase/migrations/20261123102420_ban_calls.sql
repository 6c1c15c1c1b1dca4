-- Banning: removing somebody for good, taking that back, and who is banned.

create function public.ban_participant(p_room_id uuid, p_user_id uuid, p_reason text default null)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'ban the participant';
  v_user_id uuid := spaces.caller(c_operation);
  v_reason text := nullif(regexp_replace(p_reason, '^\s+|\s+$', '', 'g'), '');
  v_room public.rooms;
  v_them public.room_participants;
  v_head spaces.room_heads;
begin
  if char_length(v_reason) > 500 then
    perform spaces.fail('invalid_argument', format('cannot %s: the reason is too long', c_operation), 'Give at most 500 characters.');
  end if;
  if spaces.take(v_user_id, 'moderation', p_room_id, 'moderation') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'moderation', p_room_id, 'moderation'));
  end if;
  perform spaces.lock_room(p_room_id, c_operation);
  v_room := spaces.require_right('ban', p_room_id, v_user_id, c_operation);
  v_them := spaces.require_target('ban', v_room, v_user_id, p_user_id, c_operation, p_or_removed => true);
  if not spaces.is_banned(p_room_id, p_user_id) then
    insert into spaces.bans (room_id, user_id, display_name, banned_by, reason, created_at)
    values (p_room_id, p_user_id, v_them.display_name, v_user_id, v_reason, clock_timestamp());
    perform spaces.record_act(p_room_id, v_user_id, 'ban', p_user_id, v_reason);
    if v_them.status = 'active' then
      perform spaces.remove_participant(v_room, v_them, 'banned');
    else -- removed before: they are gone already, and only the way back is shut
      delete from spaces.admissions a where a.room_id = p_room_id and a.user_id = p_user_id;
      perform spaces.revoke_invitations_of(p_room_id, p_user_id);
      if v_them.id is null then -- who has forgotten the room may still listen, which only another topic ends
        perform spaces.move_room(p_room_id);
      end if;
    end if;
  end if;
  select h.* into v_head from spaces.room_heads h where h.room_id = p_room_id;
  return jsonb_build_object('ok', true, 'head', v_head.head, 'epoch', v_head.epoch);
end
$$;
revoke all on function public.ban_participant(uuid, uuid, text) from public, anon, authenticated, service_role;
grant execute on function public.ban_participant(uuid, uuid, text) to authenticated, service_role;
comment on function public.ban_participant(uuid, uuid, text) is
  'Removes a participant, as a kick does, and keeps them out, whatever code they have. A repeat keeps the first reason.';

-- Takes no step: who was banned is a participant no more, and what the room sees of them does not change.
create function public.unban_participant(p_room_id uuid, p_user_id uuid)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'lift the ban';
  v_user_id uuid := spaces.caller(c_operation);
begin
  if p_user_id is null then
    perform spaces.fail('invalid_argument', format('cannot %s: user_id is missing', c_operation), 'Name who is banned; list_bans has the ids.');
  end if;
  if spaces.take(v_user_id, 'moderation', p_room_id, 'moderation') = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'moderation', p_room_id, 'moderation'));
  end if;
  perform spaces.lock_room(p_room_id, c_operation);
  perform spaces.require_right('unban', p_room_id, v_user_id, c_operation);
  delete from spaces.bans b where b.room_id = p_room_id and b.user_id = p_user_id;
  if found then -- a repeated call finds the work done
    perform spaces.record_act(p_room_id, v_user_id, 'unban', p_user_id);
  end if;
  return jsonb_build_object('ok', true, 'head', (select h.head from spaces.room_heads h where h.room_id = p_room_id));
end
$$;
revoke all on function public.unban_participant(uuid, uuid) from public, anon, authenticated, service_role;
grant execute on function public.unban_participant(uuid, uuid) to authenticated, service_role;
comment on function public.unban_participant(uuid, uuid) is 'Lifts a ban; the room''s code lets them in again. Harmless for somebody who is not banned.';

create function public.list_bans(p_room_id uuid, p_limit integer default 50, p_cursor text default null)
returns jsonb language plpgsql stable security definer set search_path = '' as $$
declare
  c_operation constant text := 'list the bans';
  v_user_id uuid := spaces.caller(c_operation);
  v_created_at timestamptz;
  v_id uuid;
  v_items jsonb;
  v_count bigint;
  v_last text;
begin
  perform spaces.require_right('list_bans', p_room_id, v_user_id, c_operation);
  select a.at, a.id into v_created_at, v_id from spaces.page_after(p_limit, p_cursor, c_operation) a;
  select jsonb_agg(x.item order by x.created_at, x.user_id) filter (where x.n <= p_limit), count(*),
         max(x.cursor) filter (where x.n = p_limit)
    into v_items, v_count, v_last
  from (
    select b.created_at, b.user_id, row_number() over (order by b.created_at, b.user_id) as n,
           (to_jsonb(b.created_at) #>> '{}') || '_' || b.user_id as cursor,
           jsonb_build_object('user_id', b.user_id, 'display_name', b.display_name, 'banned_by', b.banned_by,
                              'reason', b.reason, 'created_at', b.created_at) as item
    from spaces.bans b
    where b.room_id = p_room_id and (b.created_at, b.user_id) > (v_created_at, v_id)
    order by b.created_at, b.user_id
    limit p_limit + 1
  ) x;
  return jsonb_build_object('items', coalesce(v_items, '[]'), 'next_cursor', case when v_count > p_limit then v_last end);
end
$$;
revoke all on function public.list_bans(uuid, integer, text) from public, anon, authenticated, service_role;
grant execute on function public.list_bans(uuid, integer, text) to authenticated, service_role;
comment on function public.list_bans(uuid, integer, text) is 'Who is banned from a room, oldest ban first, for its host and moderators.';

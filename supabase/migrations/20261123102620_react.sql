-- Reactions: put there and taken back by each for themselves, counted on the message.

-- Characters that emojis are made of, at least one of them visible: what is counted and shown to all is no place for
-- words, nor for what nobody sees. Joiners, variation selectors, tags and the digits of keycaps show nothing by themselves.
create function spaces.is_emoji(p_text text)
returns boolean language plpgsql immutable set search_path = '' as $$
declare
  c_visible constant text := '\u00a9\u00ae\u203c\u2049\u20e3\u2100-\u27ff\u2900-\u2bff\u3030\u303d\u3297\u3299\U0001f000-\U0001ffff';
  c_others constant text := '#*0-9\u200d\ufe0e\ufe0f\U000e0020-\U000e007f';
begin
  return coalesce(p_text ~ ('^[' || c_visible || c_others || ']{1,16}$') and p_text ~ ('[' || c_visible || ']'), false);
end
$$;
revoke all on function spaces.is_emoji(text) from public, anon, authenticated, service_role;
comment on function spaces.is_emoji(text) is 'Whether a text is made of emojis, up to 16 characters.';

create function spaces.reaction_counts(p_message_id uuid)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return (
    select coalesce(jsonb_object_agg(n.emoji, n.count), '{}')
    from (select x.emoji, count(*) as count from public.room_message_reactions x where x.message_id = p_message_id group by x.emoji) n);
end
$$;
revoke all on function spaces.reaction_counts(uuid) from public, anon, authenticated, service_role;
comment on function spaces.reaction_counts(uuid) is 'The reactions to a message, by emoji.';

create function public.react(p_room_id uuid, p_message_id uuid, p_emoji text, p_is_on boolean default true)
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'react to the message';
  v_user_id uuid := spaces.caller(c_operation);
  v_limit text := spaces.send_limit(p_room_id, v_user_id);
  v_head spaces.room_heads;
  v_me public.room_participants;
  v_message public.room_messages;
  v_mine integer;
  v_different integer;
  v_is_there boolean;
  v_config spaces.config;
begin
  if not spaces.is_emoji(p_emoji) then
    perform spaces.fail('invalid_argument', format('cannot %s: this is no emoji', c_operation), 'Give one emoji, at most 16 characters.');
  elsif p_is_on is null then
    perform spaces.fail('invalid_argument', format('cannot %s: is_on is missing', c_operation), 'Give true or false.');
  end if;
  if spaces.take(v_user_id, 'send', p_room_id, v_limit) = 0 then
    return spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'send', p_room_id, v_limit));
  end if;
  v_head := spaces.lock_room(p_room_id, c_operation);
  v_me := spaces.require_open(p_room_id, v_user_id, c_operation);
  v_message := spaces.require_message(p_room_id, p_message_id, c_operation);
  if p_is_on and v_me.is_muted then -- taking back is not speaking
    perform spaces.fail('muted', format('cannot %s: you are muted in this room', c_operation));
  end if;
  perform spaces.require_final(v_message, c_operation);
  select count(*) filter (where x.user_id = v_user_id), count(distinct x.emoji) filter (where x.emoji <> p_emoji),
         coalesce(bool_or(x.user_id = v_user_id and x.emoji = p_emoji), false)
    into v_mine, v_different, v_is_there
  from public.room_message_reactions x where x.message_id = v_message.id;
  if v_is_there = p_is_on then
    return jsonb_build_object('ok', true, 'message', spaces.message_json(v_message), 'head', v_head.head);
  end if;
  if p_is_on then
    select c.* into v_config from spaces.config c;
    if v_mine >= v_config.emojis_per_user then
      perform spaces.fail('not_allowed', format('cannot %s: you have put %s emojis there', c_operation, v_mine), 'Take one of yours back first.');
    elsif v_different >= v_config.emojis_per_message then
      perform spaces.fail('not_allowed', format('cannot %s: it has %s different emojis', c_operation, v_different), 'Choose one that is there already.');
    end if;
    insert into public.room_message_reactions (message_id, user_id, emoji, room_id)
    values (v_message.id, v_user_id, p_emoji, p_room_id);
  else
    -- The message before its reactions: so does the deletion of an account.
    perform from public.room_messages m where m.id = v_message.id for no key update;
    delete from public.room_message_reactions x where x.message_id = v_message.id and x.user_id = v_user_id and x.emoji = p_emoji;
  end if;
  update public.room_messages m set revision = v_head.head + 1, reactions = spaces.reaction_counts(m.id)
  where m.id = v_message.id returning m.* into v_message;
  return spaces.publish_change(v_message);
end
$$;
revoke all on function public.react(uuid, uuid, text, boolean) from public, anon, authenticated, service_role;
grant execute on function public.react(uuid, uuid, text, boolean) to authenticated, service_role;
comment on function public.react(uuid, uuid, text, boolean) is
  'Puts the caller''s reaction to a message, or takes it back. The same again changes nothing.';

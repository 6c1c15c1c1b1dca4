-- What a message says about who answers it: whom it names, and how many bots have answered bots before it.

-- A name counts from an @ on, in any case, to its end and no further: @Ann names Ann and not Annie, @Ann Lee names Ann Lee
-- and not Ann. An @ inside a word is a part of that word. Names are compared as text, whatever characters they have.
create function spaces.named_bots(p_room_id uuid, p_content text)
returns uuid[] language plpgsql stable set search_path = '' as $$
declare
  c_mentions constant integer := 50;
  c_longest constant integer := 120; -- more than a name and what follows it, also where lower case is longer
begin
  if strpos(p_content, '@') = 0 then
    return '{}';
  end if;
  return array(
    with pieces as ( -- each ends before an @, the last one at the end of the text
      select a.text, a.n, sum(char_length(a.text) + 1) over (order by a.n) as ends
      from unnest((string_to_array(p_content, '@'))[1:c_mentions]) with ordinality a (text, n)
    ), calls as (
      select lower(substr(p_content, i.ends::integer + 1, c_longest)) as said from pieces i where right(i.text, 1) !~ '\w'
    ), named as materialized (
      select p.user_id, b.name, c.said
      from public.room_participants p
      cross join lateral (select lower(p.display_name)) b (name)
      join calls c on starts_with(c.said, b.name) and substr(c.said, char_length(b.name) + 1, 1) !~ '\w'
      where p.room_id = p_room_id and p.status = 'active' and p.kind = 'bot'
    ), longer as materialized ( -- looked up by key: a room has thousands of names, and a text fifty calls
      select n.name, jsonb_object_agg(b.name, null) as names
      from (select distinct d.name from named d) n
      join public.room_participants p on p.room_id = p_room_id and p.status = 'active'
      cross join lateral (select lower(p.display_name)) b (name)
      where starts_with(b.name, n.name) and b.name <> n.name
      group by n.name
    )
    select distinct d.user_id from named d where not exists (
      select from longer l, generate_series(char_length(d.name) + 1, char_length(d.said)) i (ends)
      where l.name = d.name and l.names ? left(d.said, i.ends) and substr(d.said, i.ends + 1, 1) !~ '\w'));
end
$$;
revoke all on function spaces.named_bots(uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.named_bots(uuid, text) is 'The bots whose name stands behind an @ in a text, the first 50 of those, where no longer name of a participant does.';

create function spaces.mentioned_bots(p_message public.room_messages)
returns uuid[] language plpgsql stable set search_path = '' as $$
begin
  return array(
    select unnest(spaces.named_bots(p_message.room_id, p_message.content))
    union
    select p.user_id from public.room_messages q
    join public.room_participants p on p.room_id = q.room_id and p.user_id = q.user_id and p.status = 'active' and p.kind = 'bot'
    where q.id = p_message.reply_to);
end
$$;
revoke all on function spaces.mentioned_bots(public.room_messages) from public, anon, authenticated, service_role;
comment on function spaces.mentioned_bots(public.room_messages) is 'The bots that a message is for: those that it names, and the author of what it replies to.';

-- 0 for what a human says. A bot's message is one more than what it answers; one that answers nothing in particular, one more
-- than the bots' messages since a human has spoken. Walks end at a hundred: no room allows more.
create function spaces.message_depth(p_message public.room_messages)
returns integer language plpgsql stable set search_path = '' as $$
declare
  c_most constant integer := 101;
  v_depth integer := 0;
  v_message public.room_messages := p_message;
begin
  while v_message.sender_kind = 'bot' and v_depth < c_most loop
    v_depth := v_depth + 1;
    if v_message.reply_to is null then
      return least(c_most, v_depth + (
        select count(*) from (
          select bool_and(x.sender_kind = 'bot') over (order by x.seq desc) as is_since
          from (select m.seq, m.sender_kind from public.room_messages m
                where m.room_id = v_message.room_id and m.seq < v_message.seq and m.sender_kind <> 'system'
                order by m.seq desc limit c_most) x) y
        where y.is_since));
    end if;
    select m.* into v_message from public.room_messages m where m.id = v_message.reply_to;
  end loop;
  return v_depth;
end
$$;
revoke all on function spaces.message_depth(public.room_messages) from public, anon, authenticated, service_role;
comment on function spaces.message_depth(public.room_messages) is 'How many times in a row bots have answered bots, up to a message; at most 101.';

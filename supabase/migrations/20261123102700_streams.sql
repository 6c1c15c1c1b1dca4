-- Messages that grow while all watch. The row stands from the beginning, with status streaming; what is added goes into
-- rows of its own, because writing the whole text again with each word would cost the square of its length.
create table spaces.streams (
  message_id uuid not null,
  room_id uuid not null,
  length integer not null default 0,
  folded integer not null default 0,
  expires_at timestamptz not null,
  constraint streams_pkey primary key (message_id),
  constraint streams_message_id_fkey foreign key (message_id) references public.room_messages (id) on delete cascade,
  constraint streams_lengths check (folded between 0 and length)
) with (fillfactor = 50);
-- expires_at is in no index: each part then updates its row in place, and only what grows just now is in this table.
create index streams_room_id_idx on spaces.streams (room_id);
alter table spaces.streams enable row level security;
revoke all on table spaces.streams from public, anon, authenticated, service_role;
comment on table spaces.streams is 'Messages that are being written now, one row each; written under the room''s lock.';
comment on column spaces.streams.length is 'Characters so far, those that stand in the message and those in stream_chunks.';
comment on column spaces.streams.folded is 'Characters that stand in the message itself.';
comment on column spaces.streams.expires_at is 'Each part puts it off; after it a sweep stops the message.';

create table spaces.stream_chunks (
  message_id uuid not null,
  starts_at integer not null,
  text text not null,
  constraint stream_chunks_pkey primary key (message_id, starts_at),
  constraint stream_chunks_message_id_fkey foreign key (message_id) references spaces.streams (message_id) on delete cascade
);
alter table spaces.stream_chunks enable row level security;
revoke all on table spaces.stream_chunks from public, anon, authenticated, service_role;
comment on table spaces.stream_chunks is 'What was added to a message and does not stand in it yet. Gone when the stream has ended.';
comment on column spaces.stream_chunks.starts_at is 'Characters before it.';

-- STABLE, like all that reads a message: content and tail are of one snapshot.
create function spaces.stream_tail(p_message_id uuid)
returns text language plpgsql stable set search_path = '' as $$
begin
  return coalesce((select string_agg(c.text, '' order by c.starts_at) from spaces.stream_chunks c where c.message_id = p_message_id), '');
end
$$;
revoke all on function spaces.stream_tail(uuid) from public, anon, authenticated, service_role;
comment on function spaces.stream_tail(uuid) is 'The end of a message that grows, as far as it does not stand in the message.';

create function spaces.stream_tail_bytes(p_message_id uuid)
returns bigint language plpgsql stable set search_path = '' as $$
begin
  return coalesce((select sum(octet_length(c.text)) from spaces.stream_chunks c where c.message_id = p_message_id), 0);
end
$$;
revoke all on function spaces.stream_tail_bytes(uuid) from public, anon, authenticated, service_role;
comment on function spaces.stream_tail_bytes(uuid) is 'How large stream_tail is, for pages.';

-- Each time at least as much as stands there already: so all of it together writes about twice what was said.
create function spaces.fold_stream(p_message_id uuid)
returns void language plpgsql volatile set search_path = '' as $$
begin
  update public.room_messages m set content = m.content || spaces.stream_tail(m.id) where m.id = p_message_id;
  delete from spaces.stream_chunks c where c.message_id = p_message_id;
  update spaces.streams s set folded = s.length where s.message_id = p_message_id;
end
$$;
revoke all on function spaces.fold_stream(uuid) from public, anon, authenticated, service_role;
comment on function spaces.fold_stream(uuid) is 'Moves the end of a message that grows into the message; nothing that is read changes.';

create function spaces.content_limit(p_message_type text)
returns integer language plpgsql immutable set search_path = '' as $$
begin
  return case p_message_type when 'ai_response' then 200000 else 8000 end;
end
$$;
revoke all on function spaces.content_limit(text) from public, anon, authenticated, service_role;
comment on function spaces.content_limit(text) is 'How many characters a message of a type may have.';

-- The end of a stream, whoever ends it: one step, one event with the whole row.
create function spaces.end_stream(
  p_message public.room_messages, p_status text, p_last_text text default '', p_metadata jsonb default '{}'
) returns jsonb language plpgsql volatile set search_path = '' as $$
declare
  v_tail text := spaces.stream_tail(p_message.id);
  v_message public.room_messages;
begin
  update public.room_messages m
  set content = m.content || v_tail || p_last_text, metadata = m.metadata || p_metadata, status = p_status,
      updated_at = clock_timestamp(), revision = h.head + 1
  from spaces.room_heads h
  where m.id = p_message.id and h.room_id = m.room_id returning m.* into v_message;
  delete from spaces.streams s where s.message_id = p_message.id;
  perform spaces.touch_room(v_message.room_id);
  return spaces.publish_change(v_message);
end
$$;
revoke all on function spaces.end_stream(public.room_messages, text, text, jsonb) from public, anon, authenticated, service_role;
comment on function spaces.end_stream(public.room_messages, text, text, jsonb) is
  'Ends a stream as final or stopped, under the room''s lock; the answer of the call that did it.';

-- For those who take an author's right to write, and for the sweep. The former hold the author's account; the latter passes
-- over a message that the deletion of its author holds, and stops it the next time.
create function spaces.end_streams(p_room_id uuid, p_user_id uuid default null, p_is_expired boolean default false)
returns integer language plpgsql volatile set search_path = '' as $$
declare
  v_message public.room_messages;
  v_ended integer := 0;
begin
  for v_message in
    select m.* from spaces.streams s join public.room_messages m on m.id = s.message_id
    where s.room_id = p_room_id and (p_user_id is null or m.user_id = p_user_id)
      and (not p_is_expired or s.expires_at <= clock_timestamp())
    order by m.seq for no key update of m skip locked
  loop
    perform spaces.end_stream(v_message, 'stopped');
    v_ended := v_ended + 1;
  end loop;
  return v_ended;
end
$$;
revoke all on function spaces.end_streams(uuid, uuid, boolean) from public, anon, authenticated, service_role;
comment on function spaces.end_streams(uuid, uuid, boolean) is
  'Stops what grows in a room: all of it, what one user writes, or what nobody writes any more. A step for each.';

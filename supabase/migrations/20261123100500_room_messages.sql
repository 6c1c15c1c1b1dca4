-- The conversation. seq orders it; it has no default, so that a plain insert fails, also one by the service key.
create table public.room_messages (
  id uuid not null default gen_random_uuid(),
  room_id uuid not null,
  user_id uuid,
  message_type text not null,
  content text not null,
  metadata jsonb not null default '{}',
  created_at timestamptz not null default now(),
  seq bigint not null,
  revision bigint not null,
  status text not null default 'final',
  reply_to uuid,
  updated_at timestamptz not null default now(),
  display_name text not null,
  sender_kind text not null,
  reactions jsonb not null default '{}',
  constraint room_messages_pkey primary key (id),
  constraint room_messages_room_id_seq_key unique (room_id, seq),
  constraint room_messages_room_id_fkey foreign key (room_id) references public.rooms (id) on delete cascade,
  constraint room_messages_user_id_fkey foreign key (user_id) references auth.users (id) on delete set null,
  constraint room_messages_reply_to_fkey foreign key (reply_to) references public.room_messages (id) on delete set null,
  constraint room_messages_message_type_values check (message_type in ('user_text', 'user_voice', 'ai_response', 'system')),
  constraint room_messages_status_values check (status in ('final', 'streaming', 'stopped', 'deleted')),
  constraint room_messages_sender_kind_values check (sender_kind in ('human', 'bot', 'system')),
  constraint room_messages_system_has_no_author check ((message_type = 'system') = (sender_kind = 'system')),
  constraint room_messages_content_length check (
    char_length(content) <= case message_type when 'ai_response' then 200000 else 8000 end
    and (content <> '' or status <> 'final')),
  constraint room_messages_metadata_size check (jsonb_typeof(metadata) = 'object' and octet_length(metadata::text) <= 16384),
  constraint room_messages_display_name_length check (char_length(display_name) between 1 and 50),
  constraint room_messages_reactions_are_an_object check (jsonb_typeof(reactions) = 'object'),
  constraint room_messages_steps check (seq > 0 and revision >= seq)
);
create index room_messages_created_at_idx on public.room_messages (created_at);
create index room_messages_message_type_idx on public.room_messages (message_type);
create index room_messages_user_id_idx on public.room_messages (user_id);
create index room_messages_reply_to_idx on public.room_messages (reply_to) where reply_to is not null;
-- For the second part of sync_room: rows that changed after they were made, few among many.
create index room_messages_room_id_revision_idx on public.room_messages (room_id, revision) where revision > seq;
-- For leave_room: what the conversation has said about somebody's coming and going.
create index room_messages_notices_idx on public.room_messages (room_id, (metadata ->> 'user_id'), created_at)
  where message_type = 'system';

alter table public.room_messages enable row level security;
create policy room_messages_are_read_by_members on public.room_messages for select to authenticated
  using (room_id in (select spaces.my_room_ids()));
-- Nobody has the right to insert, update or delete; this stands behind that as a second wall.
create policy room_messages_are_written_by_members on public.room_messages for insert to authenticated
  with check (user_id = (select auth.uid()) and room_id in (select spaces.my_room_ids()));
comment on policy room_messages_are_read_by_members on public.room_messages is 'Host and active participants of the room.';
comment on policy room_messages_are_written_by_members on public.room_messages is 'Second wall: the way in is insert_message.';
revoke all on table public.room_messages from public, anon, authenticated, service_role;
grant select on table public.room_messages to authenticated, service_role;

-- The seed's trigger. It writes to rooms at most once a minute: last_activity is indexed, and one hot row
-- written with each message would cost more than the message.
create function public.update_room_activity()
returns trigger language plpgsql security definer set search_path = '' as $$
begin
  -- Looked at first: that costs half of an update that finds nothing to do.
  if exists (
      select from public.rooms r, spaces.config c
      where r.id = new.room_id and r.last_activity < clock_timestamp() - make_interval(secs => c.activity_refresh_s::double precision)) then
    perform spaces.touch_room(new.room_id);
  end if;
  return null;
end
$$;
revoke all on function public.update_room_activity() from public, anon, authenticated, service_role;
comment on function public.update_room_activity() is 'Trigger: refreshes rooms.last_activity, at most once a minute.';
create trigger room_messages_update_room_activity after insert on public.room_messages
  for each row execute function public.update_room_activity();

comment on table public.room_messages is 'Messages of all rooms. Written by functions alone, under the room''s lock.';
comment on column public.room_messages.user_id is 'Null for system messages, and after the author''s account was deleted.';
comment on column public.room_messages.seq is 'The step at which the message was made: strictly increasing in a room, not dense.';
comment on column public.room_messages.revision is 'The step at which it last changed; equal to seq until then.';
comment on column public.room_messages.status is 'deleted: a tombstone, without content, metadata and reactions.';
comment on column public.room_messages.updated_at is 'When what it says last changed; a reaction does not count.';
comment on column public.room_messages.reactions is 'Emoji to count, kept with the row; who reacted stands in room_message_reactions.';
comment on column public.room_messages.display_name is 'The author''s name of that moment: a later rename does not rewrite history.';
comment on column public.room_messages.sender_kind is 'What the author was at that moment: human, bot, or the system itself.';

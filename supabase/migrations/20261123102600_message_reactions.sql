-- Who reacted to what. Messages carry the counts; this is where they are counted, under the room's lock.
create table public.room_message_reactions (
  message_id uuid not null,
  user_id uuid not null,
  emoji text not null,
  room_id uuid not null,
  created_at timestamptz not null default now(),
  constraint room_message_reactions_pkey primary key (message_id, user_id, emoji),
  constraint room_message_reactions_message_id_fkey foreign key (message_id) references public.room_messages (id) on delete cascade,
  constraint room_message_reactions_user_id_fkey foreign key (user_id) references auth.users (id) on delete cascade,
  constraint room_message_reactions_room_id_fkey foreign key (room_id) references public.rooms (id) on delete cascade,
  constraint room_message_reactions_emoji_length check (char_length(emoji) between 1 and 16)
);
create index room_message_reactions_user_id_idx on public.room_message_reactions (user_id);
create index room_message_reactions_room_id_idx on public.room_message_reactions (room_id);

alter table public.room_message_reactions enable row level security;
create policy room_message_reactions_are_read_by_members on public.room_message_reactions for select to authenticated
  using (room_id in (select spaces.my_room_ids()));
comment on policy room_message_reactions_are_read_by_members on public.room_message_reactions is
  'Host and active participants of the room. Nobody writes: there is no policy for it, and the way in is react.';
revoke all on table public.room_message_reactions from public, anon, authenticated, service_role;
grant select on table public.room_message_reactions to authenticated, service_role;

comment on table public.room_message_reactions is 'Reactions, one row for each message, user and emoji. Written by react and delete_message alone.';
comment on column public.room_message_reactions.room_id is 'The message''s room, for the policy.';

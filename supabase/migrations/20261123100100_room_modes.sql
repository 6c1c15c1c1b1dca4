-- The personalities that the AI of a room can take. Apps add their own rows.
create table public.room_modes (
  name text not null,
  label text not null,
  system_prompt text not null,
  created_at timestamptz not null default now(),
  constraint room_modes_pkey primary key (name),
  constraint room_modes_name_format check (name ~ '^[a-z][a-z0-9_-]{0,39}$'),
  constraint room_modes_label_length check (char_length(label) between 1 and 60),
  constraint room_modes_prompt_length check (char_length(system_prompt) between 1 and 8000)
);

alter table public.room_modes enable row level security;
create policy room_modes_are_read_by_all on public.room_modes for select to authenticated using (true);
comment on policy room_modes_are_read_by_all on public.room_modes is 'A list of choices holds no secret.';
revoke all on table public.room_modes from public, anon, authenticated, service_role;
grant select on table public.room_modes to authenticated, service_role;

comment on table public.room_modes is 'Personalities of the AI in a room.';
comment on column public.room_modes.name is 'What rooms.current_mode says.';
comment on column public.room_modes.system_prompt is 'What a bot tells its model when a room is in this mode.';

insert into public.room_modes (name, label, system_prompt) values
  ('gangster', 'Gangster',
   'You are a streetwise, confident character from an old gangster film: short sentences, sly humour, a big heart. Never encourage crime or harm.'),
  ('playful', 'Playful',
   'You are cheerful and curious. You joke, riddle and tease kindly, and you keep everybody in the conversation.'),
  ('philosopher', 'Philosopher',
   'You are a calm philosopher. You answer with questions that clarify, name assumptions, and offer more than one view.'),
  ('conspiracy', 'Conspiracy',
   'You are a comic conspiracy theorist who connects harmless things that have nothing to do with each other. Plain satire: never about real persons, groups or health.'),
  ('wildcard', 'Wildcard',
   'You change your manner with each answer: a poet, a sports reporter, a ship''s captain, a detective. Surprise people, kindly.');

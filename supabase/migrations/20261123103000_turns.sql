-- Who does a piece of work, when several bots may and each may run more than once. A claim is for one position of a room and one
-- purpose: `answer` is the room's turn, and the rules say whose; any other is the name of a handler, and one copy of its bot has it.
create table spaces.bots (
  room_id uuid not null,
  user_id uuid not null,
  position bigint not null,
  takes_turns boolean not null,
  last_turn_at timestamptz,
  last_done_at timestamptz,
  is_silent boolean not null default false,
  constraint bots_pkey primary key (room_id, user_id),
  constraint bots_participant_fkey foreign key (room_id, user_id)
    references public.room_participants (room_id, user_id) on delete cascade,
  constraint bots_position_range check (position >= 0)
) with (fillfactor = 70);
alter table spaces.bots enable row level security;
revoke all on table spaces.bots from public, anon, authenticated, service_role;
comment on table spaces.bots is 'How far a bot is in a room: kept for all its copies, and over restarts.';
comment on column spaces.bots.position is 'What has no row in spaces.turns up to here is done.';
comment on column spaces.bots.takes_turns is 'Whether it answers when it is its turn: round_robin waits for nobody else.';
comment on column spaces.bots.last_turn_at is 'When it began its last answer: orders the bots of round_robin.';
comment on column spaces.bots.last_done_at is 'When it ended its last answer.';
comment on column spaces.bots.is_silent is 'It has let a turn pass, and has asked for none since: round_robin does not wait for it again.';

-- Who may be meant, and whose turn it may be: a few of a room's thousands of participants.
create index room_participants_bots_idx on public.room_participants (room_id) where kind = 'bot' and status = 'active';

create table spaces.turns (
  id uuid not null default gen_random_uuid(),
  room_id uuid not null,
  user_id uuid not null,
  position bigint not null,
  purpose text not null,
  message_id uuid,
  state text not null,
  holder uuid,
  attempt integer not null default 0,
  expires_at timestamptz,
  passed_at timestamptz,
  created_at timestamptz not null default clock_timestamp(),
  changed_at timestamptz not null default clock_timestamp(),
  constraint turns_pkey primary key (room_id, user_id, position, purpose),
  constraint turns_participant_fkey foreign key (room_id, user_id)
    references public.room_participants (room_id, user_id) on delete cascade,
  constraint turns_position_range check (position >= 0),
  constraint turns_purpose_format check (purpose ~ '^[a-z0-9_:.-]{1,60}$'),
  constraint turns_state_values check (state in ('waiting', 'offered', 'held', 'done', 'declined')),
  constraint turns_holder_of_held check ((state = 'held') = (holder is not null)),
  constraint turns_end_of_a_lease check ((state in ('offered', 'held')) = (expires_at is not null))
) with (fillfactor = 70);
-- What other bots have of the same message; what is still to be done; how many claims of handlers are kept; what is old.
create index turns_answers_idx on spaces.turns (room_id, position) where purpose = 'answer';
create index turns_open_idx on spaces.turns (room_id, user_id, position) where state in ('waiting', 'offered', 'held');
create index turns_handlers_idx on spaces.turns (room_id, user_id, position) where purpose <> 'answer';
create index turns_created_at_idx on spaces.turns (created_at);
alter table spaces.turns enable row level security;
revoke all on table spaces.turns from public, anon, authenticated, service_role;
comment on table spaces.turns is 'Claims of bots on pieces of work; written under the room''s lock, gone a day after they were changed last.';
comment on column spaces.turns.id is 'Told to the bot alone: the ids of what it says are made of it, so that a copy that takes over says the same.';
comment on column spaces.turns.position is 'seq of the message, pos of another step; 0 for standing work that never ends.';
comment on column spaces.turns.message_id is 'What is answered. No reference: a claim is gone in a day, and messages go with their room.';
comment on column spaces.turns.state is
  'waiting: nobody''s yet; offered: this bot''s until expires_at; held: holder''s until then; declined: over for this bot, and free for others.';
comment on column spaces.turns.holder is 'The copy of the bot that does it.';
comment on column spaces.turns.passed_at is 'When the bot let it pass last: all others come before it.';
comment on column spaces.turns.attempt is 'How many copies have had it.';

-- No references: the state of a room changes with a step and never otherwise, so it may name somebody who is gone.
create table spaces.room_turns (
  room_id uuid not null,
  picked_user_id uuid,
  picked_message_id uuid,
  picked_position bigint,
  day date,
  messages integer not null default 0,
  tokens bigint not null default 0,
  bots_resume_at timestamptz,
  constraint room_turns_pkey primary key (room_id),
  constraint room_turns_room_id_fkey foreign key (room_id) references public.rooms (id) on delete cascade,
  constraint room_turns_pick_is_whole check (num_nulls(picked_user_id, picked_message_id, picked_position) in (0, 3))
) with (fillfactor = 50);
alter table spaces.room_turns enable row level security;
revoke all on table spaces.room_turns from public, anon, authenticated, service_role;
comment on table spaces.room_turns is 'Whom the host has given the turn, and what all bots of a room have used up today.';
comment on column spaces.room_turns.day is 'The day, in UTC, that messages and tokens are of.';
comment on column spaces.room_turns.bots_resume_at is 'Part of the room''s state: while it is in the future the budget of the bots is used up.';

-- The rules of a room, with their defaults.
create type spaces.turn_rules as (
  mode text,
  depth integer,
  cooldown_s double precision,
  messages_per_day numeric,
  tokens_per_day numeric
);
comment on type spaces.turn_rules is 'settings.spaces of a room, as far as they say who answers.';

create function spaces.turn_rules_of(p_settings jsonb)
returns spaces.turn_rules language plpgsql immutable set search_path = '' as $$
declare
  v_chosen jsonb := coalesce(p_settings -> 'spaces', '{}');
  v_rules spaces.turn_rules;
begin
  v_rules.mode := coalesce(v_chosen ->> 'turn_mode', 'first');
  v_rules.depth := coalesce((v_chosen ->> 'bot_depth')::numeric, 0);
  v_rules.cooldown_s := coalesce((v_chosen ->> 'bot_cooldown_s')::double precision, 0);
  v_rules.messages_per_day := coalesce((v_chosen ->> 'bot_messages_per_day')::numeric, 1000);
  v_rules.tokens_per_day := (v_chosen ->> 'bot_tokens_per_day')::numeric;
  return v_rules;
end
$$;
revoke all on function spaces.turn_rules_of(jsonb) from public, anon, authenticated, service_role;
comment on function spaces.turn_rules_of(jsonb) is 'Who answers in a room with these settings; no limit of tokens unless there is one.';

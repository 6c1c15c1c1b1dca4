-- Schema `spaces`: what no client sees. Settings, limits and error codes.
-- `public` holds what clients read (under row level security) and call; every write is a function there.

create schema spaces;
revoke all on schema spaces from public;
comment on schema spaces is 'Internals of spaces-sdk: never expose it through the API.';

create table spaces.error_codes (
  code text not null,
  status integer not null,
  retryable boolean not null default false,
  description text not null,
  hint text not null,
  constraint error_codes_pkey primary key (code),
  constraint error_codes_status_range check (status between 400 and 599)
);
alter table spaces.error_codes enable row level security;
revoke all on table spaces.error_codes from public, anon, authenticated, service_role;
comment on table spaces.error_codes is 'The stable codes of all errors; the same table stands in the SDK, and a test holds the two equal.';
comment on column spaces.error_codes.hint is 'What to do next, where the call has nothing better to say.';
comment on column spaces.error_codes.retryable is 'The same call may succeed later without any change.';

insert into spaces.error_codes (code, status, retryable, description, hint) values
  ('invalid_argument', 400, false, 'An argument is missing, malformed or out of its range.',
   'Change the argument and call again; nothing was changed.'),
  ('invalid_room_code', 400, false, 'A room code has six characters of A-Z without I and O, and 2-9.',
   'Six characters: A-Z without I and O, and 2-9.'),
  ('not_authenticated', 401, false, 'The call needs a signed-in user.',
   'Sign in first; a key alone has no user.'),
  ('not_host', 403, false, 'Only the host of the room may do this.',
   'Ask the host of the room.'),
  ('not_participant', 403, false, 'Only a participant of the room may do this.',
   'Join the room first.'),
  ('not_allowed', 403, false, 'The caller may not do this to this row or with this value.',
   'Ask the host of the room.'),
  ('room_full', 403, false, 'Every place in the room is taken by a live connection.',
   'Wait until somebody leaves.'),
  ('banned', 403, false, 'The caller is banned from the room.',
   'Ask the host of the room.'),
  ('kicked', 403, false, 'The caller was removed from the room; its code lets them in again.',
   'Look the room up by its code to be let in again.'),
  ('muted', 403, false, 'The caller may listen but not speak.',
   'Ask the host or a moderator of the room.'),
  ('room_limit_reached', 403, false, 'The caller hosts as many active rooms as one may.',
   'Close or delete one of your rooms first.'),
  ('room_not_found', 404, false, 'There is no such room, or none that the caller may see.',
   'It may have been deleted; look the room up by its code.'),
  ('message_not_found', 404, false, 'There is no such message in this room.',
   'It may have been deleted; read the messages again.'),
  ('participant_not_found', 404, false, 'There is no such participant in this room.',
   'List the participants again.'),
  ('room_inactive', 409, false, 'The room is closed.',
   'Its host can open it again.'),
  ('lease_expired', 409, false, 'The connection is no longer live; join again.',
   'Join the room again.'),
  ('conflict', 409, false, 'The id that the caller chose is already used for something else.',
   'Choose another id.'),
  ('rate_limited', 429, true, 'Over a limit; wait retry_after_s seconds.',
   'Wait retry_after_s seconds.');

create table spaces.config (
  is_only boolean not null default true,
  lease_s numeric not null default 75,
  heartbeat_s numeric not null default 30,
  admission_s numeric not null default 600,
  rejoin_quiet_s numeric not null default 600,
  audit_s numeric not null default 7776000,
  activity_refresh_s numeric not null default 60,
  active_rooms_per_user integer not null default 5,
  max_event_bytes integer not null default 200000,
  page_rows integer not null default 200,
  page_bytes integer not null default 262144,
  participants_shown integer not null default 500,
  emojis_per_message integer not null default 20,
  emojis_per_user integer not null default 5,
  stream_lease_s numeric not null default 30,
  streams_per_user integer not null default 5,
  invitations_per_room integer not null default 100,
  turn_lease_s numeric not null default 15,
  turn_offer_s numeric not null default 5,
  turns_per_user integer not null default 2000,
  constraint config_pkey primary key (is_only),
  constraint config_is_one_row check (is_only),
  constraint config_values_are_positive check (
    lease_s > 0 and heartbeat_s > 0 and admission_s > 0 and rejoin_quiet_s >= 0 and audit_s > 0 and activity_refresh_s >= 0
    and active_rooms_per_user > 0 and max_event_bytes > 0 and page_rows > 0 and page_bytes > 0 and participants_shown > 0
    and emojis_per_message > 0 and emojis_per_user > 0 and stream_lease_s > 0 and streams_per_user > 0
    and invitations_per_room > 0 and turn_lease_s > 0 and turn_offer_s > 0 and turns_per_user > 0)
);
alter table spaces.config enable row level security;
revoke all on table spaces.config from public, anon, authenticated, service_role;
insert into spaces.config default values;
comment on table spaces.config is 'The settings, one row. Change them by SQL; they count from the next call on.';
comment on column spaces.config.lease_s is 'Seconds that a connection lives without a heartbeat.';
comment on column spaces.config.heartbeat_s is 'Seconds between heartbeats that clients are told to keep.';
comment on column spaces.config.admission_s is 'Seconds in which who has looked a room up by its code may join it.';
comment on column spaces.config.rejoin_quiet_s is 'Seconds after which a return is worth a system message again.';
comment on column spaces.config.audit_s is 'Seconds for which acts of moderation stay on record.';
comment on column spaces.config.activity_refresh_s is 'Seconds between two writes of rooms.last_activity.';
comment on column spaces.config.max_event_bytes is 'An event larger than this goes without its content; Realtime drops what is over its own limit.';
comment on column spaces.config.page_bytes is 'About how much text one page of messages holds.';
comment on column spaces.config.participants_shown is 'The longest list of participants inside another answer.';
comment on column spaces.config.emojis_per_message is 'How many different emojis a message can have.';
comment on column spaces.config.invitations_per_room is 'How many invitations of a room can be open at the same time.';
comment on column spaces.config.emojis_per_user is 'How many of them one user can have put there.';
comment on column spaces.config.stream_lease_s is 'Seconds that a message which is being written stays open without another part.';
comment on column spaces.config.turn_lease_s is 'Seconds that a claimed turn is held without being claimed again.';
comment on column spaces.config.turn_offer_s is 'Seconds that a bot whose turn it is has to take it.';
comment on column spaces.config.turns_per_user is 'How many claims of handlers are kept for a user in one room.';
comment on column spaces.config.streams_per_user is 'How many messages a user can be writing in one room at the same time.';

create table spaces.limits (
  action text not null,
  capacity integer not null,
  refill_per_s numeric not null,
  description text not null,
  constraint limits_pkey primary key (action),
  constraint limits_are_positive check (capacity > 0 and refill_per_s > 0)
);
alter table spaces.limits enable row level security;
revoke all on table spaces.limits from public, anon, authenticated, service_role;
comment on table spaces.limits is 'Token buckets: how many calls at once, and how fast they come back.';

insert into spaces.limits (action, capacity, refill_per_s, description) values
  ('create', 5, 1 / 60.0, 'Rooms made, by user.'),
  ('join', 20, 1, 'Joins, by user.'),
  ('code_miss', 10, 1 / 60.0, 'Room codes and invitations that led nowhere, by user.'),
  ('code_miss_all', 1000, 10, 'Room codes and invitations that led nowhere, all users together: anonymous users are free.'),
  ('send', 20, 5, 'Messages and voice switches of a human, by user and room.'),
  ('send_bot', 40, 10, 'Messages and voice switches of a bot, by user and room.'),
  ('stream', 20, 10, 'Parts of messages that are being written, by user and room.'),
  ('turn', 60, 20, 'Claims, ends and picks of turns, by user and room.'),
  ('signal', 30, 10, 'Signals, by user and room; over it they are dropped.'),
  ('signal_room', 4, 2, 'Signals of all in a room together; over it they are dropped.'),
  ('moderation', 20, 20 / 60.0, 'Changes to a room, to its participants, bans and invitations, by user and room.');

-- A refusal as an answer, for calls that answer several things at once.
create function spaces.refusal(p_code text, p_message text, p_hint text default null)
returns jsonb language plpgsql stable set search_path = '' as $$
begin
  return jsonb_build_object('ok', false, 'code', p_code, 'message', p_message,
    'hint', coalesce(p_hint, (select e.hint from spaces.error_codes e where e.code = p_code)));
end
$$;
revoke all on function spaces.refusal(text, text, text) from public, anon, authenticated, service_role;
comment on function spaces.refusal(text, text, text) is 'The JSON of a refusal that is answered and not raised.';

-- The one way to raise: HTTP status by way of the SQLSTATE, the stable code as the detail.
create function spaces.fail(p_code text, p_message text, p_hint text default null)
returns void language plpgsql stable set search_path = '' as $$
declare
  v_code spaces.error_codes;
begin
  select e.* into strict v_code from spaces.error_codes e where e.code = p_code;
  raise exception using
    errcode = 'PT' || v_code.status, message = p_message, detail = p_code, hint = coalesce(p_hint, v_code.hint);
end
$$;
revoke all on function spaces.fail(text, text, text) from public, anon, authenticated, service_role;
comment on function spaces.fail(text, text, text) is 'Raises the error of a code. Text: cannot <operation>: <reason>.';

-- Who calls. Never a claim about somebody else: the id comes from the verified token alone. The API passes every token
-- that the project has signed, also one that was made for something else (a link in a letter): it is nobody's here.
-- Not in SQL: with a search_path of its own that would be planned anew in each transaction.
create function spaces.user_id()
returns uuid language plpgsql stable set search_path = '' as $$
begin
  return case when coalesce(auth.jwt() -> 'aud', '"authenticated"') @> '"authenticated"' then auth.uid() end;
end
$$;
revoke all on function spaces.user_id() from public, anon, authenticated, service_role;
comment on function spaces.user_id() is 'The user of the token; null without one, or if the token is for another audience than signed-in users.';

create function spaces.caller(p_operation text)
returns uuid language plpgsql stable set search_path = '' as $$
declare
  v_user_id uuid := spaces.user_id();
begin
  if v_user_id is null then
    perform spaces.fail('not_authenticated', format('cannot %s: nobody is signed in', p_operation));
  end if;
  return v_user_id;
end
$$;
revoke all on function spaces.caller(text) from public, anon, authenticated, service_role;
comment on function spaces.caller(text) is 'The signed-in user, or 401.';

create function public.schema_version()
returns integer language sql immutable set search_path = '' as $$ select 1 $$;
revoke all on function public.schema_version() from public, anon, authenticated, service_role;
grant execute on function public.schema_version() to authenticated, service_role;
comment on function public.schema_version() is 'Version of this schema; the SDK compares it with the one it was written for.';

-- A name as it is stored: without white space at its ends, of a length that fits, without control characters and
-- without those that turn the direction of writing, by which one name can be made to look like another.
create function spaces.clean_name(p_value text, p_max_length integer, p_operation text, p_what text)
returns text language plpgsql immutable set search_path = '' as $$
declare
  v_name text := regexp_replace(p_value, '^\s+|\s+$', '', 'g');
begin
  if v_name is null or char_length(v_name) not between 1 and p_max_length or v_name ~ '[[:cntrl:]\u202a-\u202e\u2066-\u2069]' then
    perform spaces.fail('invalid_argument', format('cannot %s: the %s is empty, too long or has control characters', p_operation, p_what),
                        format('Give 1 to %s characters.', p_max_length));
  end if;
  return v_name;
end
$$;
revoke all on function spaces.clean_name(text, integer, text, text) from public, anon, authenticated, service_role;
comment on function spaces.clean_name(text, integer, text, text) is 'Trims and checks a room''s or a participant''s name.';

-- The values of a room that create_room and update_room_state both take.
create function spaces.check_room_values(
  p_operation text, p_max_participants integer, p_mode text, p_visibility text
) returns void language plpgsql stable set search_path = '' as $$
begin
  if p_max_participants is null or p_max_participants not between 1 and 50 then
    perform spaces.fail('invalid_argument', format('cannot %s: max_participants is out of range', p_operation), 'Give 1 to 50.');
  end if;
  if not exists (select from public.room_modes m where m.name = p_mode) then
    perform spaces.fail('invalid_argument', format('cannot %s: there is no such mode', p_operation),
      'One of: ' || (select string_agg(m.name, ', ' order by m.name) from public.room_modes m));
  end if;
  if p_visibility is null or p_visibility not in ('private', 'unlisted', 'public') then
    perform spaces.fail('invalid_argument', format('cannot %s: there is no such visibility', p_operation), 'One of: private, unlisted, public.');
  end if;
end
$$;
revoke all on function spaces.check_room_values(text, integer, text, text) from public, anon, authenticated, service_role;
comment on function spaces.check_room_values(text, integer, text, text) is 'Refuses values that no room may have.';

-- Six characters of 32 are 30 bits; they come from a random UUID, whose first 32 bits are all random.
create function public.generate_room_code()
returns text language plpgsql volatile security definer set search_path = '' as $$
declare
  v_bits bigint;
  v_code text;
begin
  loop
    v_bits := ('x' || left(gen_random_uuid()::text, 8))::bit(32)::bigint;
    select string_agg(substr('ABCDEFGHJKLMNPQRSTUVWXYZ23456789', ((v_bits >> (5 * i)) & 31)::integer + 1, 1), '')
      into v_code from generate_series(0, 5) i;
    exit when not exists (select from public.rooms r where r.room_code = v_code);
  end loop;
  return v_code;
end
$$;
revoke all on function public.generate_room_code() from public, anon, authenticated, service_role;
grant execute on function public.generate_room_code() to service_role;
comment on function public.generate_room_code() is 'A room code that no room has: six characters of A-Z without I and O, and 2-9.';

create function spaces.active_room_count(p_user_id uuid)
returns bigint language plpgsql stable set search_path = '' as $$
begin
  return (select count(*) from public.rooms r where r.host_user_id = p_user_id and r.is_active);
end
$$;
revoke all on function spaces.active_room_count(uuid) from public, anon, authenticated, service_role;
comment on function spaces.active_room_count(uuid) is 'How many active rooms a user hosts.';

-- One at a time for each user, to the end of the transaction: counting rooms and adding one belong together.
create function spaces.lock_rooms_of(p_user_id uuid)
returns void language plpgsql volatile set search_path = '' as $$
begin
  perform pg_advisory_xact_lock(hashtextextended('spaces:active_rooms:' || p_user_id, 0));
end
$$;
revoke all on function spaces.lock_rooms_of(uuid) from public, anon, authenticated, service_role;
comment on function spaces.lock_rooms_of(uuid) is 'Serialises what changes how many active rooms a user hosts.';

create function spaces.require_free_room_slot(p_user_id uuid, p_operation text)
returns void language plpgsql stable set search_path = '' as $$
declare
  v_limit integer := (select c.active_rooms_per_user from spaces.config c);
begin
  if spaces.active_room_count(p_user_id) >= v_limit then
    perform spaces.fail('room_limit_reached', format('cannot %s: you host %s active rooms already', p_operation, v_limit));
  end if;
end
$$;
revoke all on function spaces.require_free_room_slot(uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.require_free_room_slot(uuid, text) is 'Refuses one active room too many; after lock_rooms_of.';

-- The id of a room is the idempotency key of making it: who repeats it gets the room as it is, before any limit.
create function spaces.repeated_room(p_room_id uuid, p_user_id uuid, p_operation text)
returns jsonb language plpgsql stable set search_path = '' as $$
declare
  v_room public.rooms;
begin
  select r.* into v_room from public.rooms r where r.id = p_room_id;
  if not found then
    return null;
  elsif v_room.host_user_id is distinct from p_user_id then
    perform spaces.fail('conflict', format('cannot %s: its id is taken', p_operation));
  end if;
  return jsonb_build_object('ok', true, 'room', spaces.room_json(v_room),
    'head', (select h.head from spaces.room_heads h where h.room_id = p_room_id));
end
$$;
revoke all on function spaces.repeated_room(uuid, uuid, text) from public, anon, authenticated, service_role;
comment on function spaces.repeated_room(uuid, uuid, text) is
  'The room of a repeated id, null when the id is new, 409 when it is somebody else''s.';

create function public.create_room(
  p_name text, p_max_participants integer default 10, p_room_id uuid default null, p_mode text default 'gangster',
  p_visibility text default 'unlisted', p_settings jsonb default '{}', p_expires_after_s integer default 86400
) returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'create the room';
  v_user_id uuid := spaces.caller(c_operation);
  v_room_id uuid := coalesce(p_room_id, gen_random_uuid());
  v_name text;
  v_answer jsonb := spaces.repeated_room(v_room_id, v_user_id, c_operation);
begin
  if v_answer is not null then
    return v_answer;
  end if;
  v_name := spaces.clean_name(p_name, 100, c_operation, 'name');
  perform spaces.check_room_values(c_operation, p_max_participants, p_mode, p_visibility);
  perform spaces.check_settings(p_settings, c_operation);
  if p_expires_after_s is not null and p_expires_after_s not between 1 and 315360000 then
    perform spaces.fail('invalid_argument', format('cannot %s: expires_after_s is out of range', c_operation),
                        'Give 1 second to 10 years, or null to keep the room.');
  end if;
  if not exists (select from auth.users u where u.id = v_user_id) then
    perform spaces.fail('not_authenticated', format('cannot %s: your account is gone', c_operation), 'Sign in again.');
  end if;

  -- Each refusal looks for the id once more: what it counts, or waited for, may be the first try of this same call.
  if spaces.active_room_count(v_user_id) >= (select c.active_rooms_per_user from spaces.config c) then
    -- Before the limit on calls, so that this is the answer and not that one.
    v_answer := spaces.repeated_room(v_room_id, v_user_id, c_operation);
    if v_answer is not null then
      return v_answer;
    end if;
    perform spaces.require_free_room_slot(v_user_id, c_operation);
  end if;
  if spaces.take(v_user_id, 'create', spaces.nil_uuid(), 'create') = 0 then
    return coalesce(spaces.repeated_room(v_room_id, v_user_id, c_operation),
      spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'create', spaces.nil_uuid(), 'create')));
  end if;
  perform spaces.lock_rooms_of(v_user_id);
  if not spaces.hold_account(v_user_id) then -- deleted at this moment
    perform spaces.fail('not_authenticated', format('cannot %s: your account is gone', c_operation), 'Sign in again.');
  end if;
  loop
    v_answer := spaces.repeated_room(v_room_id, v_user_id, c_operation);
    exit when v_answer is not null;
    perform spaces.require_free_room_slot(v_user_id, c_operation);
    insert into public.rooms (id, room_code, host_user_id, name, max_participants, current_mode, visibility, settings, expires_after)
    values (v_room_id, public.generate_room_code(), v_user_id, v_name, p_max_participants, p_mode, p_visibility, p_settings,
            make_interval(secs => p_expires_after_s))
    on conflict do nothing;
    if found then
      insert into spaces.room_heads (room_id) values (v_room_id);
    end if;
    -- Not found: somebody was quicker with this id, or with this code. Look again.
  end loop;
  return v_answer;
end
$$;
revoke all on function public.create_room(text, integer, uuid, text, text, jsonb, integer) from public, anon, authenticated, service_role;
grant execute on function public.create_room(text, integer, uuid, text, text, jsonb, integer) to authenticated, service_role;
comment on function public.create_room(text, integer, uuid, text, text, jsonb, integer) is
  'Makes a room that the caller hosts. p_room_id is the idempotency key. Does not join it.';

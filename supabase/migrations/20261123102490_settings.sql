-- Settings of a room: free keys for apps, and under the key "spaces" those that this package acts on, which are checked.
-- Each of these is a row here; a later migration adds its own.
create table spaces.setting_keys (
  name text not null,
  type text not null,
  choices text[],
  minimum numeric,
  maximum numeric,
  description text not null,
  constraint setting_keys_pkey primary key (name),
  constraint setting_keys_name_format check (name ~ '^[a-z][a-z0-9_]{0,39}$'),
  constraint setting_keys_type_values check (type in ('choice', 'integer', 'number', 'boolean')),
  constraint setting_keys_choices_of_a_choice check ((type = 'choice') = (choices is not null)),
  constraint setting_keys_range_of_a_number check ((type in ('integer', 'number')) = (minimum is not null and maximum is not null))
);
alter table spaces.setting_keys enable row level security;
revoke all on table spaces.setting_keys from public, anon, authenticated, service_role;
comment on table spaces.setting_keys is 'The keys that settings.spaces of a room may have, and what they may be.';

insert into spaces.setting_keys (name, type, choices, minimum, maximum, description) values
  ('turn_mode', 'choice', '{mention,round_robin,first,host_picks,everyone}', null, null, 'Which bot answers.'),
  ('bot_cooldown_s', 'number', null, 0, 3600, 'Seconds that a bot waits between two answers.'),
  ('bot_depth', 'integer', null, 0, 100, 'How many times in a row bots answer bots.'),
  ('bot_messages_per_day', 'integer', null, 0, 1000000, 'Answers of all bots in a day.'),
  ('bot_tokens_per_day', 'integer', null, 0, 1000000000, 'Tokens that all bots use in a day.');

create function spaces.is_nested_deeper(p_value jsonb, p_levels integer)
returns boolean language plpgsql immutable set search_path = '' as $$
begin
  if jsonb_typeof(p_value) not in ('object', 'array') then
    return false;
  elsif p_levels = 0 then
    return true;
  elsif jsonb_typeof(p_value) = 'object' then
    return exists (select from jsonb_each(p_value) e where spaces.is_nested_deeper(e.value, p_levels - 1));
  end if;
  return exists (select from jsonb_array_elements(p_value) e where spaces.is_nested_deeper(e.value, p_levels - 1));
end
$$;
revoke all on function spaces.is_nested_deeper(jsonb, integer) from public, anon, authenticated, service_role;
comment on function spaces.is_nested_deeper(jsonb, integer) is 'Whether a value has more levels of objects and arrays than that.';

create function spaces.is_setting(p_key spaces.setting_keys, p_value jsonb)
returns boolean language plpgsql immutable set search_path = '' as $$
begin
  return case p_key.type
    when 'choice' then jsonb_typeof(p_value) = 'string' and p_value #>> '{}' = any (p_key.choices)
    when 'boolean' then jsonb_typeof(p_value) = 'boolean'
    else case when jsonb_typeof(p_value) = 'number' then (p_value #>> '{}')::numeric between p_key.minimum and p_key.maximum
      and (p_key.type = 'number' or (p_value #>> '{}')::numeric % 1 = 0) else false end
  end;
end
$$;
revoke all on function spaces.is_setting(spaces.setting_keys, jsonb) from public, anon, authenticated, service_role;
comment on function spaces.is_setting(spaces.setting_keys, jsonb) is 'Whether a key of settings.spaces may have that value.';

-- The settings as they would be stored, so after a merge.
create function spaces.check_settings(p_settings jsonb, p_operation text)
returns void language plpgsql stable set search_path = '' as $$
declare
  v_name text;
  v_value jsonb;
  v_key spaces.setting_keys;
begin
  if p_settings is null or jsonb_typeof(p_settings) <> 'object' or octet_length(p_settings::text) > 16384 then
    perform spaces.fail('invalid_argument', format('cannot %s: the settings are malformed', p_operation), 'Give a JSON object of at most 16 kB.');
  elsif spaces.is_nested_deeper(p_settings, 8) then
    perform spaces.fail('invalid_argument', format('cannot %s: the settings are nested too deeply', p_operation), 'At most 8 levels.');
  elsif exists (select from jsonb_object_keys(p_settings) k (name) where k.name like 'spaces.%') then
    perform spaces.fail('invalid_argument', format('cannot %s: a key of the settings begins with spaces.', p_operation),
                        'Write {"spaces": {"turn_mode": "first"}}.');
  elsif p_settings ? 'spaces' and jsonb_typeof(p_settings -> 'spaces') <> 'object' then
    perform spaces.fail('invalid_argument', format('cannot %s: spaces in the settings is malformed', p_operation), 'Give a JSON object.');
  end if;
  for v_name, v_value in select e.key, e.value from jsonb_each(coalesce(p_settings -> 'spaces', '{}')) e loop
    select k.* into v_key from spaces.setting_keys k where k.name = v_name;
    if not found then
      perform spaces.fail('invalid_argument', format('cannot %s: there is no spaces.%s in the settings', p_operation, left(v_name, 40)),
        'One of: ' || (select string_agg(k.name, ', ' order by k.name) from spaces.setting_keys k) || '. Your own keys stand beside "spaces".');
    elsif not spaces.is_setting(v_key, v_value) then
      perform spaces.fail('invalid_argument', format('cannot %s: the value of spaces.%s is malformed', p_operation, v_name),
        case v_key.type when 'choice' then 'One of: ' || array_to_string(v_key.choices, ', ') || '.'
          when 'boolean' then 'Give true or false.' else format('Give a JSON %s, %s to %s.', v_key.type, v_key.minimum, v_key.maximum) end);
    end if;
  end loop;
end
$$;
revoke all on function spaces.check_settings(jsonb, text) from public, anon, authenticated, service_role;
comment on function spaces.check_settings(jsonb, text) is 'Refuses settings that no room may have.';

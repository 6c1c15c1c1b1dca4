-- Hosted projects let the migration role write policies on realtime.messages and nothing else in schemas auth and
-- realtime. Plain Postgres wants ownership of a table for `create policy`: so the role owns realtime.messages here,
-- and this event trigger takes back all the rest of what an owner may do. Other refusals come from missing rights.
create schema local_fence;

create function local_fence.refuse_owner_commands() returns event_trigger language plpgsql
set search_path = '' as $$
declare
  v_command record;
begin
  if (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user)
     or current_user in ('supabase_auth_admin', 'supabase_realtime_admin') then
    return;
  end if;
  if pg_catalog.to_regclass('realtime.messages') is null then -- moved to another schema: its new name tells nothing
    raise exception 'must be owner of table messages' using errcode = 'insufficient_privilege';
  end if;
  if tg_tag in ('GRANT', 'REVOKE') then
    -- The command names no object here: compare what it left behind.
    if exists (
      select from pg_catalog.pg_class c, pg_catalog.aclexplode(c.relacl) a
      where c.oid = 'realtime.messages'::regclass
      group by c.relowner
      having count(*) filter (where a.grantee = 0) > 0
        or count(*) filter (where a.grantee in ('anon'::regrole, 'authenticated'::regrole, 'service_role'::regrole)
                              and a.privilege_type in ('SELECT', 'INSERT', 'UPDATE') and not a.is_grantable) <> 9
        or count(*) filter (where a.grantee <> all (array[
                              'anon'::regrole, 'authenticated'::regrole, 'service_role'::regrole,
                              'supabase_realtime_admin'::regrole, c.relowner]::oid[])) > 0
        or count(*) filter (where a.grantee in ('anon'::regrole, 'authenticated'::regrole, 'service_role'::regrole)) <> 9
    ) then
      raise exception 'permission denied for table messages' using errcode = 'insufficient_privilege';
    end if;
    return;
  end if;
  for v_command in
    select c.object_type, c.schema_name, c.object_identity from pg_catalog.pg_event_trigger_ddl_commands() c
  loop
    if v_command.object_type = 'policy' and tg_tag in ('CREATE POLICY', 'ALTER POLICY')
       and v_command.object_identity ~ ' on realtime\.messages$' then
      continue;
    end if;
    if v_command.object_identity ~ '(^| on )realtime\.messages($|\.| )' then
      raise exception 'must be owner of table messages' using errcode = 'insufficient_privilege',
        detail = format('%s on %s', tg_tag, v_command.object_identity),
        hint = 'A hosted project admits only create policy, alter policy and drop policy on realtime.messages.';
    end if;
    if v_command.schema_name = 'realtime' then
      raise exception 'permission denied for schema realtime' using errcode = 'insufficient_privilege',
        detail = format('%s on %s', tg_tag, v_command.object_identity);
    end if;
  end loop;
end
$$;

create function local_fence.refuse_owner_drops() returns event_trigger language plpgsql
set search_path = '' as $$
declare
  v_dropped record;
begin
  if (select r.rolsuper from pg_catalog.pg_roles r where r.rolname = current_user)
     or current_user in ('supabase_auth_admin', 'supabase_realtime_admin') then
    return;
  end if;
  for v_dropped in
    select d.object_type, d.schema_name, d.object_identity from pg_catalog.pg_event_trigger_dropped_objects() d
    where d.original
  loop
    if v_dropped.object_type <> 'policy'
       and (v_dropped.schema_name = 'realtime' or v_dropped.object_identity ~ '(^| on )realtime\.messages') then
      raise exception 'must be owner of table messages' using errcode = 'insufficient_privilege',
        detail = format('%s of %s', tg_tag, v_dropped.object_identity);
    end if;
  end loop;
end
$$;

create event trigger spaces_local_fence on ddl_command_end execute function local_fence.refuse_owner_commands();
create event trigger spaces_local_fence_drops on sql_drop execute function local_fence.refuse_owner_drops();

alter table realtime.messages owner to postgres;

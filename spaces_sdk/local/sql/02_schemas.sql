-- Schemas and who may see into them. Only `public` belongs to the migration role.
create schema auth authorization supabase_auth_admin;
create schema realtime;
create schema extensions authorization postgres;

revoke create on schema public from public;
grant usage on schema public to anon, authenticated, service_role, postgres;
grant usage on schema auth to anon, authenticated, service_role, postgres;
grant usage on schema realtime to anon, authenticated, service_role, postgres, supabase_realtime_admin;
grant usage on schema extensions to anon, authenticated, service_role;

-- Hosted projects made since May 2026 grant nothing on what a migration makes ('closed');
-- older ones grant everything to the API roles ('open').
do $$
declare
  v_mode text := coalesce(nullif(current_setting('spaces.default_privileges', true), ''), 'closed');
begin
  if v_mode not in ('closed', 'open') then
    raise exception 'cannot prepare the database: spaces.default_privileges is %, not closed or open', v_mode
      using errcode = 'invalid_parameter_value';
  end if;
  if v_mode = 'closed' then
    alter default privileges for role postgres revoke execute on functions from public;
  else
    alter default privileges for role postgres in schema public
      grant all on tables to anon, authenticated, service_role;
    alter default privileges for role postgres in schema public
      grant all on sequences to anon, authenticated, service_role;
    alter default privileges for role postgres in schema public
      grant all on functions to anon, authenticated, service_role;
  end if;
end
$$;

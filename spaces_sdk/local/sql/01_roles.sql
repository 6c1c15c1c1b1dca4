-- The roles of a hosted project, with the same rights. Run as the superuser.
-- Roles belong to the whole cluster, hence the checks: a second database of one cluster finds them there.
-- No role gets a password here; whoever starts the cluster sets the ones that log in.
do $$
declare
  v_role record;
begin
  if not (select rolsuper from pg_catalog.pg_roles where rolname = current_user) then
    raise exception 'cannot prepare the database: the role % is no superuser', current_user
      using errcode = 'insufficient_privilege';
  end if;
  for v_role in
    select * from (values
      ('supabase_admin', 'login superuser createdb createrole replication bypassrls'),
      -- The role that runs migrations: it may much, yet it is no superuser, as on a hosted project.
      ('postgres', 'login createdb createrole replication bypassrls'),
      ('anon', 'nologin noinherit'),
      ('authenticated', 'nologin noinherit'),
      ('service_role', 'nologin noinherit bypassrls'),
      ('authenticator', 'login noinherit'),
      ('supabase_auth_admin', 'login noinherit createrole'),
      ('supabase_realtime_admin', 'nologin noinherit')
    ) as wanted (name, options)
  loop
    if not exists (select from pg_catalog.pg_roles where rolname = v_role.name) then
      execute format('create role %I %s', v_role.name, v_role.options);
    end if;
  end loop;
end
$$;

grant anon, authenticated, service_role to authenticator;
grant anon, authenticated, service_role to postgres;
grant pg_monitor, pg_read_all_data, pg_signal_backend to postgres;

-- Hosted values; a call through the REST API lives under the first.
alter role anon set statement_timeout = '3s';
alter role authenticated set statement_timeout = '8s';
alter role authenticator set statement_timeout = '8s';
alter role authenticator set lock_timeout = '8s';
alter role supabase_auth_admin set search_path = 'auth';
alter role supabase_auth_admin set idle_in_transaction_session_timeout = '60s';
alter role postgres set search_path = '$user', public, extensions;

do $$
begin
  -- The owner of the database also owns schema public, by way of pg_database_owner.
  execute format('alter database %I owner to postgres', current_database());
  execute format('grant create, connect, temporary on database %I to supabase_auth_admin, supabase_realtime_admin',
                 current_database());
end
$$;

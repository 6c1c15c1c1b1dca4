-- Where pg_cron is installed, it sweeps and cleans. Nothing depends on it: joins and heartbeats sweep their own room,
-- and cleanup_inactive_rooms can be called by the service key from anywhere. After everything that the jobs use: one may
-- begin before the next migration of the same installation has.
create function spaces.schedule_jobs()
returns boolean language plpgsql volatile set search_path = '' as $$
begin
  if not exists (select from pg_catalog.pg_extension e where e.extname = 'pg_cron') then
    return false;
  end if;
  begin
    execute $job$select cron.schedule('spaces-sweep', '30 seconds', 'select spaces.sweep_rooms()')$job$;
  exception when others then -- before pg_cron 1.5 a minute is the shortest
    execute $job$select cron.schedule('spaces-sweep', '* * * * *', 'select spaces.sweep_rooms()')$job$;
  end;
  -- Each hour 25 batches, a minute apart: one alone would fall behind where more than twenty rooms an hour run out, and
  -- all in one statement would be one transaction, which holds every room that it touches to its end.
  execute $job$select cron.schedule('spaces-cleanup', '7-31 * * * *', 'select public.cleanup_inactive_rooms()')$job$;
  execute $job$select cron.schedule('spaces-purge-log', '37 3 * * *',
    $sql$delete from cron.job_run_details d using cron.job j
    where j.jobid = d.jobid and j.jobname like 'spaces-%' and d.end_time < now() - interval '1 day'$sql$)$job$;
  return true;
end
$$;
revoke all on function spaces.schedule_jobs() from public, anon, authenticated, service_role;
comment on function spaces.schedule_jobs() is
  'Schedules sweep and clean-up with pg_cron; false when it is not installed. Call it again after installing it.';

do $$
begin
  perform spaces.schedule_jobs();
exception when others then -- a pg_cron that this role may not use is not worth failing an installation
  raise notice 'spaces: no jobs were scheduled: %', sqlerrm;
end
$$;

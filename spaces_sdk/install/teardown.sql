-- Takes spaces-sdk out of this database, with all rooms, participants and messages.
-- Written by `spaces migrations remove`.
-- Keep the earlier migrations of spaces-sdk in the folder: the history of every database that applied them names them.

-- Nothing of the app's own may go along: what cascades below is looked at first.
do $spaces$
declare
  v_tables oid[] := array(select c.oid from pg_catalog.pg_class c where c.relnamespace = 'public'::regnamespace
    and c.relname = any ('{
      %TABLE_NAMES%}'));
  v_functions oid[] := array(select p.oid from unnest('{
      %FUNCTIONS%}'::text[]) as f (signature)
    join pg_catalog.pg_proc p on p.oid = to_regprocedure(f.signature));
  v_foreign text;
begin
  if to_regclass('spaces.room_heads') is null then
    raise exception 'cannot remove spaces: it is not installed in this database' using hint = 'Nothing was changed.';
  end if;
  with recursive ours (classid, objid) as (
    select 'pg_class'::regclass::oid, c.oid from pg_catalog.pg_class c
    where c.oid = any (v_tables) or c.relnamespace = to_regnamespace('spaces')
    union
    select 'pg_proc'::regclass::oid, p.oid from pg_catalog.pg_proc p
    where p.oid = any (v_functions) or p.pronamespace = to_regnamespace('spaces')
    union
    select 'pg_policy'::regclass::oid, p.oid from pg_catalog.pg_policy p
    where p.polrelid = 'realtime.messages'::regclass and p.polname = any ('{
      %POLICY_NAMES%}')
    union
    select d.classid, d.objid from ours o
    join pg_catalog.pg_depend d on d.refclassid = o.classid and d.refobjid = o.objid
    where d.deptype in ('a', 'i')
  )
  select string_agg(distinct pg_catalog.pg_describe_object(d.classid, d.objid, d.objsubid), '; ') into v_foreign
  from ours o
  join pg_catalog.pg_depend d on d.refclassid = o.classid and d.refobjid = o.objid and d.deptype = 'n'
  where not exists (select from ours x where x.classid = d.classid and x.objid = d.objid)
    -- A trigger of ours on a table of another schema goes with its function, and that is meant.
    and not exists (select from pg_catalog.pg_trigger t join pg_catalog.pg_proc p on p.oid = t.tgfoid
                    where d.classid = 'pg_trigger'::regclass and t.oid = d.objid
                      and p.pronamespace = to_regnamespace('spaces'));
  if v_foreign is not null then
    raise exception 'cannot remove spaces: something of yours depends on it: %', v_foreign
      using hint = 'Drop or change these in a migration before this one. Nothing was changed.';
  end if;
end
$spaces$;

-- The jobs of pg_cron.
do $spaces$
begin
  if exists (select from pg_catalog.pg_extension e where e.extname = 'pg_cron') then
    execute $jobs$select cron.unschedule(j.jobid) from cron.job j where j.jobname = any ('{%JOB_NAMES%}')$jobs$;
  end if;
end
$spaces$;

%DROP_POLICIES%
drop table if exists
  %TABLES% cascade;
drop schema if exists spaces cascade;
%DROP_FUNCTIONS%

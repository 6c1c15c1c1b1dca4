-- The limit of the REST service: an edge function has no memory that lasts, so what it counts is kept here.
insert into spaces.limits (action, capacity, refill_per_s, description) values
  ('rest', 100, 100 / 900.0, 'Requests to the REST service, by user: 100 in 15 minutes.');

create function public.take_request()
returns jsonb language plpgsql volatile security definer set search_path = '' set lock_timeout = '3s' as $$
declare
  c_operation constant text := 'answer';
  v_user_id uuid := spaces.caller(c_operation);
  v_limit spaces.limits;
  v_taken integer;
  v_tokens double precision;
begin
  v_taken := spaces.take(v_user_id, 'rest', spaces.nil_uuid(), 'rest');
  select l.* into v_limit from spaces.limits l where l.action = 'rest';
  if not found then
    return jsonb_build_object('ok', true, 'limit', null, 'remaining', null, 'reset_s', null, 'window_s', null);
  end if;
  -- As the call has just left it.
  select b.tokens into v_tokens from spaces.rate_buckets b
  where b.user_id = v_user_id and b.action = 'rest' and b.room_id = spaces.nil_uuid();
  return case v_taken
    when 0 then spaces.rate_limited(c_operation, spaces.retry_after_s(v_user_id, 'rest', spaces.nil_uuid(), 'rest'))
    else jsonb_build_object('ok', true) end
  || jsonb_build_object(
    'limit', v_limit.capacity,
    'remaining', floor(v_tokens)::integer,
    'reset_s', ceil(round((v_limit.capacity - v_tokens)::numeric / v_limit.refill_per_s, 3))::integer,
    'window_s', ceil(round(v_limit.capacity / v_limit.refill_per_s, 3))::integer);
end
$$;
revoke all on function public.take_request() from public, anon, authenticated, service_role;
grant execute on function public.take_request() to authenticated, service_role;
comment on function public.take_request() is
  'Counts one request of the caller to the REST service, and answers what is left of the limit: 100 in 15 minutes.';

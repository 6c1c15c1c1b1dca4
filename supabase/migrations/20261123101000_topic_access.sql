-- Who may listen on a room's topic. Called by the policies on realtime.messages, so it never raises:
-- an error there would refuse the app's own channels too.
create function spaces.can_use_topic(p_topic text)
returns boolean language plpgsql stable security definer set search_path = '' as $$
declare
  v_room_id uuid;
  v_epoch integer;
  v_user_id uuid;
begin
  if p_topic is null
     or p_topic !~ '^spaces:[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}:[0-9]{1,9}$' then
    return false;
  end if;
  v_room_id := substr(p_topic, 8, 36)::uuid;
  v_epoch := substr(p_topic, 45)::integer;
  v_user_id := spaces.user_id();
  -- An older epoch is admitted: nothing is said there any more, and a refused join freezes the client's whole
  -- socket for five seconds. A future one is not: who waits there would hear what they are not to hear.
  return exists (
    select from public.room_participants p
    join spaces.room_heads h on h.room_id = p.room_id
    join spaces.connections c on c.room_id = p.room_id and c.user_id = p.user_id
    where p.room_id = v_room_id and p.user_id = v_user_id and p.status = 'active'
      and v_epoch <= h.epoch
      and c.ended_at is null and c.expires_at > clock_timestamp());
exception when others then
  return false;
end
$$;
-- anon as well: its own channels run through the restrictive policies, and would fail without this right.
revoke all on function spaces.can_use_topic(text) from public, anon, authenticated, service_role;
grant execute on function spaces.can_use_topic(text) to anon, authenticated, service_role;
comment on function spaces.can_use_topic(text) is
  'Whether the caller is an active participant, with a live lease, of the room that a topic belongs to, and the epoch is not ahead.';

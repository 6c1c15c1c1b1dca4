-- Accounts that are deleted while they belong to rooms. What is theirs goes by foreign keys, at once and without the lock
-- of any room; what those who stay are to hear of it is written down, and said by the room's next sweep as steps of the room.
create table spaces.departures (
  id bigint generated always as identity,
  room_id uuid not null,
  participant jsonb,
  message_id uuid,
  constraint departures_pkey primary key (id),
  constraint departures_are_of_one_kind check ((participant is null) <> (message_id is null))
);
-- No foreign keys: the deletion of an account is to lock nothing of a room.
create index departures_room_id_idx on spaces.departures (room_id, id);
create index departures_participants_idx on spaces.departures (room_id, id) where participant is not null;
create index departures_message_id_idx on spaces.departures (message_id) where message_id is not null;
alter table spaces.departures enable row level security;
revoke all on table spaces.departures from public, anon, authenticated, service_role;
comment on table spaces.departures is 'What deleted accounts have left to be said in rooms: participants who are gone, messages that lost reactions.';
comment on column spaces.departures.participant is 'As they were.';
comment on column spaces.departures.message_id is 'A message whose reactions are to be counted anew.';

-- The triggers take no step and publish nothing. They run for every deletion, and keep those that a deleted account made.
create function spaces.note_departed_participants()
returns trigger language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into spaces.departures (room_id, participant)
  select g.room_id, spaces.participant_json(g::public.room_participants, null) || '{"is_online": false, "voice_since": null}'
  from gone g
  where g.status = 'active' and not exists (select from auth.users u where u.id = g.user_id)
    and exists (select from public.rooms r where r.id = g.room_id);
  return null;
end
$$;
revoke all on function spaces.note_departed_participants() from public, anon, authenticated, service_role;
comment on function spaces.note_departed_participants() is 'Trigger: writes down who is a participant no more because their account was deleted.';
create trigger room_participants_note_departed after delete on public.room_participants
  referencing old table as gone for each statement execute function spaces.note_departed_participants();

create function spaces.note_departed_reactions()
returns trigger language plpgsql volatile security definer set search_path = '' as $$
begin
  insert into spaces.departures (room_id, message_id)
  select distinct g.room_id, g.message_id
  from gone g
  where not exists (select from auth.users u where u.id = g.user_id)
    and exists (select from public.room_messages m where m.id = g.message_id);
  return null;
end
$$;
revoke all on function spaces.note_departed_reactions() from public, anon, authenticated, service_role;
comment on function spaces.note_departed_reactions() is 'Trigger: writes down which messages lost reactions because an account was deleted.';
create trigger room_message_reactions_note_departed after delete on public.room_message_reactions
  referencing old table as gone for each statement execute function spaces.note_departed_reactions();

-- Under the room's lock; it waits for nothing.
create function spaces.settle_departures(p_room_id uuid)
returns void language plpgsql volatile set search_path = '' as $$
declare
  c_participants constant integer := 100;
  c_messages constant integer := 50;
  v_gone jsonb;
  v_message_ids uuid[];
  v_message public.room_messages;
  v_reactions jsonb;
begin
  if not exists (select from spaces.departures d where d.room_id = p_room_id) then
    return;
  end if;
  with told as (
    delete from spaces.departures d where d.id = any (array(
      select o.id from spaces.departures o where o.room_id = p_room_id and o.participant is not null order by o.id limit c_participants))
    returning d.id, d.participant
  )
  select jsonb_agg(t.participant order by t.id) into v_gone from told t;
  if v_gone is not null then
    perform spaces.step(p_room_id, 'room:participant-left', jsonb_build_object('participants', v_gone, 'reason', 'gone'));
  end if;
  v_message_ids := array(
    select d.message_id from spaces.departures d where d.room_id = p_room_id and d.participant is null order by d.id limit c_messages);
  delete from spaces.departures d where d.room_id = p_room_id and d.message_id = any (v_message_ids) and not exists (
    select from public.room_messages m where m.id = d.message_id and m.status <> 'deleted');
  for v_message in
    select m.* from public.room_messages m where m.id = any (v_message_ids) order by m.seq for no key update of m skip locked
  loop
    delete from spaces.departures d where d.room_id = p_room_id and d.message_id = v_message.id;
    v_reactions := spaces.reaction_counts(v_message.id);
    if v_reactions <> v_message.reactions then
      update public.room_messages m
      set reactions = v_reactions, revision = (select h.head + 1 from spaces.room_heads h where h.room_id = p_room_id)
      where m.id = v_message.id returning m.* into v_message;
      perform spaces.publish_change(v_message);
    end if;
  end loop;
end
$$;
revoke all on function spaces.settle_departures(uuid) from public, anon, authenticated, service_role;
comment on function spaces.settle_departures(uuid) is
  'Says in a room what deleted accounts have left to be said: one step for up to 100 participants, one for each of up to 50 messages.';

-- For what writes rows of many users at once, as closing and deleting a room do. By ascending id.
create function spaces.hold_accounts_of_room(p_room_id uuid)
returns void language plpgsql volatile set search_path = '' as $$
begin
  perform from auth.users u
  where u.id in (
    select p.user_id from public.room_participants p where p.room_id = p_room_id
    union select c.user_id from spaces.connections c where c.room_id = p_room_id and c.ended_at is null
    union select a.user_id from spaces.admissions a where a.room_id = p_room_id
    union select m.user_id from spaces.streams s join public.room_messages m on m.id = s.message_id where s.room_id = p_room_id)
  order by u.id for key share;
end
$$;
revoke all on function spaces.hold_accounts_of_room(uuid) from public, anon, authenticated, service_role;
comment on function spaces.hold_accounts_of_room(uuid) is 'Holds the accounts of all who belong to a room, or are about to come in.';

create function spaces.try_hold_accounts(p_user_ids uuid[])
returns boolean language plpgsql volatile set search_path = '' as $$
begin
  return (select count(*) from (select from auth.users u where u.id = any (p_user_ids) for key share skip locked) x)
    = (select count(distinct i.id) from unnest(p_user_ids) i (id) where i.id is not null);
end
$$;
revoke all on function spaces.try_hold_accounts(uuid[]) from public, anon, authenticated, service_role;
comment on function spaces.try_hold_accounts(uuid[]) is 'Holds accounts without waiting; false when one of them is being deleted.';

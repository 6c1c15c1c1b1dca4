-- The recordings' own set-up.
create table public.room_members (room text, user_id uuid, can_write boolean, primary key (room, user_id));
create table public.room_rows (id bigint primary key, room text, body text);
create table if not exists public.todos (id bigint generated always as identity primary key, owner uuid, details text);
grant select on public.room_members to authenticated;
insert into public.room_members values
  ('room:1', '11111111-1111-1111-1111-111111111111', true),
  ('room:1', '22222222-2222-2222-2222-222222222222', true),
  ('room:1', '33333333-3333-3333-3333-333333333333', false);
create policy members_read on realtime.messages for select to authenticated using (
  realtime.messages.extension in ('broadcast', 'presence') and exists (
    select 1 from public.room_members m where m.room = realtime.topic() and m.user_id = auth.uid()));
create policy members_write on realtime.messages for insert to authenticated with check (
  realtime.messages.extension in ('broadcast', 'presence') and exists (
    select 1 from public.room_members m where m.room = realtime.topic() and m.user_id = auth.uid() and m.can_write));
create function public.room_rows_changed() returns trigger language plpgsql as $$
begin
  perform realtime.broadcast_changes(
    'room:' || coalesce(new.room, old.room), tg_op, tg_op, tg_table_name, tg_table_schema, new, old);
  return null;
end
$$;
create trigger room_rows_changed after insert or update or delete on public.room_rows
  for each row execute function public.room_rows_changed();

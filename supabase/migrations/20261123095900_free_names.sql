-- An app may have tables, types or functions of our names already: stop before anything is changed.
-- A function of the same name with other arguments counts too: the REST API could not tell the two apart.
do $$
declare
  v_taken text;
begin
  select string_agg(x.what, ', ' order by x.what) into v_taken from (
    select 'public.' || n.name from unnest(array[
      'room_message_reactions', 'room_messages', 'room_modes', 'room_participants', 'rooms'
    ]) as n (name)
    where to_regclass('public.' || n.name) is not null or to_regtype('public.' || n.name) is not null
    union all
    select distinct 'public.' || p.proname || '()' from pg_catalog.pg_proc p
    where p.pronamespace = 'public'::regnamespace and p.proname = any (array[
      'accept_invitation',
      'append_stream',
      'ban_participant',
      'begin_stream',
      'claim_turns',
      'cleanup_inactive_rooms',
      'create_invitation',
      'create_room',
      'delete_message',
      'delete_room',
      'edit_message',
      'enter_turns',
      'finish_stream',
      'finish_turns',
      'forget_room',
      'generate_room_code',
      'get_participants',
      'get_room_by_code',
      'get_room_by_id',
      'get_room_messages',
      'give_turn',
      'heartbeat',
      'insert_message',
      'insert_messages',
      'is_host',
      'is_room_full',
      'join_room',
      'kick_participant',
      'leave_room',
      'list_bans',
      'list_invitations',
      'list_rooms',
      'mark_read',
      'mute_participant',
      'react',
      'revoke_invitation',
      'rotate_code',
      'schema_version',
      'set_participant_kind',
      'set_participant_role',
      'set_voice',
      'signal',
      'stop_stream',
      'sync_room',
      'take_request',
      'transfer_host',
      'unban_participant',
      'unread_counts',
      'update_room_activity',
      'update_room_state'
    ])
    union all
    select 'schema spaces' where to_regnamespace('spaces') is not null
  ) as x (what);
  if v_taken is not null then
    raise exception 'cannot install spaces: these are there already: %', v_taken
      using hint = 'Rename yours, or install into another project. Nothing was changed.';
  end if;
end
$$;

-- Policies on realtime.messages and nothing else: hosted projects refuse every other command on that table.
-- For each command a permissive one, which lets participants in, and a restrictive one, which shuts all others out
-- of our topics: Postgres joins permissive policies by OR, and Supabase's own quickstart has people write using (true).
-- Topics of other shapes are none of our business, and pass. realtime.topic() is what a channel asks for; the
-- column is what a row says, and is looked at where the two differ.
create policy spaces_topics_are_heard_by_participants on realtime.messages for select to authenticated
  using ((select spaces.can_use_topic(coalesce(realtime.topic(), ''))));

create policy spaces_topics_are_heard_by_nobody_else on realtime.messages as restrictive for select to public
  using (
    case when coalesce(realtime.topic(), '') ~ '^spaces:[0-9a-f-]{36}:[0-9]{1,9}$'
      then (select spaces.can_use_topic(coalesce(realtime.topic(), ''))) else true end
    and case when topic is distinct from realtime.topic() and topic ~ '^spaces:[0-9a-f-]{36}:[0-9]{1,9}$'
      then spaces.can_use_topic(topic) else true end
  );

-- What a client may write is presence and nothing else; a row with an event or a payload would be heard as a message.
create policy spaces_topics_take_presence_of_participants on realtime.messages for insert to authenticated
  with check (
    extension = 'presence' and event is null and payload is null
    and spaces.can_use_topic(coalesce(realtime.topic(), ''))
  );

create policy spaces_topics_take_nothing_else on realtime.messages as restrictive for insert to public
  with check (
    case when coalesce(realtime.topic(), '') ~ '^spaces:[0-9a-f-]{36}:[0-9]{1,9}$'
      or topic ~ '^spaces:[0-9a-f-]{36}:[0-9]{1,9}$'
      then extension = 'presence' and event is null and payload is null
        and spaces.can_use_topic(coalesce(realtime.topic(), ''))
        and (topic is not distinct from realtime.topic() or spaces.can_use_topic(topic))
      else true end
  );

-- What was said stays as it was said, whatever another policy allows.
create policy spaces_topics_are_not_rewritten on realtime.messages as restrictive for update to public
  using (topic !~ '^spaces:[0-9a-f-]{36}:[0-9]{1,9}$') with check (topic !~ '^spaces:[0-9a-f-]{36}:[0-9]{1,9}$');

create policy spaces_topics_are_not_erased on realtime.messages as restrictive for delete to public
  using (topic !~ '^spaces:[0-9a-f-]{36}:[0-9]{1,9}$');

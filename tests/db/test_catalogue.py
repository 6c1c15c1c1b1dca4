"""What must hold for every table and function of ours, whatever they do."""

from __future__ import annotations

import pytest

from tests.db.support.database import Database
from tests.db.support.templates import Templates

pytestmark = pytest.mark.db

# Users call these; `anon` none of them, but for what policies on the app's own topics and tables may need.
FOR_USERS = {
    "accept_invitation",
    "append_stream",
    "ban_participant",
    "begin_stream",
    "claim_turns",
    "create_invitation",
    "create_room",
    "delete_message",
    "delete_room",
    "edit_message",
    "enter_turns",
    "forget_room",
    "finish_stream",
    "finish_turns",
    "get_participants",
    "get_room_by_code",
    "get_room_by_id",
    "get_room_messages",
    "give_turn",
    "heartbeat",
    "insert_message",
    "insert_messages",
    "is_host",
    "is_room_full",
    "join_room",
    "kick_participant",
    "leave_room",
    "list_bans",
    "list_invitations",
    "list_rooms",
    "mute_participant",
    "revoke_invitation",
    "rotate_code",
    "mark_read",
    "react",
    "schema_version",
    "set_participant_kind",
    "set_participant_role",
    "set_voice",
    "signal",
    "stop_stream",
    "sync_room",
    "take_request",
    "transfer_host",
    "unban_participant",
    "unread_counts",
    "update_room_state",
}
FOR_SERVICE = {"cleanup_inactive_rooms", "generate_room_code"}
FOR_TRIGGERS = {"update_room_activity"}
TABLES_FOR_USERS = {"rooms", "room_modes", "room_participants", "room_messages", "room_message_reactions"}

OURS = "('public'::regnamespace, 'spaces'::regnamespace)"


@pytest.fixture(scope="module", params=["closed", "open"])
async def either(request: pytest.FixtureRequest, templates: Templates, open_templates: Templates) -> Database:
    """A database of either mode of default privileges: both must come out the same."""
    return await (templates if request.param == "closed" else open_templates).migrated()


async def test_the_tables_are_there(either: Database) -> None:
    public = await either.column(
        "select relname from pg_class where relkind = 'r' and relnamespace = 'public'::regnamespace"
    )
    assert set(public) == TABLES_FOR_USERS


async def test_row_level_security_is_on_for_every_table(either: Database) -> None:
    without = await either.column(
        f"""select oid::regclass::text from pg_class
            where relkind in ('r', 'p') and relnamespace in {OURS} and not relrowsecurity"""
    )
    assert without == []


async def test_row_level_security_is_forced_nowhere(either: Database) -> None:
    forced = await either.column(
        f"select oid::regclass::text from pg_class where relnamespace in {OURS} and relforcerowsecurity"
    )
    assert forced == []


async def test_every_table_for_users_has_a_policy_for_reading(either: Database) -> None:
    with_policy = await either.column(
        "select tablename from pg_policies where schemaname = 'public' and cmd = 'SELECT' and permissive = 'PERMISSIVE'"
    )
    assert set(with_policy) == TABLES_FOR_USERS


async def test_every_function_has_its_search_path_pinned(either: Database) -> None:
    loose = await either.column(
        f"""select oid::regprocedure::text from pg_proc
            where pronamespace in {OURS} and not coalesce('search_path=""' = any(proconfig), false)"""
    )
    assert loose == []


async def test_no_function_is_overloaded(either: Database) -> None:
    twice = await either.column(
        "select proname from pg_proc where pronamespace = 'public'::regnamespace group by proname having count(*) > 1"
    )
    assert twice == []


async def test_functions_that_write_are_volatile_and_the_others_stable(either: Database) -> None:
    rows = await either.sql("select proname, provolatile from pg_proc where pronamespace = 'public'::regnamespace")
    reading = {row["proname"] for row in rows if row["provolatile"] != "v"}
    assert reading == {
        "get_participants",
        "get_room_by_id",
        "get_room_messages",
        "is_host",
        "is_room_full",
        "list_bans",
        "list_invitations",
        "list_rooms",
        "schema_version",
        "sync_room",
        "unread_counts",
    }


async def test_functions_of_the_interface_answer_one_scalar(either: Database) -> None:
    # A caller can have a row-returning call rolled back by an Accept header, and its count with it.
    rows = await either.sql(
        """select proname, format_type(prorettype, null) as type, proretset from pg_proc
           where pronamespace = 'public'::regnamespace"""
    )
    assert not any(row["proretset"] for row in rows)
    others = {row["proname"]: row["type"] for row in rows if row["type"] != "jsonb"}
    assert others == {
        "generate_room_code": "text",
        "is_host": "boolean",
        "is_room_full": "boolean",
        "schema_version": "integer",
        "update_room_activity": "trigger",
    }


async def test_arguments_begin_with_p(either: Database) -> None:
    wrong = await either.column(
        """select p.proname || '.' || a.name from pg_proc p, unnest(p.proargnames) as a (name)
           where p.pronamespace = 'public'::regnamespace and a.name !~ '^p_'"""
    )
    assert wrong == []


async def executable_by(database: Database, role: str, schema: str) -> set[str]:
    names = await database.column(
        """select p.proname from pg_proc p where p.pronamespace = %s::regnamespace
           and has_function_privilege(%s, p.oid, 'execute')""",
        [schema, role],
    )
    return set(names)


async def test_who_may_call_what(either: Database) -> None:
    assert await executable_by(either, "anon", "public") == set()
    assert await executable_by(either, "authenticated", "public") == FOR_USERS
    assert await executable_by(either, "service_role", "public") - FOR_TRIGGERS <= FOR_USERS | FOR_SERVICE
    assert await executable_by(either, "service_role", "public") >= FOR_SERVICE


async def test_nothing_is_granted_to_everybody(either: Database) -> None:
    # `public` stands as grantee 0. A function without any list of rights may be called by everybody.
    functions = await either.column(
        f"""select p.oid::regprocedure::text from pg_proc p
            where p.pronamespace in {OURS}
              and (p.proacl is null or exists (select from aclexplode(p.proacl) a where a.grantee = 0))"""
    )
    assert functions == []
    tables = await either.column(
        f"""select c.oid::regclass::text from pg_class c, aclexplode(c.relacl) a
            where c.relnamespace in {OURS} and a.grantee = 0"""
    )
    assert tables == []


async def test_no_helper_is_open_but_those_that_policies_need(either: Database) -> None:
    used = " ".join(
        await either.column(
            """select coalesce(qual, '') || ' ' || coalesce(with_check, '') from pg_policies
               where schemaname = 'public' or (schemaname = 'realtime' and tablename = 'messages')"""
        )
    )
    on_topics = " ".join(
        await either.column(
            """select coalesce(qual, '') || ' ' || coalesce(with_check, '') from pg_policies
               where schemaname = 'realtime' and tablename = 'messages'"""
        )
    )
    for_users = await executable_by(either, "authenticated", "spaces")
    assert {name for name in for_users if name not in used} == set()
    # The restrictive policies are for everybody: an anonymous channel of the app would fail without these.
    for_anon = await executable_by(either, "anon", "spaces")
    assert {name for name in for_anon if name not in on_topics} == set()


async def test_nobody_may_write_a_table(either: Database) -> None:
    writable = await either.sql(
        f"""select c.oid::regclass::text as name, r.rolname as role, privilege
            from pg_class c, (values ('anon'), ('authenticated'), ('service_role')) as r (rolname),
                 unnest(array['INSERT', 'UPDATE', 'DELETE', 'TRUNCATE']) as privilege
            where c.relkind in ('r', 'p', 'v', 'm') and c.relnamespace = 'public'::regnamespace
              and has_table_privilege(r.rolname, c.oid, privilege)
            union all
            select c.oid::regclass::text || '.' || a.attname, r.rolname, privilege
            from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped,
                 (values ('anon'), ('authenticated')) as r (rolname), unnest(array['INSERT', 'UPDATE']) as privilege
            where c.relkind = 'r' and c.relnamespace in {OURS}
              and has_column_privilege(r.rolname, c.oid, a.attnum, privilege)"""
    )
    assert writable == []


async def test_anon_may_read_nothing(either: Database) -> None:
    readable = await either.column(
        f"""select oid::regclass::text from pg_class
            where relkind in ('r', 'p', 'v', 'm') and relnamespace in {OURS}
              and (has_table_privilege('anon', oid, 'select') or has_any_column_privilege('anon', oid, 'select'))"""
    )
    assert readable == []


async def test_users_may_read_the_public_tables_only(either: Database) -> None:
    readable = await either.column(
        f"""select relname from pg_class where relkind in ('r', 'p', 'v', 'm') and relnamespace in {OURS}
            and has_any_column_privilege('authenticated', oid, 'select')"""
    )
    assert set(readable) == TABLES_FOR_USERS


async def test_the_private_schema_is_closed(either: Database) -> None:
    open_tables = await either.sql(
        """select c.relname, r.rolname
           from pg_class c, (values ('anon'), ('authenticated'), ('service_role')) as r (rolname)
           where c.relnamespace = 'spaces'::regnamespace and c.relkind in ('r', 'p', 'v', 'm', 'S')
             and (case when c.relkind = 'S' then has_sequence_privilege(r.rolname, c.oid, 'usage, select, update')
                  else has_table_privilege(r.rolname, c.oid,
                                           'select, insert, update, delete, truncate, references, trigger')
                       or has_any_column_privilege(r.rolname, c.oid, 'select, insert, update, references') end)"""
    )
    assert open_tables == []
    with_usage = await either.column(
        """select role from unnest(array['anon', 'authenticated', 'service_role']) as role
           where has_schema_privilege(role, 'spaces', 'usage') or has_schema_privilege(role, 'spaces', 'create')"""
    )
    assert with_usage == []


async def test_every_foreign_key_is_indexed(either: Database) -> None:
    bare = await either.column(
        f"""select k.conrelid::regclass::text || '.' || k.conname from pg_constraint k
            where k.contype = 'f' and k.connamespace in {OURS} and not exists (
              select from pg_index i where i.indrelid = k.conrelid and i.indisvalid
                and (i.indkey::int2[])[0:cardinality(k.conkey) - 1] @> k.conkey
                and (i.indpred is null or pg_get_expr(i.indpred, i.indrelid) ~ 'IS NOT NULL'))"""
    )
    assert bare == []


async def test_every_constraint_of_a_table_has_a_name_of_its_table(either: Database) -> None:
    wrong = await either.column(
        f"""select k.conname from pg_constraint k join pg_class c on c.oid = k.conrelid
            where k.connamespace in {OURS} and k.contype in ('c', 'f', 'u', 'p') and k.conname !~ ('^' || c.relname)"""
    )
    assert wrong == []


async def test_everything_of_ours_is_commented(either: Database) -> None:
    silent = await either.column(
        f"""select 'table ' || oid::regclass::text from pg_class
              where relkind in ('r', 'p', 'v') and relnamespace in {OURS} and obj_description(oid, 'pg_class') is null
            union all
            select 'function ' || oid::regprocedure::text from pg_proc
              where pronamespace in {OURS} and obj_description(oid, 'pg_proc') is null
            union all
            select 'policy ' || polname from pg_policy p join pg_class c on c.oid = p.polrelid
              where c.relnamespace in {OURS} and obj_description(p.oid, 'pg_policy') is null
            union all
            select 'schema spaces' where obj_description('spaces'::regnamespace, 'pg_namespace') is null"""
    )
    assert silent == []


async def test_definers_bypass_row_level_security_without_being_superusers(either: Database) -> None:
    owners = await either.sql(
        f"""select distinct r.rolname, r.rolbypassrls, r.rolsuper from pg_proc p join pg_roles r on r.oid = p.proowner
            where p.pronamespace in {OURS} and p.prosecdef"""
    )
    assert owners == [{"rolname": "postgres", "rolbypassrls": True, "rolsuper": False}]


async def test_policies_ask_for_the_caller_once_and_not_for_each_row(either: Database) -> None:
    per_row = await either.column(
        """select policyname from pg_policies where schemaname = 'public'
           and regexp_replace(coalesce(qual, '') || coalesce(with_check, ''),
                              'SELECT auth\\.(uid|jwt|role)\\(\\)', '', 'g') ~ 'auth\\.(uid|jwt|role)\\(\\)'"""
    )
    assert per_row == []


async def test_the_topics_have_a_policy_that_lets_in_and_one_that_shuts_out(either: Database) -> None:
    rows = await either.sql(
        """select cmd, permissive, roles::text[] as roles from pg_policies
           where schemaname = 'realtime' and tablename = 'messages' order by cmd, permissive"""
    )
    kinds = [(row["cmd"], row["permissive"]) for row in rows]
    assert [kind for kind in kinds if kind[1] == "PERMISSIVE"] == [("INSERT", "PERMISSIVE"), ("SELECT", "PERMISSIVE")]
    assert {"INSERT", "SELECT"} <= {cmd for cmd, permissive in kinds if permissive == "RESTRICTIVE"}
    # Postgres joins permissive policies by OR: what shuts out must be for every role that there is or will be.
    assert {tuple(row["roles"]) for row in rows if row["permissive"] == "RESTRICTIVE"} == {("public",)}


async def test_triggers_note_activity_and_deleted_accounts_and_nothing_else(either: Database) -> None:
    # A trigger fires before `on conflict` is found: one that took steps or published would do so for repeats.
    triggers = await either.sql(
        f"""select t.tgrelid::regclass::text as on_table, p.proname from pg_trigger t
            join pg_class c on c.oid = t.tgrelid join pg_proc p on p.oid = t.tgfoid
            where not t.tgisinternal and c.relnamespace in {OURS}"""
    )
    assert {(row["on_table"], row["proname"]) for row in triggers} == {
        ("room_messages", "update_room_activity"),
        ("room_message_reactions", "note_departed_reactions"),
        ("room_participants", "note_departed_participants"),
    }


async def test_the_head_of_a_room_can_be_updated_in_place(either: Database) -> None:
    options = await either.value("select reloptions from pg_class where oid = 'spaces.room_heads'::regclass")
    assert "fillfactor=50" in options
    indexed = await either.column(
        """select a.attname from pg_index i join pg_attribute a on a.attrelid = i.indrelid and a.attnum = any(i.indkey)
           where i.indrelid = 'spaces.room_heads'::regclass"""
    )
    assert indexed == ["room_id"]


async def test_buckets_are_unlogged(either: Database) -> None:
    assert await either.value("select relpersistence from pg_class where oid = 'spaces.rate_buckets'::regclass") == "u"


async def test_seq_has_no_default(either: Database) -> None:
    # So that a plain insert fails, also with the service key: only the functions know the next step.
    (row,) = await either.sql(
        """select attnotnull, atthasdef, attidentity::text from pg_attribute
           where attrelid = 'public.room_messages'::regclass and attname = 'seq'"""
    )
    assert row == {"attnotnull": True, "atthasdef": False, "attidentity": ""}


async def test_both_modes_of_default_privileges_come_out_the_same(
    templates: Templates, open_templates: Templates
) -> None:
    grants = f"""
      select c.oid::regclass::text as name, a.grantee::regrole::text, a.privilege_type
        from pg_class c, aclexplode(c.relacl) a
        where c.relnamespace in {OURS}
      union all
      select p.oid::regprocedure::text, a.grantee::regrole::text, a.privilege_type
        from pg_proc p, aclexplode(p.proacl) a
        where p.pronamespace in {OURS}
      union all
      select n.nspname, a.grantee::regrole::text, a.privilege_type from pg_namespace n, aclexplode(n.nspacl) a
        where n.nspname = 'spaces'
      order by 1, 2, 3"""
    closed = await (await templates.migrated()).sql(grants)
    opened = await (await open_templates.migrated()).sql(grants)
    assert closed == opened

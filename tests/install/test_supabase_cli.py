"""Our migrations in somebody's project, by the published Supabase CLI: in, beside theirs, and out again."""

from __future__ import annotations

import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from spaces_sdk import Spaces
from spaces_sdk.install.package_files import migrations
from spaces_sdk.local.stack import LocalStack
from tests.install.support.app import SECOND, App, make_app, make_database, schema_of
from tests.install.support.channels import EXPECTED, channels_of
from tests.install.support.command import spaces, spaces_json
from tests.install.support.supabase_cli import SupabaseCli

pytestmark = pytest.mark.install

NewApp = Callable[..., Awaitable[App]]
OURS = [migration.path.name for migration in migrations()]
UP_TO_DATE = "Remote database is up to date"


async def test_in_beside_the_apps_own_and_out_again(
    bare: LocalStack, supabase_cli: SupabaseCli, tmp_path: Path
) -> None:
    app = make_app(tmp_path / "app", bare.migration_db_url, supabase_cli)
    assert app.push().status == 0
    async with Spaces(bare.url, bare.secret_key) as operator, Spaces(bare.url, bare.publishable_key) as spaces_member:
        await operator.auth.admin.create_user(email="member@example.com", password="a long password")
        await spaces_member.auth.sign_in_with_password(email="member@example.com", password="a long password")
        member = await spaces_member.auth.access_token()
    async with Spaces(bare.url, bare.publishable_key) as spaces_guest:
        await spaces_guest.auth.sign_in_anonymously()
        guest = await spaces_guest.auth.access_token()
    assert await channels_of(bare, member=member, guest=guest) == EXPECTED

    # In.
    before = schema_of(bare.cluster, "postgres")
    copied = spaces_json(app.folder, "migrations", "copy")
    assert (len(copied["written"]), copied["later"], copied["next"]) == (len(OURS), [], "supabase db push")
    assert app.push().status == 0
    assert app.query("select public.schema_version()") == [(1,)]
    assert await channels_of(bare, member=member, guest=guest) == EXPECTED

    # The app goes on with migrations of its own, also in a plain push.
    app.write("20990101000000_trim_notes.sql", SECOND)
    pushed = app.push()
    assert pushed.status == 0, pushed.text
    assert "1 migration" in pushed.text

    # The other way finds it done, and it was recorded word for word as that way does it.
    listed = spaces_json(app.folder, "migrations", "list", db_url=app.url)
    assert (listed["pending"], listed["is_installed"]) == (0, True)
    migrated = spaces_json(app.folder, "migrate", db_url=app.url)
    assert (migrated["applied"], migrated["pending"], migrated["warning"]) == ([], [], None)
    other = await make_database(bare.cluster, "by_migrate")
    spaces_json(app.folder, "migrate", db_url=other)
    by_migrate = App(app.folder, other, supabase_cli)
    theirs = {"20250101000000", "20990101000000"}
    assert by_migrate.history() == [row for row in app.history() if row[0] not in theirs]
    assert app.findings() == []

    # Out.
    removal = spaces_json(app.folder, "migrations", "remove")
    assert Path(removal["file"]).name == "20990101000001_spaces_teardown.sql"
    pushed = app.push()
    assert pushed.status == 0, pushed.text
    assert schema_of(bare.cluster, "postgres") == before
    assert await channels_of(bare, member=member, guest=guest) == EXPECTED


@pytest.mark.parametrize("mode", ["closed", "open"])
async def test_what_migrate_has_applied_the_cli_does_not_do_again(new_app: NewApp, mode: str) -> None:
    app = await new_app(mode)
    assert app.push().status == 0
    dry = spaces_json(app.folder, "migrate", "--dry-run", db_url=app.url)
    assert (dry["pending"], dry["applied"]) == (OURS, [])
    assert app.query("select to_regnamespace('spaces')") == [(None,)]
    done = spaces_json(app.folder, "migrate", db_url=app.url)
    assert done["applied"] == OURS
    assert "spaces migrations copy" in done["warning"]
    # What the warning says: the CLI stops at versions that are not in its folder, until they are.
    refused = app.push()
    assert refused.status == 1
    assert "not found in local" in refused.text
    spaces_json(app.folder, "migrations", "copy")
    pushed = app.push()
    assert pushed.status == 0
    assert UP_TO_DATE in pushed.text
    app.execute("create table public.loose (id int); grant all on public.loose to anon")
    assert [found["metadata"]["name"] for found in app.findings()] == ["loose"], "it looks, and finds nothing of ours"


async def test_later_migrations_of_the_app_want_a_flag_that_copy_names(new_app: NewApp) -> None:
    app = await new_app()
    app.write("20990101000000_trim_notes.sql", SECOND)
    assert app.push().status == 0
    copied = spaces(app.folder, "migrations", "copy")
    assert "Next: supabase db push --include-all" in copied.out
    refused = app.push()
    assert refused.status == 1
    assert "--include-all" in refused.text
    assert app.push("--include-all").status == 0
    assert UP_TO_DATE in app.push().text

    # Out, and in again in the words of the refusal.
    assert spaces(app.folder, "migrations", "remove").status == 0
    assert app.push().status == 0
    refused = spaces(app.folder, "migrations", "copy")
    assert refused.status == 1
    command = refused.err.partition("`supabase ")[2].partition("`")[0].split()
    (removal,) = app.migrations.glob("*_spaces_teardown.sql")
    removal.unlink()
    repaired = app.cli.run(app.folder, *command, f"--remote={app.url}")
    assert repaired.status == 0, repaired.text
    assert app.push("--include-all").status == 0
    assert app.query("select public.schema_version()") == [(1,)]


@pytest.mark.parametrize("way", ["push", "migrate"])
async def test_tables_of_our_names_are_refused_before_anything_is_changed(
    bare: LocalStack, new_app: NewApp, way: str
) -> None:
    app = await new_app()
    app.write("20250102000000_rooms.sql", "create table public.rooms (id int primary key);\n")
    assert app.push().status == 0
    name = app.url.rpartition("/")[2]
    before, recorded = schema_of(bare.cluster, name), app.history()
    if way == "push":
        spaces_json(app.folder, "migrations", "copy")
        refused = app.push()
    else:
        refused = spaces(app.folder, "migrate", db_url=app.url)
        assert "hint: Rename yours" in refused.err
    assert refused.status == 1
    assert "cannot install spaces: these are there already: public.rooms" in refused.text
    assert (schema_of(bare.cluster, name), app.history()) == (before, recorded)


async def test_a_removal_takes_nothing_of_the_apps_along(bare: LocalStack, new_app: NewApp) -> None:
    app = await new_app()
    spaces_json(app.folder, "migrations", "copy")
    app.write(
        "20990101000000_depends.sql",
        """create table public.bookings (id int primary key, room uuid references public.rooms (id));
           create view public.busy with (security_invoker = true) as select id from public.rooms where is_active;
           create policy members_hear on realtime.messages for select to authenticated
             using (exists (select from spaces.my_room_ids()));""",
    )
    assert app.push().status == 0
    before = schema_of(bare.cluster, app.url.rpartition("/")[2])
    assert spaces(app.folder, "migrations", "remove").status == 0
    refused = app.push()
    assert refused.status == 1
    for named in ("bookings", "busy", "members_hear"):
        assert named in refused.text
    assert schema_of(bare.cluster, app.url.rpartition("/")[2]) == before


async def test_removed_and_installed_again_without_the_cli(bare: LocalStack, new_app: NewApp) -> None:
    app = await new_app()
    spaces_json(app.folder, "migrations", "copy")
    spaces_json(app.folder, "migrate", db_url=app.url)
    spaces_json(app.folder, "migrations", "remove")
    (removal,) = app.migrations.glob("*_spaces_teardown.sql")
    app.execute(removal.read_text(encoding="utf-8"))
    refused = spaces(app.folder, "migrate", db_url=app.url)
    assert refused.status == 1
    assert "--reinstall" in refused.err
    assert spaces_json(app.folder, "migrate", "--reinstall", db_url=app.url)["applied"] == OURS
    assert app.query("select public.schema_version()") == [(1,)]


async def test_a_removal_where_nothing_is_installed_changes_nothing(bare: LocalStack, new_app: NewApp) -> None:
    app = await new_app()
    spaces_json(app.folder, "migrations", "copy")
    assert spaces(app.folder, "migrations", "remove").status == 0
    for name in OURS:
        (app.migrations / name).unlink()
    app.write("20250102000000_rooms.sql", "create table public.rooms (id int primary key);\n")
    refused = app.push()
    assert refused.status == 1
    assert "it is not installed" in refused.text
    assert app.query("select to_regclass('public.rooms') is not null") == [(True,)]


async def test_the_cli_says_nothing_about_our_functions_folder(new_app: NewApp) -> None:
    app = await new_app()
    shutil.rmtree(app.migrations)
    done = spaces_json(app.folder, "functions", "copy")
    assert "functions/cleanup/index.ts" in done["written"]
    assert app.push().status == 0

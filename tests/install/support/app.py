"""Somebody's app: a folder with migrations of its own, and a database that it is pushed to."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from spaces_sdk.local.bootstrap import bootstrap
from spaces_sdk.local.postgres import PostgresCluster
from tests.install.support.supabase_cli import Finished, SupabaseCli

# A table, and policies that let: members (not anonymous) into one topic, all who are signed in into a second, the
# publishable key into a third.
FIRST = """
create table public.notes (
  id bigint generated always as identity primary key,
  author uuid not null default auth.uid() references auth.users (id) on delete cascade,
  body text not null
);
create index notes_author_idx on public.notes (author);
alter table public.notes enable row level security;
create policy notes_are_read_by_their_author on public.notes for select to authenticated
  using (author = (select auth.uid()));

create policy app_members_hear on realtime.messages for select to authenticated
  using (
    (select realtime.topic()) = 'app:members'
    and not coalesce(((select auth.jwt()) ->> 'is_anonymous')::boolean, false)
  );
create policy app_members_speak on realtime.messages for insert to authenticated
  with check ((select realtime.topic()) = 'app:members');
create policy app_lobby_is_heard on realtime.messages for select to authenticated
  using ((select realtime.topic()) = 'app:lobby');
create policy app_lobby_is_spoken on realtime.messages for insert to authenticated
  with check ((select realtime.topic()) = 'app:lobby');
create policy app_open_is_heard on realtime.messages for select to anon
  using ((select realtime.topic()) = 'app:open');
create policy app_open_is_spoken on realtime.messages for insert to anon
  with check ((select realtime.topic()) = 'app:open');
"""
# One that changes rows only, so that the schema before and after can be compared.
SECOND = "update public.notes set body = trim(body);\n"


@dataclass(frozen=True, slots=True)
class App:
    """One app with one database.

    Attributes:
        folder: Where `supabase init` has been run.
        url: Its database, as the migration role.
    """

    folder: Path
    url: str
    cli: SupabaseCli

    @property
    def migrations(self) -> Path:
        return self.folder / "supabase" / "migrations"

    def write(self, name: str, text: str) -> None:
        """Add a migration of the app's own."""
        self.migrations.mkdir(exist_ok=True)
        (self.migrations / name).write_text(text, encoding="utf-8")

    def push(self, *options: str) -> Finished:
        """`supabase db push`."""
        return self.cli.run(self.folder, "db", "push", f"--remote={self.url}", "--yes", *options)

    def findings(self) -> list[dict[str, Any]]:
        """Warnings and errors of `supabase db advisors`."""
        done = self.cli.run(
            self.folder, "db", "advisors", f"--remote={self.url}", "--level", "warn", "--output-format", "json"
        )
        assert done.status == 0, done.text
        return json.loads(done.out)["results"]

    def query(self, statement: str) -> list[tuple[Any, ...]]:
        """Rows of a query."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            return conn.execute(statement.encode()).fetchall()

    def execute(self, statements: str) -> None:
        """Run SQL without an answer, past all migrations."""
        with psycopg.connect(self.url, autocommit=True) as conn:
            conn.execute(statements.encode())

    def history(self) -> list[tuple[Any, ...]]:
        """What is recorded, in order."""
        return self.query("select version, name, statements from supabase_migrations.schema_migrations order by 1")


async def make_database(cluster: PostgresCluster, name: str, mode: str = "closed") -> str:
    """A database as a new project has it; its URL as the migration role."""
    async with await psycopg.AsyncConnection.connect(cluster.url(), autocommit=True) as conn:
        await conn.execute(sql.SQL("create database {} template template0").format(sql.Identifier(name)))
    await bootstrap(cluster.url(dbname=name), mode, password_of=cluster.password_of)
    return cluster.url("postgres", name)


def make_app(folder: Path, url: str, cli: SupabaseCli) -> App:
    """An app with its first migration written, and not pushed."""
    folder.mkdir()
    done = cli.run(folder, "init")
    assert done.status == 0, done.text
    app = App(folder, url, cli)
    app.write("20250101000000_notes.sql", FIRST)
    return app


def schema_of(cluster: PostgresCluster, dbname: str) -> str:
    """The whole schema as SQL, without the history of migrations."""
    options = ["--schema-only", "--exclude-schema=supabase_migrations", "--restrict-key=same"]
    done = subprocess.run(
        [cluster.binaries.bin_dir / "pg_dump", *options, cluster.url(dbname=dbname)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout

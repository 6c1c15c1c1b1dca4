"""Splitting SQL files, without a database."""

from __future__ import annotations

import pytest

from spaces_sdk.install.package_files import migrations_dir
from spaces_sdk.install.sql_files import SqlFile, split_statements
from spaces_sdk.local.bootstrap import bootstrap_files

pytestmark = pytest.mark.unit


def _split(text: str) -> list[tuple[int, str]]:
    return [(statement.line, statement.text) for statement in split_statements(text)]


def test_statements_have_the_line_where_they_begin() -> None:
    text = "-- a comment\n\nselect 1;\n/* one\n /* nested */ ; */ select\n  2;\n"
    assert _split(text) == [(3, "select 1"), (5, "select\n  2")]


@pytest.mark.parametrize(
    "whole",
    [
        "select 'a;b''c;d'",
        "select E'it\\'s; one'",
        'select 1 as "a;""b"',
        "do $$ begin perform 1; end $$",
        "do $body$ begin perform $$;$$; end $body$",
        "select 1 -- not; the end\n + 1",
        "select /* a; /* b; */ c; */ 1",
        "create function f() returns int begin atomic select case when true then 1; end; select 2; end",
        "create function f() returns int begin atomic select case 1 when 1 then 2 end; end",
    ],
)
def test_these_are_one_statement(whole: str) -> None:
    assert _split(f"{whole};\nselect 2;") == [(1, whole), (whole.count("\n") + 2, "select 2")]


def test_a_last_statement_needs_no_semicolon_and_nothing_is_nothing() -> None:
    assert _split("select 1") == [(1, "select 1")]
    assert _split(" ;\n; -- only this\n/* and this") == []


def test_all_of_our_own_files_lose_nothing_when_split() -> None:
    files = [*bootstrap_files(), *(SqlFile.read(path) for path in sorted(migrations_dir().glob("*.sql")))]
    assert len(files) > 10
    for file in files:
        lines = file.text.splitlines()
        for statement in file.statements:
            assert lines[statement.line - 1].lstrip().startswith(statement.text.splitlines()[0]), file.name
        kept = sum(len(statement.text) for statement in file.statements)
        comments = sum(len(line) for line in lines if line.startswith("--"))
        assert kept > 0.85 * (len(file.text) - comments), file.name

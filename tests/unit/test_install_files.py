"""Copying our files into a user's folder, and what is refused, without a database."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pytest

from spaces_sdk.install import copying
from spaces_sdk.install.copying import copy_functions, copy_migrations, write_removal
from spaces_sdk.install.errors import InstallError
from spaces_sdk.install.package_files import function_files, migrations
from spaces_sdk.install.project import Project
from spaces_sdk.install.teardown import next_version, teardown_sql

pytestmark = pytest.mark.unit

OURS = [migration.path.name for migration in migrations()]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    folder = tmp_path / "supabase"
    (folder / "migrations").mkdir(parents=True)
    (folder / "config.toml").write_text('project_id = "app"\n')
    (folder / "migrations" / "20240101000000_app.sql").write_text("select 1;\n")
    return Project(folder)


def files_of(project: Project) -> dict[str, bytes]:
    return {str(p.relative_to(project.path)): p.read_bytes() for p in project.path.rglob("*") if p.is_file()}


def test_a_copy_adds_ours_and_leaves_theirs(project: Project) -> None:
    before = files_of(project)
    done = copy_migrations(project)
    assert done.files.written == [f"migrations/{name}" for name in OURS]
    assert (done.files.replaced, done.files.unchanged, done.later) == ([], [], [])
    after = files_of(project)
    assert {name: after[name] for name in before} == before
    assert after.keys() - before.keys() == {f"migrations/{name}" for name in OURS}
    assert oct((project.path / "migrations" / OURS[0]).stat().st_mode)[-3:] == "644"


def test_a_second_copy_changes_nothing(project: Project) -> None:
    copy_migrations(project)
    before = files_of(project)
    done = copy_migrations(project)
    assert (done.files.written, len(done.files.unchanged)) == ([], len(OURS))
    assert files_of(project) == before


def test_other_ends_of_lines_are_no_difference(project: Project) -> None:
    copy_migrations(project)
    first = project.path / "migrations" / OURS[0]
    first.write_bytes(first.read_bytes().replace(b"\n", b"\r\n"))
    assert len(copy_migrations(project).files.unchanged) == len(OURS)


def test_a_changed_file_is_refused_before_anything_is_written(project: Project) -> None:
    changed = project.path / "migrations" / OURS[-1]
    changed.write_text("-- mine now\n")
    before = files_of(project)
    with pytest.raises(InstallError, match=OURS[-1]) as refused:
        copy_migrations(project)
    assert refused.value.code == "differs"
    assert "--force" in refused.value.hint
    assert files_of(project) == before
    done = copy_migrations(project, force=True)
    assert done.files.replaced == [f"migrations/{OURS[-1]}"]
    assert changed.read_bytes() == migrations()[-1].path.read_bytes()


def test_another_migration_of_our_version_is_refused(project: Project) -> None:
    taken = f"{migrations()[3].version}_theirs.sql"
    (project.path / "migrations" / taken).write_text("select 1;\n")
    with pytest.raises(InstallError, match=taken) as refused:
        copy_migrations(project, force=True)
    assert refused.value.code == "version_taken"


def test_later_migrations_of_the_app_are_told_only_where_they_matter(project: Project) -> None:
    (project.path / "migrations" / "20990101000000_later.sql").write_text("select 1;\n")
    assert copy_migrations(project).later == ["20990101000000_later.sql"]
    assert copy_migrations(project).later == [], "ours were all there: nothing new to push"


def test_an_upgrade_adds_only_what_is_new(project: Project) -> None:
    copy_migrations(project)
    last = project.path / "migrations" / OURS[-1]
    last.unlink()
    assert copy_migrations(project).files.written == [f"migrations/{OURS[-1]}"]


def test_a_folder_in_the_place_of_a_file_is_never_removed(project: Project) -> None:
    (project.path / "migrations" / OURS[0]).mkdir()
    with pytest.raises(InstallError) as refused:
        copy_migrations(project)
    assert refused.value.code == "differs"
    with pytest.raises(InstallError) as refused:
        copy_migrations(project, force=True)
    assert refused.value.code == "unwritable"
    assert list((project.path / "migrations").glob(".*")) == [], "nothing half written stays"


@pytest.mark.parametrize("named", [None, ".", "supabase", "deeper"])
def test_the_folder_is_found_as_the_cli_finds_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, named: str | None
) -> None:
    base = project.path.parent
    (base / "deeper").mkdir()
    monkeypatch.chdir(base / "deeper" if named == "deeper" else base)
    found = Project.find(None if named in (None, "deeper") else Path(named))
    assert found.path.resolve() == project.path.resolve()


def test_no_folder_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for named in (None, tmp_path / "nowhere", tmp_path):
        with pytest.raises(InstallError) as refused:
            Project.find(named)
        assert refused.value.code == "no_project"
        assert "supabase init" in refused.value.hint


def test_a_removal_comes_last_and_once(project: Project) -> None:
    copy_migrations(project)
    (project.path / "migrations" / "20991231235959_later.sql").write_text("select 1;\n")
    removal = write_removal(project)
    assert removal.is_new
    assert removal.name == "21000101000000_spaces_teardown.sql"
    assert write_removal(project) == copying.Removal(removal.name, is_new=False)
    with pytest.raises(InstallError, match=removal.name) as refused:
        copy_migrations(project)
    assert refused.value.code == "removed"
    assert f"--status reverted 21000101000000 {migrations()[0].version} " in refused.value.hint


def test_there_is_nothing_to_remove_where_nothing_was_copied(project: Project) -> None:
    with pytest.raises(InstallError) as refused:
        write_removal(project)
    assert refused.value.code == "not_installed"


def test_versions_are_the_time_or_later_than_the_last() -> None:
    now = datetime(2026, 12, 1, 9, 30, tzinfo=UTC)
    assert next_version([], now) == "20261201093000"
    assert next_version(["20261123100000"], now) == "20261201093000"
    assert next_version(["20261201093000", "20261231235959"], now) == "20270101000000"
    assert next_version(["99999999999999"], now) == "100000000000000"


def test_the_teardown_is_filled_in_whole() -> None:
    text = teardown_sql(migrations())
    assert "%" not in text.replace("already: %", "").replace("it: %", "")
    assert "drop function if exists public.sync_room(uuid, bigint, bigint, jsonb);" in text


def test_functions_are_copied_with_all_they_need(project: Project) -> None:
    done = copy_functions(project)
    assert "functions/cleanup/index.ts" in done.written
    assert PurePosixPath("cleanup/index.ts") in function_files()
    mine = project.path / "functions" / "cleanup" / "index.ts"
    mine.write_text("// mine\n")
    with pytest.raises(InstallError) as refused:
        copy_functions(project)
    assert refused.value.code == "differs"
    assert mine.read_text() == "// mine\n"


def test_a_place_that_cannot_be_written_is_named(project: Project) -> None:
    (project.path / "functions").write_text("a file where the folder should be\n")
    with pytest.raises(InstallError, match="cannot write") as refused:
        copy_functions(project)
    assert refused.value.code == "unwritable"

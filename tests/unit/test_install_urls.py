"""Connection URLs: what is wrong with one is told without a piece of its password."""

from __future__ import annotations

import traceback

import pytest

from spaces_sdk.errors import ConfigError
from spaces_sdk.install.db_url import open_database
from spaces_sdk.install.errors import DatabaseError
from spaces_sdk.local.ports import free_port

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hunter2secret",
        "host=localhost password=hunter2secret",
        "http://postgres:hunter2secret@localhost/postgres",
        "postgresql://postgres:hunter2@secret@localhost/postgres",
        "postgresql://postgres:hunter2/secret@localhost/postgres",
        "postgresql://postgres:1234/secret@localhost/postgres",
        "postgresql://postgres:hunter2secret@localhost:port/postgres",
        "postgresql://postgres:hunter2secret@local host/postgres",
        "postgresql://postgres:hunter2secret@localhost/postgres?nonsense=1",
        "postgresql://postgres:hunter2%secret@localhost/postgres",
    ],
)
async def test_what_is_no_url_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ConfigError) as refused:
        async with open_database(url):
            pass
    told = "".join(traceback.format_exception(refused.value)) + refused.value.hint
    assert "hunter2" not in told
    assert "secret" not in told.replace("test_what", "")


async def test_who_cannot_connect_is_told_why_without_the_password() -> None:
    url = f"postgresql://postgres:hunter2secret@127.0.0.1:{free_port()}/postgres"
    with pytest.raises(DatabaseError, match="refused") as failed:
        async with open_database(url):
            pass
    assert failed.value.code == "connect_failed"
    assert failed.value.__context__ is None
    assert "hunter2secret" not in str(failed.value)

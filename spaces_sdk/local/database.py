"""Brings a plain Postgres to what a hosted project's database is, then to this package's schema."""

from __future__ import annotations

from spaces_sdk.install.migrate import migrate
from spaces_sdk.install.package_files import migrations_dir
from spaces_sdk.local.bootstrap import bootstrap
from spaces_sdk.local.postgres import PostgresCluster

__all__ = ["bootstrap", "migrate", "migrations_dir", "prepare"]


async def prepare(cluster: PostgresCluster, *, mode: str = "closed") -> list[str]:
    """Bootstrap and migrate a running cluster; idempotent. Returns the names of the migrations that were applied."""
    await bootstrap(cluster.url(), mode, password_of=cluster.password_of)
    return await migrate(cluster.url("postgres"))

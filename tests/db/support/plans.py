"""How the statements of a call find their rows: every statement's plan, also of those inside functions."""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from psycopg.errors import Diagnostic

from tests.db.support.database import Connection, Database

_SETTINGS = """load 'auto_explain'; set auto_explain.log_min_duration = 0; set auto_explain.log_nested_statements = on;
  set auto_explain.log_format = json; set auto_explain.log_verbose = on; set client_min_messages = log"""


@dataclass
class Plans:
    """The plans of what ran on a connection since `clear`."""

    connection: Connection
    _told: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def clear(self) -> None:
        """Forget what ran so far."""
        self._told.clear()

    def hear(self, told: Diagnostic) -> None:
        """Keep the plan that a message of the server carries."""
        _, is_plan, plan = (told.message_primary or "").partition("plan:\n")
        if is_plan:
            self._told.append(json.loads(plan))

    def __len__(self) -> int:
        return len(self._told)

    def scans(self) -> Generator[tuple[str, str]]:
        """Each table that was read from one end to the other, with the statement that did it."""
        for told in self._told:
            for node in _nodes(told["Plan"]):
                if node["Node Type"] == "Seq Scan":
                    yield f"{node['Schema']}.{node['Relation Name']}", told["Query Text"]


@asynccontextmanager
async def explained(database: Database) -> AsyncGenerator[Plans]:
    """A superuser's connection whose statements tell their plans."""
    connection = await database.superuser.open()
    try:
        await connection.execute(_SETTINGS)
        plans = Plans(connection)
        connection.add_notice_handler(plans.hear)
        yield plans
    finally:
        await connection.close()


def _nodes(node: dict[str, Any]) -> Generator[dict[str, Any]]:
    yield node
    for child in node.get("Plans", []):
        yield from _nodes(child)

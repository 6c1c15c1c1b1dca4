"""The command `spaces` as a user runs it, in an app's folder."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.install.support.supabase_cli import Finished


def spaces(folder: Path, *arguments: str, db_url: str | None = None) -> Finished:
    """Run it to its end; the URL goes through the environment."""
    environment = {name: value for name, value in os.environ.items() if name not in ("SPACES_DB_URL", "DATABASE_URL")}
    if db_url is not None:
        environment["SPACES_DB_URL"] = db_url
    done = subprocess.run(
        [sys.executable, "-m", "spaces_sdk.cli.main", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return Finished(done.returncode, done.stdout, done.stderr)


def spaces_json(folder: Path, *arguments: str, db_url: str | None = None) -> dict[str, Any]:
    """Run it with --json; it must succeed."""
    done = spaces(folder, *arguments, "--json", db_url=db_url)
    assert done.status == 0, done.text
    return json.loads(done.out)

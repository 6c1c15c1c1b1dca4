"""What can be set about a stack."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

DEFAULT_PORT = 54321
DEFAULT_DATA_DIR = Path(".spaces")


def say_nothing(_: str) -> None:
    """The default of `report`: start in silence."""


@dataclass(frozen=True, slots=True)
class StackSettings:
    """Settings of a local stack.

    Attributes:
        data_dir: Folder of data, secrets and logs; made if missing.
        port: Loopback port of the gateway; 0 takes a free one. The default is the Supabase CLI's.
        postgres_bin: Folder with `initdb` and `postgres`, version 15 or later; None takes the wheel's.
        jwt_expiry_s: Life of an access token in seconds, as hosted 3600.
        default_privileges: `closed` as in hosted projects made since May 2026, `open` as in older ones.
        realtime_env: More variables for the Realtime server (`SPACES_REALTIME_…`).
        has_trace: True writes each frame of Realtime to `logs/trace.log`, without tokens.
        sweep_interval_s: Seconds between two sweeps of expired leases.
        functions_dir: The edge functions to serve, a `supabase/functions` folder; None takes this package's own.
        functions_env: More variables for the functions.
        has_migrations: False leaves the database as a new project has it, without this package's migrations.
        is_temporary: True trades safety against a crash of the machine for speed.
        report: Called with lines for the user while it starts.
    """

    data_dir: Path = DEFAULT_DATA_DIR
    port: int = DEFAULT_PORT
    postgres_bin: Path | None = None
    jwt_expiry_s: int = 3600
    default_privileges: str = "closed"
    realtime_env: Mapping[str, str] = field(default_factory=dict[str, str])
    has_trace: bool = False
    sweep_interval_s: float = 30.0
    functions_dir: Path | None = None
    functions_env: Mapping[str, str] = field(default_factory=dict[str, str])
    has_migrations: bool = True
    is_temporary: bool = False
    report: Callable[[str], None] = say_nothing

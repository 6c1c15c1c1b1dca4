"""What a stack keeps in its data directory as JSON that only its owner can read: its secrets, and what runs."""

from __future__ import annotations

import json
import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from spaces_sdk.local.errors import StackError


@dataclass(frozen=True, slots=True)
class StackSecrets:
    """The secrets of one data directory, made at its first start.

    Attributes:
        publishable_key: API key of the role `anon`.
        secret_key: API key of the role `service_role`; it passes by all policies.
        jwt_secret: HS256 secret of all tokens.
        postgres_secret: The passwords of the database's roles are derived from it.
    """

    publishable_key: str
    secret_key: str
    jwt_secret: str
    postgres_secret: str

    @classmethod
    def new(cls) -> StackSecrets:
        return cls(
            publishable_key=f"sb_publishable_{secrets.token_urlsafe(24)}",
            secret_key=f"sb_secret_{secrets.token_urlsafe(24)}",
            jwt_secret=secrets.token_hex(32),
            postgres_secret=secrets.token_hex(32),
        )


@dataclass(frozen=True, slots=True)
class StackState:
    """What is running: written once everything is ready, removed at the end.

    Attributes:
        pid: The supervisor. After it was killed this may be anybody: ask `StackFolder.holder`.
        url: The stack's address.
        publishable_key: API key of the role `anon`.
        secret_key: API key of the role `service_role`.
        parts: Process id of each part.
    """

    pid: int
    url: str
    publishable_key: str
    secret_key: str
    parts: dict[str, int] = field(default_factory=dict[str, int])


def read_record(path: Path) -> dict[str, Any]:
    """The fields of such a file.

    Raises:
        OSError: It cannot be read.
        StackError: `damaged_folder`, what is in it is no JSON.
    """
    try:
        value: Any = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StackError(
            f"cannot read {path}: it is not what the stack wrote",
            code="damaged_folder",
            hint="start afresh with --reset",
        ) from error
    return dict(value)


def write_record(path: Path, value: dict[str, Any]) -> None:
    """Write a file that only its owner can read, all of it or nothing."""
    staged = path.with_name(f".{path.name}.new")
    staged.unlink(missing_ok=True)
    fd = os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with os.fdopen(fd, "w", encoding="utf-8") as file:
        json.dump(value, file, indent=2)
    staged.replace(path)

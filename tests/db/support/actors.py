"""Who calls the database, and what it answers to them."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import psycopg
import pytest

from spaces_sdk.codes import STATUS_OF_CODE

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Actor:
    """A caller as the REST API sees one: a database role and the claims of a token."""

    label: str
    role: str
    user_id: UUID | None = None
    claims: Json = field(default_factory=dict[str, Any], compare=False)

    @property
    def id(self) -> UUID:
        """The user's id; only for signed-in users."""
        assert self.user_id is not None, f"{self.label} is no user"
        return self.user_id


ANON = Actor("anon", "anon", claims={"role": "anon"})
SERVICE = Actor("service", "service_role", claims={"role": "service_role"})


def signed_in(user_id: UUID, label: str, **claims: Any) -> Actor:
    """A user with a valid token; further claims (`app_metadata={…}`) are added to it."""
    token: Json = {"sub": str(user_id), "role": "authenticated", "aud": "authenticated", **claims}
    return Actor(label, "authenticated", user_id, token)


class Refused(Exception):  # noqa: N818  (an answer of the database, not a failure of the test)
    """The database raised one of its own errors."""

    def __init__(self, status: int, code: str, message: str, hint: str) -> None:
        super().__init__(f"{status} {code}: {message} ({hint})")
        self.status = status
        self.code = code
        self.message = message
        self.hint = hint

    @classmethod
    def read(cls, error: psycopg.Error) -> Refused | None:
        """What the REST API makes of an error with a `PTnnn` state; None for any other."""
        state = error.sqlstate or ""
        if not state.startswith("PT"):
            return None
        told = error.diag
        return cls(int(state[2:]), told.message_detail or "", told.message_primary or "", told.message_hint or "")


@contextmanager
def expect_refusal(code: str) -> Generator[None]:
    """Expect the code, with its status, and a text that a person can act on."""
    with pytest.raises(Refused) as caught:
        yield
    check_refusal(caught.value, code)


def check_refusal(error: Refused, code: str) -> None:
    """The error has that code, the code's status, a `cannot …: …` text and a hint."""
    assert error.code == code, f"expected {code}, got {error}"
    assert error.status == STATUS_OF_CODE[code]
    assert error.message.startswith("cannot "), error.message
    assert ": " in error.message, error.message
    assert error.hint, f"{code} has no hint"


@contextmanager
def expect_denied() -> Generator[None]:
    """Expect that Postgres itself says no: a missing grant, or row level security."""
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        yield

"""The people of the demo: accounts of their own, clients of their own, and what each saw."""

from __future__ import annotations

import secrets
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from dataclasses import dataclass, field
from uuid import UUID

from spaces_sdk.client import Spaces
from spaces_sdk.demo.checks import NotReadyError, check
from spaces_sdk.demo.ledger import Ledger
from spaces_sdk.demo.witness import Witness
from spaces_sdk.session import RoomSession, SessionOptions


@dataclass(slots=True)
class Person:
    """One account with a client, and its session while it is in the room.

    Attributes:
        absence: Why there is no session; told by the steps that need one.
    """

    name: str
    email: str
    password: str = field(repr=False)
    ledger: Ledger = field(repr=False)
    spaces: Spaces = field(repr=False)
    account_id: UUID | None = None
    absence: str = "has not joined yet"
    _session: RoomSession | None = field(default=None, repr=False)
    _witness: Witness | None = field(default=None, repr=False)
    _visit: AsyncExitStack = field(default_factory=AsyncExitStack, repr=False)

    @property
    def user_id(self) -> UUID:
        """The account's id.

        Raises:
            NotReadyError: Could not sign in.
        """
        if self.account_id is None:
            raise NotReadyError(f"{self.name} to be signed in", f"{self.name} is not")
        return self.account_id

    @property
    def session(self) -> RoomSession:
        """The session of the current visit.

        Raises:
            NotReadyError: Not in the room, because an earlier step failed or asked for it.
        """
        if self._session is None:
            raise NotReadyError(f"{self.name} to be in the room", f"{self.name} {self.absence}")
        return self._session

    @property
    def witness(self) -> Witness:
        """What this person saw in the current or the last visit.

        Raises:
            NotReadyError: Never was in the room.
        """
        if self._witness is None:
            raise NotReadyError(f"{self.name} to be in the room", f"{self.name} {self.absence}")
        return self._witness

    @property
    def here(self) -> Witness:
        """What this person sees in the current visit.

        Raises:
            NotReadyError: Not in the room.
        """
        _ = self.session
        return self.witness

    def mark(self) -> None:
        """Begin a step."""
        if self._witness is not None:
            self._witness.mark()

    async def enter(self, room: str | UUID, *, within_s: float) -> None:
        """Join by code or id, and watch from then on. Raises what the join raises."""
        check(self._session is None, expected=f"{self.name} not to be in the room yet", seen="a session")
        await self.aclose()
        self.absence = "could not join"
        options = SessionOptions(join_timeout_s=within_s)
        session = self.spaces.join(room, display_name=self.name, options=options)
        await self._visit.enter_async_context(session)
        self._session = session
        self._witness = Witness(self.name, session, self.ledger)

    async def hold(self, part: AbstractAsyncContextManager[object]) -> None:
        """Enter something that ends with the visit."""
        await self._visit.enter_async_context(part)

    async def go(self) -> None:
        """Leave the room as a program does: by ending the `async with`. The witness sees it to the end. Idempotent."""
        self._session = None
        self.absence = "has left"
        await self._visit.aclose()

    async def aclose(self) -> None:
        """Leave, and stop watching. Idempotent."""
        await self.go()
        if self._witness is not None:
            await self._witness.aclose()

    def is_out(self, why: str) -> None:
        """Take down that the room has ended this session."""
        self._session = None
        self.absence = why


def new_password() -> str:
    """A password that nobody needs to know."""
    return secrets.token_urlsafe(18)

"""Where it plays: a stack with short leases and tokens, accounts, one room, and each session's own network."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from uuid import UUID

import psycopg

from spaces_sdk import Spaces
from spaces_sdk.local.stack import LocalStack
from spaces_sdk.models import Room
from tests.chaos.cast import ROOT, Actor
from tests.chaos.commands import Order
from tests.chaos.proxy import Network
from tests.chaos.schedule import owner_of

LEASE_S: Final = 12.0
SWEEP_S: Final = 2.0
TOKEN_LIFE_S: Final = 20
HEARTBEAT_S: Final = 4.0
HEARTBEAT_TIMEOUT_S: Final = 3.0
BYSTANDERS: Final = 5

# Short leases and pages, events that do not fit: what takes minutes and thousands of messages else, happens here.
_SETTINGS: Final = """
update spaces.config set lease_s = %s, heartbeat_s = %s, page_rows = 25, max_event_bytes = 12000;
update spaces.limits set capacity = 1000000, refill_per_s = 10000;
"""


@dataclass(frozen=True, slots=True)
class Account:
    """A user."""

    email: str
    password: str
    user_id: UUID


@dataclass(slots=True)
class Stage:
    """What the faults and the verdict work on.

    Attributes:
        host: The host's client, by a way of its own that no fault touches; it kicks.
        bystanders: They have no session: the room moves when they are kicked. The last one takes places.
        intruding: Held while it does.
    """

    stack: LocalStack
    room: Room
    actors: list[Actor]
    host: Spaces
    bystanders: list[tuple[Account, Spaces]]
    folder: Path
    intruding: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def networks(self) -> list[Network]:
        return [actor.network for actor in self.actors]

    def journal(self, index: int) -> Path:
        """Where a session writes what it is told."""
        return self.folder / f"session-{index}.jsonl"


@asynccontextmanager
async def set_stage(*, sessions: int, seed: int, folder: Path, message_limit: int) -> AsyncGenerator[Stage]:
    """Everything but the sessions themselves; at the end nothing of it, nor of them, is left."""
    _forget_earlier_runs(folder)
    async with AsyncExitStack() as held:
        stack = await held.enter_async_context(
            LocalStack.temporary(
                jwt_expiry_s=TOKEN_LIFE_S,
                sweep_interval_s=SWEEP_S,
                realtime_env={
                    "SPACES_REALTIME_MAX_EVENTS_PER_SECOND": str(message_limit),
                    "SPACES_REALTIME_FAITHFUL_LOSS": "true",  # as the real one: what it misses it never sends
                },
            )
        )
        await _shorten(stack)
        users = [owner_of(index) for index in range(sessions)]
        accounts = {index: await _account(stack) for index in sorted(set(users))}
        host = await held.enter_async_context(Spaces(stack.url, stack.publishable_key))
        await host.auth.sign_in_with_password(email=accounts[0].email, password=accounts[0].password)
        room = await host.rooms.create_room("Chaos", max_participants=max(2, len(accounts)))
        bystanders = [await _bystander(stack, room, number, held) for number in range(BYSTANDERS + 1)]
        actors: list[Actor] = []
        stage = Stage(stack, room, actors, host, bystanders, folder)
        for index, owner in enumerate(users):
            network = Network(urlsplit(stack.url).port or 0)
            await network.open()
            held.push_async_callback(network.aclose)
            account = accounts[owner]
            order = Order(
                index=index,
                life=0,
                seed=seed,
                name=f"Session {index}",
                url=network.url,
                key=stack.publishable_key,
                email=account.email,
                password=account.password,
                room_code=room.room_code,
                is_host=owner == 0,
                journal=str(stage.journal(index)),
                buffer_size=(512, 64, 16)[index % 3],
                slowness=(0.0, 0.0, 0.05)[index % 3],
                heartbeat_s=HEARTBEAT_S,
                heartbeat_timeout_s=HEARTBEAT_TIMEOUT_S,
                control_fd=-1,
            )
            actors.append(Actor(order, str(account.user_id), network, folder / f"session-{index}.log", _environment()))
            held.push_async_callback(actors[-1].kill)
        yield stage


def _forget_earlier_runs(folder: Path) -> None:
    for old in folder.glob("session-*"):
        old.unlink()  # a journal is appended to


async def _shorten(stack: LocalStack) -> None:
    async with await psycopg.AsyncConnection.connect(stack.db_url, autocommit=True) as conn:
        for statement in _SETTINGS.strip().split(";\n"):
            await conn.execute(statement.encode(), [LEASE_S, HEARTBEAT_S] if "%s" in statement else None)


async def _account(stack: LocalStack) -> Account:
    email, password = f"{secrets.token_hex(6)}@example.com", secrets.token_urlsafe(12)
    async with Spaces(stack.url, stack.secret_key) as operator:
        made = await operator.auth.admin.create_user(email=email, password=password)
    return Account(email, password, made.id)


async def _bystander(stack: LocalStack, room: Room, number: int, held: AsyncExitStack) -> tuple[Account, Spaces]:
    account = await _account(stack)
    spaces = await held.enter_async_context(Spaces(stack.url, stack.publishable_key))
    await spaces.auth.sign_in_with_password(email=account.email, password=account.password)
    await spaces.rooms.get_room_by_code(room.room_code)
    await spaces.rooms.join_room(room.id, f"Bystander {number}")
    return account, spaces


def _environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"}

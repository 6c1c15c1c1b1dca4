"""Runs a bot in rooms of a project: sessions, signals, and new tries after a failure."""

from __future__ import annotations

import asyncio
import logging
import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from threading import Timer
from typing import Final, Protocol
from uuid import UUID

from spaces_sdk.bots.dispatcher import Dispatcher
from spaces_sdk.bots.plain_log import log_to_terminal
from spaces_sdk.bots.port import RoomsPort, SessionPort
from spaces_sdk.client import Spaces
from spaces_sdk.clock import Clock
from spaces_sdk.errors import ConfigError, InvalidCredentialsError, RemovedError, RoomFullError, SpacesError, UsageError
from spaces_sdk.realtime.backoff import backoff

logger = logging.getLogger("spaces_sdk.bots")

FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 60.0
CALM_S: Final = 120.0
"""A session that lived so long was no failed try: the pauses begin anew."""
LAST_CALL_S: Final = 5.0
"""For what handlers still do in tasks and threads when the bot has ended."""

_ENDED: Final = frozenset({"kicked", "banned", "room_not_found", "room_inactive", "not_participant"})
EMAIL_VARIABLE: Final = "SPACES_BOT_EMAIL"
PASSWORD_VARIABLE: Final = "SPACES_BOT_PASSWORD"  # noqa: S105 - the name of a variable
_NO_ACCOUNT_HINT: Final = (
    f"check {EMAIL_VARIABLE} and {PASSWORD_VARIABLE}; an account is of one project, and gone after `spaces up --reset`:"
    " `spaces bot create NAME > bot.env` makes one"
)


class Servable(Protocol):
    """What is run here of a `Bot`."""

    name: str
    clock: Clock

    def serve(self, session: SessionPort, /) -> Dispatcher: ...


async def serve_rooms(bot: Servable, spaces: RoomsPort, rooms: Sequence[str | UUID]) -> None:
    """Each room in a task of its own, until all have ended; see `Bot.start`.

    Raises:
        SpacesError: Of the first room that cannot be served, when the others have ended.
    """
    if not rooms:
        raise UsageError("cannot start the bot: no room is named", hint="pass the code of a room")
    rooms = [*dict.fromkeys(rooms)]
    if len(rooms) == 1:
        await _serve(bot, spaces, rooms[0])
        return
    tasks = [asyncio.create_task(_try(bot, spaces, room), name=f"bot in {room}") for room in rooms]
    try:
        failures = [failure for failure in await asyncio.gather(*tasks) if failure is not None]
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
    if failures:
        raise failures[0]


async def _try(bot: Servable, spaces: RoomsPort, room: str | UUID) -> SpacesError | None:
    """Serve one of several. That it has run out, or that the bot is banned, is no reason to leave the others."""
    try:
        await _serve(bot, spaces, room)
    except SpacesError as error:
        failure = error
    else:
        return None
    logger.error("%s is not in %s: %s", bot.name, room, failure)
    return failure


async def _serve(bot: Servable, spaces: RoomsPort, room: str | UUID) -> None:
    pauses = _pauses()
    has_joined = False
    while True:
        began = bot.clock.monotonic()
        try:
            async with spaces.join(room, display_name=bot.name) as session:
                has_joined = True
                logger.info("%s is in %s", bot.name, room)
                await bot.serve(session).run()
        except RemovedError as error:
            if error.code in _ENDED:
                logger.info("%s is out of %s: %s", bot.name, room, error.code)
                return
            failure: SpacesError = error
        except SpacesError as error:
            if has_joined and error.code in _ENDED:  # it ended while the bot was coming back
                logger.info("%s is out of %s: %s", bot.name, room, error.code)
                return
            if not (error.retryable or (has_joined and isinstance(error, RoomFullError))):
                raise
            failure = error
        else:
            return
        if bot.clock.monotonic() - began > CALM_S:
            pauses = _pauses()
        pause_s = next(pauses)
        logger.warning("%s lost %s: %s; again in %.1f s", bot.name, room, failure, pause_s)
        await bot.clock.sleep(pause_s)


def run_from_env(bot: Servable, rooms: Sequence[str]) -> None:
    """`Bot.run`: signs in with what the environment says, and ends at Ctrl-C and SIGTERM."""
    credentials = [os.environ.get(name, "") for name in (EMAIL_VARIABLE, PASSWORD_VARIABLE)]
    if not all(credentials):
        raise ConfigError(
            f"cannot run the bot: {EMAIL_VARIABLE} or {PASSWORD_VARIABLE} is not set",
            hint="`spaces bot create NAME > bot.env` makes an account; `set -a; . ./bot.env` puts it into this shell",
        )
    if not rooms:
        raise UsageError(
            "cannot run the bot: no room is named", hint="name one with --room CODE, or in SPACES_BOT_ROOMS"
        )
    spaces = Spaces.from_env()
    log_to_terminal(logging.INFO)
    last_call = Timer(LAST_CALL_S, _end_process)
    last_call.daemon = True
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(_until_signal(bot, spaces, rooms, *credentials, on_end=last_call.start))
    finally:
        last_call.cancel()


def _end_process() -> None:
    """The bot is out of its rooms, and `asyncio.run` waits for tasks and threads of handlers as long as they like."""
    logger.error("the process ends without its handlers: %g s after all else they go on", LAST_CALL_S)
    logging.shutdown()
    os._exit(1)


async def sign_in(bot: Servable, spaces: Spaces, email: str, password: str) -> None:
    """Sign in, again and again while the project does not answer.

    Raises:
        InvalidCredentialsError: Wrong e-mail or password.
    """
    for pause_s in _pauses():
        try:
            await spaces.auth.sign_in_with_password(email=email, password=password)
        except InvalidCredentialsError as error:
            raise InvalidCredentialsError(error.message, hint=_NO_ACCOUNT_HINT) from error
        except SpacesError as error:
            if not error.retryable:
                raise
            logger.warning("%s cannot sign in: %s; again in %.1f s", bot.name, error, pause_s)
            await bot.clock.sleep(pause_s)
        else:
            return


def _pauses() -> Iterator[float]:
    return backoff(random.Random(), base_s=FIRST_PAUSE_S, cap_s=LONGEST_PAUSE_S)  # noqa: S311 - spreads retries


async def _until_signal(
    bot: Servable, spaces: Spaces, rooms: Sequence[str], email: str, password: str, *, on_end: Callable[[], None]
) -> None:
    loop, task = asyncio.get_running_loop(), asyncio.current_task()
    assert task is not None  # noqa: S101 - this is a coroutine
    is_told = False

    def stop() -> None:
        nonlocal is_told
        is_told = True
        task.cancel()

    with suppress(NotImplementedError):  # Windows has no signal handlers of the loop; Ctrl-C works there
        loop.add_signal_handler(signal.SIGTERM, stop)
    try:
        async with spaces:
            await sign_in(bot, spaces, email, password)
            await serve_rooms(bot, spaces, [room.strip() for room in rooms])
    except asyncio.CancelledError:
        if not is_told:
            raise
    finally:
        on_end()
    logger.info("%s has ended", bot.name)

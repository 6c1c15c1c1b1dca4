"""One session in a process of its own: `python -m tests.chaos.session_process`.

Standard input holds one JSON object, the order; afterwards commands come over the socket that it names. The process
does what an app would do: it joins, reads, saves how far it has read, says things, and when its session is ended or
it was killed, it begins again where it stopped. Everything goes into the journal.
"""

from __future__ import annotations

import asyncio
import json
import socket
import sys
import time
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from random import Random

from spaces_sdk import Spaces
from spaces_sdk.errors import SpacesError
from spaces_sdk.realtime import RealtimeOptions
from spaces_sdk.session import RoomSession, SessionOptions
from tests.chaos.commands import Order, status_of
from tests.chaos.deeds import Deeds
from tests.chaos.follower import Follower
from tests.chaos.journal import Journal, is_removal, read_journal, saved_position
from tests.chaos.lines import Line, What
from tests.chaos.reading import line_of, state_line_of
from tests.chaos.refresh_gate import RefreshGate

_CALM_PAUSE_S = 0.5


class SessionProcess:
    """The process's one user, one after the other its sessions, and the journal of all of them."""

    def __init__(self, order: Order, journal: Journal, since: int | None) -> None:
        self._order = order
        self._journal = journal
        self._since = since
        self._random = Random(f"{order.seed}:{order.index}:{order.life}")  # noqa: S311
        self._gate = RefreshGate()
        self._is_quiet = False
        self._is_quitting = asyncio.Event()
        self._session: RoomSession | None = None
        self._follower = Follower()

    async def run(self) -> None:
        """Until `quit`, or until the harness is gone."""
        commands = asyncio.create_task(self._obey(), name="commands")
        living = asyncio.create_task(self._live(), name="living")
        await asyncio.wait([commands, living], return_when=asyncio.FIRST_COMPLETED)
        for task in (commands, living):
            task.cancel()
        await asyncio.wait([commands, living])
        for task in (commands, living):
            if not task.cancelled():
                task.result()

    async def _live(self) -> None:
        order = self._order
        options = RealtimeOptions(heartbeat_interval_s=order.heartbeat_s, heartbeat_timeout_s=order.heartbeat_timeout_s)
        async with (
            self._gate.client() as http,
            Spaces(order.url, order.key, http_client=http, realtime_options=options) as spaces,
        ):
            while not self._is_quitting.is_set():
                try:
                    await self._visit(spaces)
                except (SpacesError, TimeoutError) as error:
                    self._note(What.ENTER_FAILED, getattr(error, "code", type(error).__name__))
                    await asyncio.sleep(self._random.uniform(0.1, _CALM_PAUSE_S))

    async def _visit(self, spaces: Spaces) -> None:
        """Join, and stay until the session is over."""
        order = self._order
        if spaces.auth.session is None:
            await spaces.auth.sign_in_with_password(email=order.email, password=order.password)
        options = SessionOptions(buffer_size=order.buffer_size, live_buffer_size=64, latest=20)
        async with spaces.join(order.room_code, display_name=order.name, options=options) as session:
            self._session = session
            deeds = Deeds(session, order, self._random, self._journal)
            aside = [
                asyncio.create_task(deeds.run(lambda: self._is_quiet), name="deeds"),
                asyncio.create_task(self._watch(session), name="states"),
            ]
            try:
                await self._read(session)
            finally:
                for task in aside:
                    task.cancel()
                await asyncio.wait(aside)
                for task in aside:
                    if not task.cancelled():
                        task.result()

    async def _watch(self, session: RoomSession) -> None:
        """Note each state when it comes: the other reader may be slow."""
        with suppress(SpacesError):
            async for event in session.events():
                if (line := state_line_of(event)) is not None:
                    self._journal.write(line)

    async def _read(self, session: RoomSession) -> None:
        reader = session.events(since=self._since)
        self._journal.write(Line(what=What.OPENED, at_s=time.monotonic(), pos=self._since))
        try:
            async for event in reader:
                self._since = reader.position
                self._follower.follow(event)
                while self._follower.garbled:
                    self._note(What.GARBLED, self._follower.garbled.pop())
                line = line_of(event, reader.position)
                if line is not None:
                    self._journal.write(line)
                if self._random.random() < self._order.slowness and not self._is_quiet:
                    await asyncio.sleep(self._random.uniform(0.0, 1.5))
        except SpacesError as error:
            self._note(What.ENDED, error.code)
            if is_removal(error.code):
                self._since = None

    # -- the harness -----------------------------------------------------------------------------------

    async def _obey(self) -> None:
        reader, writer = await asyncio.open_connection(sock=socket.socket(fileno=self._order.control_fd))
        while text := await reader.readline():
            match json.loads(text):
                case {"do": "hold refreshes", "for_s": for_s}:
                    self._gate.hold(float(for_s))
                case {"do": "lose refreshes", "count": count}:
                    self._gate.lose(int(count))
                case {"do": "quiet"}:
                    self._is_quiet = True
                case {"do": "status", "number": number}:
                    status = asdict(status_of(self._session, self._since, self._follower))
                    writer.write(f"{json.dumps({'number': number, 'status': status})}\n".encode())
                    await writer.drain()
                case {"do": "quit"}:
                    self._is_quitting.set()
                    await self._leave()
                    break
                case _:
                    raise ValueError(f"not a command: {text!r}")
        self._is_quitting.set()

    async def _leave(self) -> None:
        if self._session is not None:
            with suppress(SpacesError):
                await self._session.leave()

    def _note(self, what: What, name: str) -> None:
        self._journal.write(Line(what=what, at_s=time.monotonic(), name=name))


async def main() -> None:
    """Obey the order; what nobody expected is told in the journal, and by the exit status."""
    order = Order(**json.loads(sys.stdin.readline()))
    path = Path(order.journal)
    since = saved_position(read_journal(path)) if order.life else None
    with Journal(path) as journal:
        loop = asyncio.get_running_loop()

        def on_lost_exception(_: asyncio.AbstractEventLoop, context: dict[str, object]) -> None:
            told = f"{context.get('message')}: {context.get('exception')!r}"
            journal.write(Line(what=What.CRASHED, at_s=time.monotonic(), name=told[:300]))

        loop.set_exception_handler(on_lost_exception)
        try:
            await SessionProcess(order, journal, since).run()
        except Exception as error:
            journal.write(Line(what=What.CRASHED, at_s=time.monotonic(), name=repr(error)[:300]))
            raise


if __name__ == "__main__":
    asyncio.run(main())

"""Runs the functions: a Deno process each, from the first request on, and another one when its files have changed."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from pathlib import Path

from spaces_sdk.local.deno import DenoProgram, network_variables
from spaces_sdk.local.errors import StackError
from spaces_sdk.local.functions.folder import Function, FunctionsFolder
from spaces_sdk.local.functions.settings import FunctionSettings
from spaces_sdk.local.ports import HOST, free_port
from spaces_sdk.local.process import ManagedProcess

_LOOK_EVERY_S = 0.2
_READY_WITHIN_S = 30.0
_POLL_S = 0.01
_STOP_GRACE_S = 1.0


class FunctionFailedError(Exception):
    """A function that is there and does not start; the text says why."""


@dataclass(slots=True)
class _Running:
    function: Function
    process: ManagedProcess
    port: int


class FunctionHost:
    """The functions of one folder; close it with `aclose`."""

    def __init__(self, settings: FunctionSettings) -> None:
        self._settings = settings
        self._folder = FunctionsFolder(Path(settings.folder))
        self._seen: dict[str, tuple[float, Function | None]] = {}
        self._running: dict[str, _Running] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def find(self, name: str) -> Function | None:
        """The function as its files are now; they are looked at five times a second at most."""
        looked_at, function = self._seen.get(name, (0.0, None))
        now = time.monotonic()
        if now - looked_at > _LOOK_EVERY_S:
            function = await asyncio.to_thread(self._folder.find, name)
            if function is None:
                self._seen.pop(name, None)  # whoever asks for many names that are not there fills nothing
            else:
                self._seen[name] = (now, function)
        return function

    async def port_of(self, function: Function) -> int:
        """The loopback port that serves it; starts it where it does not run, or runs older files.

        Raises:
            FunctionFailedError: It does not start.
        """
        running = self._running.get(function.name)
        if running is not None and running.function == function and running.process.is_running:
            return running.port
        async with self._locks.setdefault(function.name, asyncio.Lock()):
            running = self._running.get(function.name)
            if running is not None and running.function == function and running.process.is_running:
                return running.port
            started = await self._start(function)
            self._running[function.name] = started
            if running is not None:
                await running.process.stop(grace_s=_STOP_GRACE_S)
            return started.port

    async def aclose(self) -> None:
        """Stop all of them."""
        running, self._running = list(self._running.values()), {}
        await asyncio.gather(*(one.process.stop(grace_s=_STOP_GRACE_S) for one in running))

    async def _start(self, function: Function) -> _Running:
        program = DenoProgram.of_function(function.entrypoint, fingerprint=repr(function.fingerprint))
        port = free_port()
        own = f"{HOST}:{port}"
        net = None if self._settings.net is None else [own, *self._settings.net]
        env = program.environment(
            **network_variables(),
            **self._folder.variables(),
            **self._settings.environment,
            DENO_SERVE_ADDRESS=f"tcp:{own}",
        )
        try:
            await program.fetch(lambda _: None)
            process = await ManagedProcess.start(
                f"function-{function.name}",
                program.command(net=net, read=[self._folder.path]),
                log_path=Path(self._settings.log_dir) / f"function-{function.name}.log",
                env=env,
            )
        except StackError as error:
            raise FunctionFailedError(error.message) from error
        try:
            await _wait_for_port(process, port)
        except BaseException:
            await process.stop(grace_s=0.0)
            raise
        return _Running(function, process, port)


async def _wait_for_port(process: ManagedProcess, port: int) -> None:
    try:
        async with asyncio.timeout(_READY_WITHIN_S):
            while process.is_running:
                try:
                    _, writer = await asyncio.open_connection(HOST, port)
                except OSError:
                    await asyncio.sleep(_POLL_S)
                else:
                    writer.close()
                    return
    except TimeoutError:
        raise FunctionFailedError(f"it does not listen; see {process.log_path}") from None
    lines = [line for line in process.log_tail().splitlines() if line.strip()]
    said = next((line for line in lines if "error" in line.lower()), lines[-1] if lines else "it ended")
    raise FunctionFailedError(f"{said.strip()}; see {process.log_path}")

"""`make chaos` itself: its network does what it is told, and a short run comes to its verdict."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from tests.chaos.options import ChaosOptions
from tests.chaos.proxy import HOST, Network
from tests.chaos.runner import run_chaos
from tests.chaos.schedule import Kind

pytestmark = pytest.mark.stack

WITHIN_S = 60.0


@asynccontextmanager
async def echo_behind_a_network() -> AsyncGenerator[Network]:
    """A server that says everything again, and the network before it."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while data := await reader.read(1000):
                writer.write(data)
        writer.close()

    server = await asyncio.start_server(echo, HOST, 0)
    network = Network(server.sockets[0].getsockname()[1])
    await network.open()
    try:
        yield network
    finally:
        await network.aclose()
        server.close()
        await server.wait_closed()


class Client:
    """A connection through a network."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self.writer = writer

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def hear(self, *, within_s: float = WITHIN_S) -> bytes:
        return await asyncio.wait_for(self._reader.read(1000), within_s)


@asynccontextmanager
async def connected(network: Network) -> AsyncGenerator[Client]:
    client = Client(*await asyncio.open_connection(HOST, int(network.url.rpartition(":")[2])))
    try:
        yield client
    finally:
        client.writer.close()
        with suppress(ConnectionError):
            await client.writer.wait_closed()


async def test_everything_passes() -> None:
    async with echo_behind_a_network() as network, connected(network) as client:
        client.say(b"hello")
        assert await client.hear() == b"hello"
        client.writer.write_eof()
        assert await client.hear() == b"", "an orderly end"


async def test_a_cut_and_a_refusal() -> None:
    async with echo_behind_a_network() as network:
        async with connected(network) as client:
            client.say(b"hello")
            await client.hear()
            network.is_refusing = True
            network.cut()
            with pytest.raises(ConnectionResetError):
                await client.hear()
        async with connected(network) as refused:
            with pytest.raises(ConnectionResetError):
                await refused.hear()
        network.heal()
        async with connected(network) as again:
            again.say(b"again")
            assert await again.hear() == b"again"


async def test_a_stall_tells_nobody_and_keeps_what_was_said() -> None:
    async with echo_behind_a_network() as network, connected(network) as client:
        network.is_stalled = True
        client.say(b"hello")
        with pytest.raises(TimeoutError):
            await client.hear(within_s=0.2)
        network.resume()
        assert await client.hear() == b"hello"


async def test_delay_and_throttle() -> None:
    loop = asyncio.get_running_loop()
    async with echo_behind_a_network() as network, connected(network) as client:
        network.delay_s, began = 0.1, loop.time()
        client.say(b"hello")
        await client.hear()
        assert loop.time() - began >= 0.2, "in each direction"
        network.delay_s, network.bytes_per_s, began = 0.0, 1000.0, loop.time()
        client.say(b"x" * 100)
        await client.hear()
        assert loop.time() - began >= 0.2


async def test_an_answer_is_lost_and_one_is_cut_in_its_midst() -> None:
    async with echo_behind_a_network() as network:
        network.lost_answers = 1
        async with connected(network) as client:
            client.say(b"hello")
            with pytest.raises(ConnectionResetError):
                await client.hear()
        assert network.armed == 0
        network.mid_frame = 1
        async with connected(network) as client:
            client.say(b"0123456789")
            with suppress(ConnectionResetError):  # it may overtake what was sent before it
                assert await client.hear() == b"01234"
            with pytest.raises(ConnectionResetError):
                await client.hear()


async def test_a_short_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kinds = (Kind.DOUBLE, Kind.LOSE, Kind.SWAP, Kind.CUT)
    options = ChaosOptions(seconds=6, sessions=2, seed=1, kinds=kinds, keep=None, is_schedule_only=False)
    is_passed = await run_chaos(options, tmp_path)
    told = capsys.readouterr().out
    verdict = json.loads(told.splitlines()[-1])
    assert is_passed, told
    assert verdict["ok"] is True
    assert set(verdict["faults_by_kind"]) == set(kinds)
    assert verdict["changes"] > 10
    assert (verdict["lost"], verdict["duplicated"], verdict["reordered"], verdict["phantom"]) == (0, 0, 0, 0)

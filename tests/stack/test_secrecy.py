"""What other users of the machine may see of a running stack."""

from __future__ import annotations

import json
from uuid import uuid4

import httpx
import psutil
import pytest
from websockets.asyncio.client import connect

from tests.support.spaces_up import SpacesUp

pytestmark = pytest.mark.stack


async def test_secrets_are_in_no_argument_no_log_and_no_readable_file(running: SpacesUp) -> None:
    key = running.told["publishable_key"]
    async with httpx.AsyncClient(trust_env=False, timeout=20.0) as http:
        body = {"email": f"{uuid4().hex}@example.com", "password": "correct horse"}
        answer = await http.post(f"{running.url}/auth/v1/signup", json=body, headers={"apikey": key})
    assert answer.status_code == 200
    async with connect(f"{running.url.replace('http', 'ws', 1)}/realtime/v1/websocket?apikey={key}", proxy=None):
        pass
    secrets = list(json.loads((running.data_dir / "secrets.json").read_text()).values())
    words = [word for mark in running.family() for word in psutil.Process(mark.pid).cmdline()]
    logs = "".join(path.read_text(errors="replace") for path in (running.data_dir / "logs").iterdir())
    for secret in secrets:
        assert not any(secret in word for word in words)
        assert secret not in logs
    assert "correct horse" not in logs
    assert "apikey=" not in logs
    for name in ("secrets.json", "state.json", "lock", "logs"):
        assert (running.data_dir / name).stat().st_mode & 0o077 == 0, name
    assert (running.data_dir / ".gitignore").read_text().splitlines()[-1] == "*"


async def test_it_listens_on_loopback_only(running: SpacesUp) -> None:
    pids = {mark.pid for mark in running.family()}
    listening = [
        connection.laddr[0]
        for connection in psutil.net_connections("inet")
        if connection.pid in pids and connection.status == psutil.CONN_LISTEN and connection.laddr
    ]
    assert set(listening) == {"127.0.0.1"}
    assert len(listening) >= 4

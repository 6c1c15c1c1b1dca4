"""Edge functions of a project on the local stack: as they are, as hosted, and anew when their files change."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import jwt
import psutil
import pytest
import pytest_asyncio

from spaces_sdk.cli.stack import functions_here
from spaces_sdk.local.stack import LocalStack
from tests.support.eventually import PATIENCE_S, eventually

pytestmark = pytest.mark.stack

HELLO = """
import { word } from "../_shared/word.ts";
Deno.serve((request) => Response.json({
  path: new URL(request.url).pathname,
  method: request.method,
  word,
  greeting: Deno.env.get("GREETING"),
  url: Deno.env.get("SUPABASE_URL"),
  keys: Object.keys(JSON.parse(Deno.env.get("SUPABASE_SECRET_KEYS") ?? "{}")),
  token: request.headers.get("authorization"),
}, { headers: { "access-control-allow-origin": "https://app.example" } }));
"""
ENVIRONMENT = '# said to all\nGREETING="Good day"\nSUPABASE_URL=http://elsewhere\n'
SLOW = """
Deno.serve(() => {
  const parts = ["one ", "two"];
  return new Response(new ReadableStream({
    async pull(controller) {
      const part = parts.shift();
      if (part === undefined) return controller.close();
      controller.enqueue(new TextEncoder().encode(part));
      await new Promise((done) => setTimeout(done, 300));
    },
  }));
});
"""


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project") / "supabase" / "functions"
    for name, text in (("hello", HELLO), ("open", HELLO), ("slow", SLOW), ("off", HELLO)):
        write(folder / name / "index.ts", text)
    write(folder / "_shared" / "word.ts", 'export const word: string = "first";\n')
    write(folder / ".env", ENVIRONMENT)
    closed = "[functions.off]\nenabled = false\n"
    opened = "".join(f"[functions.{name}]\nverify_jwt = false\n" for name in ("open", "slow", "later", "broken"))
    write(folder.parent / "config.toml", closed + opened)
    return folder


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def project(folder: Path) -> AsyncIterator[LocalStack]:
    async with LocalStack.temporary(functions_dir=folder) as running:
        yield running


@pytest.fixture
async def http(project: LocalStack) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=f"{project.url}/functions/v1", trust_env=False, timeout=30.0) as client:
        yield client


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


async def test_a_token_of_the_project_is_asked_for_unless_it_is_switched_off(
    project: LocalStack, http: httpx.AsyncClient
) -> None:
    assert (await http.get("/hello")).json() == {"code": 401, "message": "Missing authorization header"}
    late = jwt.encode({"role": "anon", "exp": int(time.time()) - 5}, project.jwt_secret, algorithm="HS256")
    for token in (late, "nonsense", project.publishable_key):
        answer = await http.get("/hello", headers={"authorization": f"Bearer {token}"})
        assert (answer.status_code, answer.json()) == (401, {"code": 401, "message": "Invalid JWT"})
    assert (await http.options("/hello")).json()["method"] == "OPTIONS", "preflights have no token"
    answer = await http.get("/hello", headers={"authorization": f"Bearer {project.anon_key}"})
    assert (answer.status_code, answer.json()["token"]) == (200, f"Bearer {project.anon_key}")
    assert (await http.get("/open")).status_code == 200


async def test_it_finds_what_a_hosted_one_finds(project: LocalStack, http: httpx.AsyncClient) -> None:
    answer = await http.get("/open/some/%C3%A4?a=b")
    said = answer.json()
    assert (said["path"], said["greeting"], said["keys"]) == ("/open/some/%C3%A4", "Good day", ["default"])
    assert said["url"] == project.url, "names of the platform are not the folder's to set"
    assert answer.headers.get_list("access-control-allow-origin") == ["https://app.example"]


async def test_what_is_not_there(http: httpx.AsyncClient) -> None:
    for name in ("nothing", "off", "_shared", "%2e%2e", "a" * 100):
        answer = await http.get(f"/{name}")
        assert (answer.status_code, answer.json()["code"]) == (404, "NOT_FOUND")


async def test_an_answer_comes_as_it_is_written(http: httpx.AsyncClient) -> None:
    async with http.stream("GET", "/slow") as answer:
        parts = [part async for part in answer.aiter_text()]
    assert parts == ["one ", "two"]


async def test_changed_files_are_served_at_once(folder: Path, http: httpx.AsyncClient) -> None:
    async def says(name: str, word: str) -> bool:
        answer = await http.get(f"/{name}")
        return answer.status_code == 200 and answer.json()["word"] == word

    assert (await http.get("/open")).json()["word"] == "first"
    write(folder / "_shared" / "word.ts", 'export const word: string = "second";\n')
    await eventually(lambda: says("open", "second"))
    write(folder / "later" / "index.ts", HELLO)
    await eventually(lambda: says("later", "second"))
    write(folder / ".env", "GREETING=Bye\n")
    try:
        await eventually(lambda: greets("Bye", http))
    finally:
        write(folder / ".env", ENVIRONMENT)
    await eventually(lambda: greets("Good day", http))


async def greets(word: str, http: httpx.AsyncClient) -> bool:
    return (await http.get("/open")).json()["greeting"] == word


async def test_one_that_does_not_start_says_why_and_starts_once_it_can(folder: Path, http: httpx.AsyncClient) -> None:
    write(folder / "broken" / "index.ts", "Deno.serve((request) => \n")
    answer = await http.get("/broken")
    assert (answer.status_code, answer.json()["code"]) == (503, "BOOT_ERROR")
    assert "function-broken.log" in answer.json()["hint"] or "function broken" in answer.json()["hint"]
    write(folder / "broken" / "index.ts", HELLO)

    async def is_mended() -> bool:
        return (await http.get("/broken")).status_code == 200

    await eventually(is_mended)


async def test_one_that_has_died_is_started_again(project: LocalStack, http: httpx.AsyncClient) -> None:
    assert (await http.get("/open")).status_code == 200
    process = next(one for one in functions_of(project) if "/open/" in " ".join(one.cmdline()))
    os.kill(process.pid, signal.SIGKILL)

    async def is_back() -> bool:
        return (await http.get("/open")).status_code == 200

    await eventually(is_back)


async def test_they_end_with_the_gateway(folder: Path) -> None:
    async with (
        LocalStack.temporary(functions_dir=folder) as stack,
        httpx.AsyncClient(base_url=stack.url, trust_env=False, timeout=30.0) as client,
    ):
        assert (await client.get("/functions/v1/open")).status_code == 200
        running = functions_of(stack)
        assert running
        os.kill(stack.pids["gateway"], signal.SIGKILL)
        _, alive = psutil.wait_procs(running, timeout=PATIENCE_S)
        assert alive == []


def test_spaces_up_serves_those_of_the_project_that_it_is_called_in(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder / "open")
    assert functions_here() == folder
    (tmp_path / "supabase" / "functions").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    assert functions_here() is None, "it has none: this package's own are served"


def functions_of(stack: LocalStack) -> list[psutil.Process]:
    """The processes of its functions."""
    gateway = psutil.Process(stack.pids["gateway"])
    return [one for one in gateway.children(recursive=True) if "index.ts" in " ".join(one.cmdline())]

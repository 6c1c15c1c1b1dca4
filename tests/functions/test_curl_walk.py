"""examples/curl.sh on a running stack: every endpoint, with nothing but curl, which has to be installed."""

from __future__ import annotations

import asyncio
import os
import re
from pathlib import Path

import pytest

from spaces_sdk.local.stack import LocalStack
from tests.functions.support.openapi import document, operations

pytestmark = pytest.mark.functions

SCRIPT = Path(__file__).parents[2] / "examples" / "curl.sh"


async def test_it_walks_through_all_of_it(stack: LocalStack) -> None:
    env = {
        "PATH": os.environ["PATH"],
        "SUPABASE_URL": stack.url,
        "SUPABASE_PUBLISHABLE_KEY": stack.publishable_key,
        "NO_PROXY": "*",
    }
    process = await asyncio.create_subprocess_exec(
        "/bin/sh", str(SCRIPT), env=env, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    out, err = (text.decode() for text in await process.communicate())
    assert process.returncode == 0, err
    assert out == f"Done: {stack.url}/functions/v1/rooms/openapi.json describes all of it.\n"
    asked = set(re.findall(r"^(GET|POST|PATCH|DELETE) (/\S*?)(?:\?\S*)? \{\"success\":true", err, flags=re.M))
    assert len(asked) == len(operations(document()))
    assert "with If-None-Match: 304" in err

"""What an import of the package loads, seen in a process of its own."""

from __future__ import annotations

import subprocess
import sys

import pytest

pytestmark = pytest.mark.integration

HEAVY = ("httpx", "pydantic", "postgrest", "supabase_auth", "websockets", "supabase")


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = f"import spaces_sdk, sys; print([m for m in {HEAVY!r} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_importing_spaces_leaves_the_slow_libraries_for_later() -> None:
    late = ("postgrest", "supabase_auth", "websockets", "supabase")
    code = f"from spaces_sdk import Spaces; import sys; print([m for m in {late!r} if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"

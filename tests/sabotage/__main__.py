"""Run the named tests on the sound tree, then on one broken copy per entry, and expect green, then red each time.

    python -m tests.sabotage [--list] [NAME ...]

Exit 0: every break was noticed. Exit 1: a test stayed green although its guarantee was broken, or was red before.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from tests.sabotage.entries import ENTRIES
from tests.sabotage.entry import Sabotage

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("spaces_sdk", "supabase", "tests", "pyproject.toml", "README.md", "examples", "benchmarks")
TEST_TIMEOUT_S = 300
TESTS_FAILED = 1  # pytest's exit code for "tests ran, some failed"; collection and usage errors are 2 to 5


def run_tests(root: Path, tests: list[str]) -> tuple[int, str]:
    """Pytest's exit code and output for some tests of the tree at `root`."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--tb=short", *tests],
        cwd=root,
        env={**os.environ, "PYTHONPATH": str(root), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=TEST_TIMEOUT_S,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def copy_tree(target: Path) -> None:
    """The product and its tests, without environments and caches."""
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, target / name, ignore=shutil.ignore_patterns("__pycache__"))
        elif source.exists():
            shutil.copy2(source, target / name)


def noticed(entry: Sabotage) -> tuple[bool, str]:
    """Whether the entry's test turns red in a copy that the entry has broken, and the output."""
    with tempfile.TemporaryDirectory(prefix="spaces-sabotage-") as folder:
        # The stack runs Postgres as another user when the tests run as root: it must be able to read the copy.
        root = Path(folder)
        root.chmod(0o755)
        copy_tree(root)
        entry.apply(root)
        code, output = run_tests(root, [entry.test])
    return code == TESTS_FAILED, output


def tail(output: str) -> str:
    return "\n".join(f"    | {line}" for line in output.strip().splitlines()[-25:])


def main(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.sabotage", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="entries to run; all without any")
    parser.add_argument("--list", action="store_true", help="print the entries and end")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - {entry.name for entry in ENTRIES}:
        parser.error(f"no such entry: {', '.join(sorted(unknown))}; see --list")
    chosen = [entry for entry in ENTRIES if not options.names or entry.name in options.names]
    if options.list:
        for entry in chosen:
            print(f"{entry.name:28} {entry.breaks}\n{'':28} {entry.test}")
        return 0

    print(f"sabotage: {len(chosen)} entries; first their tests on the sound tree ...", flush=True)
    code, output = run_tests(ROOT, sorted({entry.test for entry in chosen}))
    if code != 0:
        print(f"the tests are not green before anything is broken:\n{tail(output)}")
        return 1
    missed = 0
    for number, entry in enumerate(chosen, 1):
        started = time.monotonic()
        is_noticed, output = noticed(entry)
        verdict = "noticed" if is_noticed else "NOT NOTICED"
        seconds = time.monotonic() - started
        print(f"  {number}/{len(chosen)} {entry.name:28} {verdict:12} {seconds:5.1f} s  {entry.breaks}", flush=True)
        if not is_noticed:
            missed += 1
            print(tail(output))
    print(f"sabotage: {len(chosen) - missed} of {len(chosen)} noticed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""Empty Python environments outside of the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from dataclasses import dataclass
from pathlib import Path

from tests.install.support.supabase_cli import Finished

REPOSITORY = Path(__file__).parents[3]


@dataclass(frozen=True, slots=True)
class Environment:
    """A virtual environment, without pip: what is in it was asked for."""

    path: Path

    @classmethod
    def with_packages(cls, path: Path, *requirements: str) -> Environment:
        """A new one, with these and what they need, in the versions of our lock file."""
        venv.create(path, with_pip=False)
        made = cls(path)
        pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", "--python", str(made.python)]
        done = subprocess.run(
            [*pip, "install", "-c", REPOSITORY / "constraints.txt", *requirements],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return made

    @property
    def python(self) -> Path:
        return self.path / "bin" / "python"

    @property
    def site_packages(self) -> Path:
        (found,) = self.path.glob("lib/python*/site-packages")
        return found

    @property
    def size_mb(self) -> float:
        files = (path for path in self.path.rglob("*") if path.is_file() and path.suffix != ".pyc")
        return sum(path.stat().st_size for path in files) / 1e6

    def run(self, folder: Path, program: str, *arguments: str) -> Finished:
        """A program of the environment, in a folder, knowing nothing of the checkout."""
        unwanted = ("PYTHONPATH", "VIRTUAL_ENV", "SPACES_DB_URL", "DATABASE_URL")
        environment = {name: value for name, value in os.environ.items() if name not in unwanted}
        done = subprocess.run(
            [self.path / "bin" / program, *arguments],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=300,
        )
        return Finished(done.returncode, done.stdout, done.stderr)

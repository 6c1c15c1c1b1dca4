"""Who holds a data directory: one process at a time, which can be named."""

from __future__ import annotations

import fcntl
import json
import os
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from spaces_sdk.local.errors import StackError
from spaces_sdk.local.records import read_record

_TRIES = 200


@dataclass(frozen=True, slots=True)
class ProcessMark:
    """Names one process for certain, also after its id has been given to another.

    Attributes:
        pid: Process id.
        started_at: Its start, in seconds since 1970.
    """

    pid: int
    started_at: float

    @classmethod
    def own(cls) -> ProcessMark:
        """This process."""
        return cls(os.getpid(), psutil.Process().create_time())

    @property
    def is_alive(self) -> bool:
        """True while that very process runs."""
        try:
            process = psutil.Process(self.pid)
            is_same = abs(process.create_time() - self.started_at) < 1.0
            return is_same and process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False


class FolderLock:
    """The lock of a data directory: a file in it, which says who holds it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "lock"
        self._fd = -1

    @property
    def is_ours(self) -> bool:
        """True from `take` to `release`."""
        return self._fd >= 0

    def take(self) -> bool:
        """Hold the folder until `release` or the end of the process; False if it is held already.

        Raises:
            OSError: The file cannot be written.
        """
        fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            if self._try(fd):
                # Of one length, so that a reader never sees half of it.
                os.pwrite(fd, json.dumps(asdict(ProcessMark.own())).ljust(80).encode(), 0)
                self._fd = fd
                return True
        finally:
            if self._fd != fd:
                os.close(fd)
        return False

    def _try(self, fd: int) -> bool:
        """Lock it; False if somebody holds it."""
        for left in reversed(range(_TRIES)):
            try:
                fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not left or self.is_held():
                    return False
                time.sleep(0.001)  # it was only somebody who looked whether it is held
            else:
                return True
        raise AssertionError("the last try returns")

    def release(self) -> None:
        """Let go of the folder. Idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def is_held(self) -> bool:
        """True while somebody holds the folder."""
        try:
            fd = os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError:
            return False
        try:
            fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(fd)
        return False

    def holder(self) -> ProcessMark | None:
        """The process that holds the folder; None if it is free."""
        if not self.is_held():
            return None
        try:
            return ProcessMark(**read_record(self._path))
        except (OSError, StackError, TypeError):
            return None  # taken this very moment, for the first time

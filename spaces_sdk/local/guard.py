"""Runs one program of the stack so that it cannot outlive its supervisor.

Started as `python -I -S guard.py WATCH_FD UID SIGNAL GRACE_S DROPPED PROGRAM [ARG …]` with the standard library only,
DROPPED being variables that PROGRAM is not to inherit (`A,B`, or `-` for none). It forks a watcher and then *becomes*
PROGRAM, so that the process id, the exit status and the signals are PROGRAM's own. The watcher holds the reading end of
a pipe whose writing end only the supervisor has: when the supervisor is gone, however it went, the pipe ends, and the
watcher ends PROGRAM. A parent-death signal (prctl) would do this on Linux only, is lost when the user id changes, and
fires when the starting *thread* ends.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

_WATCHER_IGNORES = (signal.SIGINT, signal.SIGTERM, signal.SIGQUIT, signal.SIGHUP, signal.SIGPIPE)


def main(argv: list[str]) -> None:
    """Fork the watcher, drop to UID (where it is not -1), and turn into PROGRAM."""
    watch_fd, uid, stop_signal, grace_s = int(argv[0]), int(argv[1]), int(argv[2]), float(argv[3])
    dropped, program = argv[4].split(","), argv[5:]
    alive_read, alive_write = os.pipe()
    target = os.getpid()  # asked before the fork: a parent that was killed meanwhile would be process 1
    if os.fork() == 0:
        _keep_only(watch_fd, alive_read)
        _watch(target, watch_fd, alive_read, stop_signal, grace_s)
        os._exit(0)
    os.close(alive_read)
    os.close(watch_fd)
    os.set_inheritable(alive_write, True)  # ends in the watcher when PROGRAM and all its children are gone
    if uid >= 0:
        os.setgroups([])
        os.setgid(uid)
        os.setuid(uid)
    for name in dropped:
        os.environ.pop(name, None)
    try:
        os.execv(program[0], program)  # noqa: S606  (no shell is the point)
    except OSError as error:
        sys.stderr.write(f"cannot run {program[0]}: {error.strerror}\n")
        os._exit(127)


def _watch(target: int, watch_fd: int, alive_fd: int, stop_signal: int, grace_s: float) -> None:
    for number in _WATCHER_IGNORES:
        signal.signal(number, signal.SIG_IGN)
    ends = select.poll()  # not select(), which knows no descriptor above 1023
    for fd in (watch_fd, alive_fd):
        ends.register(fd, select.POLLIN)
    pause_ms: float | None = None
    while os.getppid() == target:
        ready = {fd for fd, _ in ends.poll(pause_ms)}
        if watch_fd in ready:
            _end(target, stop_signal, grace_s)
            return
        if alive_fd in ready:
            # On its way out, or it closed the descriptors that it was started with: then look, ever more seldom.
            ends.unregister(alive_fd)
            pause_ms = 5.0
        if pause_ms is not None:
            pause_ms = min(pause_ms * 2, 500.0)


def _end(target: int, stop_signal: int, grace_s: float) -> None:
    if os.getppid() == target:  # the target is our parent, so its id cannot have been given to another
        os.kill(target, stop_signal)
    give_up_at = time.monotonic() + grace_s
    while os.getppid() == target:
        if time.monotonic() > give_up_at:
            os.kill(target, signal.SIGKILL)
            return
        time.sleep(0.02)


def _keep_only(*kept: int) -> None:
    """Let go of all else: pipes and sockets must end with PROGRAM, not with its watcher."""
    nothing = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(nothing, fd)
    try:
        opened = {int(name) for name in os.listdir("/dev/fd")}
    except OSError:
        opened = set(range(1024))
    for fd in opened - {0, 1, 2, *kept}:
        try:
            os.close(fd)
        except OSError:
            continue  # the one that listed the others, or none


if __name__ == "__main__":
    main(sys.argv[1:])

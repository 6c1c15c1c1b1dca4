"""Loopback ports: a free one, ours from the start, or who has it."""

from __future__ import annotations

import errno
import socket
import sys

import psutil

from spaces_sdk.local.errors import StackError

HOST = "127.0.0.1"


def free_port() -> int:
    """A loopback port that was free a moment ago."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])


class ReservedPort:
    """A free loopback port kept for one part, also while that part is stopped.

    On Linux the port stays bound, not listening: parts set SO_REUSEADDR and may bind it, while neither an outgoing
    connection nor a search for a free port is given it. Elsewhere such a bind fails: it was free a moment ago.
    """

    def __init__(self) -> None:
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.bind((HOST, 0))
        self.port = int(self._socket.getsockname()[1])
        # Only now: a socket that asks for reuse could be given a port that another stack has reserved.
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sys.platform != "linux":
            self._socket.close()

    def release(self) -> None:
        """Let go of it. Idempotent."""
        self._socket.close()


def listen_on(port: int) -> socket.socket:
    """A listening loopback socket; port 0 takes any free one.

    Raises:
        StackError: The port is taken (`port_taken`; the text names the process where it can be seen) or not allowed.
    """
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen(1024)
    except (OSError, OverflowError) as error:
        listener.close()
        if isinstance(error, OSError) and error.errno == errno.EADDRINUSE:
            raise StackError(
                f"cannot listen on {HOST}:{port}: the port is taken{_holder_of(port)}",
                code="port_taken",
                hint="end that process, or choose another with --port",
            ) from None
        raise StackError(
            f"cannot listen on {HOST}:{port}: {error}", code="port_not_allowed", hint="choose a port from 1024 to 65535"
        ) from None
    listener.setblocking(False)
    return listener


def _describe(process: psutil.Process) -> str:
    is_ours = "spaces_sdk.local.gateway" in process.cmdline()
    return "another local stack" if is_ours else process.name()


def _holder_of(port: int) -> str:
    """` by NAME (pid N)`, or nothing where the system does not tell."""
    for process in psutil.process_iter():
        try:
            for connection in process.net_connections(kind="tcp"):
                address = connection.laddr
                if connection.status == psutil.CONN_LISTEN and address and address[1] == port:
                    return f" by {_describe(process)} (pid {process.pid})"
        except (psutil.Error, OSError):
            continue  # somebody else's: the system does not tell
    return ""

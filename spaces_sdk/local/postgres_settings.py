"""How the stack's Postgres is set up."""

from __future__ import annotations

from spaces_sdk.local.ports import HOST

# The builtin provider came with 17. It does not depend on the machine's locales, and sorts the same everywhere.
_BUILTIN_PROVIDER_SINCE = 17


def initdb_arguments(major: int) -> list[str]:
    """Arguments of `initdb` for that major version, without the data directory and the superuser."""
    arguments = ["--encoding=UTF8", "--locale=C", "--auth=scram-sha-256", "--no-sync", "--no-instructions"]
    if major >= _BUILTIN_PROVIDER_SINCE:
        arguments += ["--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    return arguments


def server_settings(*, wal_level: str, is_temporary: bool) -> dict[str, str]:
    """Settings for development: small, loopback TCP only, with room for logical replication."""
    settings = {
        "listen_addresses": HOST,
        "unix_socket_directories": "",  # a socket path over 107 bytes would fail, and TCP with a password is enough
        "wal_level": wal_level,
        "max_connections": "120",
        "max_replication_slots": "10",
        "max_wal_senders": "10",
        "max_slot_wal_keep_size": "1GB",  # a slot that nobody reads must not fill the disk
        "wal_sender_timeout": "20s",
        "max_wal_size": "512MB",
        "shared_buffers": "64MB",
        "jit": "off",
        "timezone": "UTC",
        "log_timezone": "UTC",
        "log_line_prefix": "%m [%p] %u ",
        "log_parameter_max_length": "0",  # parameters may be secrets
        "log_parameter_max_length_on_error": "0",
        # Not off: replication, and with it Realtime, only sends what has been flushed, up to 200 ms later then.
        "synchronous_commit": "local",
    }
    if is_temporary:
        settings |= {"fsync": "off", "full_page_writes": "off"}
    return settings

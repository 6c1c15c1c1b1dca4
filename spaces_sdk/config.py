"""Where the Supabase project is and with which key it is asked; checked before any I/O."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import SplitResult, urlsplit

from spaces_sdk.errors import ConfigError
from spaces_sdk.jwt_claims import unverified_claims

URL_VARIABLE = "SUPABASE_URL"
KEY_VARIABLES = ("SUPABASE_PUBLISHABLE_KEY", "SUPABASE_ANON_KEY")

_WHERE = "`spaces up` starts a local project and prints it; a hosted one shows it under Project Settings > "
_URL_HINT = _WHERE + "Data API"
_KEY_HINT = _WHERE + "API Keys"
_SERVICE_PATHS = ("/rest/v1", "/auth/v1", "/realtime/v1", "/functions/v1", "/storage/v1")


class KeyKind(StrEnum):
    """What a project's API key may do."""

    PUBLISHABLE = "publishable"
    SECRET = "secret"  # noqa: S105 - the name of a kind
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A project's API key. Its value is never part of its text.

    A publishable key (`sb_publishable_…`, or a legacy `anon` JWT) is what a client uses: each user signs
    in on top of it. A secret one (`sb_secret_…`, or a legacy `service_role` JWT) is allowed too, for
    administration on a server: without a signed-in user, calls then run as `service_role`, past every
    policy. Keep it out of anything that others can read.
    """

    value: str = field(repr=False)
    kind: KeyKind

    @property
    def is_secret(self) -> bool:
        return self.kind is KeyKind.SECRET

    def __str__(self) -> str:
        return f"<{self.kind} key>"

    @classmethod
    def parse(cls, value: str) -> ApiKey:
        """Recognise the kind of a key; ConfigError for what is certainly none."""
        value = (value or "").strip()  # None too: what `os.environ.get` returns for a variable that is not set
        if not value:
            raise ConfigError("cannot use the API key: it is empty", code="missing_key", hint=_KEY_HINT)
        if not (value.isascii() and value.isprintable()) or " " in value:
            raise ConfigError("cannot use the API key: it has characters that no key has", hint=_KEY_HINT)
        if value.startswith("sb_publishable_"):
            return cls(value, KeyKind.PUBLISHABLE)
        if value.startswith("sb_secret_"):
            return cls(value, KeyKind.SECRET)
        if value.startswith("sbp_"):
            raise ConfigError("cannot use the API key: it is a personal access token of an account", hint=_KEY_HINT)
        role = unverified_claims(value).get("role")
        if role == "anon":
            return cls(value, KeyKind.PUBLISHABLE)
        if role == "service_role":
            return cls(value, KeyKind.SECRET)
        if role == "authenticated":
            raise ConfigError(
                "cannot use the API key: it is the access token of a user",
                hint="pass it as `access_token=` (an async function that returns it), beside the project's key",
            )
        return cls(value, KeyKind.OTHER)


@dataclass(frozen=True, slots=True)
class ProjectConfig:
    """A Supabase project: its address and its key.

    Attributes:
        url: Origin, with a path where the project is mounted below one; no slash at its end.
        key: The project's API key.
    """

    url: str
    key: ApiKey

    @classmethod
    def parse(cls, url: str, key: str) -> ProjectConfig:
        """Check both.

        Raises:
            ConfigError: One of the two is missing or is not what it should be; the hint says where to find it.
        """
        return cls(url=_checked_url(url), key=ApiKey.parse(key))

    @classmethod
    def from_env(cls, environ: Mapping[str, str] | None = None) -> ProjectConfig:
        """Read `SUPABASE_URL` and `SUPABASE_PUBLISHABLE_KEY` (or `SUPABASE_ANON_KEY`).

        Raises:
            ConfigError: A variable is missing (it is named) or malformed.
        """
        values = os.environ if environ is None else environ
        url = values.get(URL_VARIABLE, "").strip()
        key = next((text for name in KEY_VARIABLES if (text := values.get(name, "").strip())), "")
        if not url:
            reason = f"cannot find the project: {URL_VARIABLE} is not set"
            raise ConfigError(reason, code="missing_url", hint=_URL_HINT)
        if not key:
            reason = f"cannot find the project's key: neither {KEY_VARIABLES[0]} nor {KEY_VARIABLES[1]} is set"
            raise ConfigError(reason, code="missing_key", hint=_KEY_HINT)
        return cls.parse(url, key)

    @property
    def rest_url(self) -> str:
        return f"{self.url}/rest/v1"

    @property
    def auth_url(self) -> str:
        return f"{self.url}/auth/v1"


def is_loopback(url: str) -> bool:
    """The URL's host is this machine, by name or address: no proxy of the environment can reach what listens there."""
    host = urlsplit(url).hostname or ""
    if host == "localhost" or host.endswith(".localhost"):
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _checked_url(url: str) -> str:
    url = (url or "").strip().rstrip("/")
    if not url:
        raise ConfigError("cannot use the project's URL: it is empty", code="missing_url", hint=_URL_HINT)
    try:
        parts = urlsplit(url)
        _ = parts.port  # an invalid port raises only when it is read
    except ValueError:
        parts = None
    if parts is None:
        # Raised out here, free of the ValueError: that quotes what it took for the port, perhaps a part of a password.
        raise _url_error("it is malformed")
    _refuse_other_addresses(parts)
    if parts.scheme not in ("http", "https"):
        raise _url_error("it does not begin with http:// or https://")
    if not parts.hostname or any(character.isspace() for character in url):
        raise _url_error("it names no host")
    if parts.username or parts.password:
        raise _url_error("it carries a user name or a password")
    if parts.query or parts.fragment:
        raise _url_error("it has a query or a fragment")
    return parts.geturl()  # with the scheme in lower case


def _refuse_other_addresses(parts: SplitResult) -> None:
    """Name the mistakes that are easily made: other addresses of the same project."""
    if parts.scheme in ("postgres", "postgresql"):
        raise _url_error("it is the address of the database")
    if parts.scheme in ("ws", "wss"):
        raise _url_error("it is the address of a WebSocket")
    if parts.hostname in ("supabase.com", "app.supabase.com") or parts.path.startswith("/dashboard/"):
        raise _url_error("it is the address of the dashboard")
    if any(path in parts.path for path in _SERVICE_PATHS):
        raise _url_error("it is the address of one service of the project; leave the path out")


def _url_error(reason: str) -> ConfigError:
    """Without the URL in the text: it can hold a password."""
    return ConfigError(f"cannot use the project's URL: {reason}", code="invalid_url", hint=_URL_HINT)

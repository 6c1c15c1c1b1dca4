"""What a failed HTTP exchange means, in the package's own errors."""

from __future__ import annotations

import httpx

from spaces_sdk.config import is_loopback
from spaces_sdk.errors import (
    RAW_LIMIT,
    ConfigError,
    ConnectError,
    ConnectionLostError,
    ConnectTimeoutError,
    InvalidRequestError,
    SpacesError,
    UsageError,
)

NOT_SENT = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.PoolTimeout,
    httpx.ProxyError,
    httpx.UnsupportedProtocol,
    httpx.LocalProtocolError,
)
"""After these the server has seen nothing of the request."""

GATEWAY_STATUSES = frozenset({502, 503, 504, 520, 521, 522, 523, 524, 530})
"""Answers of what stands before the service; whether the request was carried out is not known.

Source: RFC 9110; from 520 on, Cloudflare's own, which stands before hosted projects.
"""


def transport_error(operation: str, url: str, error: Exception) -> SpacesError:
    """The error to raise for what httpx raised; the URL has no secret in it (see `config`)."""
    if isinstance(error, httpx.TimeoutException):
        return ConnectTimeoutError(f"cannot {operation}: no answer from {url}", hint=_network_hint(url))
    if isinstance(error, NOT_SENT):
        reason = _reason(error)
        return ConnectError(f"cannot {operation}: {url} could not be reached ({reason})", hint=_network_hint(url))
    return ConnectionLostError(f"cannot {operation}: the connection to {url} ended before the answer was complete")


def closed_client(operation: str) -> UsageError:
    """The HTTP client was closed while the call was on its way."""
    return UsageError(f"cannot {operation}: the client is closed", code="closed", hint="call inside `async with`")


def not_json(operation: str, error: Exception) -> InvalidRequestError:
    """An argument that `json` refused before anything was sent; not to be chained, as a UnicodeError holds it."""
    reason = f"cannot {operation}: an argument cannot be written as JSON ({type(error).__name__})"
    return InvalidRequestError(reason, status=400)


def not_supabase(operation: str, url: str, response: httpx.Response) -> ConfigError:
    """Somebody answers at the URL, but not as a Supabase project does."""
    reason = foreign_answer(url, response)
    if response.has_redirect_location:
        hint = "use the address that it redirects to, without the path of a service"
    else:
        reason += ", and is not a Supabase project"
        hint = "check SUPABASE_URL; a hosted one is https://<ref>.supabase.co, a local one what `spaces up` prints"
    return ConfigError(f"cannot {operation}: {reason}", code="not_supabase", hint=hint)


def foreign_answer(url: str, response: httpx.Response) -> str:
    """What came in the place of an answer of Supabase, in one line."""
    if response.has_redirect_location:
        return f"{url} redirects to {response.headers['location'][:RAW_LIMIT]}"
    kind = response.headers.get("content-type", "").partition(";")[0] or "no content type"
    return f"{url} answered with status {response.status_code} ({kind})"


def invalid_api_key(operation: str, url: str) -> ConfigError:
    """The gateway of the project refused the key itself."""
    return ConfigError(
        f"cannot {operation}: {url} does not know the API key",
        code="invalid_api_key",
        hint="check SUPABASE_PUBLISHABLE_KEY; keys and URL must be of the same project",
    )


def is_about_api_key(status: int, *texts: object) -> bool:
    """True for the gateway's refusal of a missing or foreign key; its texts are all the mark it has."""
    return status in (401, 403) and any("api key" in text.lower() for text in texts if isinstance(text, str))


def retry_after_s(response: httpx.Response | None, default: float = 1.0) -> float:
    """Seconds from the `Retry-After` header; its date form is not used by Supabase."""
    text = response.headers.get("retry-after", "") if response is not None else ""
    is_number = text.isascii() and text.replace(".", "", 1).isdigit()
    return max(float(text), 0.001) if is_number else default


def _network_hint(url: str) -> str:
    if is_loopback(url):
        return "is it running? `spaces up` starts the local project"
    return "check the network, a proxy or firewall, and SUPABASE_URL"


def _reason(error: Exception) -> str:
    """The innermost text that the operating system gave, in one line."""
    text = str(error).strip() or type(error).__name__
    return " ".join(text.split())[:RAW_LIMIT]

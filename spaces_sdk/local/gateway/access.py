"""The check that every request passes, and what the parts are told instead of the key."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import parse_qsl, urlencode

from spaces_sdk.local.gateway.keys import KeyRing, Role

# Links in e-mails and redirects of sign-in providers are opened by browsers, which have no key.
_OPEN_PATHS = re.compile(r"/auth/v1/(?:callback|authorize|verify|\.well-known/[a-z.-]+)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request goes no further; the words are those of the hosted gateway."""

    message: str
    hint: str

    def to_json(self) -> dict[str, str]:
        return {"message": self.message, "hint": self.hint}


NO_KEY = Refusal("No API key found in request", "No `apikey` request header or url param was found.")
UNKNOWN_KEY = Refusal("Invalid API key", "Double check your Supabase `anon` or `service_role` API key.")


def check_key(keys: KeyRing, path: str, header: str | None, query: str) -> Role | Refusal:
    """The role of the request's key, from the header `apikey` or the query parameter of that name."""
    key = header or query_value(query, "apikey")
    if not key:
        return Role.ANON if _OPEN_PATHS.fullmatch(path) else NO_KEY
    return keys.role_of(key) or UNKNOWN_KEY


def query_value(query: str, name: str) -> str | None:
    """The first value of a query parameter."""
    return next((value for key, value in parse_qsl(query, keep_blank_values=True) if key == name), None)


def with_apikey(query: str, key: str | None) -> str:
    """The query string with its parameter `apikey` set, or taken out for None; the rest stays byte for byte."""
    kept = [part for part in query.split("&") if part and not re.match(r"apikey(?:=|$)", part)]
    if key is not None:
        kept.append(urlencode({"apikey": key}))
    return "&".join(kept)


def bearer_of(authorization: str | None) -> str:
    """The token of an `Authorization: Bearer` header; empty without one."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""

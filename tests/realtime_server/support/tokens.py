"""The tokens of the recordings, made anew."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

import jwt

SECRET = "the-secret-of-the-realtime-tests-0123456789"
OTHER_SECRET = "another-secret-of-the-realtime-tests-0123456"
SHORT_LIFE_S = 1.3

ALICE, BOB, CAROL, MALLORY = (f"{d * 8}-{d * 4}-{d * 4}-{d * 4}-{d * 12}" for d in "1234")
_PEOPLE = {"alice": ALICE, "bob": BOB, "carol": CAROL, "mallory": MALLORY}


def make_token(claims: dict[str, Any], *, secret: str = SECRET) -> str:
    """Sign any claims."""
    return jwt.encode(claims, secret, "HS256")


def token(name: str, *, life_s: float | None = None, serial: str = "") -> str:
    """A token by the name that the recordings use: `anon`, `alice`, `alice-2`, `alice-4s`, `wrong-secret` …"""
    person, _, variant = name.partition("-")
    now = time.time()
    life = 3600.0 if life_s is None else life_s
    if variant == "expired":
        life = -60.05
    elif variant.startswith("4s") and life_s is None:
        life = SHORT_LIFE_S
    claims: dict[str, Any] = {"iss": "supabase", "iat": int(now), "exp": now + life, "serial": name + serial}
    if person in _PEOPLE:
        claims |= {"sub": _PEOPLE[person], "email": f"{person}@test", "aud": "authenticated", "role": "authenticated"}
    elif person == "role":
        claims |= {"sub": ALICE, "role": variant}
    else:
        claims["role"] = person if person in ("anon", "service_role") else "authenticated"
    match name:
        case "wrong-secret":
            return make_token(claims | {"sub": ALICE}, secret=OTHER_SECRET)
        case "no-role":
            del claims["role"]
        case "no-exp":
            del claims["exp"]
        case "alg-none":
            return _unsigned(claims)
        case _:
            pass
    return make_token(claims)


def _unsigned(claims: dict[str, Any]) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "none", "typ": "JWT"}, claims))
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts) + "."

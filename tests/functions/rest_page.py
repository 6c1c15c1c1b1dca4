"""Makes docs/rest.md from the OpenAPI document: `python -m tests.functions.rest_page`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tests.functions.support.openapi import document, operations

Json = dict[str, Any]
PAGE = Path(__file__).parents[2] / "docs" / "rest.md"

HEAD = """\
# Rooms over plain HTTP

The edge function `rooms` serves them to anything that speaks HTTP. It adds no rule of its own but a limit on
requests: each request runs as the user of its token, through the functions of the [database](database.md). This
page is made from the OpenAPI document that the function serves at `/rooms/openapi.json`.

```sh
spaces functions copy
supabase functions deploy rooms --no-verify-jwt
curl -H "Authorization: Bearer $TOKEN" https://REF.supabase.co/functions/v1/rooms/code/XJ9K2M
```

Locally `spaces up` serves it at `http://127.0.0.1:54321/functions/v1/rooms`.
[examples/curl.sh](../examples/curl.sh) walks through all of it.

- **Paths** are below `https://REF.supabase.co/functions/v1`; each is also answered under `/rooms/api`, as
  `/rooms/api/rooms/create`.
- **Every request wants a token** of a signed-in user: `Authorization: Bearer …`, the `access_token` of a session of
  Supabase Auth. It is verified by the database's API, so every kind of signing key works; `--no-verify-jwt`
  switches off the check that stands before the function and knows only the older ones. Without that flag the
  function works too, and missing tokens are refused in the platform's words instead of those below.
- **Bodies** are JSON objects of at most 64 kB with `Content-Type: application/json`; a field that is not known is
  refused. Names are in camelCase; inside `settings`, `metadata` and `reactions` they are yours.
- **100 requests in 15 minutes** a user (`spaces.limits`, action `rest`), refusals included. `RateLimit-Limit`,
  `-Remaining`, `-Reset` (seconds) and `-Policy` say what is left, `Retry-After` when to come back. The database's
  own limits come on top.
- **Conditional requests**: answers with an `ETag` are not sent again to who holds them (`If-None-Match`: 304). The
  tag changes with every change of the room, and with who is online.
- **Request ids**: send `X-Request-Id` (up to 64 letters, digits, `_.:-`) or find a new one in the answer. It stands
  in the function's log: in one line of JSON a request, and before what went wrong.
- **Browsers** may call from anywhere, or from the origins in `SPACES_ALLOWED_ORIGINS` (comma between them).

| setting (`supabase secrets set`) | means |
|---|---|
| `SPACES_JOIN_BASE_URL` | where `joinLink` points, without the code; not set: `joinLink` is null |
| `SPACES_ALLOWED_ORIGINS` | pages that browsers may call from; not set: all |

## Endpoints
"""
REFUSALS = """
## Refusals

```json
{
  "success": false,
  "error": {
    "code": "not_host",
    "message": "cannot delete the room: you are not its host",
    "hint": "Ask the host of the room."
  }
}
```

`code` is stable, `hint` says what to do next. Every endpoint may answer 400, 401, 429, 500, 502 and 503; an unknown
path is 404 `not_found`, another method 405 `method_not_allowed` with `Allow`.

| status | codes |
|---|---|
"""


def page(doc: Json) -> str:
    """The whole page."""
    parts = [HEAD]
    parts += [_operation(doc, *operation) for operation in operations(doc).values()]
    parts.append(REFUSALS)
    parts += [f"| {status} | {one['description']} |\n" for status, one in doc["components"]["responses"].items()]
    parts.append("\n## Shapes\n")
    parts += [_shape(name, schema) for name, schema in doc["components"]["schemas"].items() if name != "Error"]
    return "".join(parts)


def _operation(doc: Json, method: str, path: str, what: Json) -> str:
    lines = [f"\n### {what['summary']}\n", f"`{method} {path}`", "", what["description"], ""]
    asked = [one for one in what["parameters"] if one["in"] == "query"]
    lines += [f"- `?{one['name']}=` {_type(one['schema'])}. {one['description']}" for one in asked]
    if "requestBody" in what:
        body = what["requestBody"]["content"]["application/json"]
        name = body["schema"]["$ref"].rpartition("/")[2]
        may = "" if what["requestBody"]["required"] else ", which may be empty"
        lines.append(f"- Body: [{name}](#{name.lower()}){may}, as `{json.dumps(body['example'])}`")
    for status, response in what["responses"].items():
        if "content" in response:
            answer = response["content"]["application/json"]["schema"]
            fields = ", ".join(f"`{name}`{_link(schema)}" for name, schema in answer["properties"].items())
            lines.append(f"- {status}: {fields}")
    own = [status for status in what["responses"] if status in ("304", "403", "404", "409", "413", "415")]
    if own:
        lines.append(f"- Also {', '.join(own)}")
    return "\n".join(lines) + "\n"


def _shape(name: str, schema: Json) -> str:
    lines = [f"\n### {name}\n"]
    if "description" in schema:
        lines += [schema["description"], ""]
    lines += ["| field | is | |", "|---|---|---|"]
    for field, inner in schema["properties"].items():
        notes = [inner["description"]] if "description" in inner else []
        if "default" in inner:
            notes.append(f"Default {json.dumps(inner['default'])}.")
        if schema.get("additionalProperties") is False and field in schema["required"]:
            notes.append("Required.")
        lines.append(f"| `{field}` | {_type(inner)} | {' '.join(notes)} |")
    return "\n".join(lines) + "\n"


def _type(schema: Json) -> str:
    if "$ref" in schema:
        return _link(schema).strip()
    if "enum" in schema:
        return " · ".join(f"`{value}`" for value in schema["enum"])
    kind = schema["type"]
    names = kind if isinstance(kind, str) else " or ".join(kind)
    if kind == "array":
        return f"list of {_type(schema['items'])}"
    limits = [str(schema[name]) for name in ("minimum", "maximum") if name in schema]
    span = f", {' to '.join(limits)}" if len(limits) == 2 else ""
    return f"{names}{span}" + (f", {schema['format']}" if "format" in schema else "")


def _link(schema: Json) -> str:
    if schema.get("type") == "array":
        return f" (list of{_link(schema['items'])})"
    name = schema.get("$ref", "").rpartition("/")[2]
    return f" [{name}](#{name.lower()})" if name else ""


if __name__ == "__main__":
    PAGE.write_text(page(document()))

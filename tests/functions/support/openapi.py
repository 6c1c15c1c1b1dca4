"""The OpenAPI document of the rooms function, and what it says about one answer."""

from __future__ import annotations

import json
import subprocess
from typing import Any, cast

import httpx
import jsonschema_rs
from deno import find_deno_bin

from spaces_sdk.install.package_files import supabase_dir
from spaces_sdk.local.deno import DenoProgram

FUNCTION = supabase_dir() / "functions" / "rooms"
Json = dict[str, Any]


def document(url: str = "https://REF.supabase.co") -> Json:
    """As the function makes it for the project at that address."""
    code = f"import {{ openApi }} from '{(FUNCTION / 'openapi.ts').as_uri()}';"
    code += f"console.log(JSON.stringify(openApi({json.dumps(url)})));"
    env = DenoProgram.of_function(FUNCTION / "index.ts").environment()
    command = [find_deno_bin(), "eval", "--no-lock", "--no-config", code]
    return json.loads(subprocess.run(command, env=env, capture_output=True, text=True, check=True).stdout)


def operations(doc: Json) -> dict[str, tuple[str, str, Json]]:
    """Method, path and text of each operation, by its id."""
    found = [(method, path, one) for path, ones in doc["paths"].items() for method, one in ones.items()]
    return {one["operationId"]: (method.upper(), path, one) for method, path, one in found}


def check_answer(doc: Json, operation_id: str, answer: httpx.Response) -> None:
    """That status, headers and body are what the document says."""
    responses = operations(doc)[operation_id][2]["responses"]
    assert str(answer.status_code) in responses, f"{operation_id} does not document {answer.status_code}"
    response = _resolved(doc, responses[str(answer.status_code)])
    missing = [name for name in response.get("headers", {}) if name not in answer.headers]
    assert missing == [], answer.headers
    if "content" not in response:
        assert answer.content == b""
        return
    schema = response["content"]["application/json"]["schema"]
    assert answer.headers["content-type"] == "application/json"
    validator = jsonschema_rs.Draft202012Validator({**schema, "components": doc["components"]}, validate_formats=True)
    errors = [f"{error.message} at {list(error.instance_path)}" for error in validator.iter_errors(answer.json())]
    assert errors == []
    check_nothing_more(doc, schema, answer.json())


def check_nothing_more(doc: Json, schema: Json, value: Any) -> None:
    """That every field of an answer is documented."""
    schema = _resolved(doc, schema)
    if isinstance(value, list):
        for item in cast("list[Any]", value):
            check_nothing_more(doc, schema["items"], item)
    elif isinstance(value, dict) and "properties" in schema:
        fields = cast("Json", value)
        assert set(fields) <= set(schema["properties"]), f"not documented: {set(fields) - set(schema['properties'])}"
        for name, inner in fields.items():
            check_nothing_more(doc, schema["properties"][name], inner)


def _resolved(doc: Json, schema: Json) -> Json:
    if "$ref" not in schema:
        return schema
    found: Any = doc
    for part in schema["$ref"].removeprefix("#/").split("/"):
        found = found[part]
    return found

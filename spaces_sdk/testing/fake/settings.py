"""Settings of a room: merged as JSON merge patch (RFC 7396), checked under the key `spaces`."""

from __future__ import annotations

from typing import Any, cast

from spaces_sdk.models import JsonObject
from spaces_sdk.testing.fake.config import SETTING_RANGES, TURN_MODES
from spaces_sdk.testing.fake.refusals import fail

DEEPEST = 8


def merge_patch(target: object, patch: object) -> Any:
    """An object is merged key by key, null removes a key, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    result: dict[str, object] = dict(cast("dict[str, object]", target)) if isinstance(target, dict) else {}
    for key, value in cast("dict[str, object]", patch).items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result


def check_settings(settings: JsonObject) -> None:
    """Refuse settings that no room may have."""
    if _depth(settings) > DEEPEST:
        fail("invalid_argument", "the settings are nested too deeply", "At most 8 levels.")
    if any(key.startswith("spaces.") for key in settings):
        hint = 'Write {"spaces": {"turn_mode": "first"}}.'
        fail("invalid_argument", "a key of the settings begins with spaces.", hint)
    ours = settings.get("spaces", {})
    if not isinstance(ours, dict):
        fail("invalid_argument", "spaces in the settings is malformed", "Give a JSON object.")
    for key, value in cast("dict[str, object]", ours).items():
        _check_setting(key, value)


def _check_setting(key: str, value: object) -> None:
    names = ", ".join(sorted({*SETTING_RANGES, "turn_mode"}))
    if key == "turn_mode":
        if value not in TURN_MODES:
            fail("invalid_argument", f"the value of spaces.{key} is malformed", f"One of: {', '.join(TURN_MODES)}.")
    elif key not in SETTING_RANGES:
        hint = f'One of: {names}. Your own keys stand beside "spaces".'
        fail("invalid_argument", f"there is no spaces.{key[:40]} in the settings", hint)
    else:
        kind, low, high = SETTING_RANGES[key]
        number = float("nan") if isinstance(value, bool) or not isinstance(value, int | float) else value
        if not low <= number <= high or (kind is int and number % 1 != 0):
            word = "integer" if kind is int else "number"
            fail("invalid_argument", f"the value of spaces.{key} is malformed", f"Give a JSON {word}, {low} to {high}.")


def _depth(value: object) -> int:
    if isinstance(value, dict):
        return 1 + max((_depth(inner) for inner in cast("dict[str, object]", value).values()), default=0)
    if isinstance(value, list):
        return 1 + max((_depth(inner) for inner in cast("list[object]", value)), default=0)
    return 0

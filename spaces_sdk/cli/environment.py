"""What a program needs to reach a stack, as lines for a shell and as JSON."""

from __future__ import annotations

from spaces_sdk.local.records import StackState


def env_lines(state: StackState) -> str:
    """The lines to copy into a shell."""
    return "\n".join(
        [
            f"export SUPABASE_URL={state.url}",
            f"export SUPABASE_PUBLISHABLE_KEY={state.publishable_key}",
            f"export SUPABASE_SECRET_KEY={state.secret_key}",
        ]
    )


def keys_json(state: StackState) -> dict[str, str]:
    """The same for programs."""
    return {"url": state.url, "publishable_key": state.publishable_key, "secret_key": state.secret_key}

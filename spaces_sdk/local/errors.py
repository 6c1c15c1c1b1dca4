"""What can go wrong with the local stack."""

from __future__ import annotations

from spaces_sdk.errors import ConfigError, SpacesError


class StackError(SpacesError):
    """The local stack, or one of its parts, could not start or did not stay up.

    Attributes:
        part: The part it is about (`postgres`, `lite`, `realtime`, `gateway`); empty for the stack as a whole.
        log_tail: The last lines of that part's log; empty where there is none.
    """

    default_code = "stack_failed"

    def __init__(
        self, message: str, *, code: str | None = None, hint: str = "", part: str = "", log_tail: str = ""
    ) -> None:
        super().__init__(message, code=code, hint=hint)
        self.part = part
        self.log_tail = log_tail
        if log_tail:
            self.add_note(f"The last lines of its log:\n{log_tail}")


def missing_extra(what: str) -> ConfigError:
    """The error for a package that only the extra `local` brings."""
    return ConfigError(
        f"cannot run the local stack: the package {what} is not installed",
        code="missing_extra",
        hint="pip install 'spaces-sdk[local]'",
    )

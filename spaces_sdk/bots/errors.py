"""What goes wrong in a bot."""

from __future__ import annotations

from spaces_sdk.errors import SpacesError


class CommandError(SpacesError):
    """A command cannot be done as it was asked for; its text is the bot's reply. Raise it in a command to refuse it."""

    default_code = "command_refused"


class HandlerOverflowError(SpacesError):
    """A handler is so slow that its queue is full: what came meanwhile did not reach it."""

    default_code = "handler_overflow"

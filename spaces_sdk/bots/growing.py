"""Messages that are being written: a handler gets one when it is whole. No I/O."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from uuid import UUID

from spaces_sdk.bots.ledger import Ledger
from spaces_sdk.events import Event, MessageReceived, MessageUpdated
from spaces_sdk.models import Message, MessageStatus

MOST_GROWING: Final = 200


class GrowingMessages:
    """Finds the end of each, and keeps the bot's position before those that a handler waits for.

    Args:
        is_wanted: Whether a handler may want it in the end.
    """

    def __init__(self, ledger: Ledger, is_wanted: Callable[[Message], bool]) -> None:
        self._ledger = ledger
        self._is_wanted = is_wanted
        self._growing: dict[UUID, Message] = {}

    def whole(self, event: Event) -> Message | None:
        """The message of an event, if it can be read whole for the first time. `settle` it when it was handed on."""
        match event:
            case MessageReceived(message=message) if message.status is MessageStatus.STREAMING:
                self._keep(message)
                return None
            case MessageReceived(message=message):
                return message
            case MessageUpdated(message=message) if (
                message.id in self._growing and message.status is not MessageStatus.STREAMING
            ):
                return message
            case _:
                return None

    def settle(self, message: Message) -> None:
        """Who wants it has it."""
        if self._growing.pop(message.id, None) is not None:
            self._ledger.file(message.seq)

    def _keep(self, message: Message) -> None:
        if message.id in self._growing or not self._is_wanted(message):
            return
        self._growing[message.id] = message
        self._ledger.expect(message.seq)
        if len(self._growing) > MOST_GROWING:
            self.settle(next(iter(self._growing.values())))

"""Sage, the bot of the demo: answers who speaks to it, as `ai_response`."""

from __future__ import annotations

import asyncio

from spaces_sdk.errors import SpacesError
from spaces_sdk.events import MessageReceived
from spaces_sdk.models import MessageType
from spaces_sdk.session import RoomSession

CALL = "sage,"


class Sage:
    """Reads the room with its own `events()`, and answers from what it sees there."""

    def __init__(self, session: RoomSession) -> None:
        self._session = session
        self._task = asyncio.create_task(self._listen(), name="sage")

    async def _listen(self) -> None:
        try:
            async for event in self._session.events():
                match event:
                    case MessageReceived(message=message) if (
                        message.message_type is MessageType.USER_TEXT and message.content.lower().startswith(CALL)
                    ):
                        await self._session.send(
                            self._answer(), message_type=MessageType.AI_RESPONSE, reply_to=message.id
                        )
                    case _:
                        pass
        except SpacesError:
            # The room ended, or the answer was refused: the step that waits for it tells.
            return

    def _answer(self) -> str:
        names = [p.display_name for p in self._session.participants if p.is_online]
        return f"I count {len(names)} of us: {', '.join(sorted(names))}."

    async def aclose(self) -> None:
        """Stop answering. Idempotent."""
        self._task.cancel()
        await asyncio.wait([self._task])

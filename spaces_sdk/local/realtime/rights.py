"""What one channel may do: read rights settled at its join, write rights at the first use, both kept."""

from __future__ import annotations

from spaces_sdk.local.realtime.authorization import Authorizer, Caller, Extension

_BOTH = (Extension.BROADCAST, Extension.PRESENCE)


class ChannelRights:
    """The rights of a channel; on a public topic everything is allowed and nothing is asked."""

    def __init__(self, authorizer: Authorizer, sub_topic: str, *, is_private: bool, asks_presence: bool) -> None:
        self._authorizer = authorizer
        self._sub_topic = sub_topic
        self._is_private = is_private
        self._asks_presence = asks_presence
        self.reads_broadcasts = not is_private
        self.reads_presence = not is_private
        self._tracks = False
        self._writable: frozenset[Extension] | None = None if is_private else frozenset(_BOTH)

    @property
    def is_write_known(self) -> bool:
        """True once the write rights were asked for."""
        return self._writable is not None

    @property
    def is_presence_read_known_since_join(self) -> bool:
        """False if only a first track asked for it: then the diffs that come are not counted."""
        return self._asks_presence or not self._is_private

    @property
    def may_broadcast(self) -> bool:
        """As known; False before the question."""
        return self._writable is not None and Extension.BROADCAST in self._writable

    @property
    def may_track(self) -> bool:
        """As known; False before the question."""
        return self._writable is not None and Extension.PRESENCE in self._writable

    async def read(self, caller: Caller) -> bool:
        """Ask for the read rights anew and forget the write rights; True if any is there.

        Raises:
            DatabaseUnavailableError: It could not be asked; the rights are as before.
        """
        if not self._is_private:
            return True
        self._asks_presence = self._asks_presence or self._tracks
        extensions = _BOTH if self._asks_presence else (Extension.BROADCAST,)
        readable = await self._authorizer.readable(self._sub_topic, caller, extensions)
        self.reads_broadcasts = Extension.BROADCAST in readable
        self.reads_presence = Extension.PRESENCE in readable
        self._writable = None
        return bool(readable)

    def note_track(self) -> None:
        """Presence was tracked: from the next token on it is asked for as if it had been at the join."""
        self._tracks = True

    async def ask_write(self, caller: Caller, *, with_presence_read: bool = False) -> None:
        """Ask for the write rights, if they are not yet known.

        A first track also settles whether presence may be read, a first broadcast does not: so a
        channel that joined with presence off sees diffs only if it tracks before it broadcasts.

        Raises:
            PolicyFailedError: They stay unknown, and are asked for again at the next use.
            DatabaseUnavailableError: Likewise.
        """
        if self._writable is not None:
            return
        writable = await self._authorizer.writable(self._sub_topic, caller, _BOTH)
        if with_presence_read and not self._asks_presence:
            readable = await self._authorizer.readable(self._sub_topic, caller, (Extension.PRESENCE,))
            self.reads_presence = Extension.PRESENCE in readable
        self._writable = writable

"""Reads from the database what a session lacks, page by page, up to the room's head."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from spaces_sdk.clock import Clock
from spaces_sdk.errors import InvalidRequestError, ProtocolError, SpacesError
from spaces_sdk.models import SyncPage
from spaces_sdk.session.api import SessionApi
from spaces_sdk.session.core import SessionCore
from spaces_sdk.session.endings import Ending, ending_of
from spaces_sdk.session.intake import Intake
from spaces_sdk.session.lifecycle import Trigger
from spaces_sdk.session.paging import Paging

# A commit is broadcast when it is flushed and seen by others a moment later; while a synchronous standby is slow,
# seconds later. A database that was set back to an earlier time never knows the step.
VISIBLE_WITHIN_S: Final = 60.0


class CatchUp:
    """Brings the core of a session up to the head.

    Args:
        end: Ends the session; may be called from anywhere, more than once.
    """

    def __init__(
        self, core: SessionCore, intake: Intake, *, api: SessionApi, clock: Clock, end: Callable[[Ending], None]
    ) -> None:
        self._core = core
        self._intake = intake
        self._api = api
        self._clock = clock
        self._end = end
        self._synced_join = 0

    @property
    def is_complete(self) -> bool:
        """Read to the head since the channel was joined; what is committed after that, the channel tells."""
        return self._core.run is None and self._synced_join == self._intake.link.joins

    async def read_all(self, *, is_closing: bool) -> None:
        """Read everything up to the database's head, page by page. Goes on where a failed one stopped.

        Args:
            is_closing: It may close the gap that the session has told of.

        Raises:
            SpacesError: As `read_page`.
        """
        core, intake = self._core, self._intake
        while True:
            run = core.start_run()
            if run.to is None:
                run.join = intake.link.joins if intake.has_channel else 0
            page: SyncPage | None = None
            while page is None or not run.is_done:
                core.asking(run)
                page = await self.read_page(run)
                core.accept(run, page)
            # A run that began before the channel's ok does not know what fell between the two.
            is_closing_run = is_closing and (not intake.has_channel or run.join == intake.link.joins)
            core.finish(run, page, is_closing=is_closing_run)
            core.recovered("database")
            self._synced_join = run.join
            intake.ask_for_verdict()
            if not core.work.needs_sync or core.work.is_lease_lost or not intake.has_channel:
                return

    async def read_page(self, run: Paging) -> SyncPage:
        """The next page of a run, for the session or for one of its readers.

        Raises:
            SpacesError: It could not be read; what ends the session has ended it already.
        """
        try:
            return await self._api.sync_room(self._core.room_id, run.after, to=run.to, cursor=run.cursor)
        except InvalidRequestError as error:
            now = self._clock.monotonic()
            run.refused_since = now if run.refused_since is None else run.refused_since
            if run.cursor is not None or now - run.refused_since > VISIBLE_WITHIN_S:
                raise
            raise ProtocolError(
                f"cannot catch up: the database does not know step {run.to or run.after} yet"
            ) from error
        except SpacesError as error:
            if (ending := ending_of(error)) is not None and ending.trigger is Trigger.REMOVED:
                self._end(ending)
            raise

"""Calls of the database's functions, and reads of its tables, over PostgREST: deadline, retries, typed errors."""

from __future__ import annotations

import random as random_module
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import httpx

from spaces_sdk.clock import Clock, SystemClock
from spaces_sdk.codes import STATUS_OF_CODE
from spaces_sdk.config import ProjectConfig
from spaces_sdk.deadline import deadline
from spaces_sdk.errors import (
    ConnectTimeoutError,
    InvalidRequestError,
    OutcomeUnknownError,
    SchemaMismatchError,
    SpacesError,
)
from spaces_sdk.rpc.answers import MIGRATE_HINT, Effect, Failure, error_in_answer, fields_of, schema_missing
from spaces_sdk.rpc.procedures import Procedure, Repeat
from spaces_sdk.rpc.service import RestService
from spaces_sdk.rpc.tokens import TokenSource
from spaces_sdk.single_flight import SingleFlight

SCHEMA_VERSION: Final = 1
"""What `schema_version()` must answer for this package."""

BACKOFF_BASE_S: Final = 0.2
BACKOFF_CAP_S: Final = 2.0
FIRST_CONTACT_TRIES: Final = 3
"""Tries to reach a server that has never answered: rather a wrong address than a short outage."""


_SCHEMA_VERSION_CALL = Procedure("schema_version", "use the project", Repeat.READ)


@dataclass(slots=True)
class _Progress:
    """What the tries of one call have come to so far."""

    last: Failure | None = None
    is_outcome_open: bool = False
    is_pending: bool = False
    tries: int = 0

    @property
    def is_open(self) -> bool:
        """A try may have been carried out whose answer is not known."""
        return self.is_pending or self.is_outcome_open


class RpcClient:
    """Calls functions of the database as the user whose token it pulls.

    Args:
        config: The project.
        tokens: Asked for a token before each try.
        http: Returns the shared HTTP client; raises UsageError before `Spaces` is entered and after it is closed.
        clock: Time, for deadlines and pauses.
        random: Randomness, for the jitter of pauses.
    """

    def __init__(
        self,
        config: ProjectConfig,
        tokens: TokenSource,
        http: Callable[[], httpx.AsyncClient],
        *,
        clock: Clock | None = None,
        random: random_module.Random | None = None,
    ) -> None:
        self._config = config
        self._tokens = tokens
        self._http = http
        self._clock = clock or SystemClock()
        self._random = random or random_module.Random()  # noqa: S311 - spreads retries, keeps no secret
        self._service = RestService(config, self._clock)
        self._is_schema_right = False
        self._schema_check = SingleFlight(self._check_schema, name="schema-check")

    async def call(
        self,
        procedure: Procedure,
        arguments: Mapping[str, object],
        *,
        timeout_s: float,
        operation_id: UUID | None = None,
        unknown_hint: str = "",
    ) -> Any:
        """Call a function, or read a table, and return the JSON of the answer; the first call checks the schema, too.

        Cancelling it leaves the outcome of a write open.

        Args:
            procedure: What to call.
            arguments: Named as in the database, `p_…`.
            timeout_s: For all tries, pauses and a token refresh together, in seconds, > 0.
            operation_id: The idempotency key, for `OutcomeUnknownError`; None for calls whose loss is harmless.
            unknown_hint: What to do when the outcome is unknown; empty for "repeat it with the id".

        Raises:
            ApiError: The database refused; the subclass and `code` say why.
            OutcomeUnknownError: A write was perhaps carried out, and its answer is lost.
            TransportError: A read got no answer, or the server was never reached.
            AuthError: Nobody is signed in, or the session is over.
            ConfigError: The URL or the key is not that of a Supabase project with this schema.
        """
        if not timeout_s > 0:  # so written, NaN is refused too
            reason = f"cannot {procedure.operation}: timeout_s must be over 0"
            raise InvalidRequestError(reason, status=400)
        self._http()  # not open: said before anything else
        progress = _Progress()
        try:
            async with deadline(self._clock, timeout_s):
                if not self._is_schema_right:
                    await self._schema_check.run()
                answer = await self._until_answered(procedure, arguments, progress, try_timeout_s=timeout_s / 2)
        except TimeoutError as timeout:
            last = progress.last.error if progress.last else None
            if progress.is_open and procedure.repeat is Repeat.SAFE and operation_id is not None:
                raise self._unknown(procedure, operation_id, unknown_hint) from last or timeout
            if last is not None and not progress.is_pending:
                raise last from last.__cause__
            reason = f"cannot {procedure.operation}: no answer from {self._config.url} in {timeout_s:g} s"
            raise ConnectTimeoutError(reason) from last or timeout
        except SpacesError as error:
            # The function itself refused the repeat: that covers the first try, too.
            is_last_word = progress.last is not None and error is progress.last.error and error.code in STATUS_OF_CODE
            if progress.is_open and not is_last_word and procedure.repeat is Repeat.SAFE and operation_id is not None:
                raise self._unknown(procedure, operation_id, unknown_hint) from error
            raise
        return _unwrapped(procedure, answer)

    @property
    def clock(self) -> Clock:
        """The time by which deadlines are measured."""
        return self._clock

    async def aclose(self) -> None:
        """End what may still run. Idempotent."""
        await self._schema_check.aclose()

    async def _check_schema(self) -> None:
        """Compare versions; not remembered when it fails, so that a migration meanwhile is seen."""
        try:
            async with deadline(self._clock, 10.0):
                version: object = await self._until_answered(_SCHEMA_VERSION_CALL, {}, _Progress(), try_timeout_s=5.0)
        except TimeoutError as error:
            reason = f"cannot {_SCHEMA_VERSION_CALL.operation}: no answer from {self._config.url} in 10 s"
            raise ConnectTimeoutError(reason) from error
        if not isinstance(version, int):
            raise schema_missing(_SCHEMA_VERSION_CALL.operation)
        if version != SCHEMA_VERSION:
            is_newer = version > SCHEMA_VERSION
            raise SchemaMismatchError(
                f"cannot use the project: its schema has version {version}, this package needs {SCHEMA_VERSION}",
                hint="run `pip install --upgrade spaces-sdk`" if is_newer else MIGRATE_HINT,
            )
        self._is_schema_right = True

    async def _until_answered(
        self, procedure: Procedure, arguments: Mapping[str, object], progress: _Progress, *, try_timeout_s: float
    ) -> object:
        """Try until there is an answer or an error that another try would not change."""
        can_refresh = True
        token = await self._tokens.access_token()
        while True:
            http = self._http()
            progress.is_pending = True  # stays so if this try is cancelled: its outcome is then open
            answer = await self._service.ask(procedure, arguments, token, http, timeout_s=try_timeout_s)
            progress.is_pending = False
            if not isinstance(answer, Failure):
                return answer
            progress.last = answer
            progress.tries += 1
            if answer.effect is Effect.TOKEN_REFUSED and can_refresh:
                can_refresh = False
                token = await self._tokens.replace(token)
                continue
            if progress.is_outcome_open and answer.error.code in procedure.done_codes:
                return {"ok": True}
            if answer.effect is Effect.UNKNOWN:
                progress.is_outcome_open = True
            if not self._may_try_again(procedure, answer, progress):
                raise answer.error
            await self._clock.sleep(retry_pause_s(progress.tries, self._random))
            token = await self._tokens.access_token()

    def _may_try_again(self, procedure: Procedure, failure: Failure, progress: _Progress) -> bool:
        if failure.effect is Effect.NONE_YET:
            return self._service.has_answered or progress.is_outcome_open or progress.tries < FIRST_CONTACT_TRIES
        return failure.effect is Effect.UNKNOWN and procedure.repeat is not Repeat.NEVER

    def _unknown(self, procedure: Procedure, operation_id: UUID, hint: str) -> OutcomeUnknownError:
        """A write that may have happened."""
        reason = f"cannot {procedure.operation} for certain: an answer of {self._config.url} was lost"
        return OutcomeUnknownError(reason, operation_id=operation_id, hint=hint)


def retry_pause_s(tries: int, random: random_module.Random) -> float:
    """Seconds to wait after so many tries. Full jitter: who lost one server together does not come back together."""
    return random.uniform(0.0, min(BACKOFF_CAP_S, BACKOFF_BASE_S * 2.0 ** min(tries, 10)))


def _unwrapped(procedure: Procedure, answer: object) -> Any:
    """The answer itself, unless it says `"ok": false`."""
    fields = fields_of(answer)
    if fields.get("ok") is False:
        raise error_in_answer(procedure.operation, fields)
    return answer

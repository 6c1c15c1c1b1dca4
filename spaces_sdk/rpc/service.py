"""One try at PostgREST, through its library: the answer, or what failed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import httpx

from spaces_sdk.clock import Clock
from spaces_sdk.config import ProjectConfig
from spaces_sdk.deadline import deadline
from spaces_sdk.errors import ConfigError, ConnectTimeoutError, ProtocolError
from spaces_sdk.rpc.answers import Effect, Failure, judge_answer, judge_exception, judge_foreign
from spaces_sdk.rpc.http_errors import closed_client, not_json
from spaces_sdk.rpc.procedures import Procedure, Repeat, TableRead


class RestService:
    """Asks PostgREST once; whether to ask again is the client's.

    Attributes:
        has_answered: The project has answered as Supabase does; what answers otherwise later is a stranger in between.
    """

    def __init__(self, config: ProjectConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self.has_answered = False

    async def ask(
        self,
        procedure: Procedure,
        arguments: Mapping[str, object],
        token: str,
        http: httpx.AsyncClient,
        *,
        timeout_s: float,
    ) -> object | Failure:
        """Ask once.

        Args:
            procedure: What to call.
            arguments: Its arguments, or the filters of a table.
            token: The caller's access token.
            http: The shared HTTP client.
            timeout_s: A half-open connection is given up after it, in seconds, so that a fresh one gets a try. What
                must not be repeated has all the time of its call.

        Raises:
            UsageError: The HTTP client was closed meanwhile.
        """
        operation, url = procedure.operation, self._config.url
        try:
            if procedure.repeat is Repeat.NEVER:
                return await self._request(procedure, arguments, token, http)
            async with deadline(self._clock, timeout_s):
                return await self._request(procedure, arguments, token, http)
        except TimeoutError as error:
            late = ConnectTimeoutError(f"cannot {operation}: no answer from {url} in {timeout_s:g} s")
            late.__cause__ = error
            return Failure(late, Effect.UNKNOWN)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            failure = judge_exception(operation, url, error)
            failure.error.__cause__ = error
            return failure
        except RuntimeError as error:
            if not http.is_closed:
                raise
            raise closed_client(operation) from error

    async def _request(
        self, procedure: Procedure, arguments: Mapping[str, object], token: str, http: httpx.AsyncClient
    ) -> object | Failure:
        """Send it, and tell an answer from a failure."""
        from postgrest import AsyncPostgrestClient  # slow to import; loaded when `Spaces` is entered
        from postgrest.exceptions import APIError

        operation, url = procedure.operation, self._config.url
        probe = _Probe(http)
        client = AsyncPostgrestClient(
            self._config.rest_url,
            headers={
                "apikey": self._config.key.value,
                "Authorization": f"Bearer {token}",
                "Accept": "application/json",
            },
            http_client=cast("httpx.AsyncClient", probe),
            retry_enabled=False,
        )
        try:
            if isinstance(procedure, TableRead):
                rows = client.from_(procedure.name).select(procedure.columns)
                for column, condition in arguments.items():
                    rows = rows.filter(column, *str(condition).split(".", 1))
                result = await rows.order(procedure.order).limit(procedure.most).execute()
            else:
                result = await client.rpc(procedure.name, dict[str, Any](arguments)).execute()
        except (TypeError, ValueError, RecursionError) as error:
            if probe.is_answered:
                return judge_foreign(operation, url, probe.answered(), is_known=self.has_answered)
            return Failure(not_json(operation, error), Effect.NONE)
        except APIError as error:
            answer = probe.answered()
            failure = judge_answer(operation, procedure.name, url, answer, _json_of(answer), is_known=self.has_answered)
            self.has_answered = self.has_answered or not isinstance(failure.error, ConfigError)
            failure.error.__cause__ = error
            return failure
        # No function of ours answers with a bare text: postgrest hands one on when the body is no JSON.
        if "json" not in probe.answered().headers.get("content-type", "") or isinstance(result.data, str):
            return judge_foreign(operation, url, probe.answered(), is_known=self.has_answered)
        self.has_answered = True
        return result.data


class _Probe:
    """Stands in for the HTTP client during one request: postgrest's errors drop the status, this keeps it."""

    auth = None

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._response: httpx.Response | None = None

    async def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        self._response = await self._http.request(method, url, **options)
        return self._response

    @property
    def is_answered(self) -> bool:
        """There is a response."""
        return self._response is not None

    def answered(self) -> httpx.Response:
        """The response; there is one whenever postgrest has returned or raised its own error."""
        if self._response is None:
            raise ProtocolError("cannot read the answer: there is none")
        return self._response


def _json_of(response: httpx.Response) -> object:
    try:
        return response.json()
    except (ValueError, RecursionError):
        return None

"""One question to Supabase Auth, through supabase-auth, with the package's own errors."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar
from uuid import UUID

import httpx
from pydantic import ValidationError

from spaces_sdk.auth.models import User
from spaces_sdk.clock import Clock
from spaces_sdk.config import ProjectConfig
from spaces_sdk.deadline import deadline
from spaces_sdk.errors import ConfigError, ConnectTimeoutError, InvalidRequestError, ProtocolError, ServerError

if TYPE_CHECKING:
    from supabase_auth import AsyncGoTrueClient
    from supabase_auth.types import User as LibraryUser
from spaces_sdk.rpc.http_errors import not_json

T = TypeVar("T")

DEFAULT_TIMEOUT_S = 15.0


class AuthService:
    """Asks Supabase Auth; keeps no session.

    Each question gets a library client of its own, without memory or timer, over the one shared HTTP
    client: the session has one keeper, `AuthClient`.
    """

    def __init__(self, config: ProjectConfig, http: Callable[[], httpx.AsyncClient], clock: Clock) -> None:
        self.config = config
        self._http = http
        self._clock = clock
        self._has_answered = False

    async def ask(self, operation: str, request: Callable[[AsyncGoTrueClient], Awaitable[T]], *, timeout_s: float) -> T:
        """Ask once.

        Args:
            operation: What it is to do, for errors: `cannot <operation>: …`.
            request: The question, on the library's client.
            timeout_s: In seconds, > 0.
        """
        from supabase_auth import AsyncGoTrueClient  # slow to import; loaded when `Spaces` is entered
        from supabase_auth.errors import AuthError as LibraryError

        from spaces_sdk.auth.errors import auth_error

        key, url = self.config.key.value, self.config.url
        library = AsyncGoTrueClient(
            url=self.config.auth_url,
            headers={"apikey": key, "Authorization": f"Bearer {key}"},
            auto_refresh_token=False,
            persist_session=False,
            http_client=self._http(),
        )
        try:
            async with deadline(self._clock, timeout_s):
                answer = await request(library)
        except TimeoutError as error:
            raise ConnectTimeoutError(f"cannot {operation}: no answer from {url} in {timeout_s:g} s") from error
        except LibraryError as error:
            raise auth_error(operation, url, error, is_known=self._has_answered) from error
        except ValidationError:
            self._raise_not_auth(operation)
        except (TypeError, ValueError, RecursionError) as error:
            raise not_json(operation, error) from None
        self._has_answered = True
        return answer

    def _raise_not_auth(self, operation: str) -> NoReturn:
        """An answer that says 200 and is none. Without a cause: its text would quote the answer, tokens included."""
        reason = f"cannot {operation}: {self.config.url} answered with something else than Supabase Auth does"
        if self._has_answered:
            raise ServerError(reason, code="foreign_answer") from None
        raise ConfigError(reason, code="not_supabase", hint="check SUPABASE_URL") from None


def user_of(user: LibraryUser) -> User:
    """The library's user, without what the user can write.

    Raises:
        ProtocolError: The id is none of Supabase Auth's.
    """
    try:
        user_id = UUID(user.id)
    except ValueError:
        raise ProtocolError("cannot read the user in the answer of Supabase Auth: the id is no UUID") from None
    return User(
        id=user_id,
        email=user.email or None,
        phone=user.phone or None,
        is_anonymous=user.is_anonymous,
        app_metadata=user.app_metadata,
        created_at=user.created_at,
    )


def required(value: T | None, operation: str) -> T:
    """The part of an answer without which it is none."""
    if value is None:
        raise ProtocolError(f"cannot {operation}: Supabase Auth left out what was asked for")
    return value


def credentials(operation: str, email: str | None, phone: str | None, password: str) -> dict[str, Any]:
    """What sign-up and sign-in send; refused before any I/O when a part is missing."""
    if bool(email) == bool(phone):
        raise InvalidRequestError(f"cannot {operation}: give an e-mail or a phone number, one of them", status=400)
    if not password:
        raise InvalidRequestError(f"cannot {operation}: the password is empty", status=400)
    return {"email": email, "password": password} if email else {"phone": phone, "password": password}

"""Fixtures for the tests of apps: `spaces_backend`, the fake one, and `spaces_stack`, a real local stack.

pytest loads this file at each start wherever the package is installed: it imports nothing else of it until a fixture
is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from spaces_sdk.local.stack import LocalStack
    from spaces_sdk.testing.fake import FakeBackend


@pytest.fixture
def spaces_backend() -> FakeBackend:
    """A backend in memory, empty, on time of its own; `spaces_backend.user("ada")` is signed in."""
    from spaces_sdk.testing.fake import FakeBackend

    return FakeBackend()


@pytest.fixture(scope="session")
def spaces_stack() -> Iterator[LocalStack]:
    """A real local stack for all tests of the run: `Spaces(spaces_stack.url, spaces_stack.publishable_key)`.

    It starts in some seconds, on free ports, in a folder that is deleted at the end; it runs on a loop of its own, so
    that it does not matter which loop a test has. Needs `pip install 'spaces-sdk[local]'`.
    """
    from spaces_sdk.errors import ConfigError

    try:
        from spaces_sdk.local.stack import LocalStack
    except ConfigError as error:
        pytest.fail(str(error), pytrace=False)
    from spaces_sdk.testing.held import held

    with held(LocalStack.temporary()) as stack:
        yield stack

"""Turns what a command raised into its message and an exit status, without a traceback."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager

import typer

from spaces_sdk.cli.output import Output
from spaces_sdk.errors import SpacesError


@contextmanager
def clean_errors(output: Output, missing: Callable[[], SpacesError] | None = None) -> Generator[None]:
    """Say what went wrong, and exit.

    Args:
        output: Where the command writes.
        missing: Makes the error for a package that is not installed; None lets an ImportError through.
    """
    try:
        yield
    except ImportError as error:
        if missing is None:
            raise
        _fail(output, missing(), error)
    except SpacesError as error:
        _fail(output, error, error)


def _fail(output: Output, error: SpacesError, cause: Exception) -> None:
    output.error(error)
    raise typer.Exit(Output.exit_status(error)) from cause

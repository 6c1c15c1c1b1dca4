"""Entry of the command `spaces`: one file a noun, registered here."""

from __future__ import annotations

from typing import Annotated

import typer

import spaces_sdk
from spaces_sdk.cli import bot, functions, migrations
from spaces_sdk.cli.demo import demo
from spaces_sdk.cli.migrate import migrate
from spaces_sdk.cli.stack import down, status, up

_HELP = """Rooms where people and AI bots hold one conversation, on Supabase.

Start here: `spaces demo` shows three people and a bot in one room; `spaces up` runs a whole Supabase on this machine.
For a Supabase project of your own: `spaces migrations copy`, then `supabase db push`.
"""

app = typer.Typer(
    name="spaces",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(is_asked: bool) -> None:
    if is_asked:
        typer.echo(f"spaces-sdk {spaces_sdk.__version__}")
        raise typer.Exit


@app.callback(help=_HELP)
def options(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", is_eager=True, callback=_show_version)
    ] = False,
) -> None:
    """What holds for all commands."""


app.command("up", short_help="Run Supabase on this machine; Ctrl-C stops it.")(up)
app.command("down", short_help="Stop the stack of a data folder.")(down)
app.command("status", short_help="Show address, keys and state of a running stack.")(status)

app.command("demo", short_help="See three people and a bot in one room.")(demo)

app.add_typer(bot.app, name="bot", short_help="Make the account of a bot, and run bots.")
app.add_typer(migrations.app, name="migrations", short_help="Put the SQL into your Supabase project, or take it out.")
app.add_typer(functions.app, name="functions", short_help="Put the edge functions into your Supabase project.")
app.command("migrate", short_help="Apply the SQL to a database without the Supabase CLI.")(migrate)


def main() -> None:
    """Run the command; exits 0 if it did what was asked, 1 if not, 2 for a mistake in the call."""
    app()


if __name__ == "__main__":
    main()

"""`spaces bot create` and `spaces bot run`."""

from __future__ import annotations

import asyncio
import os
import re
import secrets
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from spaces_sdk.cli.clean_errors import clean_errors
from spaces_sdk.cli.output import Output
from spaces_sdk.errors import ConfigError, UsageError

if TYPE_CHECKING:
    from spaces_sdk.auth import User

SECRET_VARIABLES: Final = ("SUPABASE_SECRET_KEY", "SUPABASE_SERVICE_ROLE_KEY")
_KEY_HINT: Final = (
    "the secret key of the same project begins with sb_secret_; of the local one, `spaces status` shows it"
)

_Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, for programs.")]
_Email = Annotated[
    str | None, typer.Option("--email", help="The account's address; else one that nobody reads.", show_default=False)
]
_Rooms = Annotated[
    list[str] | None,
    typer.Option("--room", metavar="CODE", help="A room to serve; repeat it for more.", show_default=False),
]
_Dev = Annotated[bool, typer.Option("--dev", help="Start it anew when a Python file below this folder changes.")]
_Console = Annotated[bool, typer.Option("--console", help="Talk to it here, without any server.")]

app = typer.Typer(help="Make the account of a bot, and run bots.", no_args_is_help=True, rich_markup_mode=None)


@app.command("create", short_help="Make the account of a bot.")
def create(
    name: Annotated[str, typer.Argument(metavar="NAME", help="What the bot is called.")],
    email: _Email = None,
    as_json: _Json = False,
) -> None:
    """Make the account of a bot in the project, and print its address and password once, as lines of a .env file.

    Reads SUPABASE_URL and SUPABASE_SECRET_KEY; the secret key is needed for this alone, and not for running the bot.

    \b
    Examples:
      spaces bot create Dice >> .env
    """
    output = Output(is_json=as_json)
    with clean_errors(output):
        asyncio.run(_create(name, email, output))


async def _create(name: str, email: str | None, output: Output) -> None:
    from spaces_sdk.client import Spaces
    from spaces_sdk.config import ApiKey, KeyKind

    if not 1 <= len(name.strip()) <= 50:
        raise UsageError("cannot make a bot: its name has 1 to 50 characters", hint="spaces bot create Dice")
    url = os.environ.get("SUPABASE_URL", "").strip()
    key = next((value for variable in SECRET_VARIABLES if (value := os.environ.get(variable, "").strip())), "")
    if not url or not key:
        raise ConfigError(
            f"cannot make a bot: {'SUPABASE_SECRET_KEY' if url else 'SUPABASE_URL'} is not set",
            hint='`eval "$(spaces status)"` sets both for the local project; a hosted one shows them in its settings',
        )
    kind = ApiKey.parse(key).kind
    if kind is not KeyKind.SECRET:
        found = "a publishable one" if kind is KeyKind.PUBLISHABLE else "no secret key"
        raise ConfigError(f"cannot make a bot: the key in SUPABASE_SECRET_KEY is {found}", hint=_KEY_HINT)
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-") or "bot"
    address = email or f"{slug}-{secrets.token_hex(6)}@example.com"
    password = secrets.token_urlsafe(24)
    async with Spaces(url, key) as spaces:
        try:
            user: User = await spaces.auth.admin.create_user(
                email=address, password=password, app_metadata={"spaces_kind": "bot"}
            )
        except ConfigError as error:
            if error.code != "invalid_api_key":
                raise
            message = f"cannot make a bot: {url} does not know the key in SUPABASE_SECRET_KEY"
            raise ConfigError(message, code=error.code, hint=_KEY_HINT) from error
    output.progress(f"# {name.strip()} has an account now; the password is shown this once")
    output.result(
        f"SPACES_BOT_EMAIL={address}\nSPACES_BOT_PASSWORD={password}",
        {"ok": True, "user_id": str(user.id), "email": address, "password": password},
    )


@app.command("run", short_help="Run a bot in rooms, or talk to it here.")
def run(
    target: Annotated[str, typer.Argument(metavar="BOT", help="Its file, or module:variable.")],
    rooms: _Rooms = None,
    dev: _Dev = False,
    console: _Console = False,
) -> None:
    """Run a bot until Ctrl-C, SIGTERM, or until it has been removed from all its rooms. What it does is logged.

    Reads SUPABASE_URL and SUPABASE_PUBLISHABLE_KEY (`spaces up` prints them), SPACES_BOT_EMAIL and SPACES_BOT_PASSWORD
    (`spaces bot create` prints those); without --room, the codes in SPACES_BOT_ROOMS, separated by commas. A room that
    is lost is joined again, after a pause that grows to a minute.

    \b
    Examples:
      spaces bot run dice.py --console                      talk to it here
      spaces bot run dice.py --room XJ9K2M --room QW3RTY    in two rooms
      spaces bot run dice.py --room XJ9K2M --dev            and anew after each change
      spaces bot run shop.bots:clerk --room XJ9K2M          of a module with several bots
    """
    with clean_errors(Output()):
        if console and rooms:
            raise UsageError("cannot run the bot in the console and in rooms", hint="leave out --room, or --console")
        if dev:
            from spaces_sdk.cli.bot_dev import run_and_reload

            more = [word for room in rooms or () for word in ("--room", room)]
            run_and_reload([target, *more, *(["--console"] if console else [])], Path.cwd())
            return
        from spaces_sdk.cli.bot_dev import end_with_parent
        from spaces_sdk.cli.bot_loading import load_bot

        end_with_parent()
        bot = load_bot(target, Path.cwd())
        if console:
            from spaces_sdk.cli.bot_console import talk

            asyncio.run(talk(bot))
        else:
            bot.run(*(rooms or ()))

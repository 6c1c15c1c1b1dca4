"""`spaces functions copy`: the edge functions of this package in a Supabase project of one's own."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from spaces_sdk.cli.clean_errors import clean_errors
from spaces_sdk.cli.output import Output

_Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, for programs.")]
_Dir = Annotated[
    Path | None,
    typer.Argument(
        metavar="DIR", help="Your `supabase` folder; else the one here or in a folder above.", show_default=False
    ),
]
_Force = Annotated[bool, typer.Option("--force", help="Overwrite files that differ.")]
# Both look at who calls by themselves: see docs/rest.md and docs/install.md.
_DEPLOY = "supabase functions deploy NAME --no-verify-jwt"

app = typer.Typer(
    help="Put the edge functions of spaces into your Supabase project.", no_args_is_help=True, rich_markup_mode=None
)


@app.callback()
def functions() -> None:
    """Put the edge functions of spaces into your Supabase project."""


@app.command("copy", short_help="Copy our edge functions into your supabase folder.")
def copy(directory: _Dir = None, force: _Force = False, as_json: _Json = False) -> None:
    """Copy this package's edge functions into your project's `supabase/functions`, to be deployed by the Supabase CLI.

    `rooms` serves the rooms over plain HTTP. `cleanup` deletes rooms that have run out, for projects without pg_cron;
    it wants the secret CLEANUP_SECRET (32 characters or more) and is called by whatever schedules it. A file of yours
    in the same place is refused.

    \b
    Examples:
      spaces functions copy
      supabase functions deploy rooms --no-verify-jwt
      supabase secrets set CLEANUP_SECRET=$(openssl rand -hex 32)
      supabase functions deploy cleanup --no-verify-jwt
    """
    output = Output(is_json=as_json)
    with clean_errors(output):
        from spaces_sdk.install.copying import copy_functions
        from spaces_sdk.install.project import Project

        project = Project.find(directory)
        files = copy_functions(project, force=force)
        text = [
            f"{project.path}: {len(files.written)} files written, {len(files.replaced)} overwritten, "
            f"{len(files.unchanged)} there already.",
            f"Next: {_DEPLOY} for rooms; for cleanup too, once it has its secret: "
            "supabase secrets set CLEANUP_SECRET=$(openssl rand -hex 32)",
        ]
        data = {
            "ok": True,
            "folder": str(project.path),
            "written": files.written,
            "replaced": files.replaced,
            "unchanged": files.unchanged,
            "next": _DEPLOY,
        }
        output.result("\n".join(text), data)

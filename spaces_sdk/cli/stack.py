"""`spaces up`, `spaces down`, `spaces status`: the local stack."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from spaces_sdk.cli.output import EXIT_FAILED, EXIT_OK, Output
from spaces_sdk.errors import ConfigError, SpacesError

_DataDir = Annotated[Path, typer.Option("--data-dir", help="Folder of data, secrets and logs.", show_default=True)]
_Json = Annotated[bool, typer.Option("--json", help="Write JSON to stdout, one line a result, for programs.")]
_Port = Annotated[int, typer.Option("--port", min=0, max=65535, help="Port on 127.0.0.1; 0 takes a free one.")]
_Reset = Annotated[bool, typer.Option("--reset", help="Delete data, keys and logs of the data folder first.")]
_PostgresBin = Annotated[
    Path | None,
    typer.Option("--postgres-bin", help="Folder with initdb and postgres, version 15 or later, in the wheel's place."),
]
_FaithfulLoss = Annotated[
    bool,
    typer.Option("--faithful-loss", help="Lose broadcasts where hosted Realtime loses them: while it has no database."),
]
_Trace = Annotated[
    bool, typer.Option("--trace", help="Show each frame that goes in and out of Realtime, without tokens.")
]
_DEFAULT_DATA_DIR = Path(".spaces")
# Those of this package's own functions; a project's have its `functions/.env`.
_FUNCTION_SETTINGS = ("SPACES_JOIN_BASE_URL", "SPACES_ALLOWED_ORIGINS", "CLEANUP_SECRET")


def up(
    port: _Port = 54321,
    data_dir: _DataDir = _DEFAULT_DATA_DIR,
    reset: _Reset = False,
    postgres_bin: _PostgresBin = None,
    faithful_loss: _FaithfulLoss = False,
    trace: _Trace = False,
    as_json: _Json = False,
) -> None:
    """Run Supabase on this machine, for development: Postgres, REST, Auth and Realtime, with this package's migrations.

    Edge functions are served too: those of the project that it is called in (supabase/functions, here or above), else
    this package's own; a changed file counts from the next request on. It stays in the foreground; Ctrl-C stops it.
    Data and keys stay in the data folder for the next time. It listens on 127.0.0.1 only. No Docker. The first start
    downloads Supabase Lite; later ones need no network.

    \b
    Examples:
      spaces up                                      the address is http://127.0.0.1:54321
      spaces up --port 0 --data-dir /tmp/try         another free port, another folder
      spaces up --reset                              start afresh
      spaces up --trace                              and see what clients and Realtime say to each other
      spaces up --postgres-bin /usr/lib/postgresql/17/bin
    """
    output = Output(is_json=as_json)
    with _clean_errors(output):
        from spaces_sdk.cli.run_stack import run_stack
        from spaces_sdk.local.settings import StackSettings

        settings = StackSettings(
            data_dir=data_dir,
            port=port,
            postgres_bin=postgres_bin,
            realtime_env={"SPACES_REALTIME_FAITHFUL_LOSS": "1"} if faithful_loss else {},
            has_trace=trace,
            functions_dir=functions_here(),
            functions_env={name: os.environ[name] for name in _FUNCTION_SETTINGS if name in os.environ},
            report=output.progress,
        )
        run_stack(settings, output, reset=reset)


def functions_here() -> Path | None:
    """The functions of the project that this is called in; None if it has none, and the package's own are served."""
    from spaces_sdk.install.errors import InstallError
    from spaces_sdk.install.project import Project
    from spaces_sdk.local.functions.folder import FunctionsFolder

    try:
        folder = Project.find(None).path / "functions"
    except InstallError:
        return None
    return folder if FunctionsFolder(folder).names() else None


def down(data_dir: _DataDir = _DEFAULT_DATA_DIR, as_json: _Json = False) -> None:
    """Stop the stack that runs from a data folder, and wait until it has ended. Nothing to stop is fine too.

    \b
    Examples:
      spaces down
      spaces down --data-dir /tmp/try
    """
    output = Output(is_json=as_json)
    with _clean_errors(output):
        from spaces_sdk.local.control import stop_running

        pid = stop_running(data_dir)
        said = f"Nothing runs from {data_dir}." if pid is None else f"Stopped (pid {pid})."
        output.result(said, {"ok": True, "was_running": pid is not None, "pid": pid})


def status(data_dir: _DataDir = _DEFAULT_DATA_DIR, as_json: _Json = False) -> None:
    """Show what runs from a data folder, its address and keys. Exits 1 if nothing runs or a part is not ready.

    \b
    Examples:
      spaces status
      eval "$(spaces status)"         puts the three SUPABASE_ variables into this shell
      spaces status --json
    """
    output = Output(is_json=as_json)
    with _clean_errors(output):
        from spaces_sdk.cli.environment import env_lines, keys_json
        from spaces_sdk.local.control import ask_health, running_state

        state = running_state(data_dir)
        if state is None:
            # On stderr: of what `eval "$(spaces status)"` reads, a comment would be silence.
            output.progress(f"Nothing runs from {data_dir}. Start it with `spaces up`, or name its folder: --data-dir")
            if as_json:
                output.result("", {"ok": False, "is_running": False})
            raise typer.Exit(EXIT_FAILED)
        health = ask_health(state.url)
        lines = [f"# pid {state.pid}, logs in {data_dir / 'logs'}"]
        lines += [f"# {name}: pid {pid}" for name, pid in state.parts.items()]
        lines += [f"# {'ready' if health is None else f'not ready: {health}'}", env_lines(state)]
        is_ready = health is None
        data = {"ok": is_ready, "is_running": True, "is_ready": is_ready, "pid": state.pid, "parts": state.parts}
        output.result("\n".join(lines), {**data, **keys_json(state)})
        raise typer.Exit(EXIT_OK if is_ready else EXIT_FAILED)


class _clean_errors:  # noqa: N801  (used as a verb)
    """Turns a `SpacesError` into its message and an exit status, without a traceback."""

    def __init__(self, output: Output) -> None:
        self._output = output

    def __enter__(self) -> None:
        if sys.platform == "win32":
            error = ConfigError(
                "cannot run the local stack on Windows", hint="run it in WSL; the SDK itself works here"
            )
            self._output.error(error)
            raise typer.Exit(Output.exit_status(error))

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        if isinstance(error, ImportError):  # a package of the extra, or a library that such a package needs
            reason = str(error).partition("\n")[0]
            message = f"cannot run the local stack: {reason}"
            error = ConfigError(message, code="missing_extra", hint="pip install 'spaces-sdk[local]'")
        if isinstance(error, SpacesError):
            self._output.error(error)
            raise typer.Exit(Output.exit_status(error)) from error

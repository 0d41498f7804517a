"""The command line: parse, call the library, print. No logic of its own, no heavy import on top."""

from __future__ import annotations

import gc
import io
import signal
import sys
import threading
from types import FrameType
from typing import Annotated

import typer

from .. import __version__
from ..errors import ImganError, Stopped

app = typer.Typer(
    name="imgan",
    help="Turn one image into another, and see what the adversary adds.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


def _version(show: bool) -> None:
    if show:
        typer.echo(f"imgan {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Print the version."),
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line; a user's error is one sentence and exit code 2, without a traceback."""
    # Importing torch makes a million objects that stay; searching them for garbage meanwhile is a
    # tenth of the time of a short command.
    gc.set_threshold(50_000)
    if isinstance(sys.stdout, io.TextIOWrapper):  # names of files may be no text of its encoding
        sys.stdout.reconfigure(errors="backslashreplace")
    before = None
    if threading.current_thread() is threading.main_thread():
        before = signal.signal(signal.SIGTERM, _end)
    try:
        app()
    except ImganError as error:
        typer.echo(f"imgan: {error}", err=True)
        sys.exit(2)
    except OSError as error:  # no permission, a name too long, a full disk
        place = f"{error.filename}: " if error.filename else ""
        typer.echo(f"imgan: {place}{error.strerror or error}", err=True)
        sys.exit(2)
    except MemoryError:
        typer.echo("imgan: memory does not suffice; take smaller sizes or less at a time", err=True)
        sys.exit(2)
    except Stopped as stopped:
        typer.echo(f"imgan: {stopped}", err=True)
        sys.exit(130)
    except SystemExit as ended:
        if ended.code == 130:  # Ctrl-C with nothing to keep yet: typer is silent
            typer.echo("imgan: stopped; the same command begins anew, or goes on", err=True)
        raise
    finally:
        if before is not None:
            signal.signal(signal.SIGTERM, before)


def _end(number: int, frame: FrameType | None) -> None:
    """End in order: by default the process is gone at once, and half-written files stay behind."""
    signal.signal(number, signal.SIG_IGN)  # a second one would break off the cleaning up
    sys.exit(128 + number)


from . import (  # noqa: E402, F401  (each adds its commands to app)
    adapt,
    average,
    bench,
    card,
    classify,
    compare,
    data,
    evaluate,
    export,
    features,
    lab,
    predict,
    slim,
    train,
    translate,
    upscale,
)

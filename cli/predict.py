"""``imgan predict``: the next frames of a clip."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated

import typer

from ..errors import Stopped
from . import app
from .jobs import Device, Overwrite, Precision


@app.command()
def predict(
    clip: Annotated[
        Path,
        typer.Argument(help="A video file (mp4, webm, mkv, gif, ...) or a folder of frames."),
    ],
    frames: Annotated[int, typer.Option(help="How many frames to predict.")] = 12,
    out: Annotated[
        str | None,
        typer.Option(
            "-o",
            "--out",
            help="A file that ends in mp4, webm, mkv or gif, or a folder for PNG files. "
            "[default: clip_next.mp4 beside the clip, or its own format]",
        ),
    ] = None,
    model: Annotated[
        list[str],
        typer.Option(
            help="A model file or a shipped name; several stand side by side. [default: nextframe]"
        ),
    ] = [],  # noqa: B006  (typer copies it)
    compare: Annotated[
        bool,
        typer.Option(
            "--compare",
            help="Hold back the clip's last frames and predict those: what really followed, a copy "
            "of the last frame seen, and each model, side by side.",
        ),
    ] = False,
    past: Annotated[
        int | None,
        typer.Option(
            help="Frames of the clip to show first; 0 for none. [default: those the model saw]"
        ),
    ] = None,
    marks: Annotated[
        bool | None,
        typer.Option(
            "--marks/--no-marks",
            help="The coloured bars. [default: yes, but not in a folder of single frames]",
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option(
            help="Resize first: pixels of the shorter side. Models look a limited number of pixels "
            "far, so fast motion is told better when it is small. [default: the clip's own]"
        ),
    ] = None,
    quality: Annotated[
        int | None, typer.Option(min=1, max=100, help="Of the film. [default: the format's]")
    ] = None,
    overwrite: Overwrite = False,
    device: Device = "auto",
    precision: Precision = "auto",
) -> None:
    """Predict what comes next in a clip: its last frames, then those that the model makes up.

    A coloured bar above each picture says what it is: blue for frames of the clip, orange for
    predicted ones (+3 is three frames ahead), green for what really followed (--compare). With
    --no-marks there are none. Frame rate and size stay those of the clip.

    The further ahead, the less a prediction tells: models are scored beside a copy of the last
    frame by imgan evaluate MODEL CLIPS.
    """
    from rich.console import Console
    from rich.markup import escape

    from ..inference.device import keep_freed_memory
    from ..inference.film import predict_film

    keep_freed_memory()
    began = time.perf_counter()
    try:
        with Console(stderr=True).status(escape(f"{clip}: looking for its end")) as status:
            made = predict_film(
                clip,
                model or (None,),
                out,
                frames=frames,
                past=past,
                compare=compare,
                marks=marks,
                size=size,
                quality=quality,
                overwrite=overwrite,
                device=device,
                precision=precision,
                progress=lambda done, count: status.update(
                    escape(f"{clip}: frame {done} of {count}")
                ),
            )
    except KeyboardInterrupt:
        raise Stopped("stopped; nothing was written, but for single frames in a folder") from None
    took = time.perf_counter() - began
    typer.echo(
        f"{clip} -> {made.target} ({made.past} frames of the clip and {made.predicted} predicted, "
        f"{made.width}x{made.height}, {made.fps:.4g} frames/s, {took:.1f} s)",
        err=True,
    )

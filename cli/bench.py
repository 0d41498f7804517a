"""``imgan bench``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ImganError
from . import app

bench = typer.Typer(
    help="Measure speed and memory on this machine.", no_args_is_help=True, rich_markup_mode=None
)
app.add_typer(bench, name="bench")

_Json = Annotated[
    Path | None, typer.Option("--json", metavar="FILE", help="Write the figures as JSON.")
]
_Device = Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")]


@bench.command()
def train(
    recipe: Annotated[str, typer.Argument(help="A recipe file, or the name of a shipped recipe.")],
    data: Annotated[list[Path], typer.Argument(help="Folders of photos, with all below them.")],
    steps: Annotated[int, typer.Option(min=1, help="Steps and batches to time.")] = 30,
    set_: Annotated[
        list[str], typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; repeat.")
    ] = [],  # noqa: B006  (typer copies it)
    device: _Device = "auto",
    json_file: _Json = None,
) -> None:
    """Measure a recipe's loader and step: the slower of the two is what training waits for."""
    from ..recipe import load_recipe

    loaded = load_recipe(recipe, set_)
    from ..evaluation.bench import bench_recipe

    row = bench_recipe(loaded, data, steps, device)
    _write(json_file, row)
    lines = [
        ("loader", f"{row['loader_images_per_second']:.1f} images/s"),
        ("step", f"{row['step_images_per_second']:.1f} images/s, {row['step_seconds']:.3g} s"),
        (
            "arithmetic",
            f"{row['gflops']:.0f} GFLOP/s ({row['step_gflop']:.1f} GFLOP a step), "
            f"{row['peak_share']:.0%} of the {row['peak_gflops']:.0f} of a 3x3 convolution",
        ),
        ("memory", _memory(row)),
        ("on", f"{row['device']}, {row['precision']}, {row['threads']} threads"),
    ]
    for name, text in lines:
        typer.echo(f"{name:<11}{text}")


@bench.command()
def upscale(
    model: Annotated[
        str | None, typer.Option(help="A model file or a shipped name. [default: shipped]")
    ] = None,
    size: Annotated[
        list[str], typer.Option(help="Of the input: 512, or 640x480; repeat. [512, 1024, 2048]")
    ] = [],  # noqa: B006
    device: _Device = "auto",
    precision: Annotated[str, typer.Option(help="auto, float32 or bf16.")] = "auto",
    repeat: Annotated[int, typer.Option(min=1, help="Runs, of which the median counts.")] = 5,
    json_file: _Json = None,
) -> None:
    """Measure upscaling: seconds and memory, each size in a fresh process."""
    from rich.console import Console
    from rich.table import Table

    from ..evaluation.bench_upscale import bench_upscale

    sizes = [_size(text) for text in size or ("512", "1024", "2048")]
    rows = bench_upscale(sizes, model, device, precision, repeat)
    _write(json_file, rows)
    table = Table("input", "output", "seconds", "best", "Mpx/s out", "memory")
    for row in rows:
        table.add_row(
            row["input"],
            row["output"],
            f"{row['seconds']:.3g}",
            f"{row['seconds_min']:.3g}",
            f"{row['megapixels_per_second']:.2f}",
            _memory(row),
        )
    Console().print(table)
    last = rows[-1]
    typer.echo(f"{last['device']}, {last['precision']}, {last['threads']} threads")


def _size(text: str) -> tuple[int, int]:
    """512 is a square."""
    width, _, height = text.lower().partition("x")
    try:
        sides = int(width), int(height or width)
    except ValueError:
        sides = 0, 0
    if min(sides) < 1:
        raise ImganError(f"--size {text}: write it as 512 or 640x480")
    return sides


def _memory(row: dict[str, Any]) -> str:
    text = f"{row['peak_mb']:.0f} MB"
    return text + (f", GPU {row['gpu_peak_mb']:.0f} MB" if row["gpu_peak_mb"] else "")


def _write(path: Path | None, figures: object) -> None:
    from ..files import replacing

    if path:
        with replacing(path) as beside:
            beside.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")

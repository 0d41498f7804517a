"""``imgan bench``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..errors import ImganError
from ..files import write_json
from . import app
from .data import located

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
    recipe: Annotated[
        str,
        typer.Argument(metavar="RECIPE", help="A recipe file, or the name of a shipped recipe."),
    ],
    data: Annotated[
        list[str], typer.Argument(metavar="DATA", help="Folders, or the name of a data set.")
    ],
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

    row = bench_recipe(loaded, [located(one) for one in data], steps, device)
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
    if json_file:
        write_json(json_file, row)


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
    if json_file:
        write_json(json_file, rows)


@bench.command()
def cyclegan(
    size: Annotated[int, typer.Option(min=64, help="Side of the images.")] = 256,
    batch: Annotated[int, typer.Option(min=1)] = 1,
    steps: Annotated[int, typer.Option(min=1, help="Steps, of which the median counts.")] = 5,
    device: _Device = "auto",
    json_file: _Json = None,
) -> None:
    """Measure CycleGAN's training step beside a plain one: float32, a forward for each term."""
    from rich.console import Console
    from rich.table import Table

    from ..evaluation.bench_translation import bench_cyclegan

    rows = bench_cyclegan(size, batch, steps, device)
    table = Table("step", "seconds", "images/s", "memory", "precision")
    for row in rows:
        table.add_row(
            row["name"],
            f"{row['seconds']:.3g}",
            f"{row['images_per_second']:.2f}",
            _memory(row),
            row["precision"],
        )
    Console().print(table)
    own, plain = rows
    typer.echo(
        f"{plain['seconds'] / own['seconds']:.2f} times faster; {own['device']}, "
        f"{own['threads']} threads"
    )
    if json_file:
        write_json(json_file, rows)


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

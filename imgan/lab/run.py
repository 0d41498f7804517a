"""All experiments: run once, kept, and told on one page."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from pydantic import TypeAdapter, ValidationError

from .. import __version__
from ..errors import ImganError
from ..files import sweep, write_json
from . import costs, divergences, orbit, ring, tricks
from .page import write_lab_page
from .section import Section


@dataclass(frozen=True)
class Experiment:
    """What an experiment does, what it finds, and how the page tells it.

    ``cost`` is its time beside that of the others, to tell the time left.
    """

    name: str
    finds: type[Any]
    run: Callable[[int, bool, Callable[[float], None]], Any]
    tell: Callable[[Any], Section]
    cost: float


EXPERIMENTS = (
    Experiment("costs", costs.Costs, costs.run, costs.tell, 0.5),
    Experiment("orbit", orbit.Orbit, orbit.run, orbit.tell, 5.0),
    Experiment("divergences", divergences.Divergences, divergences.run, divergences.tell, 4.0),
    Experiment("ring", ring.Ring, ring.run, ring.tell, 250.0),
    Experiment("tricks", tricks.Tricks, tricks.run, tricks.tell, 80.0),
)


@dataclass(frozen=True)
class Kept:
    """A finished experiment, as it lies in its file; ``result`` is of the experiment's own type."""

    version: str
    seeds: int
    quick: bool
    seconds: float
    result: Any


def chosen(names: Sequence[str]) -> list[Experiment]:
    """The experiments of these names in the page's order; all where none is named.

    Raises:
        ImganError: there is no such experiment.
    """
    known = [experiment.name for experiment in EXPERIMENTS]
    for name in names:
        if name not in known:
            raise ImganError(f"there is no experiment {name}; there are {', '.join(known)}")
    return [experiment for experiment in EXPERIMENTS if not names or experiment.name in names]


def run_lab(
    names: Sequence[str],
    out: Path,
    seeds: int = 3,
    quick: bool = False,
    progress: Callable[[str, float], None] = lambda name, share: None,
) -> dict[str, Any]:
    """Run experiments that are not yet kept in `out` and write the page and lab.json anew.

    The page shows all that the folder holds with this setting. It is written after each experiment.

    Args:
        names: which; none for all.
        out: the folder.
        seeds: games of each kind, where chance plays a part.
        quick: a few steps each: to see that all works, not to learn from.
        progress: told the experiment at work and the share of all work that is done.

    Returns:
        What lab.json holds.

    Raises:
        ImganError: there is no such experiment, or `out` cannot be written.
    """
    wanted = chosen(names)
    sweep(out / "experiments", "*.json")
    todo = [e for e in wanted if _read(out, e, seeds, quick) is None]
    total, done = sum(e.cost for e in todo), 0.0
    if not todo:
        return _write(out, seeds, quick)
    content: dict[str, Any] = {}
    with _one_thread():
        for experiment in todo:

            def along(share: float, one: Experiment = experiment, before: float = done) -> None:
                progress(one.name, (before + share * one.cost) / total)

            along(0.0)
            began = time.perf_counter()
            result = experiment.run(seeds, quick, along)
            kept = Kept(__version__, seeds, quick, time.perf_counter() - began, result)
            adapter = TypeAdapter(Kept)
            write_json(_file(out, experiment), adapter.dump_python(kept, mode="json"))
            done += experiment.cost
            content = _write(out, seeds, quick)
    return content


def _write(out: Path, seeds: int, quick: bool) -> dict[str, Any]:
    """The page and lab.json, of all that is kept with this setting."""
    found = {e: kept for e in EXPERIMENTS if (kept := _read(out, e, seeds, quick))}
    sections = {e.name: e.tell(kept.result) for e, kept in found.items()}
    seconds = {e.name: kept.seconds for e, kept in found.items()}
    try:
        write_lab_page(out / "index.html", sections, seconds, seeds, quick)
    except OSError as error:
        raise ImganError(
            f"{out} cannot be written ({error.strerror or error}); take another place"
        ) from None
    content = {
        "version": __version__,
        "seeds": seeds,
        "quick": quick,
        "experiments": {
            e.name: {
                "title": sections[e.name].title,
                "seconds": round(kept.seconds, 2),
                "take": sections[e.name].take,
                "result": TypeAdapter(e.finds).dump_python(kept.result, mode="json"),
            }
            for e, kept in found.items()
        },
    }
    write_json(out / "lab.json", content)
    return content


def _file(out: Path, experiment: Experiment) -> Path:
    return out / "experiments" / f"{experiment.name}.json"


def _read(out: Path, experiment: Experiment, seeds: int, quick: bool) -> Kept | None:
    """What is kept of it with this setting; None where it has to be run."""
    try:
        kept = Kept(**json.loads(_file(out, experiment).read_bytes()))
        if (kept.version, kept.seeds, kept.quick) != (__version__, seeds, quick):
            return None
        result = TypeAdapter(experiment.finds).validate_python(kept.result)
    except (OSError, ValueError, TypeError, ValidationError):  # not there, or not whole
        return None
    return Kept(kept.version, kept.seeds, kept.quick, kept.seconds, result)


@contextmanager
def _one_thread() -> Iterator[None]:
    """Networks as small as these are fastest on one; afterwards there are as many as before."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)

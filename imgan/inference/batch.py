"""Many files: which to read, and where each result goes."""

from __future__ import annotations

import glob
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..data.images import FORMATS, READABLE, format_of
from ..data.walk import is_ours, may_hold_data
from ..errors import ImganError

PIPE = "-"
_SIZES = r"x\d+(\.\d+)?|[wh]\d+|\d+x\d+"
_WANTED = READABLE | {".npy"}
_JPEGS = dict.fromkeys((".jfif", ".mpo"), ".jpg")  # by other names


@dataclass(frozen=True)
class Job:
    """One image to read and the file to write; None stands for standard input and output."""

    source: Path | None
    target: Path | None

    def __str__(self) -> str:
        return PIPE if self.source is None else str(self.source)


class Plan(list[Job]):
    """The jobs, the images that are none as they bear the names of earlier results, and the faults.

    `faults` are sentences on the inputs that cannot be had, among others that can.
    """

    left_out: Sequence[Path] = ()
    faults: Sequence[str] = ()


def plan(inputs: Sequence[str], out: str | None, label: str, format: str | None) -> Plan:
    """Pair every image with its result, before any work.

    Args:
        inputs: files, folders (searched to the bottom), patterns, or ``-`` alone.
        out: a file for one image, a folder, or ``-``; None writes beside each image.
        label: what is added to the names, as in ``photo_x4.png``; where images are searched for,
            those of such a name beside one that they may be made of are left out.
        format: a suffix without its dot; None keeps each image's, or takes PNG.

    Raises:
        ImganError: no input can be had, or two images would become the same file.
    """
    if format is not None and f".{format}" not in FORMATS:
        names = ", ".join(suffix[1:] for suffix in FORMATS)
        raise ImganError(f"--format is one of {names}, not {format!r}")
    if "" in inputs or out == "":
        raise ImganError("an empty name is no file; a shell's variable may not be set")
    if PIPE in inputs and len(inputs) > 1:
        raise ImganError("- (standard input) is one image and goes with no other input")
    folder = None if out in (None, PIPE) else Path(out or "")
    if folder and folder.suffix.lower() in FORMATS and not os.path.isdir(folder):
        return Plan([_single(inputs, folder, format)])
    if folder and folder.suffix and one_file(inputs) and not os.path.exists(folder):
        format_of(folder)  # refuses a suffix that no image has: a folder is not what was meant
    if inputs == [PIPE]:
        return Plan([Job(None, folder and folder / f"stdin_{label}.{format or 'png'}")])
    own = re.compile(rf"(.+)_({_SIZES}|{re.escape(label)})")
    faults: list[str] = []
    searched = list(_find(inputs, folder, own, faults))
    faults = list(dict.fromkeys(faults))  # of a name that was given twice
    found = [(file, inside) for file, inside, made in searched if not made]
    if out is None and len(inputs) > 1:
        found = _without_results(found, own)
    if not found:
        raise ImganError("; ".join(faults) or f"there are no images in {', '.join(inputs)}")
    if out == PIPE:
        if len(found) > 1:
            raise ImganError(f"-o - takes one image, and here are {len(found)}")
        jobs = Plan([Job(found[0][0], None)])
        jobs.faults = faults
        return jobs
    jobs = _paired(found, folder, label, format)
    results: set[Path] = set()
    if folder:  # patterns find what an earlier run wrote there
        makers = {os.path.realpath(job.target): job.source for job in jobs if job.target}
        results = {
            file
            for file, _ in found
            if (maker := makers.get(os.path.realpath(file))) and not _same(maker, file)
        }
        found = [(file, inside) for file, inside in found if file not in results]
        jobs = _paired(found, folder, label, format)
    jobs.faults = faults
    _refuse_clashes(jobs)
    kept = {os.path.realpath(file) for file, _ in found}
    kept |= {os.path.realpath(job.target) for job in jobs if job.target}
    jobs.left_out = [
        file for file, _, _ in searched if file in results or os.path.realpath(file) not in kept
    ]
    return jobs


def _paired(
    found: Sequence[tuple[Path, Path]], folder: Path | None, label: str, format: str | None
) -> Plan:
    places = [folder / inside if folder else file for file, inside in found]
    makers = Counter(place.with_name(_name(place, label, format)) for place in places)
    jobs = Plan()
    for (file, _), place in zip(found, places, strict=True):
        target = place.with_name(_name(place, label, format))
        if makers[target] > 1:  # a.jpg and a.png: both keep their suffix, as a_jpg_x4.webp
            stem = f"{place.stem}_{place.suffix[1:]}"
            target = place.with_name(_name(place, label, format, stem))
        jobs.append(Job(file, target))
    return jobs


def one_file(inputs: Sequence[str]) -> bool:
    """Whether a single image is asked for by its name."""
    return len(inputs) == 1 and (
        inputs[0] == PIPE or (os.path.exists(inputs[0]) and not os.path.isdir(inputs[0]))
    )


def _single(inputs: Sequence[str], target: Path, format: str | None) -> Job:
    if not (inputs == [PIPE] or one_file(inputs)):
        if len(inputs) == 1 and not os.path.isdir(inputs[0]):
            faults: list[str] = []
            list(_expand(inputs[0], None, faults))
            if faults:
                raise ImganError(faults[0])
        raise ImganError(f"-o {target} is one file; for several images give a folder")
    if format and FORMATS[f".{format}"] != FORMATS[target.suffix.lower()]:
        raise ImganError(f"-o {target} and --format {format} disagree; give one of them")
    if inputs == [PIPE]:
        return Job(None, target)
    job = Job(Path(inputs[0]), target)
    _refuse_clashes([job])
    return job


def _name(file: Path, label: str, format: str | None, stem: str = "") -> str:
    suffix = (
        file.suffix if file.suffix.lower() in FORMATS else _JPEGS.get(file.suffix.lower(), ".png")
    )
    return f"{stem or file.stem}_{label}{f'.{format}' if format else suffix}"


def _find(
    inputs: Sequence[str], out: Path | None, own: re.Pattern[str], faults: list[str]
) -> Iterator[tuple[Path, Path, bool]]:
    """Every image once, with its path below the folder that was named.

    The last says whether it was not named and looks as if an earlier run made it. What cannot be
    had becomes a sentence in `faults`.
    """
    seen: set[str] = set()
    named = {os.path.abspath(given) for given in inputs if os.path.isfile(given)}
    for given in inputs:
        for file, inside in _expand(given, out, faults):
            key = os.path.abspath(file)
            if key not in seen:
                seen.add(key)
                yield file, inside, key not in named and _made(file, own)


def _without_results(
    found: list[tuple[Path, Path]], own: re.Pattern[str]
) -> list[tuple[Path, Path]]:
    """Without what an earlier run made of the others: shells expand ``*.jpg`` to both."""
    stems = {(os.path.abspath(file.parent), file.stem) for file, _ in found}

    def made(file: Path) -> bool:
        name = own.fullmatch(file.stem)
        return bool(name and (os.path.abspath(file.parent), name[1]) in stems)

    return [(file, inside) for file, inside in found if not made(file)]


def _expand(given: str, out: Path | None, faults: list[str]) -> Iterator[tuple[Path, Path]]:
    path = Path(given)
    if os.path.isdir(path):
        for file in _walk(path, out, faults):
            yield file, file.relative_to(path)
    elif os.path.exists(path):
        yield path, Path(path.name)
    elif any(sign in given for sign in "*?["):
        matches = sorted(glob.glob(given, recursive=True))
        files = [Path(match) for match in matches if os.path.isfile(match)]
        if not files:
            faults.append(f"no file matches {given}")
        yield from ((file, Path(file.name)) for file in files if _wanted(file))
    else:
        faults.append(_missing(given))


def _missing(given: str) -> str:
    try:
        os.stat(given)
    except FileNotFoundError:
        pass
    except (OSError, ValueError) as error:  # no permission, a name too long or of no characters
        return f"{given} cannot be read: {getattr(error, 'strerror', None) or error}"
    return f"there is no file {given}"


def _walk(top: Path, out: Path | None, faults: list[str]) -> Iterator[Path]:
    """The images below `top`, links followed but never in a circle, without the output folder."""
    skip = {os.path.realpath(out)} if out and not _same(out, top) else set()

    def unreadable(error: OSError) -> None:
        faults.append(f"{error.filename} cannot be read: {error.strerror}")

    for here, folders, files in os.walk(top, onerror=unreadable, followlinks=True):
        skip.add(os.path.realpath(here))
        if Path(here) != top and is_ours(files):
            folders.clear()
            continue
        folders[:] = [
            name
            for name in sorted(folders)
            if may_hold_data(name) and os.path.realpath(os.path.join(here, name)) not in skip
        ]
        yield from (file for name in sorted(files) if _wanted(file := Path(here, name)))


def _wanted(file: Path) -> bool:
    return not file.name.startswith(".") and file.suffix.lower() in _WANTED


def _made(file: Path, own: re.Pattern[str]) -> bool:
    """Whether an earlier run may have made it of its neighbour."""
    name = own.fullmatch(file.stem)
    if not name:
        return False
    stem, _, suffix = name[1].rpartition("_")  # a_jpg_x4.webp, of a.jpg beside a.png
    return any(_beside(file, name[1])) or bool(
        stem
        and f".{suffix.lower()}" in _WANTED
        and os.path.exists(file.with_name(f"{stem}.{suffix}"))
    )


def _beside(file: Path, stem: str) -> Iterator[Path]:
    return (
        other
        for suffix in _WANTED
        for spelling in (suffix, suffix.upper(), file.suffix)
        if os.path.exists(other := file.with_name(stem + spelling))
    )


def _same(one: Path, other: Path) -> bool:
    return os.path.realpath(one) == os.path.realpath(other)


def _refuse_clashes(jobs: list[Job]) -> None:
    makers: dict[str, Path] = {}
    sources = {os.path.realpath(job.source): job.source for job in jobs if job.source}
    for job in jobs:
        assert job.source
        assert job.target
        target = os.path.realpath(job.target)
        if target in sources:
            raise ImganError(f"{job.source} would be written over {sources[target]}; use -o FOLDER")
        if target in makers:
            raise ImganError(
                f"{makers[target]} and {job.source} would both become {job.target}; "
                "write them into different folders"
            )
        makers[target] = job.source

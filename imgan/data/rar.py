"""Unpacking RAR archives by a program that is installed, as no free library reads all of them."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryFile

from ..errors import ImganError

Watch = Callable[[int, int], None]
"""Called with the number of files and of bytes that are there; what it raises ends the program."""

_SEVEN = (["l", "-slt", "-ba", "{archive}"], ["x", "-y", "-o{folder}", "{archive}"])
_PROGRAMS = {  # what lists the names in an archive, and what unpacks it; none asks anything
    "unrar": (["lb", "-p-", "{archive}"], ["x", "-o+", "-p-", "{archive}", "{folder}/"]),
    "bsdtar": (
        ["-tf", "{archive}"],
        ["-xf", "{archive}", "-C", "{folder}", "--no-same-owner", "--no-same-permissions"],
    ),
    "7z": _SEVEN,
    "7zz": _SEVEN,
}
_EVERY = 1.0  # seconds between two looks at what is there


class Hindered(ImganError):
    """An archive may well be sound: there is no room for it, or no program that unpacks it."""


class _Failed(Exception):
    """A program did not do it; the text is the last that it said."""


def is_rar(archive: Path) -> bool:
    """Whether a file begins as RAR archives do."""
    with open(archive, "rb") as file:
        return file.read(6) == b"Rar!\x1a\x07"


def need_program(what: str, by_hand: Path) -> None:
    """Is there a program that unpacks RAR archives?

    Args:
        what: the archive, for the sentence.
        by_hand: where it can be unpacked by other means.

    Raises:
        Hindered: there is none.
    """
    if not _installed():
        raise Hindered(
            f"{what} is a RAR archive and no program that unpacks it is installed; install one of "
            f"{', '.join(_PROGRAMS)}, or unpack it by other means as the folder {by_hand}"
        )


def unpack_rar(archive: Path, folder: Path, check: Callable[[str], object], watch: Watch) -> None:
    """Unpack into `folder`, which is empty, by the first program that can.

    Args:
        check: called with each path in the archive before anything is unpacked; it raises for one
            that is refused.
        watch: see `Watch`.

    Raises:
        Hindered: no installed program can; what each of them said.
    """
    failures = []
    for program in _installed():
        try:
            for name in _names(program, archive):
                check(name)
            _run([program, *_filled(_PROGRAMS[program][1], archive, folder)], folder, watch)
            return
        except _Failed as failure:
            failures.append(f"{program}: {failure}")
            for left in folder.iterdir():
                shutil.rmtree(left) if left.is_dir() and not left.is_symlink() else left.unlink()
    raise Hindered(
        f"{archive} cannot be unpacked ({'; '.join(failures)}); delete it if it is damaged, else "
        f"install another one of {', '.join(_PROGRAMS)}"
    )


def _installed() -> list[str]:
    return [program for program in _PROGRAMS if shutil.which(program)]


def _filled(arguments: list[str], archive: Path, folder: Path) -> list[str]:
    # Absolute, so that no path is taken for an option.
    places = {"archive": os.path.abspath(archive), "folder": os.path.abspath(folder)}
    return [argument.format(**places) for argument in arguments]


def _names(program: str, archive: Path) -> list[str]:
    """The paths in an archive."""
    done = subprocess.run(
        [program, *_filled(_PROGRAMS[program][0], archive, archive)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    if done.returncode:
        raise _Failed(_last(done.stdout + done.stderr))
    lines = os.fsdecode(done.stdout).splitlines()
    if program in ("7z", "7zz"):
        lines = [line[len("Path = ") :] for line in lines if line.startswith("Path = ")]
    return [line for line in lines if line]


def _run(command: list[str], folder: Path, watch: Watch) -> None:
    with TemporaryFile() as said:  # a pipe that nobody reads would fill up
        with subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=said, stderr=said
        ) as process:
            try:
                while True:
                    try:
                        process.wait(_EVERY)
                        break
                    except subprocess.TimeoutExpired:
                        watch(*_there(folder))
            except BaseException:  # far too much, or Ctrl-C
                process.kill()
                raise
        watch(*_there(folder))
        if process.returncode:
            said.seek(0)
            raise _Failed(_last(said.read()))


def _there(folder: Path) -> tuple[int, int]:
    """The number of files and folders below one, and of the bytes in them."""
    count = size = 0
    for top, folders, files in os.walk(folder):
        count += len(folders) + len(files)
        for name in files:
            try:
                size += os.lstat(os.path.join(top, name)).st_size
            except FileNotFoundError:  # the program has just renamed it
                continue
    return count, size


def _last(said: bytes) -> str:
    lines = [line.strip() for line in said.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"

"""Unpacking archives from strangers: nothing is written outside the folder, and not without end."""

from __future__ import annotations

import lzma
import os
import re
import secrets
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO

from ..errors import ImganError
from .layouts import inner_folder
from .rar import Hindered, is_rar, need_program, unpack_rar

MOST_FILES = 1_000_000
"""More files than this are refused; the largest known set of images has 140,000."""

_CHUNK = 1 << 20
_DRIVE = re.compile("[A-Za-z]:")
_DAMAGED = (
    *(zipfile.BadZipFile, tarfile.TarError, zlib.error, EOFError, RuntimeError),
    *(NotImplementedError, ValueError, lzma.LZMAError),
)


@dataclass
class _Member:
    """A file or a folder of an archive; of a link `target` is where it points to."""

    name: str
    open: Callable[[], IO[bytes] | None]
    folder: bool = False
    special: bool = False
    target: str | None = None
    hard: bool = False


def unpack(
    archive: Path,
    folder: Path,
    progress: Callable[[int, int], None] = lambda done, total: None,
    most_bytes: int | None = None,
) -> None:
    """Unpack a .zip, .tar(.gz) or .rar as the new `folder`, complete or not at all.

    An archive that holds one folder and nothing else becomes that folder. Links are not made: one
    to a file of the archive becomes a copy of it. A RAR archive is unpacked by an installed
    program, and refused if there is any link in it.

    Args:
        archive: the file; its content tells its kind.
        folder: must not exist yet; its parent must.
        progress: called with the bytes of the archive that are done, and all.
        most_bytes: the most that is unpacked; by default 1 GiB and 20 times the archive's size,
            where images hardly shrink at all.

    Raises:
        Hindered: there is no room, or no program that unpacks it.
        ImganError: the archive is damaged, not an archive, too large when unpacked, or holds a
            path, link or device that has no place in a set of images.
    """
    size = archive.stat().st_size
    limit = (1 << 30) + 20 * size if most_bytes is None else most_bytes
    beside = folder.with_name(f".{folder.name}.new-{secrets.token_hex(8)}")
    beside.mkdir()
    try:
        if is_rar(archive):
            _by_program(archive, folder, beside, limit, progress)
        else:
            _by_members(archive, beside, limit, progress)
        inner_folder(beside).rename(folder)
    except _DAMAGED as error:
        raise ImganError(f"{archive} is damaged or no archive: {error}; delete it") from None
    except OSError as error:
        if error.errno is None:  # of gzip, not of the system
            raise ImganError(f"{archive} is damaged: {error}; delete it") from None
        raise Hindered(
            f"{archive} cannot be unpacked in {folder.parent}: {error.strerror or error}"
        ) from None
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def _by_members(
    archive: Path, beside: Path, limit: int, progress: Callable[[int, int], None]
) -> None:
    """Unpack a .zip or .tar one member after the other."""
    size = archive.stat().st_size
    with open(archive, "rb") as file:
        written, links = 0, []
        for count, member in enumerate(_members(file, archive)):
            if count >= MOST_FILES:
                raise _too_many(archive)
            place = _place(archive, member.name)
            if member.special:
                raise ImganError(f"{archive} holds the device {member.name}: refused")
            if member.target is not None:
                links.append((member, place))
            elif member.folder:
                (beside / place).mkdir(parents=True, exist_ok=True)
            else:
                written += _write(member, beside / place, archive, limit - written)
            progress(min(file.tell(), size), size)
        for member, place in links:
            written += _copy(member, place, beside, archive, limit - written)


def _by_program(
    archive: Path, folder: Path, beside: Path, limit: int, progress: Callable[[int, int], None]
) -> None:
    """Unpack a .rar: its paths are looked at before, its size meanwhile, and links after."""
    size = archive.stat().st_size

    def watch(files: int, written: int) -> None:
        if files > MOST_FILES:
            raise _too_many(archive)
        if written > limit:
            raise _bomb(archive)
        progress(min(written, size), size)

    need_program(str(archive), folder)
    unpack_rar(archive, beside, lambda name: _place(archive, name), watch)
    for top, folders, files in os.walk(beside):
        for name in folders + files:
            path = Path(top, name)
            found = path.lstat()
            # A second name of a file may stand for one that was there before.
            linked = stat.S_ISREG(found.st_mode) and found.st_nlink > 1
            if linked or not (stat.S_ISREG(found.st_mode) or stat.S_ISDIR(found.st_mode)):
                raise ImganError(
                    f"{archive} holds the link or device {path.relative_to(beside)}: refused"
                )


def _members(file: IO[bytes], archive: Path) -> Iterator[_Member]:
    if zipfile.is_zipfile(file):
        file.seek(0)
        with zipfile.ZipFile(file) as opened:
            for info in opened.infolist():
                yield _zipped(opened, info)
        return
    file.seek(0)
    with tarfile.open(fileobj=file, mode="r:*") as packed:
        while (entry := packed.next()) is not None:
            yield _tarred(packed, entry)
            packed.members.clear()  # type: ignore[attr-defined]  # or it grows with every file


def _zipped(opened: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    mode = info.external_attr >> 16
    member = _Member(info.filename, lambda: opened.open(info), info.is_dir())
    if stat.S_ISLNK(mode):
        with opened.open(info) as link:
            member.target = link.read(4096).decode()
    return member


def _tarred(packed: tarfile.TarFile, entry: tarfile.TarInfo) -> _Member:
    member = _Member(entry.name, lambda: packed.extractfile(entry), entry.isdir())
    if entry.issym() or entry.islnk():
        member.target, member.hard = entry.linkname, entry.islnk()
    member.special = not (entry.isfile() or entry.isdir() or member.target is not None)
    return member


def _place(archive: Path, name: str) -> PurePosixPath:
    """The path below the folder that a name in the archive stands for."""
    # What one system takes for a letter of a name another takes for a separator or a drive.
    place = PurePosixPath(name.replace("\\", "/"))
    if place.is_absolute() or ".." in place.parts or "\0" in name or _DRIVE.match(name):
        raise ImganError(f"{archive} holds the path {name!r}, which leaves its folder: refused")
    return place


def _write(member: _Member, path: Path, archive: Path, room: int) -> int:
    source = member.open()
    if source is None:
        raise ValueError(f"{member.name} has no content")
    path.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with source, open(path, "wb") as target:
        while chunk := source.read(_CHUNK):
            written += len(chunk)
            if written > room:
                raise _bomb(archive)
            target.write(chunk)
    return written


def _copy(member: _Member, place: PurePosixPath, beside: Path, archive: Path, room: int) -> int:
    """Put a copy where a link stands; nothing unpacked is a link, so the path means what it says.

    A symbolic link counts from its own folder, a hard link from the archive's.
    """
    assert member.target is not None
    start = PurePosixPath() if member.hard else place.parent
    parts: list[str] = []
    for part in (start / member.target.replace("\\", "/")).parts:
        if part == "/" or _DRIVE.match(part) or (part == ".." and not parts):
            raise ImganError(
                f"{archive} holds the link {member.name} to {member.target}, which leaves its "
                "folder: refused"
            )
        parts = parts[:-1] if part == ".." else [*parts, part]
    source = beside.joinpath(*parts)
    if not source.is_file():
        raise ImganError(
            f"{archive} holds the link {member.name} to {member.target}, which is no file of it: "
            "refused"
        )
    size = source.stat().st_size
    if size > room:
        raise _bomb(archive)
    (beside / place).parent.mkdir(parents=True, exist_ok=True)
    if source != beside / place:
        shutil.copyfile(source, beside / place)
    return size


def _too_many(archive: Path) -> ImganError:
    return ImganError(f"{archive} holds more than {MOST_FILES} files: refused")


def _bomb(archive: Path) -> ImganError:
    return ImganError(
        f"{archive} unpacks to far more than a set of images of its size would: refused as a bomb"
    )

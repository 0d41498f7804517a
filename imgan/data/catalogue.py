"""Data sets by name: downloaded once, checked, unpacked and kept.

The names stand in ``assets/datasets.tsv``: the unpaired sets of CycleGAN (Zhu et al. 2017), the
pairs of pix2pix (Isola et al. 2017), where both have a set of one name called ``NAME-pix2pix``, and
the clips of KTH (Schuldt et al. 2004), UCF101 (Soomro et al. 2012) and Moving MNIST (Srivastava et
al. 2015). A set NAME is kept in ``datasets/`` of the cache folder (``$IMGAN_CACHE``):

- ``NAME/``: the unpacked set;
- ``NAME.sha256``: the checksums of its files. Where none is published, the first download's is what
  a later one is checked by;
- ``NAME.zip`` (or ``.tar.gz``, ``.rar``, ``.npy``, as published): a file put there by hand, used in
  place of a download. Of a set of several files, walking.zip and so on, ``NAME-walking.zip``;
- ``NAME.zip.part``: a download that has stopped, and goes on when it is asked for again;
- ``.NAME.zip``: a download that is complete, until all of the set is.

``$IMGAN_MIRROR`` is the base address of a mirror: files are then fetched from ``MIRROR/NAME.zip``,
by the same names as by hand, and from nowhere else, and checked by the same checksums.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory

import imgan

from ..errors import ImganError
from ..files import replacing
from .download import Changed, Unreachable, fetch
from .entries import Entry, File
from .rar import Hindered, need_program
from .unpack import unpack

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the bytes done so far, and all of them (0: not known)."""


def _silent(doing: str, done: int, total: int) -> None:
    pass


def names() -> list[str]:
    """The names of all data sets, in order."""
    return sorted(_entries())


def entry(name: str) -> Entry:
    """What is known of a data set.

    Raises:
        ImganError: there is none of that name; near names are given.
    """
    known = _entries()
    if name not in known:
        raise ImganError(f"there is no data set {name}; {_near(name)}")
    return known[name]


def path(name: str) -> Path | None:
    """The folder of a data set that is here, without any download; None if it is not.

    Raises:
        ImganError: there is none of that name.
    """
    folder = datasets_folder() / entry(name).name
    return folder if folder.is_dir() else None


def get(name: str, progress: Progress = _silent) -> Path:
    """The folder of a data set, which is downloaded, checked and unpacked if it is not here.

    Raises:
        ImganError: there is none of that name, it cannot be fetched (what was tried, and where to
            put the file by hand), its checksum is wrong, or it cannot be unpacked.
    """
    if here := path(name):
        return here
    wanted, home = entry(name), datasets_folder()
    folder = home / name
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _alone(home / f".{name}.lock"):
            if folder.is_dir():  # by another process, while this one waited
                return folder
            for left in home.glob(f".{name}.new-*"):  # by a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            if any(file.name.endswith(".rar") for file in wanted.files):
                need_program(name, folder)  # before the download, which may be large
            _check_room(wanted, home)
            for file in wanted.files:
                if not _kept(file, home).is_file():
                    _download(wanted, file, home, progress)
            sums = {file.name: _checked(wanted, file, home, progress) for file in wanted.files}
            with TemporaryDirectory(prefix=f".{name}.new-", dir=home) as aside:
                new = Path(aside, name)
                for file in wanted.files:
                    _put(file, home, new, progress)
                with replacing(home / f"{name}.sha256") as beside:
                    lines = [f"{found}  {file}\n" for file, found in sums.items()]
                    beside.write_text("".join(lines), encoding="utf-8")
                new.rename(folder)
            for file in wanted.files:  # those of the user stay
                _arrived(file, home).unlink(missing_ok=True)
    except OSError as error:
        raise ImganError(
            f"{name} cannot be kept in {home}: {error.strerror or error}; make room there, or set "
            "IMGAN_CACHE to another folder"
        ) from None
    return folder


def locate(name_or_path: str | Path, progress: Progress = _silent) -> Path:
    """The folder that is meant: an existing one, else the data set of that name, fetched.

    Raises:
        ImganError: it is neither, or the data set cannot be had.
    """
    folder = Path(name_or_path)
    if folder.is_dir():
        return folder
    name = str(name_or_path)
    if name in _entries():
        return get(name, progress)
    if folder.is_file():
        raise ImganError(f"{folder} is a file; give a folder of images, or a data set's name")
    raise ImganError(f"there is no file, no folder and no data set {name}; {_near(name)}")


def checksums(name: str) -> dict[str, str]:
    """SHA-256 of each file that the set here was made of, by the file's name; as far as kept."""
    try:
        text = (datasets_folder() / f"{entry(name).name}.sha256").read_text(encoding="utf-8")
        return {file: found for found, file in (line.split() for line in text.splitlines())}
    except (OSError, UnicodeError, ValueError):
        return {}


def datasets_folder() -> Path:
    """Where data sets are kept."""
    from .photos import cache_folder  # which needs torch

    return cache_folder() / "datasets"


def _table() -> Path:
    """The catalogue: inside the package when it is installed, beside it in a checkout."""
    found = (Path(root, "assets", "datasets.tsv") for root in imgan.__path__)
    return next(file for file in found if file.is_file())


@cache
def _read(table: Path) -> dict[str, Entry]:
    with open(table, encoding="utf-8", newline="") as file:
        return {
            row["name"]: Entry(
                row["name"], row["layout"], int(row["bytes"] or 0), row["sha256"], row["url"]
            )
            for row in csv.DictReader(file, delimiter="\t")
        }


def _entries() -> dict[str, Entry]:
    return _read(_table())


def _near(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), names(), 3, 0.5)
    return f"did you mean {' or '.join(near)}?" if near else "imgan data list shows the data sets"


def _arrived(file: File, home: Path) -> Path:
    """Where a complete download waits."""
    return home / f".{file.name}"


def _kept(file: File, home: Path) -> Path:
    """The user's file if there is one, else that of a download."""
    by_hand = home / file.name
    return by_hand if by_hand.is_file() else _arrived(file, home)


def _doing(verb: str, file: File, progress: Progress) -> Callable[[int, int], None]:
    doing = f"{verb} {file.folder} of" if file.folder else verb
    return lambda done, total: progress(doing, done, total)


def _expected(wanted: Entry, file: File) -> str:
    return file.sha256 or checksums(wanted.name).get(file.name, "")


def _download(wanted: Entry, file: File, home: Path, progress: Progress) -> None:
    url, place = file.address, home / file.name
    told = 0 if file.folder else wanted.bytes
    known, show = _expected(wanted, file), _doing("downloading", file, progress)
    try:
        fetch(url, place, wanted.name, known, lambda done, all_: show(done, all_ or told))
    except Changed:
        way_out = "try again later, or another mirror by IMGAN_MIRROR"
        raise _wrong(wanted, file, url, way_out) from None
    except Unreachable as reason:
        missing = [one for one in wanted.files if not _kept(one, home).is_file()]
        if len(missing) > 1:
            urls = ", ".join(one.address for one in missing)
            way_out = f"fetch {urls} by other means, put them into {home} as "
            way_out += ", ".join(one.name for one in missing)
        else:
            other = "" if url == file.url else f" or {file.url}"
            way_out = f"fetch {url}{other} by other means, put it at {place}"
        raise ImganError(
            f"{wanted.name} cannot be downloaded from {url}: {reason}; {way_out} and run this again"
        ) from None
    os.replace(place, _arrived(file, home))


def _checked(wanted: Entry, file: File, home: Path, progress: Progress) -> str:
    """The SHA-256 of a file that is here."""
    kept = _kept(file, home)
    found = _sha256(kept, _doing("checking", file, progress))
    if _expected(wanted, file) not in ("", found):
        raise _wrong(wanted, file, str(kept), "take it away and run this again")
    return found


def _put(file: File, home: Path, new: Path, progress: Progress) -> None:
    """Unpack a file into the new folder, or put it there if it is no archive."""
    kept = _kept(file, home)
    if not file.packed or file.folder:
        new.mkdir(exist_ok=True)
    if not file.packed:
        own = new / PurePosixPath(file.url).name
        os.replace(kept, own) if kept == _arrived(file, home) else shutil.copyfile(kept, own)
        return
    try:
        unpack(kept, new / file.folder, _doing("unpacking", file, progress))
    except Hindered:
        raise
    except ImganError:
        _arrived(file, home).unlink(missing_ok=True)  # the next run fetches it again
        raise


def _wrong(wanted: Entry, file: File, what: str, way_out: str) -> ImganError:
    origin = (
        "the published one"
        if file.sha256
        else f"that of the first download (in {datasets_folder() / wanted.name}.sha256)"
    )
    return ImganError(
        f"{what} does not have the SHA-256 {_expected(wanted, file)}, {origin}: it is damaged, cut "
        f"short or another version; {way_out}"
    )


def _check_room(wanted: Entry, home: Path) -> None:
    """An archive and what is in it, images hardly shrinking, lie side by side for a while."""
    places = [
        path for file in wanted.files for path in (_kept(file, home), home / f"{file.name}.part")
    ]
    here = sum(path.stat().st_size for path in places if path.is_file())
    times = 2 if all(file.packed for file in wanted.files) else 1
    needed, free = times * wanted.bytes - here, shutil.disk_usage(home).free
    if needed > free:
        raise ImganError(
            f"{wanted.name} needs {needed / 1e9:.1f} GB in {home} and {free / 1e9:.1f} GB are "
            "free; make room there, or set IMGAN_CACHE to another folder"
        )


def _sha256(file: Path, progress: Callable[[int, int], None]) -> str:
    digest, done, size = hashlib.sha256(), 0, file.stat().st_size
    with open(file, "rb") as opened:
        while chunk := opened.read(1 << 22):
            digest.update(chunk)
            done += len(chunk)
            progress(done, size)
    return digest.hexdigest()


@contextmanager
def _alone(lock: Path) -> Iterator[None]:
    """Let one process at a time in; the system takes the lock back from one that dies."""
    try:
        import fcntl
    except ImportError:  # Windows: two at once would fetch twice, and one of them win
        yield
        return
    with open(lock, "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield

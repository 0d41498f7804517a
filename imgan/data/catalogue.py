"""Data sets by name: downloaded once, checked, unpacked and kept.

The names stand in ``assets/datasets.tsv``: the unpaired sets of CycleGAN (Zhu et al. 2017) and the
pairs of pix2pix (Isola et al. 2017); where both have a set of one name, the pairs are called
``NAME-pix2pix``. A set NAME is kept in ``datasets/`` of the cache folder (``$IMGAN_CACHE``):

- ``NAME/``: the unpacked set;
- ``NAME.sha256``: the checksum of its archive. Where none is published, the first download's is
  what a later one is checked by;
- ``NAME.zip`` or ``NAME.tar.gz``: an archive put there by hand, used in place of a download;
- ``NAME.zip.part``: a download that has stopped, and goes on when it is asked for again.

``$IMGAN_MIRROR`` is the base address of a mirror: sets are then fetched from ``MIRROR/NAME.zip``
(or ``.tar.gz``) and from nowhere else, and checked by the same checksums.
"""

from __future__ import annotations

import csv
import difflib
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import imgan

from ..errors import ImganError
from ..files import replacing
from .download import Changed, Unreachable, fetch
from .unpack import unpack

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the bytes done so far, and all of them (0: not known)."""


def _silent(doing: str, done: int, total: int) -> None:
    pass


@dataclass(frozen=True)
class Entry:
    """A data set that can be fetched: `bytes` is 0 and `sha256` "" where nobody published them."""

    name: str
    layout: str
    bytes: int
    sha256: str
    url: str

    @property
    def archive(self) -> str:
        """The file name of its archive, here and on mirrors."""
        return self.name + (".zip" if self.url.endswith(".zip") else ".tar.gz")

    @property
    def address(self) -> str:
        """Where it is fetched: on ``$IMGAN_MIRROR`` if that is set, else where it was published.

        Raises:
            ImganError: the mirror is no address.
        """
        mirror = os.environ.get("IMGAN_MIRROR", "").strip()
        if not mirror:
            return self.url
        if not mirror.startswith(("http://", "https://")):
            raise ImganError(
                f"IMGAN_MIRROR is {mirror}; set it to an address such as https://example.org/sets"
            )
        return f"{mirror.rstrip('/')}/{self.archive}"


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
    folder, archive = home / name, home / wanted.archive
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _alone(home / f".{name}.lock"):
            if folder.is_dir():  # by another process, while this one waited
                return folder
            for left in home.glob(f".{name}.new-*"):  # by a process that was killed
                shutil.rmtree(left, ignore_errors=True)
            by_hand = archive.is_file()
            if not by_hand:
                _check_room(wanted, home)
                _download(wanted, archive, progress)
            found = _sha256(archive, lambda done, all_: progress("checking", done, all_))
            if _expected(wanted) not in ("", found):
                raise _wrong(wanted, str(archive), "take it away and run this again")
            try:
                unpack(archive, folder, lambda done, all_: progress("unpacking", done, all_))
            except ImganError:
                if not by_hand:  # else the next run takes it for the user's
                    archive.unlink(missing_ok=True)
                raise
            with replacing(home / f"{name}.sha256") as beside:
                beside.write_text(f"{found}  {wanted.archive}\n", encoding="utf-8")
            if not by_hand:  # a file of the user's stays
                archive.unlink()
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
    raise ImganError(f"there is no folder and no data set {name}; {_near(name)}")


def checksum(name: str) -> str:
    """SHA-256 of the archive that the set here was unpacked from; "" if none is kept."""
    try:
        text = (datasets_folder() / f"{entry(name).name}.sha256").read_text(encoding="utf-8")
        return text.split()[0]
    except (OSError, UnicodeError, IndexError):
        return ""


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


def _expected(wanted: Entry) -> str:
    return wanted.sha256 or checksum(wanted.name)


def _download(wanted: Entry, archive: Path, progress: Progress) -> None:
    url = wanted.address
    try:
        fetch(
            url,
            archive,
            wanted.name,
            _expected(wanted),
            lambda done, total: progress("downloading", done, total or wanted.bytes),
        )
    except Changed:
        raise _wrong(wanted, url, "try again later, or another mirror by IMGAN_MIRROR") from None
    except Unreachable as reason:
        other = "" if url == wanted.url else f" or {wanted.url}"
        raise ImganError(
            f"{wanted.name} cannot be downloaded from {url}: {reason}; fetch {url}{other} by other "
            f"means, put it at {archive} and run this again"
        ) from None


def _wrong(wanted: Entry, what: str, way_out: str) -> ImganError:
    origin = (
        "the published one"
        if wanted.sha256
        else f"that of the first download (in {datasets_folder() / wanted.name}.sha256)"
    )
    return ImganError(
        f"{what} does not have the SHA-256 {_expected(wanted)}, {origin}: it is damaged, cut short "
        f"or another version; {way_out}"
    )


def _check_room(wanted: Entry, home: Path) -> None:
    """The archive and what is in it, images hardly shrinking, lie side by side for a while."""
    part = home / f"{wanted.archive}.part"
    arrived = part.stat().st_size if part.is_file() else 0
    needed, free = 2 * wanted.bytes - arrived, shutil.disk_usage(home).free
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

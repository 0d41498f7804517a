"""The lines of the catalogue of data sets: which files a set is made of, and where they are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import PurePosixPath

from ..errors import ImganError

_SUFFIXES = (".tar.gz", ".zip", ".rar", ".npy")


@dataclass(frozen=True)
class File:
    """One file of a set: `name` is its own here and on mirrors, `sha256` is "" if not published.

    Of a set of several files each is unpacked into `folder` below the set's.
    """

    name: str
    folder: str
    sha256: str
    url: str

    @property
    def packed(self) -> bool:
        """Whether it is an archive; else it is kept as it is."""
        return not self.name.endswith(".npy")

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
        return f"{mirror.rstrip('/')}/{self.name}"


@dataclass(frozen=True)
class Entry:
    """A data set that can be fetched: `bytes` is 0 and `sha256` "" where nobody published them.

    Of a set of several files `url` and `sha256` hold one for each, with spaces between them.
    """

    name: str
    layout: str
    bytes: int
    sha256: str
    url: str

    @property
    def files(self) -> list[File]:
        """What is to be fetched: NAME.zip, or of several files NAME-walking.zip and so on."""
        urls, sums = self.url.split(), self.sha256.split()
        found = []
        for url, sha256 in zip(urls, sums or [""] * len(urls), strict=True):
            suffix = next(suffix for suffix in _SUFFIXES if url.endswith(suffix))
            part = PurePosixPath(url).name.removesuffix(suffix) if len(urls) > 1 else ""
            name = f"{self.name}-{part}" if part else self.name
            found.append(File(name + suffix, part, sha256, url))
        return found

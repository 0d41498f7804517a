"""Arrays kept on disk, looked at without being read whole."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

OPEN = 64
"""Maps that are kept open: each takes one of the few hundred files that a process may have."""

_ONE_BY_ONE = threading.Lock()


def mapped(file: Path) -> NDArray[Any]:
    """A .npy file as a read-only map; safe to call from several threads.

    Raises:
        OSError: it cannot be read.
        ValueError: it is cut short, or no such file.
    """
    # numpy reads the header with Python's parser, which up to 3.12 now and then ends in a
    # SystemError when two threads are in it (CPython issue 106905).
    with _ONE_BY_ONE:
        array: NDArray[Any] = np.lib.format.open_memmap(file, mode="r")
    return array


class Maps:
    """The arrays of any number of .npy files, each mapped when it is asked for.

    Other processes get the names of the files alone.
    """

    def __init__(self, files: Iterable[Path] = (), shapes: Iterable[tuple[int, ...]] = ()) -> None:
        self._files = list(files)
        self.shapes = list(shapes)
        self._mapped = lru_cache(OPEN)(mapped)

    def append(self, file: Path, shape: tuple[int, ...]) -> None:
        """Have one more, of a shape that is known."""
        self._files.append(file)
        self.shapes.append(shape)

    def __getitem__(self, index: int) -> NDArray[Any]:
        return self._mapped(self._files[index])

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return map(self._mapped, self._files)

    def __getstate__(self) -> dict[str, Any]:
        return {"files": self._files, "shapes": self.shapes}

    def __setstate__(self, state: dict[str, Any]) -> None:
        Maps.__init__(self, **state)

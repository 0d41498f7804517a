"""Arrays kept on disk, looked at without being read whole."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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

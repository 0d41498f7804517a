"""In which order items are visited: a function of the item's number, with no state."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


def order(index: int, count: int, seed: int) -> int:
    """Which of `count` images is the `index`-th: each once before any comes again."""
    return int(_permutation(index // count, count, seed)[index % count])


@lru_cache(maxsize=16)
def _permutation(epoch: int, count: int, seed: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, epoch, count)).permutation(count)

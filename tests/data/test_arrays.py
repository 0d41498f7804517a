from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from imgan.data.arrays import mapped


def test_maps_are_opened_by_many_threads(tmp_path):
    file = tmp_path / "a.npy"
    np.save(file, np.arange(24).reshape(2, 3, 4))
    with ThreadPoolExecutor(8) as pool:
        sums = list(pool.map(lambda _: int(mapped(file).sum()), range(400)))
    assert sums == [276] * 400


def test_a_file_that_is_cut_short_is_an_error(tmp_path):
    file = tmp_path / "a.npy"
    np.save(file, np.arange(24))
    for length in (0, 5, 40, 150):
        file.write_bytes(file.read_bytes()[:length])
        with pytest.raises((ValueError, OSError)):
            mapped(file)
    with pytest.raises(OSError, match="nowhere"):
        mapped(tmp_path / "nowhere.npy")

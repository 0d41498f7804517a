"""Shared by all tests: small real photos, one thread, a cache of their own."""

import os
from pathlib import Path

import pytest

FILES = Path(__file__).parent / "files"


@pytest.fixture(autouse=True, scope="session")
def _one_thread():
    import torch

    torch.set_num_threads(1)  # small networks are faster so, by far on a busy machine


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory):
    os.environ["IMGAN_CACHE"] = str(tmp_path_factory.mktemp("cache"))


@pytest.fixture
def photos() -> Path:
    """A folder of small photographs (CC0, see files/README.md)."""
    return FILES / "photos"

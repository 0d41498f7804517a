"""Small networks run fastest on one thread; seeds make each test repeatable by itself."""

import pytest
import torch

torch.set_num_threads(1)


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)

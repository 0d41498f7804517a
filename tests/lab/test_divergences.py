import math

import pytest
import torch

from imgan.core import MaximumLikelihood, Wasserstein
from imgan.lab import divergences as lab


@pytest.fixture(scope="module")
def found():
    return lab.run(1, True, lambda share: None)


def test_kl_covers_and_comes_to_the_moments_of_the_data(found):
    moments = 0.0, math.sqrt(lab.HILLS[1] ** 2 + lab.WIDTH**2)
    for fit in found.fits["KL"]:
        assert fit == pytest.approx(moments, abs=0.02)


def test_the_reverse_picks_the_hill_nearer_to_its_start(found):
    for start, (mean, width) in zip(lab.STARTS, found.fits["reverse KL"], strict=True):
        assert mean == pytest.approx(math.copysign(lab.HILLS[1], start), abs=0.02)
        assert width == pytest.approx(lab.WIDTH, abs=0.02)


def test_the_games_descend_what_they_are_said_to():
    # The gradients themselves, at a hill wide enough for its samples to reach both others.
    for loss, divergence in ((MaximumLikelihood(), lab.kl), (Wasserstein(), lab.reverse_kl)):
        slopes = []
        for cost in (lab.ideal_game(loss), divergence):
            q = torch.tensor([[0.3], [math.log(1.5)]], dtype=torch.float64, requires_grad=True)
            slopes.append(torch.autograd.grad(cost(q), q)[0])
        torch.testing.assert_close(*slopes, rtol=0.02, atol=0.01)


def test_the_densities_are_densities():
    assert torch.trapezoid(lab.log_p(lab.GRID).exp(), lab.GRID).item() == pytest.approx(1)


def test_the_take_names_who_covers_and_who_picks(found):
    take = lab.tell(found).take
    assert "MaximumLikelihood and Minimax covered both" in take
    assert "NonSaturating and Wasserstein picked one" in take

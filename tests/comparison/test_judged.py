"""Figures, spectra, crops and verdicts of a comparison, on made-up answers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from imgan.comparison.eyes import Eyes
from imgan.comparison.judged import judge
from imgan.comparison.judges import PSNR, SSIM, Baseline, Sample
from imgan.comparison.result import Arm, Comparison, Metric
from imgan.comparison.spectrum import BINS, Power, radial_power
from imgan.comparison.verdict import better, verdict
from imgan.errors import ImganError
from imgan.evaluation.metrics import psnr, ssim

LPIPS = Metric("lpips", "LPIPS", "perception", "lower", 4)


class Answers:
    """A judge of answers that are there: name to ``[1, 3, H, W]`` for each image."""

    baseline = Baseline("input", "Input", "as it is")
    metrics = [PSNR, SSIM]  # noqa: RUF012
    border = 0

    def __init__(self, truths, made):
        self.truths, self.made, self.count = truths, made, len(truths)

    def samples(self):
        for i, truth in enumerate(self.truths):
            answers = {name: images[i] for name, images in self.made.items()}
            yield Sample(f"{i}.png", answers["input"][0], truth, answers)

    def wanted(self):
        return iter(())

    def figures(self, sample, answer):
        one = answer, sample.truth
        return [{"psnr": psnr(*one).item(), "ssim": ssim(*one).item()}]

    def protocol(self):
        return [f"{self.count} images"]


def blind():
    return Eyes(None, None, None, False, torch.device("cpu"))


def made_up(count=3, side=64):
    """Truth is known up to a detail; "mse" leaves the detail out, "game" guesses another one."""
    torch.manual_seed(0)
    known = torch.rand(count, 1, 3, side, side).cumsum(-1) / side
    detail, guess = 0.1 * torch.randn(2, count, 1, 3, side, side)
    return Answers(
        list(known + detail),
        {"input": list(known * 0), "mse": list(known), "game": list(known + guess)},
    )


def test_the_mean_leaves_out_what_it_errs_by_and_a_guess_errs_twice():
    judging = made_up(12)
    found = judge(judging, blind(), {"mse": "MSE", "game": "Game"}, ("mse", "game"))
    mean, error = (
        np.array(lines["mse"]) for lines in (found.spectra.power, found.spectra.residual)
    )
    both = 10 ** (mean / 10) + 10 ** (error / 10)
    assert both[4:].mean() == pytest.approx(1, abs=0.05)  # power left + power of the error
    guess = np.array(found.spectra.power["game"])
    assert np.abs(guess[4:]).mean() < 0.5  # as much power as the truth
    worse = np.array(found.spectra.residual["game"])[-8:] - error[-8:]
    assert worse.mean() == pytest.approx(3, abs=0.5)  # twice the error: 3 dB
    figures = found.figures
    assert figures["mse"]["psnr"] > figures["game"]["psnr"]
    assert figures["mse"]["gradient"] < figures["game"]["gradient"] == pytest.approx(1, abs=0.03)
    assert figures["mse"]["spectrum"] > figures["game"]["spectrum"]
    assert found.count == 3 * 4 and [metric.key for metric in found.metrics][-1] == "spectrum"


@settings(max_examples=10, deadline=None)
@given(height=st.integers(24, 50), width=st.integers(24, 50), scale=st.floats(0.1, 1))
def test_white_noise_has_the_same_power_at_all_frequencies_and_sizes(height, width, scale):
    torch.manual_seed(0)
    power = radial_power(scale * torch.randn(60, 1, height, width)).mean(0)
    assert power.shape == (BINS,)
    seen = power[(power > 0)][2:]  # small images have empty rings
    assert float(seen.mean()) == pytest.approx(scale**2, rel=0.1)


def test_equal_images_are_zero_decibels_away_and_light_does_not_count():
    power = Power()
    image = torch.rand(1, 3, 32, 32)
    power.truth(image)
    power.answer("same", image, image)
    power.answer("lighter", image + 0.2, image)
    assert power.distance("same") == pytest.approx(0, abs=1e-6)
    assert power.distance("lighter") == pytest.approx(0, abs=1e-6)


def test_crops_are_where_the_rivals_differ_most():
    judging = made_up(3)
    places = [(8, 40), (30, 10), (0, 0)]
    for i, (top, left) in enumerate(places):
        answer = judging.made["mse"][i].clone()
        answer[..., top : top + 24, left : left + 24] += 0.5 - 0.1 * i
        judging.made["game"][i] = answer
    found = judge(judging, blind(), {"mse": "MSE", "game": "Game"}, ("mse", "game"))
    assert [crop.name for crop in found.crops] == ["0.png", "1.png", "2.png"]  # most first
    for crop, (top, left) in zip(found.crops, places, strict=True):
        assert abs(crop.box[0] - left) <= 2 and abs(crop.box[1] - top) <= 2
        assert crop.box[2] - crop.box[0] == 24
        assert crop.panes[0].pixels.shape == (24, 24, 3)
    assert "24 pixels" in found.crop_rule and "of MSE and Game differ most" in found.crop_rule


def test_of_many_images_rows_are_spread_evenly():
    found = judge(made_up(20, 24), blind(), {"mse": "MSE", "game": "Game"}, ("mse", "game"))
    assert [row.name for row in found.rows] == [f"{i}.png" for i in range(0, 20, 3)]
    judging = made_up(20, 24)
    judging.count = None  # as of clips
    found = judge(judging, blind(), {"mse": "MSE", "game": "Game"}, ("mse", "game"))
    assert [row.name for row in found.rows] == [f"{i}.png" for i in range(0, 20, 4)]


def test_weights_that_are_not_there_are_told_or_insisted_on(tmp_path, monkeypatch):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    eyes = Eyes("squeeze", tmp_path / "none.pth", None, False, torch.device("cpu"))
    assert eyes.metrics == [] and eyes.sets(100) is None
    assert any("no LPIPS: there is no file" in line for line in eyes.protocol())
    assert any("no DISTS" in line for line in eyes.protocol())
    with pytest.raises(ImganError, match="there is no file"):
        Eyes("squeeze", tmp_path / "none.pth", None, True, torch.device("cpu"))
    with pytest.raises(ImganError, match="torch-fidelity"):
        Eyes(None, None, tmp_path / "none.pth", False, torch.device("cpu"))


def comparison(mse, game, **more):
    arms = [
        Arm(kind, kind, kind, figures={k: np.atleast_1d(v).tolist() for k, v in figures.items()})
        for kind, figures in (("mse", mse), ("adversarial", game))
    ]
    return Comparison(
        name="x", what="", pipeline="pix2pix", data="", test="", seeds=[0], arms=arms,
        metrics=[PSNR, LPIPS], protocol=[], plane=("psnr", "lpips"), **more,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("mse", "game", "words"),
    [
        ((30, 0.2), (28, 0.1), "each wins what it pays for"),
        ((30, 0.2), (28, 0.2), "here the game has won nothing"),
        ((30, 0.2), (28, 0.3), "Squared error wins both"),
        ((28, 0.2), (28, 0.1), "that costs nothing that can be told"),
        ((28, 0.2), (30, 0.1), "The adversary wins both"),
        ((28, 0.2), (28, 0.2), "cannot be told apart"),
    ],
)
def test_the_verdict_follows_from_the_figures(mse, game, words):
    found = comparison(
        {"psnr": mse[0], "lpips": mse[1], "gradient": 0.7},
        {"psnr": game[0], "lpips": game[1], "gradient": 0.95},
    )
    first, second = verdict(found)
    assert words in first and f"{mse[0]:.2f}" in first and f"{game[1]:.4f}" in first
    assert "70 %" in second and "95 %" in second and "a game picks one" in second


def test_a_difference_within_the_spread_of_the_seeds_is_none():
    found = comparison({"psnr": [30, 31, 29]}, {"psnr": [29, 30, 28]})
    mse, game = found.arms
    assert better(PSNR, mse, game) == 0
    sure = comparison({"psnr": [30, 30.1, 30.2]}, {"psnr": [29, 29.1, 29]})
    assert better(PSNR, *sure.arms) == 1 and better(PSNR, *sure.arms[::-1]) == -1


def test_a_lost_game_is_told():
    found = comparison({"psnr": 30, "gradient": 0.7}, {"psnr": 30, "gradient": 0.6})
    found.arms[1].warnings = ["the critic has won"]
    said = verdict(found)
    assert said[0].startswith("They are level in PSNR: 30.00 for MSE")
    assert any("the game has not made it sharper" in line for line in said)
    assert said[-1] == "Mind that its training warned: the critic has won"

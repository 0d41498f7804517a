"""Figures, spectra, crops and verdicts of a comparison, on made-up answers."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgan.comparison.eyes import Eyes
from imgan.comparison.judge import Baseline, Sample, shown
from imgan.comparison.judged import judge
from imgan.comparison.judges import PSNR, SSIM, SuperResolution
from imgan.comparison.result import Arm, Comparison, Metric
from imgan.comparison.spectrum import BINS, Power, radial_power
from imgan.comparison.verdict import better, verdict
from imgan.errors import ImganError
from imgan.evaluation.metrics import psnr, ssim
from imgan.model_file import load_model, save_model
from imgan.shipped import shipped_models

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
    image = torch.rand(1, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    power.truth(image)
    power.answer("same", image, image)
    power.answer("lighter", image + 0.2, image)
    assert power.distance("same") == pytest.approx(0, abs=1e-6)
    assert power.distance("lighter") == pytest.approx(0, abs=1e-4)  # float32 of other values


@pytest.mark.parametrize("side", [13, 24, 32])
def test_rings_without_a_frequency_do_not_count(side):
    power, image = Power(), torch.rand(1, 3, side, side)
    power.truth(image)
    power.answer("same", image, image)
    power.answer("half", image / 2, image)
    assert power.distance("same") == pytest.approx(0, abs=1e-6)
    assert power.distance("half") == pytest.approx(20 * np.log10(2), abs=1e-6)
    spectra = power.spectra(["same"])
    assert len(spectra.frequency) == len(spectra.power["same"]) == len(spectra.residual["same"])
    assert max(map(abs, spectra.power["same"])) < 1e-6


def test_answers_without_anything_to_look_like_have_no_spectrum():
    judging = made_up(2, 32)
    judging.truths, judging.figures = [None] * 2, lambda sample, answer: [{}]
    found = judge(judging, blind(), {"mse": "MSE", "game": "Game"}, ("mse", "game"))
    assert found.metrics == [] and found.spectra is None and len(found.rows) == 2
    assert any("no FID and KID" in line for line in found.protocol)


class Seen(torch.nn.Module):
    """In place of the networks: the mean colour."""

    def __init__(self):
        super().__init__()
        self.protocol, self.scale = "a mean", torch.nn.Parameter(torch.ones(()))

    def forward(self, one, other=None):
        if other is None:
            return self.scale.detach() * one.mean((2, 3))
        assert min(one.shape[-2:]) >= 32
        return (one - other).abs().mean((1, 2, 3)).detach()


def seeing(distance=None):
    eyes = blind()
    eyes.lpips = eyes._sets = distance or Seen()
    return eyes


def test_dists_of_one_image_and_lpips_of_small_ones():
    eyes = seeing()
    eyes.dists = lambda one, other: torch.tensor(0.5)  # torchmetrics squeezes a batch of one
    image = torch.rand(1, 3, 40, 40)
    assert eyes.figures(image, image) == [{"lpips": 0.0, "dists": 0.5}]
    small = image[..., :24, :]
    assert eyes.figures(small, small) == [{"dists": 0.5}]
    assert any("fewer than 32 pixels" in line for line in eyes.protocol())


@pytest.mark.parametrize(("wanted", "there"), [(20, True), (3, False)])
def test_fid_needs_enough_images_on_both_sides(wanted, there):
    judging = made_up(20, 32)
    truths = judging.truths
    judging.truths, judging.figures = [None] * 20, lambda sample, answer: [{}]
    judging.wanted = lambda: iter(truths[:wanted])
    found = judge(judging, seeing(), {"mse": "MSE", "game": "Game"}, ("mse", "game"))
    assert ("fid" in found.figures["mse"]) is there
    assert ({"fid", "kid"} <= {metric.key for metric in found.metrics}) is there
    assert any("no FID and KID" in line for line in found.protocol) is not there


def test_features_are_taken_where_their_network_is():
    distance = seeing().sets(None)
    distance._features = Seen().to("meta")
    with pytest.raises(NotImplementedError, match="meta"):  # it came to the network, and not back
        distance.add(torch.rand(1, 3, 32, 32), None)


@pytest.mark.parametrize("channels", [1, 2, 3, 5])
def test_any_number_of_channels_is_shown_in_three(channels):
    images = torch.rand(2, channels, 8, 8)
    seen = shown(images)
    assert seen.shape == (2, 3, 8, 8) and torch.equal(seen[:, 0], images[:, 0])


def test_photos_that_cannot_be_scored_are_left_out_and_told(tmp_path):
    photo = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(photo).save(tmp_path / "good.png")
    Image.fromarray(photo[:12]).save(tmp_path / "small.png")
    (tmp_path / "damaged.png").write_bytes(b"none")
    judging = SuperResolution({"one": shipped_models()["x2-mse"]}, [tmp_path], "cpu", "float32")
    assert [sample.name for sample in judging.samples()] == ["good.png"]
    assert judging.protocol()[0].startswith("1 test images, 2 damaged or too small ones left out")
    (tmp_path / "good.png").unlink()
    judging = SuperResolution({"one": shipped_models()["x2-mse"]}, [tmp_path], "cpu", "float32")
    with pytest.raises(ImganError, match="no test image can be scored"):
        list(judging.samples())


def test_models_that_restore_are_scored_on_what_they_were_taught(tmp_path):
    rng = np.random.default_rng(0)
    for name, shape in (("colour.png", (64, 64, 3)), ("grey.png", (64, 64))):
        Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8)).save(tmp_path / name)
    plain = load_model(shipped_models()["x4-mse"])
    paths = {"plain": shipped_models()["x4-mse"]}
    damage = {"noise_probability": 1.0, "gaussian_noise": [0.3, 0.3], "poisson_noise": [0.3, 0.3]}
    for name in ("one", "two"):
        plain.card.recipe["data"] |= {"degradation": "realistic", "realistic": damage}
        paths[name] = tmp_path / f"{name}.safetensors"
        save_model(paths[name], plain.card, {"generator": plain.generator.state_dict()})

    def lows(*names):
        models = {name: paths[name] for name in names}
        judging = SuperResolution(models, [tmp_path], "cpu", "float32")
        found = [sample.source for sample in judging.samples()]
        return found, judging.protocol()[0]

    damaged, protocol = lows("one", "two")
    assert "the realistic degradation that the models were taught" in protocol
    assert [low.shape for low in damaged] == [(3, 16, 16), (1, 16, 16)]
    assert all(torch.equal(*pair) for pair in zip(damaged, lows("one")[0], strict=True))
    clean, protocol = lows("plain", "one")
    assert "made by MATLAB's bicubic" in protocol
    assert "some models were taught damaged photos" in protocol
    assert "taught" not in lows("plain")[1]
    assert all((a - b).std() > 0.05 for a, b in zip(clean, damaged, strict=True))


def test_pairs_of_several_folders_are_scored_as_pairs(tmp_path):
    for i, name in enumerate(("one", "two")):
        for side, pixels in (("HR", 64), ("LR", 32)):
            (tmp_path / name / side).mkdir(parents=True)
            grey = np.full((pixels, pixels, 3), 60 * i, np.uint8)
            Image.fromarray(grey).save(tmp_path / name / side / f"{i}.png")
    model = {"one": shipped_models()["x2-mse"]}
    folders = [tmp_path / "one", tmp_path / "two"]
    judging = SuperResolution(model, folders, "cpu", "float32")
    samples = list(judging.samples())
    assert [sample.name for sample in samples] == ["0.png", "1.png"]
    assert "as given in LR/" in judging.protocol()[0]
    black = samples[0]  # the answer to which is exact
    assert judging.figures(black, black.answers["bicubic"])[0]["psnr"] == 60
    assert "at most 60 dB" in judging.protocol()[1]
    with pytest.raises(ImganError, match="with HR/ and LR/ or on photos, not on both"):
        SuperResolution(model, [*folders, tmp_path / "two" / "HR" / "1.png"], "cpu", "float32")
    shipped = {"one": shipped_models()["x4-mse"]}
    with pytest.raises(ImganError, match="enlarge 4 times, and .*one is for 2"):
        SuperResolution(shipped, folders, "cpu", "float32")


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
    assert any("no LPIPS: the weights of its backbone" in line for line in eyes.protocol())
    assert str(tmp_path) not in " ".join(eyes.protocol())  # protocols are shown to others
    assert any("no DISTS" in line for line in eyes.protocol())
    (tmp_path / "checkpoints").mkdir()
    for name in ("vgg16-397923af.pth", "squeezenet1_1-b8a52dc0.pth"):
        for content in (b"", b"<html>no</html>"):
            (tmp_path / "checkpoints" / name).write_bytes(content)
            eyes = Eyes("squeeze", None, None, False, torch.device("cpu"))
            assert any("no LPIPS" in line for line in eyes.protocol())
            assert any("no DISTS" in line for line in eyes.protocol())
    assert any("VGG-16 in its cache is damaged" in line for line in eyes.protocol())
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
        ((28, 0.1), (30, 0.2), "the other way round"),
        ((28, 0.1), (28, 0.2), "Squared error looks nearer to the truth"),
        ((28, 0.2), (30, 0.2), "to the eye they are level"),
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


def test_beyond_the_truth_is_no_blur_and_a_lost_cycle_has_its_reason():
    found = comparison(
        {"psnr": 22, "lpips": 0.4, "gradient": 0.8}, {"psnr": 24, "lpips": 0.3, "gradient": 1.3}
    )
    assert "not come to its best yet" in verdict(found)[0]
    assert "80 %" in verdict(found)[1] and "beyond the truth" in verdict(found)[1]
    found.pipeline = "cyclegan"
    assert "without a critic nothing tells" in verdict(found)[0]


def test_a_difference_within_the_spread_of_the_seeds_is_none():
    found = comparison({"psnr": [30, 31, 29]}, {"psnr": [29, 30, 28]})
    mse, game = found.arms
    assert better(PSNR, mse, game) == 0
    sure = comparison({"psnr": [30, 30.1, 30.2]}, {"psnr": [29, 29.1, 29]})
    assert better(PSNR, *sure.arms) == 1 and better(PSNR, *sure.arms[::-1]) == -1


def test_a_twin_that_paid_l1_is_not_called_squared_error():
    found = comparison({"psnr": 30, "lpips": 0.2, "gradient": 0.7}, {"psnr": 28, "lpips": 0.1})
    found.arms[0].cost, found.arms[1].figures["gradient"] = "l1", [0.9]
    said = " ".join(verdict(found))
    assert "Absolute error comes nearer" in said and "30.00 dB for L1, 28.00 dB for" in said
    assert "quared" not in said and "MSE" not in said


def test_more_gradients_than_the_truth_are_no_sharpness():
    found = comparison({"psnr": 30, "gradient": 2.5}, {"psnr": 30, "gradient": 2.4})
    assert "noise or false edges" in verdict(found)[1]


def test_features_of_one_domain_have_no_distance():
    found = comparison({"source": 90}, {"source": 80})
    found.pipeline, found.plane = "dann", None
    found.metrics = [Metric("source", "Accuracy, a", "task", "higher", 1, "%")]
    assert verdict(found) == ["Best of the trained in each figure: Accuracy, a: mse."]


def test_an_arm_that_knows_none_of_the_classes_has_no_say():
    found = comparison({"target1": 90, "distance": 1}, {"distance": 2})
    found.pipeline, found.plane = "dann", None
    found.metrics = [
        Metric("target1", "Accuracy, b", "task", "higher", 1, "%"),
        Metric("distance", "Distance of the domains", "distribution", "lower", 2),
    ]
    (only,) = verdict(found)
    assert only.startswith("A linear critic")


def test_infinite_figures_are_level_and_best():
    found = comparison({"psnr": float("inf")}, {"psnr": float("inf")})
    assert better(PSNR, *found.arms) == 0
    found = comparison({"psnr": float("inf")}, {"psnr": 30})
    assert better(PSNR, *found.arms) == 1
    assert found.best(PSNR) == ["mse"]


def test_twins_that_do_not_come_up_to_the_baseline_are_not_compared():
    found = comparison({"psnr": 9.9, "lpips": 0.9, "gradient": 9}, {"psnr": 9.8, "lpips": 0.9})
    found.arms.insert(
        0, Arm("input", "Input", "baseline", figures={"psnr": [23.0], "lpips": [0.3]})
    )
    (said,) = verdict(found)
    assert said.startswith("Neither twin comes up to input yet (PSNR 23.00; 9.90 dB for MSE")
    found.arms[0].figures["lpips"] = [0.95]  # blurred, but nearer to the eye
    assert "train longer" not in verdict(found)[0]


@pytest.mark.parametrize(
    ("count", "words"), [(1, "1 test image is little"), (3, "3 test images are")]
)
def test_few_test_images_are_told(count, words):
    found = comparison({"psnr": 30, "lpips": 0.2}, {"psnr": 28, "lpips": 0.1})
    found.tested = count
    assert words in verdict(found)[-1]
    found.tested = 4
    assert "test image" not in " ".join(verdict(found))


def test_a_lost_game_is_told():
    found = comparison({"psnr": 30, "gradient": 0.7}, {"psnr": 30, "gradient": 0.6})
    found.arms[1].warnings = ["the critic has won"]
    said = verdict(found)
    assert said[0].startswith("They are level in PSNR: 30.00 dB for MSE")
    assert any("the game has not made it sharper" in line for line in said)
    assert said[-1] == "Mind that its training warned: the critic has won"

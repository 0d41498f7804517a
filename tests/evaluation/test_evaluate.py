"""Scoring on folders: pairs and photos, grey and coloured, and what is wrong with bad ones."""

import json
import math

import numpy as np
import pytest
import torch
from PIL import Image

from imgan.data.damage import Damage
from imgan.data.degrade import imresize, imresize_uint8
from imgan.errors import ImganError
from imgan.evaluation.evaluate import evaluate
from imgan.evaluation.metrics import psnr_y, ssim_y
from imgan.evaluation.pairs import find_pairs
from imgan.model_file import Card, NetworkCard, save_model
from imgan.networks import build


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A tiny network of random weights for x2."""
    torch.manual_seed(0)
    arguments = {"scale": 2, "width": 8, "blocks": 1}
    network = build("plainsr", arguments)
    card = Card(
        pipeline="srgan",
        name="tiny",
        networks={"generator": NetworkCard(name="plainsr", arguments=arguments)},
        scale=2,
        reach=network.reach,
    )
    path = tmp_path_factory.mktemp("model") / "tiny.safetensors"
    save_model(path, card, {"generator": network.state_dict()})
    return path


def tensor(image):
    pixels = torch.from_numpy(np.array(image))
    return pixels[None] if pixels.ndim == 2 else pixels.permute(2, 0, 1)


def save(path, image):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(image.permute(1, 2, 0).numpy().squeeze()).save(path)


@pytest.fixture
def pairs(tmp_path, photos):
    """HR/ and LR/ for x2: a coloured and a grey image."""
    for name, mode in (("casa-mila", "RGB"), ("budgie-branch", "L")):
        high = tensor(Image.open(photos / f"{name}.jpg").convert(mode))[:, :60, :80]
        save(tmp_path / "HR" / f"{name}.png", high)
        save(tmp_path / "LR" / f"{name}.png", imresize_uint8(high, 0.5))
    return tmp_path


def test_bicubic_by_hand(pairs):
    report = evaluate(["bicubic"], pairs)
    assert report.scale == 2
    assert len(report.models) == 1
    for name, row in report.models[0].images.items():
        high = tensor(Image.open(pairs / "HR" / name))
        low = tensor(Image.open(pairs / "LR" / name))
        bicubic = imresize(low.double(), 2).round().clamp(0, 255)
        both = bicubic[None] / 255, high[None] / 255
        assert row["psnr"] == pytest.approx(psnr_y(*both, 2).item(), abs=1e-4)
        assert row["ssim"] == pytest.approx(ssim_y(*both, 2).item(), abs=1e-6)
        assert 20 < row["psnr"] < 50


def test_photos_are_cropped_and_shrunk(pairs, tmp_path, photos):
    folder = tmp_path / "photos"
    high = tensor(Image.open(photos / "casa-mila.jpg"))[:, :61, :81]
    save(folder / "casa-mila.png", high)
    made = evaluate(["bicubic"], folder, 2).models[0].images["casa-mila.png"]
    given = evaluate(["bicubic"], pairs).models[0].images["casa-mila.png"]
    assert made == given
    assert evaluate(["bicubic"], folder).scale == 4


def test_a_model_beside_bicubic(pairs, model):
    report = evaluate([str(model)], pairs, device="cpu", precision="float32")
    assert [scores.model for scores in report.models] == ["bicubic", str(model)]
    assert report.models[1].card_name == "tiny"
    bicubic, own = (scores.mean["psnr"] for scores in report.models)
    assert 15 < own < bicubic  # random weights: hardly more than repeated pixels


def test_json_holds_everything_and_no_infinity(pairs, tmp_path):
    flat = torch.full((1, 40, 40), 100, dtype=torch.uint8)
    save(tmp_path / "flat" / "HR" / "a.png", flat)
    save(tmp_path / "flat" / "LR" / "a.png", flat[:, ::2, ::2])
    report = evaluate(["bicubic"], tmp_path / "flat")
    assert math.isinf(report.models[0].mean["psnr"])
    content = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert content["models"][0]["mean"] == {"psnr": None, "ssim": pytest.approx(1)}
    assert set(content) == {
        "data",
        "scale",
        "protocol",
        "device",
        "precision",
        "versions",
        "models",
    }
    assert "2 pixels cropped" in " ".join(content["protocol"])


def test_damage_comes_before_all_models_and_is_told(pairs):
    clean = evaluate(["bicubic"], pairs)
    damaged = evaluate(["bicubic"], pairs, damage=Damage(jpeg=30))
    assert damaged.models[0].mean["psnr"] < clean.models[0].mean["psnr"] - 0.5
    assert damaged.protocol[0].endswith("as given in LR/, with JPEG of quality 30 (4:2:0)")
    assert clean.protocol[0].endswith("as given in LR/")
    assert evaluate(["bicubic"], pairs, damage=Damage()).to_dict() == clean.to_dict()


def test_border(pairs):
    default, explicit, none = (evaluate(["bicubic"], pairs, border=b) for b in (None, 2, 0))
    assert default.models[0].mean == explicit.models[0].mean != none.models[0].mean


def test_lpips_column(pairs, tmp_path):
    torchvision = pytest.importorskip("torchvision")
    from imgan.perceptual import LpipsDistance

    torch.save(torchvision.models.squeezenet1_1(weights=None).state_dict(), tmp_path / "s.pth")
    report = evaluate(["bicubic"], pairs, lpips=LpipsDistance("squeeze", tmp_path / "s.pth"))
    assert all(row["lpips"] > 0 for row in report.models[0].images.values())
    assert report.protocol[-1].startswith("LPIPS (squeeze, local backbone s.pth)")


def test_progress_is_told(pairs):
    told = []
    evaluate(["bicubic"], pairs, progress=lambda *step: told.append(step))
    assert told == [("bicubic", 0, 2), ("bicubic", 1, 2)]


def spoil_missing_partner(pairs):
    (pairs / "LR" / "casa-mila.png").unlink()


def spoil_size(pairs):
    save(pairs / "HR" / "casa-mila.png", torch.zeros(3, 60, 70, dtype=torch.uint8))


def spoil_first_size(pairs):
    save(pairs / "HR" / "budgie-branch.png", torch.zeros(1, 61, 80, dtype=torch.uint8))


def spoil_colour(pairs):
    save(pairs / "HR" / "casa-mila.png", torch.zeros(1, 60, 80, dtype=torch.uint8))


def spoil_file(pairs):
    (pairs / "HR" / "casa-mila.png").write_bytes(b"no picture")


def spoil_folder(pairs):
    for path in (pairs / "HR").iterdir():
        path.unlink()


def spoil_tiny(pairs):
    save(pairs / "HR" / "casa-mila.png", torch.zeros(3, 12, 12, dtype=torch.uint8))
    save(pairs / "LR" / "casa-mila.png", torch.zeros(3, 6, 6, dtype=torch.uint8))


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (spoil_missing_partner, r"LR lacks the partner of casa-mila\.png"),
        (spoil_size, r"casa-mila\.png is 40x30 .* 70x60, which is not 2 times"),
        (spoil_first_size, "no whole multiple"),
        (spoil_colour, "both be grey"),
        (spoil_file, r"casa-mila\.png is not an image"),
        (spoil_folder, "HR holds no images"),
        (spoil_tiny, r"casa-mila\.png is too small"),
    ],
)
def test_bad_pairs(pairs, spoil, message):
    spoil(pairs)
    with pytest.raises(ImganError, match=message):
        evaluate(["bicubic"], pairs)


def test_bad_requests(pairs, model, tmp_path):
    (tmp_path / "empty").mkdir()
    for arguments, message in [
        ({"models": ["bicubic"], "data": tmp_path / "empty"}, "holds no images"),
        ({"models": ["bicubic"], "data": tmp_path / "none"}, "not a folder"),
        ({"models": ["bicubic"], "data": pairs, "scale": 3}, "not 3 times"),
        ({"models": [str(model)], "data": pairs / "HR", "scale": 4}, "enlarges 2 times"),
        (
            {"models": ["x2-mse", "x4-mse"], "data": pairs / "HR"},
            r"not enlarge alike \(x2-mse 2 times; x4-mse 4 times\)",
        ),
        ({"models": ["bicubic"], "data": pairs, "realism": 0.3}, "name the model 'imgan'"),
        ({"models": ["bicubic"], "data": pairs, "restore": True}, "name the model 'imgan'"),
        ({"models": ["none.safetensors"], "data": pairs}, "none.safetensors"),
    ]:
        with pytest.raises(ImganError, match=message):
            evaluate(**arguments)


def test_pairs_keep_their_order_and_ignore_other_files(pairs):
    (pairs / "HR" / "notes.txt").write_text("not an image")
    assert [pair.name for pair in find_pairs(pairs, None)] == ["budgie-branch.png", "casa-mila.png"]


def test_hidden_files_are_no_images(pairs):
    for part in ("HR", "LR"):
        (pairs / part / "._casa-mila.png").write_bytes(b"notes of macOS")
    assert [pair.name for pair in find_pairs(pairs, None)] == ["budgie-branch.png", "casa-mila.png"]


def test_names_that_differ_in_their_suffix_alone_are_two_rows(tmp_path, photos):
    image = Image.open(photos / "casa-mila.jpg").crop((0, 0, 48, 40))
    for name in ("a.png", "a.jpg"):
        image.save(tmp_path / name)
    assert list(evaluate(["bicubic"], tmp_path, 2).models[0].images) == ["a.jpg", "a.png"]
    for part, side in (("HR", 40), ("LR", 20)):
        (tmp_path / part).mkdir()
        for name in ("a.png", "a.jpg"):
            image.resize((side, side)).save(tmp_path / part / name)
    pairs = find_pairs(tmp_path, None)
    assert [(pair.high.name, pair.low.name) for pair in pairs] == [("a.jpg",) * 2, ("a.png",) * 2]
    (tmp_path / "LR" / "a.png").unlink()  # whose partner is LR/a.jpg?
    with pytest.raises(ImganError, match=r"a\.jpg and a\.png differ in their suffix alone"):
        find_pairs(tmp_path, None)
    (tmp_path / "HR" / "a.jpg").unlink()
    (pair,) = find_pairs(tmp_path, None)
    assert (pair.name, pair.low.name, pair.scale) == ("a.png", "a.jpg", 2)

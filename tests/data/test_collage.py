"""Pictures made of photos."""

import numpy as np
import pytest
import torch
from PIL import Image

from imgan.data.collage import Collage, outline
from imgan.data.crops import MARGIN, Crops
from imgan.data.degrade import imresize_uint8
from imgan.data.photos import load_photos
from imgan.errors import ImganError
from imgan.pipelines.srgan import SRGAN
from imgan.recipe import load_recipe


def crops(photos, collage, contrast, seed=0, degrade=None):
    made = load_photos([photos], 2, 64)
    return Crops(made, 2, 16, 0.0, seed, degrade, Collage(collage, contrast))


@pytest.mark.parametrize(("collage", "contrast"), [(1, 0), (0, 1), (0.3, 0.3)])
def test_crops_are_a_function_of_their_number_and_shrink_without_a_border(
    photos, collage, contrast
):
    first, second = (crops(photos, collage, contrast) for _ in range(2))
    assert first.fingerprint == second.fingerprint
    for index in range(24):
        low, high = first[index]["low"], first[index]["high"]
        assert (low.shape, high.shape) == ((3, 16, 16), (3, 32, 32))
        assert all(torch.equal(first[index][k], second[index][k]) for k in ("low", "high"))
        inner = (slice(None), slice(2, -2), slice(2, -2))
        difference = imresize_uint8(high, 0.5)[inner].int() - low[inner].int()
        assert difference.abs().max() <= 1, (
            "turned, rows and columns are rounded the other way round"
        )


def test_low_twins_at_a_border_are_made_of_what_lies_beyond(photos):
    made = crops(photos, 1, 0)
    apart = 0
    for index in range(24):
        low, high = made[index]["low"], made[index]["high"]
        apart += not torch.equal(imresize_uint8(high, 0.5), low)
    assert apart > 20


def test_shares_are_kept_and_part_of_what_a_run_is(photos):
    photo = np.asarray(Image.effect_noise((32, 32), 50).convert("RGB"))
    rng = np.random.default_rng(0)
    kept = [Collage(0.3, 0.2)(photo, lambda: photo, rng) is None for _ in range(2000)]
    assert abs(np.mean(kept) - 0.5) < 0.05
    assert Collage()(photo, lambda: photo, rng) is None
    plain = Crops(load_photos([photos], 2, 64), 2, 16, 0.0, 0).fingerprint
    assert len({plain, crops(photos, 0.3, 0).fingerprint, crops(photos, 0, 0.3).fingerprint}) == 3


def test_collages_have_steeper_edges_than_photos(photos):
    def steepness(made):
        highs = [made[i]["high"].float() for i in range(60)]
        steps = [high.diff(dim=2).abs().flatten().quantile(0.999) for high in highs]
        return float(np.mean(steps))

    assert steepness(crops(photos, 1, 0)) > 1.3 * steepness(crops(photos, 0, 0))


def test_outlines_cover_some_and_leave_some():
    rng = np.random.default_rng(1)
    photo = rng.random((40, 40, 3), np.float32)
    shapes = np.stack([outline(photo, rng) for _ in range(64)])
    assert shapes.shape == (64, 40, 40)
    assert shapes.dtype == np.float32
    assert shapes.min() == 0
    assert shapes.max() == pytest.approx(1)
    assert np.mean((shapes > 0.1) & (shapes < 0.9)) < 0.3, "edges are about a pixel wide"
    assert 0.3 < shapes.mean() < 0.7


def test_a_degradation_sees_the_collage(photos):
    made = crops(photos, 1, 0, degrade=lambda image, random: image[::2, ::2])
    item = made[3]
    assert torch.equal(item["low"], item["high"][:, ::2, ::2])
    assert not torch.equal(item["high"], crops(photos, 0, 0)[3]["high"])


def test_drawings_take_their_share(photos):
    made = load_photos([photos], 2, 64)
    drawn, plain = Crops(made, 2, 16, 0.0, 0, drawings=1.0), Crops(made, 2, 16, 0.0, 0)
    assert drawn.fingerprint != plain.fingerprint
    assert drawn[3]["low"].shape == (3, 16, 16) and drawn[3]["high"].shape == (3, 32, 32)
    colours = [len(drawn[i]["low"].flatten(1).unique(dim=1).T) for i in range(20)]
    assert max(colours) <= 7, "stepped lines have no colours between"
    some = Crops(made, 2, 16, 0.0, 0, None, Collage(0.3, 0.3), 0.25)
    counts = [len(some[i]["low"].flatten(1).unique(dim=1).T) <= 7 for i in range(200)]
    assert 0.15 < np.mean(counts) < 0.35


def test_a_recipe_asks_for_them(photos, tmp_path):
    recipe = load_recipe("x4-mse-collage", ["init=null", "data.crop=8"])
    made = SRGAN(recipe).dataset([photos], lambda done, total: None)
    assert made.collage == Collage(0.35, 0.3)
    assert made[0]["low"].shape == (3, 8, 8)
    side = 4 * (8 + 2 * MARGIN)
    Image.effect_noise((side - 1, side), 50).save(tmp_path / "small.png")
    with pytest.raises(ImganError, match=f"{side} on each side are needed"):
        SRGAN(recipe).dataset([tmp_path], lambda done, total: None)

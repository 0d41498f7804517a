"""Damage of a known strength."""

import numpy as np
import pytest
import torch
from PIL import Image

from imgan.data.damage import Damage
from imgan.errors import ImganError


@pytest.fixture
def photo(photos):
    pixels = np.array(Image.open(photos / "casa-mila.jpg"))[:96, :80]
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()  # [3, 96, 80]


def off(damage: Damage, image: torch.Tensor, name: str = "a.png") -> float:
    return (damage(image, name).float() - image.float()).std().item()


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_has_the_deviation_that_was_asked_for(channels):
    grey = torch.full((channels, 200, 200), 128, dtype=torch.uint8)
    noisy = Damage(noise=10)(grey, "a.png")
    assert noisy.shape == grey.shape
    assert noisy.dtype == torch.uint8
    assert noisy.float().std().item() == pytest.approx(10, rel=0.02)
    assert noisy.float().mean().item() == pytest.approx(128, abs=0.2)


def test_a_name_has_always_the_same_noise(photo):
    first, again, other = (Damage(noise=5)(photo, name) for name in ("a", "a", "\udce9"))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_lower_quality_loses_more(photo, channels):
    image = photo[:channels]
    losses = [off(Damage(jpeg=quality), image) for quality in (95, 75, 30)]
    assert 0 < losses[0] < losses[1] < losses[2]
    assert Damage(jpeg=75)(image, "a").shape == image.shape


def test_none_changes_nothing_and_its_words_say_what_was_done(photo):
    assert torch.equal(Damage()(photo, "a"), photo)
    assert str(Damage()) == ""
    assert str(Damage(10, 75)) == "noise of 10 grey levels and JPEG of quality 75 (4:2:0)"


@pytest.mark.parametrize(
    ("setting", "sentence"),
    [
        ({"jpeg": 0}, "quality of JPEG is from 1 to 100, not 0"),
        ({"jpeg": 101}, "not 101"),
        ({"noise": -1.0}, "noise is from 0 to 128 grey levels, not -1"),
        ({"noise": float("nan")}, "not nan"),
    ],
)
def test_bad_settings(setting, sentence):
    with pytest.raises(ImganError, match=sentence):
        Damage(**setting)

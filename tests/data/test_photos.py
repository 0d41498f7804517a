"""Photos as an endless, repeatable stream of crops."""

import numpy as np
import pytest
import torch
from PIL import Image

from imgan.data.photos import Crops, find_photos, load_photos
from imgan.errors import ImganError


def test_crops_are_a_function_of_their_number(photos):
    first, second = (Crops(load_photos([photos], 4, 64), 4, 16, 0.0, seed=3) for _ in range(2))
    for index in (0, 7, 2**40):
        assert all(torch.equal(first[index][k], second[index][k]) for k in ("low", "high"))
    assert not torch.equal(first[0]["low"], first[1]["low"])
    assert first.fingerprint == second.fingerprint
    other = Crops(load_photos([photos], 4, 64), 4, 16, 0.0, seed=4)
    assert not torch.equal(first[0]["low"], other[0]["low"])
    assert first.fingerprint != other.fingerprint


@pytest.mark.parametrize("scale", [2, 4])
def test_twins_show_the_same_place_turned_alike(photos, scale):
    crops = Crops(load_photos([photos], scale, 64), scale, 16, 2.0, seed=0)
    for index in range(24):
        low, high = crops[index]["low"], crops[index]["high"]
        assert low.dtype == high.dtype == torch.uint8
        assert high.shape == (3, 16 * scale, 16 * scale)
        shrunk = torch.nn.functional.avg_pool2d(high.float()[None], scale)[0]
        assert (shrunk - low.float()).abs().mean() < 6


def test_flat_crops_are_never_drawn(tmp_path):
    picture = np.full((128, 256, 3), 90, np.uint8)
    picture[:, 128:] = np.random.default_rng(0).integers(0, 256, (128, 128, 3))
    Image.fromarray(picture).save(tmp_path / "half.png")
    crops = Crops(load_photos([tmp_path], 2, 32), 2, 8, 4.0, seed=0)
    assert all(crops[i]["high"].float().std() > 10 for i in range(50))
    with pytest.raises(ImganError, match=r"lower data\.min_detail"):
        Crops(load_photos([tmp_path], 2, 32), 2, 8, 1000.0, seed=0)


def test_bad_files_are_named_and_skipped(tmp_path, photos):
    good = sorted(photos.glob("*.jpg"))[0]
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "good.jpg").write_bytes(good.read_bytes())
    (tmp_path / "cut.jpg").write_bytes(good.read_bytes()[:2000])
    (tmp_path / "empty.png").write_bytes(b"")
    (tmp_path / "text.png").write_text("not a picture")
    Image.new("RGB", (20, 500)).save(tmp_path / "tiny.png")
    Image.new("L", (100, 100)).save(tmp_path / "grey.png")
    (tmp_path / "notes.txt").write_text("no image at all")
    found = load_photos([tmp_path], 4, 64)
    assert sorted(p.name for p in found.paths) == ["good.jpg", "grey.png"]
    assert {p.name for p in found.skipped} == {"cut.jpg", "empty.png", "text.png", "tiny.png"}
    assert "20x500" in found.skipped[tmp_path / "tiny.png"]


def test_no_photo_that_can_be_used_is_one_sentence(tmp_path):
    with pytest.raises(ImganError, match="there is no folder"):
        find_photos([tmp_path / "none"])
    with pytest.raises(ImganError, match="there is no image in"):
        find_photos([tmp_path])
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(ImganError, match=r"none of the 1 images can be used; .*empty\.png"):
        load_photos([tmp_path], 4, 64)


def test_a_changed_file_is_decoded_anew(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 64), "red").save(path)
    assert load_photos([path], 2, 16).high[0][0, 0].tolist() == [255, 0, 0]
    Image.new("RGB", (64, 66), "blue").save(path)
    assert load_photos([path], 2, 16).high[0][0, 0].tolist() == [0, 0, 255]


def test_orientation_is_applied(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (80, 64)).save(tmp_path / "a.jpg", exif=exif)
    assert load_photos([tmp_path], 2, 16).high[0].shape == (80, 64, 3)


def test_a_degradation_makes_the_low_twin_from_the_crop(photos):
    def halve(image, random):
        return (image[::2, ::2] // 2 + random.integers(2)).astype(np.uint8)

    crops = Crops(load_photos([photos], 2, 64), 2, 16, 0.0, seed=0, degrade=halve)
    item = crops[5]
    difference = item["low"].int() - item["high"][:, ::2, ::2].int() // 2
    assert difference.unique().numel() == 1
    assert torch.equal(item["low"], crops[5]["low"])

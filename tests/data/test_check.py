"""Looking through a set before training."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from imgan.data.check import check
from imgan.errors import ImganError


@pytest.fixture
def pictures(photos):
    """Crops of real photos, all different: pictures(number, size) is a Pillow image."""
    opened = [Image.open(file).convert("RGB") for file in sorted(photos.glob("*.jpg"))]

    def crop(number, size=(48, 48)):
        source = opened[number % len(opened)]
        left = number * 37 % (source.width - 2 * size[0])
        top = number * 23 % (source.height - 2 * size[1])
        return source.crop((left, top, left + 2 * size[0], top + 2 * size[1])).resize(size)

    return crop


def save(image, path, **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path, **options)


def about(findings):
    return [finding.about for finding in findings]


def test_a_good_set(tmp_path, pictures):
    for i in range(6):
        save(pictures(i, (64, 32)), tmp_path / ("train" if i < 4 else "test") / f"{i}.png")
    calls = []
    report = check(tmp_path, progress=lambda *call: calls.append(call))
    assert report.usable and not report.notes and report.kind == "joined"
    assert [(s.split, s.side, s.images) for s in report.sides] == [
        ("train", "A|B", 4),
        ("test", "A|B", 2),
    ]
    assert report.sides[0].sizes == {"64x32": 4} and report.sides[0].channels == {"RGB, 8 bit": 4}
    assert calls[-1] == (6, 6)
    assert json.loads(json.dumps(report.to_dict()))["usable"] is True


def test_missing_partners_and_damaged_files_are_named(tmp_path, pictures):
    for i in range(12):
        save(pictures(i), tmp_path / "trainA" / f"{i:02}.png")
        if i != 7:
            save(pictures(i + 100).convert("L"), tmp_path / "trainB" / f"{i:02}.png")
    whole = (tmp_path / "trainA" / "03.png").read_bytes()
    (tmp_path / "trainA" / "03.png").write_bytes(whole[: len(whole) // 2])
    report = check(tmp_path)
    assert report.kind == "folders" and not report.usable
    assert about(report.faults) == ["partner", "damaged"]
    assert report.faults[0].files == [tmp_path / "trainA" / "07.png"]
    assert report.faults[1].files == [tmp_path / "trainA" / "03.png"]
    assert report.sides[1].channels == {"grey, 8 bit": 11}


def test_the_same_pixels_in_train_and_test(tmp_path, pictures):
    for i in range(4):
        save(pictures(i), tmp_path / "train" / f"{i}.png")
    save(pictures(1), tmp_path / "test" / "other name.tif")
    save(pictures(20), tmp_path / "test" / "20.png")
    save(pictures(20), tmp_path / "test" / "21.png")
    report = check(tmp_path)
    assert about(report.faults) == ["leak"]
    assert "other name.tif in test is the same image as" in report.faults[0].text
    assert [file.name for file in report.faults[0].files] == ["other name.tif", "1.png"]
    assert about(report.notes) == ["twice"]
    assert "21.png is the same image as" in report.notes[0].text


def test_look_alikes_are_noted_and_flat_images_are_not(tmp_path, pictures):
    for i in range(4):
        save(pictures(i, (64, 64)), tmp_path / "train" / f"{i}.png")
    save(pictures(2, (64, 64)).resize((40, 40)), tmp_path / "test" / "again.jpg", quality=40)
    save(Image.new("RGB", (48, 48), "white"), tmp_path / "train" / "white.png")
    save(Image.new("RGB", (48, 48), "grey"), tmp_path / "test" / "grey.png")
    save(pictures(30), tmp_path / "test" / "30.png")
    report = check(tmp_path)
    assert report.usable and about(report.notes) == ["look-alike"]
    assert [file.name for file in report.notes[0].files] == ["again.jpg", "2.png"]


def test_pairs_are_the_same_where_both_sides_are(tmp_path, pictures):
    blank = Image.new("L", (48, 48))
    for side, image in (("A", pictures(0)), ("B", blank)):
        save(image, tmp_path / f"train{side}" / "1.png")
    save(pictures(9), tmp_path / "testA" / "2.png")
    save(blank, tmp_path / "testB" / "2.png")  # a blank map is no leak
    assert check(tmp_path).usable
    save(pictures(0), tmp_path / "testA" / "3.png")
    save(blank, tmp_path / "testB" / "3.png")
    assert about(check(tmp_path).faults) == ["leak"]
    save(pictures(0).resize((32, 32)), tmp_path / "testA" / "3.png")
    report = check(tmp_path)
    assert report.usable and sorted(about(report.notes)) == ["look-alike", "size"]
    assert "is 32x32 and its partner" in next(n.text for n in report.notes if n.about == "size")


def test_channels_and_depths(tmp_path):
    random = np.random.default_rng(0)
    np.save(tmp_path / "a.npy", random.random((16, 16, 5), np.float32))
    Image.fromarray(random.integers(0, 65536, (16, 16), np.uint16)).save(tmp_path / "b.png")
    Image.fromarray(random.integers(0, 256, (16, 16, 4), np.uint8)).save(tmp_path / "c.png")
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "blue")]
    frames[0].save(tmp_path / "d.gif", save_all=True, append_images=frames[1:])
    report = check(tmp_path)
    assert report.usable
    assert report.sides[0].channels == {
        "5 channels, float": 1,
        "grey, 16 bit": 1,
        "RGB + alpha, 8 bit": 1,
        "RGB, 8 bit": 1,
    }
    assert about(report.notes) == ["mixed", "mixed"]


def test_a_malformed_layout_is_a_fault(tmp_path):
    save(Image.new("RGB", (8, 8)), tmp_path / "trainA" / "1.png")
    report = check(tmp_path)
    assert about(report.faults) == ["layout"] and not report.sides and report.kind is None
    assert "lacks B" in report.to_dict()["faults"][0]["text"]
    with pytest.raises(ImganError, match="is not a folder"):
        check(tmp_path / "none")


def test_an_odd_width_deep_in_a_joined_set(tmp_path, monkeypatch):
    monkeypatch.setattr("imgan.data.layouts.SAMPLE", 2)
    for i, width in enumerate((16, 17, 16)):
        save(Image.new("RGB", (width, 8), (i, 0, 0)), tmp_path / f"{i}.png")
    report = check(tmp_path, "joined")
    assert about(report.faults) == ["size"] and "17 pixels wide" in report.faults[0].text


def test_nothing_is_read_twice(tmp_path, monkeypatch):
    """Joined files stand on both sides of a split and are decoded once."""
    buffer = io.BytesIO()
    Image.effect_noise((16, 8), 50).save(buffer, "PNG")
    (tmp_path / "1.png").write_bytes(buffer.getvalue())
    calls = []
    check(tmp_path, progress=lambda *call: calls.append(call))
    assert calls == [(1, 1)]

"""Photos as an endless, repeatable stream of crops."""

import os
import pickle
import shutil
import threading

import numpy as np
import pytest
import torch
from PIL import Image

from imgan.data import photos as module
from imgan.data.arrays import OPEN
from imgan.data.crops import Crops
from imgan.data.photos import find_photos, load_photos, photos_to_score
from imgan.errors import ImganError
from imgan.evaluation.pairs import find_pairs


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
    (tmp_path / "nowhere.png").symlink_to(tmp_path / "gone.png")
    (tmp_path / "circle.png").symlink_to(tmp_path / "circle.png")
    Image.effect_noise((200, 200), 50).save(tmp_path / "bad.avif")
    avif = (tmp_path / "bad.avif").read_bytes()
    (tmp_path / "bad.avif").write_bytes(avif[: avif.index(b"mdat") + 4].ljust(len(avif), b"\0"))
    found = load_photos([tmp_path], 4, 64)
    assert sorted(p.name for p in found.paths) == ["good.jpg", "grey.png"]
    bad = {"cut.jpg", "empty.png", "text.png", "tiny.png", "nowhere.png", "circle.png", "bad.avif"}
    assert {p.name for p in found.skipped} == bad
    assert "20x500" in found.skipped[tmp_path / "tiny.png"]


def test_no_photo_that_can_be_used_is_one_sentence(tmp_path):
    with pytest.raises(ImganError, match="there is no folder"):
        find_photos([tmp_path / "none"])
    with pytest.raises(ImganError, match="there is no image in"):
        find_photos([tmp_path])
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(ImganError, match=r"none of the 1 images can be used; .*empty\.png"):
        load_photos([tmp_path], 4, 64)


def test_runs_and_hidden_files_are_no_photos(tmp_path):
    for name in ("a.jpg", "sub/b.png", "._a.jpg", ".trash/c.jpg", "__MACOSX/a.jpg"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        Image.new("RGB", (100, 100)).save(tmp_path / name)
    for name in ("run/previews/00000010.png", "compared/figure.png", "mine/previews/d.png"):
        (tmp_path / name).parent.mkdir(parents=True)
        Image.new("RGB", (100, 100)).save(tmp_path / name)
    for name in ("run/recipe.yaml", "run/metrics.jsonl", "compared/comparison.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "compared/index.html").write_text("<p>")
    (tmp_path / "mine/recipe.yaml").write_text("flour, eggs")
    found = [path.relative_to(tmp_path).as_posix() for path in find_photos([tmp_path])]
    assert found == ["a.jpg", "mine/previews/d.png", "sub/b.png"]
    assert len(find_photos([tmp_path / "run"])) == 1  # who names it means it


def test_a_folder_that_cannot_be_read_is_named(tmp_path, monkeypatch):
    Image.new("RGB", (100, 100)).save(tmp_path / "a.png")
    (tmp_path / "lost+found").mkdir()
    (tmp_path / "locked").mkdir()
    real = os.scandir

    def scandir(path):
        if str(path).endswith(("locked", "lost+found")):
            raise PermissionError(13, "Permission denied", str(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)
    locked = tmp_path / "locked"
    photos = load_photos([tmp_path], 4, 64)
    assert [path.name for path in photos.paths] == ["a.png"]
    assert photos.skipped == {locked: "cannot be read: Permission denied"}
    with pytest.raises(ImganError, match="locked cannot be read: Permission denied"):
        find_photos([locked])


def test_a_changed_file_is_decoded_anew(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (64, 64), "red").save(path)
    assert load_photos([path], 2, 16).high[0][0, 0].tolist() == [255, 0, 0]
    Image.new("RGB", (64, 66), "blue").save(path)
    assert load_photos([path], 2, 16).high[0][0, 0].tolist() == [0, 0, 255]


def cut(file):
    file.write_bytes(file.read_bytes()[:-100])


@pytest.mark.parametrize(
    "damage",
    [
        cut,
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': '|u1', 'fortr"),
        lambda file: file.write_bytes(b"PK\x03\x04 no such archive"),
        lambda file: np.save(file, np.zeros((3, 4, 3), np.uint8)),
        lambda file: np.save(file, np.zeros((64, 64, 3))),
        lambda file: file.unlink(),
    ],
)
@pytest.mark.parametrize("twin", ["high", "low"])
def test_what_is_damaged_in_the_cache_is_made_again(tmp_path, monkeypatch, damage, twin):
    monkeypatch.setenv("IMGAN_CACHE", str(tmp_path / "cache"))
    path = tmp_path / "a.png"
    Image.effect_noise((64, 64), 50).save(path)
    first = load_photos([path], 2, 16)
    whole = first.high[0].copy(), first.low[0].copy()
    (file,) = (tmp_path / "cache").rglob(f"*-{twin}.npy")
    damage(file)
    again = load_photos([path], 2, 16)
    assert np.array_equal(again.high[0], whole[0])
    assert np.array_equal(again.low[0], whole[1])
    kept = sorted(p.name for p in (tmp_path / "cache").rglob("*.npy"))
    assert len(kept) == 2


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


def test_degraded_crops_lie_anywhere_in_what_was_degraded(photos):
    """Else the blocks of JPEG begin at the same place of every crop."""
    seen = []

    def mark(image, random):
        seen.append(image.shape[0])
        rows, columns = np.mgrid[: image.shape[0] // 2, : image.shape[1] // 2]
        return np.stack([rows, columns, image[::2, ::2, 0]], axis=2).astype(np.uint8)

    crops = Crops(load_photos([photos], 2, 64), 2, 16, 0.0, seed=0, degrade=mark)
    corners = set()
    for index in range(60):
        item = crops[index]
        low, high = item["low"], item["high"]
        assert low.shape == (3, 16, 16)
        assert torch.equal(low[2], high[0, ::2, ::2])  # both were cut alike
        corners.add((int(low[0, 0, 0]), int(low[1, 0, 0])))
    assert set(seen) == {2 * (16 + 8)}
    for axis in (0, 1):
        assert {corner[axis] for corner in corners} == set(range(8))


def test_every_kind_of_pixel_is_read_as_upscaling_reads_it(tmp_path):
    Image.fromarray(np.full((64, 64), 128 * 257, np.uint16)).save(tmp_path / "deep.png")
    Image.new("RGBA", (64, 64), (255, 0, 0, 51)).save(tmp_path / "glass.png")
    Image.new("LA", (64, 64), (7, 255)).save(tmp_path / "opaque.png")
    high = load_photos([tmp_path], 2, 16).high
    assert [pixels[0, 0].tolist() for pixels in high] == [[128] * 3, [255, 204, 204], [7] * 3]


@pytest.mark.parametrize("error", [MemoryError(), RuntimeError("torch has no memory")])
def test_a_photo_too_large_for_memory_is_skipped(tmp_path, monkeypatch, error):
    Image.new("RGB", (64, 64)).save(tmp_path / "a.png")
    real = module.decode

    def decode(path):
        if path.name == "large.png":
            raise error
        return real(path)

    monkeypatch.setattr(module, "decode", decode)
    Image.new("RGB", (64, 64)).save(tmp_path / "large.png")
    found = load_photos([tmp_path], 2, 16)
    assert [p.name for p in found.skipped] == ["large.png"]
    assert "memory" in found.skipped[tmp_path / "large.png"]


def test_a_cache_that_cannot_be_written_ends_the_run(tmp_path, monkeypatch, photos):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("IMGAN_CACHE", str(tmp_path / "file"))
    with pytest.raises(ImganError, match=r"cannot be kept in .*file.*IMGAN_CACHE"):
        load_photos([photos], 4, 64)


def test_ctrl_c_does_not_wait_for_photos(monkeypatch, photos):
    busy, calls = threading.Event(), []

    def cached(path, scale, smallest, part):
        calls.append(path)
        if len(calls) > 1:
            busy.wait(60)
        return (path, path), ((1, 1, 3),) * 2

    def interrupt(done, total):
        raise KeyboardInterrupt

    monkeypatch.setattr(module, "_cached", cached)
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)
    monkeypatch.setattr(module, "find_photos", lambda folders, skipped: [photos] * 5)
    try:
        with pytest.raises(KeyboardInterrupt):  # would hang where it waited
            load_photos([photos], 4, 64, interrupt)
    finally:
        busy.set()
    assert len(calls) <= 2


def test_pickles_hold_files_and_not_pixels(photos):
    found = load_photos([photos], 4, 64)
    packed = pickle.dumps(found)
    assert len(packed) < 1000 * (1 + len(found.paths))
    back = pickle.loads(packed)
    assert back.paths == found.paths
    both = ([*photos.high, *photos.low] for photos in (found, back))
    for one, other in zip(*both, strict=True):
        assert isinstance(other, np.memmap)
        assert np.array_equal(one, other)
    plain = module.PhotoSet(high=[np.ones((2, 2, 3), np.uint8)])
    assert np.array_equal(pickle.loads(pickle.dumps(plain)).high[0], plain.high[0])


def test_photos_enter_at_the_fractions_that_are_asked_for(photos):
    whole = load_photos([photos], 2, 32)
    parts = load_photos([photos], 2, 32, shrink=(2, 3))
    assert len(parts.paths) == 2 * len(whole.paths)
    for i, path in enumerate(parts.paths):
        full = whole.high[whole.paths.index(path)]
        part = 2 + i % 2
        assert parts.high[i].shape[0] == full.shape[0] // part // 2 * 2
        mean = np.asarray(full).mean((0, 1))
        np.testing.assert_allclose(np.asarray(parts.high[i]).mean((0, 1)), mean, atol=4)


def test_an_array_that_is_no_photo_is_skipped(tmp_path, photos):
    np.save(tmp_path / "deep.npy", np.zeros((100, 100, 5), np.uint8))
    found = load_photos([photos, tmp_path / "deep.npy"], 4, 64)
    assert "it has 5 channels" in found.skipped[tmp_path / "deep.npy"]


def test_any_number_of_photos_takes_few_open_files(tmp_path, monkeypatch):
    """A map holds its file open, of which a process may have a few hundred."""
    resource = pytest.importorskip("resource")
    for i in range(90):
        Image.new("RGB", (16, 16), (i, 0, 0)).save(tmp_path / f"{i:02d}.png")
    monkeypatch.setattr("os.cpu_count", lambda: 4)  # as many threads read
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    taken = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 100
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken + 2 * OPEN + 20, limits[1]))
    try:
        crops = Crops(load_photos([tmp_path], 2, 16), 2, 8, 0, seed=0)
        assert len({int(crops[i]["high"][0, 0, 0]) for i in range(500)}) > 80
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_a_name_of_another_encoding(tmp_path):
    path = tmp_path / os.fsdecode(b"caf\xe9.png")
    try:
        Image.new("RGB", (16, 16)).save(path)
    except (OSError, UnicodeError):
        pytest.skip("not on this file system")
    assert load_photos([tmp_path], 2, 16).paths == [path]


def test_only_the_photos_of_train_are_trained_on(tmp_path):
    names = ("train/a.png", "test/b.png", "album/c.png", "d.png")
    for name in (*names, *(f"inner/{name}" for name in ("val/e.png", "f.png"))):
        path = tmp_path / ("one" if name in names else "two") / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (100, 100)).save(path)
    skipped = {}
    one, two = tmp_path / "one", tmp_path / "two"
    found = find_photos([one, two], skipped)
    assert [path.name for path in found] == ["a.png", "f.png"]
    assert {path.name for path in skipped} == {"test", "album", "d.png", "val"}
    assert [path.name for path in photos_to_score([one, two])] == ["b.png", "e.png"]
    assert [pair.name for pair in find_pairs(one, 4)] == ["b.png"]
    with pytest.raises(ImganError, match="has nothing to train on but .*test; give that"):
        (one / "train" / "a.png").unlink()
        (one / "train").rmdir()
        shutil.rmtree(one / "album")
        (one / "d.png").unlink()
        find_photos([one])

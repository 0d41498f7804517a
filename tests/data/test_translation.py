import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgan.data.makers import MAKERS
from imgan.data.prepared import Form, luma
from imgan.data.sets import paired_sets, photo_sets, unpaired_sets
from imgan.data.translation import PREVIEW, load_pairs, load_unpaired

SIZE = 24


def quiet(done, total):
    pass


def form(channels=3, resize="stretch", load=32):
    return Form(channels, resize, load, SIZE)


@pytest.fixture
def ramps(tmp_path):
    """Pairs whose pixels tell where they stand: A holds x and y, B the same in reverse."""
    y, x = np.mgrid[:32, :32].astype(np.uint8) * 8
    for split, count in (("train", 5), ("test", 2)):
        for side in "AB":
            (tmp_path / "data" / f"{split}{side}").mkdir(parents=True)
        for i in range(count):
            a = np.stack([x, y, np.full_like(x, 10 * i)], axis=2)
            Image.fromarray(a).save(tmp_path / "data" / f"{split}A" / f"{i}.png")
            Image.fromarray(255 - a).save(tmp_path / "data" / f"{split}B" / f"{i}.png")
    return tmp_path / "data"


def pairs_of(folder, direction="AtoB", make=None, channels=(3, 3), **options):
    forms = (form(channels[0], **options), form(channels[1], **options))
    return load_pairs(paired_sets([folder]), direction, forms, 0, True, make, quiet)


def test_both_of_a_pair_move_alike(ramps):
    pairs, skipped = pairs_of(ramps)
    assert not skipped
    places = set()
    for i in range(40):
        item = pairs[i]
        assert item["source"].shape == (3, SIZE, SIZE)
        torch.testing.assert_close(item["source"], -item["target"], atol=1e-6, rtol=0)
        first = item["source"][:2, 0, 0]
        flipped = bool(item["source"][0, 0, 0] > item["source"][0, 0, -1])
        places.add((*first.tolist(), flipped))
    assert len(places) > 20  # cuts and flips are drawn anew
    assert {place[2] for place in places} == {True, False}


def test_items_are_functions_of_their_number_and_epochs_are_whole(ramps):
    pairs, _ = pairs_of(ramps)
    again, _ = pairs_of(ramps)
    assert pairs.fingerprint == again.fingerprint
    for i in (0, 7, 123):
        assert torch.equal(pairs[i]["source"], again[i]["source"])
    for epoch in range(3):
        marks = {round(pairs[5 * epoch + i]["source"][2].max().item(), 3) for i in range(5)}
        assert len(marks) == 5


def test_direction(ramps):
    forward, backward = pairs_of(ramps)[0][3], pairs_of(ramps, "BtoA")[0][3]
    assert torch.equal(forward["source"], backward["target"])


def test_previews_are_the_held_out_images_from_the_middle(ramps):
    pairs, _ = pairs_of(ramps)
    item = pairs[PREVIEW + 1]
    whole = np.asarray(Image.open(ramps / "testA" / "1.png"))[4:28, 4:28] / 127.5 - 1
    np.testing.assert_allclose(item["source"].permute(1, 2, 0), whole, atol=1e-6)
    assert torch.equal(pairs[PREVIEW + 3]["source"], item["source"])


def test_training_never_sees_a_held_out_image(ramps):
    (ramps / "testA" / "9.png").write_bytes((ramps / "testA" / "0.png").read_bytes())
    (ramps / "testB" / "9.png").write_bytes((ramps / "testB" / "0.png").read_bytes())
    pairs, _ = pairs_of(ramps)
    assert len(pairs) == 5
    assert all("test" not in str(name) for name in pairs.train[0].names)


def test_without_splits_every_twentieth_is_held_out_and_never_trained_on(tmp_path):
    for i in range(45):
        Image.new("RGB", (SIZE, SIZE), (5 * i, 0, 0)).save(tmp_path / f"{i:02d}.png")
    sets = photo_sets([tmp_path])
    held_out = [path.stem for path in sets.tests.b]
    assert held_out == ["09", "29"]
    assert sets.previews == sets.tests
    assert not set(held_out) & {path.stem for path in sets.train.b}
    assert len(sets.train.b) == 43
    assert photo_sets([tmp_path]) == sets


def test_heaps_that_nearly_pair_up_are_two_sets(ramps):
    (ramps / "trainB" / "4.png").unlink()
    (ramps / "trainA" / "1.jpg").write_bytes((ramps / "trainA" / "1.png").read_bytes())
    sets = unpaired_sets([ramps])
    assert not sets.paired
    assert (len(sets.train.a), len(sets.train.b)) == (6, 4)


def test_halves_that_are_no_squares_need_a_word(tmp_path):
    from imgan.errors import ImganError

    for i in range(3):
        Image.new("RGB", (96, 32), (5 * i, 0, 0)).save(tmp_path / f"{i}.png")
    with pytest.raises(ImganError, match=r"say data\.layout"):
        paired_sets([tmp_path])
    assert paired_sets([tmp_path], "joined").halves == ("left", "right")


def test_corrupt_files_and_unequal_pairs_are_named_and_left_out(ramps):
    (ramps / "trainA" / "0.png").write_bytes(b"not an image")
    Image.new("RGB", (50, 40)).save(ramps / "trainB" / "1.png")
    pairs, skipped = pairs_of(ramps, resize="none")
    assert len(pairs) == 3
    assert sorted(name.rsplit("/", 1)[-1] for name in skipped) == ["0.png", "1.png"]
    assert any("differ in size: 32x32 and 50x40" in reason for reason in skipped.values())


def test_tiny_images_are_named_and_left_out(ramps):
    for side in ("trainA", "trainB"):
        Image.new("RGB", (9, 7)).save(ramps / side / "2.png")
    pairs, skipped = pairs_of(ramps)
    assert len(pairs) == 4
    assert "it is tiny: 9x7 pixels, where 16 are the least" in skipped.values()


def test_a_damaged_cache_file_is_made_again(ramps):
    pairs, _ = pairs_of(ramps)
    expected = pairs[0]["source"]
    for file in pairs.train[0].files:
        file.write_bytes(file.read_bytes()[:40])
    assert torch.equal(pairs_of(ramps)[0][0]["source"], expected)


def test_unpaired_sets_are_drawn_independently(ramps):
    (ramps / "trainB" / "4.png").unlink()
    for i, file in enumerate(sorted((ramps / "trainB").iterdir())):
        file.rename(ramps / "trainB" / f"other{i}.png")
    images, _ = load_unpaired(unpaired_sets([ramps]), (form(), form()), 0, True, quiet)
    assert (len(images.train[0]), len(images.train[1])) == (5, 4)
    seen = {tuple(round(images[i][k][2].mean().item(), 2) for k in "ab") for i in range(20)}
    assert len(seen) > 8  # 5 x 4 combinations


def test_two_folders_serve_as_the_two_sets(ramps):
    folders = [ramps / "trainA", ramps / "testB"]
    images, _ = load_unpaired(unpaired_sets(folders), (form(), form()), 0, False, quiet)
    assert (len(images.train[0]), len(images.train[1])) == (5, 2)


def test_sixteen_bits_and_other_channels_keep_their_values(tmp_path):
    rng = np.random.default_rng(0)
    deep = rng.integers(0, 65536, (SIZE, SIZE), np.uint16)
    for side in "AB":
        (tmp_path / f"train{side}").mkdir()
    Image.fromarray(deep).save(tmp_path / "trainA" / "0.png")
    np.save(tmp_path / "trainB" / "0.npy", rng.random((SIZE, SIZE, 5), np.float32))
    pairs, skipped = pairs_of(tmp_path, channels=(1, 5), resize="none")
    assert not skipped
    item = pairs[PREVIEW]
    np.testing.assert_allclose((item["source"][0] + 1) / 2, deep / 65535, atol=1e-6)
    assert item["target"].shape == (5, SIZE, SIZE)


@settings(deadline=None, max_examples=20)
@given(name=st.sampled_from(sorted(MAKERS)), seed=st.integers(0, 1000))
def test_makers_keep_size_and_range_and_follow_their_seed(name, seed):
    target = np.random.default_rng(seed).random((20, 30, 3), np.float32)
    made = MAKERS[name](target, np.random.default_rng(seed))
    assert made.shape[:2] == (20, 30)
    assert made.dtype == np.float32
    assert made.min() >= 0
    assert made.max() <= 1
    np.testing.assert_array_equal(made, MAKERS[name](target, np.random.default_rng(seed)))


def test_luma_of_the_primaries():
    colours = np.array([[[255, 0, 0], [0, 255, 0], [0, 0, 255], [255, 255, 255]]], np.uint8)
    assert luma(colours)[0, :, 0].tolist() == [76, 150, 29, 255]

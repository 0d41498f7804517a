"""Clips as an endless, repeatable stream of windows."""

import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgan.data import clip_files
from imgan.data import clips as module
from imgan.data.clips import (
    Clip,
    Clips,
    _drawn,
    find_clips,
    load_clips,
    scene_starts,
    test_windows,
)
from imgan.data.translation import PREVIEW
from imgan.data.video import write_video
from imgan.errors import ImganError


def texture(seed, height=48, width=64):
    """A smooth picture, other than those of other seeds."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (5, 6, 3), np.uint8)
    return np.asarray(Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC))


def scene(seed, count, height=48, width=64, speed=2):
    """A texture that goes to the left."""
    return [np.roll(texture(seed, height, width), -speed * i, axis=1) for i in range(count)]


def save(folder, frames, first=0):
    """A folder of numbered frames, which keep their values."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, frame in enumerate(frames, first):
        Image.fromarray(frame).save(folder / f"{i}.png", compress_level=1)


def load(*folders, **changes):
    options = {"past": 3, "future": 2, "side": 32, "crop": 16, "channels": 3, "seed": 0}
    options |= {"flip": True, "min_motion": 0.5, "held_out": 0.25}
    return load_clips(list(folders), **options | changes)


def clips_of(*folders, **changes):
    clips, skipped = load(*folders, **changes)
    assert not skipped
    return clips


@pytest.fixture
def folder(tmp_path):
    """Five clips of one scene and one of two, each of 20 frames."""
    for i in range(5):
        save(tmp_path / "data" / f"clip{i}", scene(i, 20))
    save(tmp_path / "data" / "cut", scene(7, 9) + scene(8, 11))
    return tmp_path / "data"


# Finding.


def test_clips_are_found_in_folders_below(tmp_path):
    for name in ("a.mp4", "b/c.webm", "b/d.GIF", "b/.hidden.mp4", ".cache/e.mp4", "b/notes.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    save(tmp_path / "b" / "frames", scene(0, 2))
    save(tmp_path / "b" / "one", scene(0, 1))
    Image.new("RGB", (8, 8)).save(tmp_path / "b" / "c1.jpg")  # beside videos: pictures of them
    Image.new("RGB", (8, 8)).save(tmp_path / "b" / "c2.jpg")
    (tmp_path / "b" / "circle").symlink_to(tmp_path)
    names = [path.relative_to(tmp_path).as_posix() for path in find_clips([tmp_path])]
    assert names == ["a.mp4", "b/c.webm", "b/d.GIF", "b/frames"]
    assert find_clips([tmp_path / "a.mp4"]) == [tmp_path / "a.mp4"]
    assert find_clips([tmp_path / "b" / "frames"]) == [tmp_path / "b" / "frames"]


def test_where_there_is_no_clip_it_is_said(tmp_path):
    with pytest.raises(ImganError, match="there is no folder"):
        find_clips([tmp_path / "none"])
    (tmp_path / "photo.jpg").write_bytes(b"")
    with pytest.raises(ImganError, match="there is no clip in .*numbered frames"):
        find_clips([tmp_path])


# Scenes.


@settings(deadline=None, max_examples=12)
@given(
    lengths=st.lists(st.integers(6, 20), min_size=1, max_size=4),
    speed=st.integers(0, 1),
    seed=st.integers(0, 1000),
)
def test_cuts_are_found_where_they_are(lengths, speed, seed):
    frames = [f for i, n in enumerate(lengths) for f in scene(10 * seed + i, n, speed=speed)]
    starts = [sum(lengths[:i]) for i in range(len(lengths))]
    assert scene_starts(iter(frames)) == starts


def test_frames_of_any_size_have_the_same_scenes():
    frames = scene(1, 10, 480, 640) + scene(2, 10, 480, 640)
    assert scene_starts(frames) == [0, 10]
    assert scene_starts([frame[::10, ::10, 0] for frame in frames]) == [0, 10]
    assert scene_starts(frames[:1]) == [0]
    assert scene_starts([]) == []


def test_motion_light_and_flashes_are_no_cuts():
    still = texture(3)
    fast = scene(3, 20, speed=9)
    brighter = [(still * (0.4 + 0.03 * i)).astype(np.uint8) for i in range(20)]
    steps = [(still * (0.4 if i < 10 else 0.8)).astype(np.uint8) for i in range(20)]
    shake = [np.roll(still, (-1) ** i * 4, axis=(0, 1)) for i in range(20)]
    lightning = scene(3, 20)
    lightning[10] = np.full_like(still, 250)
    twice = scene(3, 20, speed=1)
    twice[10:12] = scene(4, 2)
    for frames in (fast, brighter, steps, shake, twice):
        assert scene_starts(frames) == [0]
    assert set(scene_starts(lightning)) <= {0, 11}  # a flat frame may part two scenes


def test_fades_and_dissolves_part_scenes():
    a, b = texture(1).astype(np.float32), texture(2).astype(np.float32)
    fade = [a * max(0, 1 - i / 9) for i in range(10)] + [b * (i / 9) for i in range(10)]
    starts = scene_starts([f.astype(np.uint8) for f in fade])
    assert len(starts) == 2 and 10 <= starts[1] <= 12
    mixed = [a] * 20 + [a + (b - a) * i / 20 for i in range(20)] + [b] * 20
    starts = scene_starts([f.astype(np.uint8) for f in mixed])
    assert set(range(24, 36)) <= set(starts)  # nothing of length lies in the middle
    assert not set(range(1, 18)) & set(starts) and not set(range(43, 60)) & set(starts)


# Windows.


def marked(frames, mark):
    """The frames with a green of this value in every pixel."""
    return [np.stack([f[..., 0], np.full_like(f[..., 0], mark), f[..., 2]], 2) for f in frames]


def test_windows_straddle_no_cut(tmp_path):
    for name, marks in (("a", [0, 90, 180, 250]), ("b", [30, 120, 220])):
        save(tmp_path / name, [f for m in marks for f in marked(scene(m, 8, speed=1), m)])
    clips = clips_of(tmp_path, side=0, min_motion=0)
    assert [len(clip.scenes) for clip in (*clips.training, *clips.held_out)] in ([3, 4], [4, 3])
    for i in (*range(60), *range(PREVIEW, PREVIEW + 20)):
        item = clips[i]
        colours = torch.cat([item["past"], item["future"]])[:, 1]
        assert colours.min() == colours.max()
    for _, frames in test_windows(clips, 3):
        assert frames[..., 1].min() == frames[..., 1].max()
    assert len(clips) == len(clips.training[0].scenes) * (8 - 5 + 1)


def test_missing_numbers_part_scenes(tmp_path):
    save(tmp_path / "a", scene(1, 10))
    save(tmp_path / "a", scene(1, 20)[10:], first=50)
    save(tmp_path / "b", scene(2, 20))
    clips = clips_of(tmp_path)
    scenes = {clip.name: clip.scenes for clip in (*clips.training, *clips.held_out)}
    assert scenes == {"a": ((0, 10), (10, 20)), "b": ((0, 20),)}


def test_numbers_that_are_times_part_nothing(tmp_path):
    (tmp_path / "a").mkdir()
    for i, frame in enumerate(scene(1, 20)):
        time = round(1000 * (i + 3 * (i > 11)) / 30)  # 33, 67, 100; and three are missing
        Image.fromarray(frame).save(tmp_path / "a" / f"{time}.png")
    save(tmp_path / "b", scene(2, 20))
    clips = clips_of(tmp_path)
    (timed,) = [clip for clip in (*clips.training, *clips.held_out) if clip.name == "a"]
    assert timed.scenes == ((0, 12), (12, 20))


def test_items_are_frames_of_the_clips(tmp_path):
    save(tmp_path / "a", scene(1, 20))
    save(tmp_path / "b", scene(2, 20))
    clips = clips_of(tmp_path, side=0, min_motion=0, flip=False)
    (name,) = clips.train
    whole = np.stack(scene({"a": 1, "b": 2}[name], 20))
    places = set()
    for i in range(40):
        item = clips[i]
        assert item["past"].shape == (3, 3, 16, 16) and item["future"].shape == (2, 3, 16, 16)
        assert item["past"].dtype == torch.float32
        window = torch.cat([item["past"], item["future"]]).permute(0, 2, 3, 1).numpy() * 255
        views = np.lib.stride_tricks.sliding_window_view(whole, (5, 16, 16), (0, 1, 2))
        views = views[:, :, :, :, 0, 0, 0]  # the first pixel of every window
        found = [
            (t, y, x)
            for t, y, x in np.argwhere(np.abs(views - window[0, 0, 0]).max(3) < 0.01)
            if np.abs(whole[t : t + 5, y : y + 16, x : x + 16] - window).max() < 0.01
        ]
        assert found
        places.update(found)
    times, tops, lefts = map(set, zip(*places, strict=True))
    assert min(len(times), len(tops), len(lefts)) > 8


def test_items_are_a_function_of_settings_and_number(folder):
    first, second = clips_of(folder), clips_of(folder)
    for index in (0, 7, 10**9, PREVIEW, PREVIEW + 3):
        for name in ("past", "future"):
            assert torch.equal(first[index][name], second[index][name])
    assert first.fingerprint == second.fingerprint and first.test == second.test
    for change in ({"seed": 1}, {"past": 2}, {"crop": 24}, {"flip": False}, {"channels": 1}):
        assert clips_of(folder, **change).fingerprint != first.fingerprint
    assert not torch.equal(clips_of(folder, seed=1)[0]["past"], first[0]["past"])
    moved = shutil.copytree(folder, folder.parent / "elsewhere")
    assert clips_of(moved).fingerprint == first.fingerprint
    assert torch.equal(clips_of(moved)[5]["past"], first[5]["past"])


def test_flips_are_drawn_and_time_never_runs_back(folder):
    still, flipped = clips_of(folder, flip=False), clips_of(folder)
    same = 0
    for i in range(40):
        a, b = still[i]["past"], flipped[i]["past"]
        assert torch.equal(a, b) or torch.equal(a, b.flip(-1))
        same += torch.equal(a, b)
    assert 8 < same < 32


def test_time_runs_back_where_that_is_allowed(folder):
    on, both = clips_of(folder, flip=False), clips_of(folder, flip=False, reverse=True)
    assert on.fingerprint != both.fingerprint
    same = 0
    for i in range(40):
        a, b = (torch.cat([one[i]["past"], one[i]["future"]]) for one in (on, both))
        assert torch.equal(a, b) or torch.equal(a, b.flip(0))
        same += torch.equal(a, b)
    assert 8 < same < 32


def test_windows_are_turned_where_that_is_allowed(folder):
    on, turned = clips_of(folder, flip=False), clips_of(folder, flip=False, turn=True)
    turns = [
        [torch.equal(torch.rot90(on[i]["past"], k, (2, 3)), turned[i]["past"]) for k in range(4)]
        for i in range(40)
    ]
    assert all(any(found) for found in turns)
    assert all(4 < sum(found[k] for found in turns) < 18 for k in range(4))


def test_previews_are_held_out_clips_in_turn_from_the_middle(folder):
    clips = clips_of(folder, side=0, crop=40, held_out=0.5)
    assert len(clips.test) > 1
    for i, clip in enumerate(clips.held_out):
        item = clips[PREVIEW + i]
        frames = np.load(clip.frames)[clip.scenes[0][0] :][:5, 4:44, 12:52]
        window = torch.cat([item["past"], item["future"]]).permute(0, 2, 3, 1) * 255
        np.testing.assert_allclose(window, frames, atol=0.01)


def test_a_long_clip_does_not_drown_the_short_ones(tmp_path):
    save(tmp_path / "train" / "long", marked(scene(1, 104, 24, 24), 0))
    save(tmp_path / "train" / "short", marked(scene(2, 8, 24, 24), 200))
    save(tmp_path / "test" / "a", scene(3, 8, 24, 24))
    clips = clips_of(tmp_path, min_motion=0)
    assert [len(starts) for starts in clips.starts] == [100, 4]
    count = sum(bool(clips[i]["past"][0, 1, 0, 0] > 0.5) for i in range(400))
    assert 40 < count < 100  # 2 in 12 by the square root, and not 4 in 104


def test_what_does_not_move_is_left_out(tmp_path):
    still = texture(1, 64, 64)
    frames = []
    for i in range(30):
        frame = still.copy()
        if i >= 15:  # a square moves at the lower right
            frame[44:60, 30 + i : 46 + i] = 255 - 8 * i
        frames.append(frame)
    save(tmp_path / "train" / "a", frames)
    save(tmp_path / "test" / "a", scene(1, 10))
    clips = clips_of(tmp_path, side=0, min_motion=4, flip=False)
    assert 10 <= min(clips.starts[0]) <= 13
    for i in range(50):
        item = clips[i]
        assert (item["future"] - item["past"][-1]).abs().mean() * 255 > 3
    with pytest.raises(ImganError, match=r"lower data\.min_motion"):
        load(tmp_path, min_motion=200)


# Splits.


def test_folders_of_splits_are_obeyed(tmp_path):
    for i, name in enumerate(["train/a", "train/b", "test/a", "valid/c", "d"]):
        save(tmp_path / name, scene(i, 8))
    clips = clips_of(tmp_path)
    assert clips.train == ["d", "train/a", "train/b"]
    assert clips.test == ["test/a"]
    (shown,) = {clip.name for clip, _ in clips._previews}
    assert shown == "valid/c"
    shutil.rmtree(tmp_path / "test")
    assert clips_of(tmp_path).test == ["valid/c"]
    shutil.rmtree(tmp_path / "valid")
    clips = clips_of(tmp_path)
    assert len(clips.test) == 1 and len(clips.train) == 2


def test_folders_of_splits_given_one_by_one_are_obeyed(tmp_path):
    for i, name in enumerate(["Train/a", "Train/b", "test/a", "more/test/c"]):
        save(tmp_path / name, scene(i, 8))
    clips = clips_of(tmp_path / "Train", tmp_path / "test")
    assert (clips.train, clips.test) == (["Train/a", "b"], ["test/a"])
    clips = clips_of(tmp_path / "Train", tmp_path / "more")
    assert (clips.train, clips.test) == (["a", "b"], ["test/c"])
    clips = clips_of(tmp_path)  # a folder of one set of clips lies between
    assert (clips.train, clips.test) == (["Train/a", "Train/b"], ["more/test/c", "test/a"])
    clips = clips_of(tmp_path / "Train")
    assert len(clips.train) == len(clips.test) == 1


def test_frames_right_in_folders_of_splits_are_clips_of_these(tmp_path):
    for i, name in enumerate(["train", "test"]):
        save(tmp_path / name, scene(i, 8))
    (tmp_path / ".hidden").mkdir()
    for folders in ([tmp_path], [tmp_path / "train", tmp_path / "test"]):
        found = clip_files.named_files(folders)
        splits = {path.name: split for path, (_, split) in found.items()}
        assert splits == {"train": "train", "test": "test"}
    (tmp_path / "train").rename(tmp_path / "bus")  # beside which test is a scene of that name
    assert {split for _, split in clip_files.named_files([tmp_path]).values()} == {""}


@settings(deadline=None)
@given(
    names=st.sets(st.text("abc", min_size=1, max_size=4), min_size=2, max_size=12),
    more=st.sets(st.text("def", min_size=1, max_size=4), max_size=12),
    seed=st.integers(0, 99),
)
def test_new_clips_move_no_old_ones(names, more, seed):
    def clip(name):
        return Clip(name, Path(name), Path(), Path(), (9, 8, 8, 3), ((0, 9),))

    def held(names, share):
        train, test = _drawn([clip(name) for name in sorted(names)], seed, share)
        assert train and test and len(train) + len(test) == len(names)
        return {one.name for one in test}

    few, many = held(names, 0.3), held(names | more, 0.3)
    if 1 < len(few) < len(names) - 1:
        assert many & names == few
    assert held(names, 0.2) <= few


def test_of_many_clips_the_share_is_held_out():
    clips = [Clip(str(i), Path(str(i)), Path(), Path(), (9, 8, 8, 3), ()) for i in range(2000)]
    assert 160 < len(_drawn(clips, 0, 0.1)[1]) < 240


def test_clips_are_held_out_by_seed_and_name(folder):
    chosen = set()
    for seed in range(8):
        clips = clips_of(folder, seed=seed, held_out=0.34)
        assert 1 <= len(clips.test) <= 5 and len(clips.train) + len(clips.test) == 6
        assert not set(clips.train) & set(clips.test)
        chosen.add(tuple(clips.test))
    assert len(chosen) > 2
    assert len(clips_of(folder, held_out=0).test) == 1
    assert len(clips_of(folder, held_out=0.9999).train) == 1
    assert clips_of(folder).summary()["held_out"] == clips_of(folder).test


def test_of_a_single_clip_the_end_is_held_out_after_a_gap(tmp_path):
    save(tmp_path / "a", scene(1, 40))
    clips = clips_of(tmp_path, held_out=0.25)
    assert clips.train == ["a[0:25]"] and clips.test == ["a[30:40]"]
    assert max(clips.starts[0]) + 5 <= 25
    assert clips.summary()["split"] == "the end of the only clip is held out"
    assert [frames.shape[0] for _, frames in test_windows(clips, 2)] == [5, 5]
    again = list(test_windows([tmp_path], 2, past=3, side=32, names=clips.test))
    for (a, b), (c, d) in zip(test_windows(clips, 2), again, strict=True):
        assert a == c and np.array_equal(b, d)
    with pytest.raises(ImganError, match="the only clip, and its 40 frames are too few"):
        load(tmp_path, past=20)


def test_of_a_single_clip_the_held_out_end_holds_a_window(tmp_path):
    save(tmp_path / "a", scene(1, 30) + scene(2, 3))
    clips = clips_of(tmp_path, held_out=0.1)
    (clip,) = clips.held_out
    assert clip.scenes == ((25, 30), (30, 33))


def test_summary(folder):
    assert clips_of(folder).summary() == {
        "clips": 6,
        "frames": 120,
        "scenes": 7,
        "windows": len(clips_of(folder)),
        "trained": clips_of(folder).train,
        "held_out": clips_of(folder).test,
        "split": "by clip",
    }


# Windows to score on.


def test_test_windows_are_whole_frames_that_do_not_overlap(tmp_path):
    save(tmp_path / "train" / "a", scene(1, 10))
    save(tmp_path / "test" / "b", scene(2, 100))
    clips = clips_of(tmp_path, side=0)
    found = list(test_windows(clips, 7))
    assert len(found) == 10
    whole = np.stack(scene(2, 100))
    for i, (name, frames) in enumerate(found):
        assert name == "test/b" and frames.dtype == np.uint8
        assert np.array_equal(frames, whole[10 * i : 10 * i + 10])
    few = [frames for _, frames in test_windows(clips, 7, most=3)]
    assert [np.array_equal(f, found[i][1]) for f, i in zip(few, (0, 4, 9), strict=True)]
    with pytest.raises(ImganError, match="no clip to be scored has 103 frames without a cut"):
        list(test_windows(clips, 100))


def test_test_windows_of_folders(folder):
    everything = list(test_windows([folder], 2, past=2, side=24, channels=1))
    assert {name for name, _ in everything} == {path.name for path in find_clips([folder])}
    assert everything[0][1].shape == (4, 24, 32, 1)
    (folder / "bad.mp4").write_text("no video")
    skipped = {}
    clips = clips_of(folder / "cut", folder / "clip1")
    only = {n for n, _ in test_windows([folder], 2, past=2, names=clips.test, skipped=skipped)}
    assert only == set(clips.test)
    assert list(skipped) == [str(folder / "bad.mp4")]
    inner = {n for n, _ in test_windows([folder.parent], 2, past=2, names=["data/clip1"])}
    assert inner == {"data/clip1"}
    with pytest.raises(ImganError, match="no clip to be scored"):  # clip1 was another one
        list(test_windows([folder.parent], 2, past=2, names=["clip1"]))
    with pytest.raises(ImganError, match="give past"):
        list(test_windows([folder], 2))


# What cannot be used.


def test_unusable_clips_are_named_and_left_out(tmp_path):
    save(tmp_path / "good", scene(1, 20))
    save(tmp_path / "good2", scene(2, 20))
    write_video(tmp_path / "one.mp4", scene(1, 1), 10)
    write_video(tmp_path / "short.mp4", scene(1, 4), 10)
    save(tmp_path / "choppy", [f for i in range(4) for f in scene(i, 5)])
    write_video(tmp_path / "tiny.gif", scene(1, 8, 6, 7), 10)
    write_video(tmp_path / "cut.webm", scene(1, 60), 10)
    os.truncate(tmp_path / "cut.webm", (tmp_path / "cut.webm").stat().st_size // 2)
    (tmp_path / "text.mkv").write_text("no video")
    (tmp_path / "nowhere.mp4").symlink_to(tmp_path / "gone.mp4")
    save(tmp_path / "several", scene(1, 3))
    (tmp_path / "several" / "0.png").rename(tmp_path / "several" / "other_0.png")
    clips, skipped = load(tmp_path, past=4)
    assert sorted(clips.train + clips.test) == ["good", "good2"]
    reasons = {key.rsplit("/", 1)[-1]: text for key, text in skipped.items()}
    for name, words in {
        "one.mp4": "it has 1 frame, and 6 in a row",
        "short.mp4": "it has 4 frames, and 6 in a row",
        "choppy": "it has 20 frames in 4 scenes, and 6 in a row without a cut",
        "tiny.gif": "it has 7x6 pixels, too few for squares of 16",
        "cut.webm": "cut short after",
        "text.mkv": "it is no video that can be read",
        "nowhere.mp4": "No such file",
        "several": "frames of several clips",
    }.items():
        assert words in reasons.pop(name), name
    assert not reasons


def test_where_no_clip_can_be_used_one_sentence_says_why(tmp_path):
    write_video(tmp_path / "one.mp4", scene(1, 1), 10)
    with pytest.raises(ImganError, match=r"none of the 1 clips can be used; .*one\.mp4: it has 1"):
        load(tmp_path)
    (tmp_path / "test").mkdir()
    shutil.move(tmp_path / "one.mp4", tmp_path / "train.mp4")
    save(tmp_path / "test" / "a", scene(1, 9))
    with pytest.raises(ImganError, match=r"none to train on; .*train\.mp4: it has 1 frame"):
        load(tmp_path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"side": 15}, r"squares of 16 pixels cannot be cut at data\.side 15"),
        ({"channels": 2}, "1 channel or 3"),
        ({"past": 0}, "past and future frames"),
        ({"held_out": 1.0}, "a share from 0 to below 1"),
    ],
)
def test_settings_that_cannot_be_are_told(folder, change, words):
    with pytest.raises(ImganError, match=words):
        load(folder, **change)


def test_small_clips_are_enlarged_up_to_twice(tmp_path):
    save(tmp_path / "a", scene(1, 8, 20, 30))
    save(tmp_path / "b", scene(2, 8, 40, 24))
    clips = clips_of(tmp_path, side=32, crop=32)
    shapes = {clip.name: clip.shape for clip in (*clips.training, *clips.held_out)}
    assert shapes == {"a": (8, 32, 48, 3), "b": (8, 53, 32, 3)}
    assert clips[0]["past"].shape[-2:] == (32, 32)


# The cache.


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("IMGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "clips"


@pytest.mark.parametrize("kind", ["", "-small", "-scenes"])
@pytest.mark.parametrize(
    "damage",
    [
        lambda file: os.truncate(file, file.stat().st_size - 30),
        lambda file: file.write_bytes(b""),
        lambda file: file.write_bytes(b"PK\x03\x04 no such archive"),
        lambda file: np.save(file, np.zeros((3, 4), np.uint8)),
        lambda file: file.unlink(),
    ],
)
def test_what_is_damaged_in_the_cache_is_made_again(tmp_path, cache, damage, kind):
    save(tmp_path / "a", scene(1, 6))
    before = list(test_windows([tmp_path / "a"], 2, past=2))
    files = sorted(cache.iterdir())
    assert len(files) == 3
    (file,) = [f for f in files if f.stem[24:] == kind]
    damage(file)
    for (_, one), (_, other) in zip(before, test_windows([tmp_path / "a"], 2, past=2), strict=True):
        assert np.array_equal(one, other)
    assert sorted(cache.iterdir()) == files


def test_clips_are_decoded_once(tmp_path, cache, monkeypatch):
    write_video(tmp_path / "a.mp4", scene(1, 20), 10)
    save(tmp_path / "b", scene(2, 20))
    load(tmp_path)
    monkeypatch.setattr(clip_files, "read_frames", None)
    load(tmp_path)
    load(tmp_path, crop=24, past=4)  # the crop is nothing to the cache
    list(test_windows([tmp_path / "a.mp4"], 2, past=2, side=32))


def test_motion_is_reckoned_once(tmp_path, cache, monkeypatch):
    save(tmp_path / "a", scene(1, 20))
    save(tmp_path / "b", scene(2, 20))
    first = clips_of(tmp_path, min_motion=2)
    kept = sorted(cache.glob("*-motion-*.npy"))
    assert len(kept) == 2
    reckon = clip_files.most_motion
    monkeypatch.setattr(clip_files, "most_motion", None)
    second = clips_of(tmp_path, min_motion=2)
    assert second.starts == first.starts
    clips_of(tmp_path, min_motion=3, seed=1, past=4)  # which are nothing to it
    for clip, starts in zip(second.training, second.starts, strict=True):
        whole = [i for i in clip.starts(5) if second._motion(clip, i).max() >= 2]
        assert starts == whole
    monkeypatch.setattr(clip_files, "most_motion", reckon)
    for file, content in zip(kept, (b"", kept[1].read_bytes()[:-9]), strict=True):
        file.write_bytes(content)
    assert clips_of(tmp_path, min_motion=2).starts == first.starts
    assert clips_of(tmp_path, min_motion=2, future=3).starts != first.starts


def test_a_changed_clip_is_decoded_anew(tmp_path, cache):
    for folder in (tmp_path / "a", tmp_path / "b"):
        save(folder, scene(1, 8))
    load(tmp_path / "a", tmp_path / "b")
    save(tmp_path / "a", [np.full((48, 64, 3), 9, np.uint8)], first=3)
    found = dict(test_windows([tmp_path / "a", tmp_path / "b"], 4, past=1, side=32))
    assert list(found) == ["b"]  # a has a flat frame now, and no five frames on either side


def test_an_interrupted_decoding_leaves_nothing(tmp_path, cache):
    write_video(tmp_path / "cut.webm", scene(1, 60), 10)
    os.truncate(tmp_path / "cut.webm", (tmp_path / "cut.webm").stat().st_size // 2)
    with pytest.raises(ImganError, match="cut short"):
        load(tmp_path / "cut.webm")
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_ends_the_run(tmp_path, folder, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("IMGAN_CACHE", str(tmp_path / "file"))
    with pytest.raises(ImganError, match=r"cannot be kept in .*file.*IMGAN_CACHE"):
        load(folder)


def test_clips_go_to_other_processes(folder):
    clips = clips_of(folder)
    expected = clips[3]["past"]
    packed = pickle.dumps(clips)
    assert len(packed) < 20_000
    back = pickle.loads(packed)
    assert isinstance(back, Clips)
    assert torch.equal(back[3]["past"], expected)


def test_few_files_are_open_at_once(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "OPEN", 2)
    for i in range(9):
        save(tmp_path / "train" / str(i), scene(i, 8))
    save(tmp_path / "test" / "a", scene(9, 8))
    opened = []
    monkeypatch.setattr(module, "mapped", lambda file: opened.append(file) or np.load(file, "r"))
    clips = clips_of(tmp_path)
    drawn = [clips[i] for i in range(60)]
    assert len(set(opened)) == 18 > clips._mapped.cache_info().maxsize
    assert clips._mapped.cache_info().currsize == 4
    back = pickle.loads(pickle.dumps(clips))
    assert back._mapped.cache_info().currsize == 0
    assert all(torch.equal(back[i]["past"], drawn[i]["past"]) for i in range(60))


def test_equal_names_in_several_folders_are_told_apart(tmp_path):
    for name in ("x/a", "y/a", "x/b"):
        save(tmp_path / name, scene(1, 8))
    clips = clips_of(tmp_path / "x", tmp_path / "y")
    assert sorted(clips.train + clips.test) == ["b", "x/a", "y/a"]


def test_grey_clips_have_one_channel(folder):
    clips = clips_of(folder, channels=1)
    assert clips[0]["past"].shape == (3, 1, 16, 16)


def test_progress_counts_clips(folder):
    seen = []
    load(folder, progress=lambda done, total: seen.append((done, total)))
    assert seen == [(i, 6) for i in range(1, 7)]

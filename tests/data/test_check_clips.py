"""Folders of clips, counted without decoding them."""

import av
import numpy as np
import pytest
from PIL import Image

from imgan.data.check_clips import ClipSplit, check_clips, holds_clips
from imgan.data.video import write_video
from imgan.errors import ImganError

FRAMES = np.random.default_rng(0).integers(0, 256, (7, 24, 32, 3), dtype=np.uint8)


def write_avi(path, frames):
    """As the films of KTH and UCF101 are."""
    path.parent.mkdir(exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("mpeg4", rate=25)
        stream.height, stream.width = frames.shape[1:3]
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame)))
        container.mux(stream.encode())


def test_a_folder_without_splits(tmp_path):
    write_video(tmp_path / "a.mp4", iter(FRAMES), 25)
    write_avi(tmp_path / "b.avi", FRAMES[:, :16])
    for number in range(3):
        (tmp_path / "c").mkdir(exist_ok=True)
        Image.fromarray(FRAMES[number]).save(tmp_path / "c" / f"{number}.png")
    calls = []
    report = check_clips(tmp_path, lambda *call: calls.append(call))
    assert report.splits == [ClipSplit("", 3, 17, {"32x24": 2, "32x16": 1})]
    assert report.usable and calls[-1] == (3, 3)


def test_what_cannot_be_read_is_named(tmp_path):
    for name in ("train/whole.avi", "val/cut.avi"):
        write_avi(tmp_path / name, np.repeat(FRAMES, 20, axis=0))
    content = (tmp_path / "val" / "cut.avi").read_bytes()
    (tmp_path / "val" / "cut.avi").write_bytes(content[: len(content) // 2])
    (tmp_path / "loose.mp4").write_bytes(b"damaged")
    report = check_clips(tmp_path)
    assert [(one.split, one.clips, one.frames) for one in report.splits] == [
        ("train", 2, 140),
        ("val", 1, 0),
    ]
    texts = [finding.text for finding in report.faults]
    assert "loose.mp4 is no video that can be read" in texts[0]
    assert "cut.avi is cut short after" in texts[1]
    assert report.to_dict()["faults"][1]["files"] == [str(tmp_path / "val" / "cut.avi")]


@pytest.mark.parametrize(
    ("shape", "sequences"),
    [
        ((4, 9, 16, 12), True),
        ((9, 28, 28, 1), False),
        ((9, 1, 28, 28), False),
        ((9, 28, 28), False),
    ],
)
def test_a_file_of_sequences(tmp_path, shape, sequences):
    np.save(tmp_path / "seq.npy", np.zeros(shape, np.uint8))
    assert holds_clips(tmp_path) == sequences
    if sequences:
        report = check_clips(tmp_path)
        assert report.splits == [ClipSplit("", 9, 36, {"12x16": 9})]
        assert report.usable and report.to_dict()["kind"] == "sequences"
        np.save(tmp_path / "seq.npy", np.zeros(shape))
        assert "sequences are uint8" in check_clips(tmp_path).faults[0].text


def test_images_are_no_clips(tmp_path):
    with pytest.raises(ImganError, match="there is no clip in"):
        check_clips(tmp_path)
    for number in range(3):
        Image.fromarray(FRAMES[number]).save(tmp_path / f"{number}.png")
    assert not holds_clips(tmp_path)  # though they may be frames
    write_video(tmp_path / "beside.mp4", iter(FRAMES), 25)
    assert not holds_clips(tmp_path)

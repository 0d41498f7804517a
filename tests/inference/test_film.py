"""Films of a clip's end and its prediction: what they show, and where they go."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from imgan import shipped
from imgan.data.video import probe, read_frames
from imgan.errors import ImganError
from imgan.inference import predict as predict_module
from imgan.inference.film import PAST, PREDICTED, TRUTH, predict_film
from imgan.inference.predict import Predictor
from imgan.shipped import labels
from tests.inference.frame_models import make_clip, make_model

BAR = 14  # pixels, of frames as small as these


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> list[Path]:
    folder = tmp_path_factory.mktemp("models")
    return [make_model(folder / "mse.safetensors"), make_model(folder / "adv.safetensors", 0.05)]


def pictures(folder: Path) -> list[np.ndarray]:
    return [np.asarray(Image.open(file)) for file in sorted(folder.glob("*.png"))]


def test_the_past_then_the_prediction_and_the_rate_stays(models, tmp_path) -> None:
    make_clip(tmp_path / "clip.mp4", 9, fps=12.5)
    made = predict_film(tmp_path / "clip.mp4", models[:1], frames=3)
    assert made.target == tmp_path / "clip_next.mp4"
    assert (made.past, made.predicted, made.width, made.height) == (4, 3, 32, 24 + BAR)
    frames = list(read_frames(made.target))
    assert len(frames) == 7
    assert probe(made.target) == (12.5, 32, 24 + BAR)
    for i, frame in enumerate(frames):
        colour = PAST if i < 4 else PREDICTED
        assert np.abs(frame[0, -2].astype(int) - colour).max() < 40, i


def test_frames_in_a_folder_are_those_of_the_model(models, tmp_path) -> None:
    clip = make_clip(tmp_path / "in", 6)
    made = predict_film(tmp_path / "in", models[:1], f"{tmp_path / 'out'}/", frames=3, past=1)
    frames = pictures(made.target)
    assert [file.name for file in sorted(made.target.iterdir())] == [
        f"next-000{i}.png" for i in (1, 2, 3, 4)
    ]
    np.testing.assert_array_equal(frames[0], clip[-1])
    np.testing.assert_array_equal(frames[1:], Predictor(models[0]).continue_(clip, 3))
    assert predict_film(made.target, models[:1], frames=1, overwrite=True, past=0).past == 0


def test_compare_holds_back_and_shows_all_side_by_side(models, tmp_path) -> None:
    clip = make_clip(tmp_path / "in", 7)
    out = f"{tmp_path / 'out'}/"
    made = predict_film(tmp_path / "in", models, out, frames=3, compare=True)
    assert (made.past, made.width, made.height) == (4, 4 * 32 + 3 * 4, 24 + BAR)
    frames = pictures(made.target)
    cells = [frame[:, i * 36 : i * 36 + 32] for frame in frames for i in range(4)]
    for cell, colour in zip(cells, [PAST] * 16 + [TRUTH, *[PREDICTED] * 3] * 3, strict=True):
        assert tuple(cell[0, -1]) == colour
    for i in range(3):
        truth, copy, *others = (cell[BAR:] for cell in cells[16 + 4 * i : 20 + 4 * i])
        np.testing.assert_array_equal(truth, clip[4 + i])
        np.testing.assert_array_equal(copy, clip[3])
        for other, model in zip(others, models, strict=True):
            np.testing.assert_array_equal(other, Predictor(model).continue_(clip[:4], 3)[i])


def test_bars_can_be_left_out_and_the_size_chosen(models, tmp_path) -> None:
    make_clip(tmp_path / "clip.gif", 5)
    options = {"frames": 1, "marks": False, "size": 12}
    made = predict_film(tmp_path / "clip.gif", models[:1], **options)
    assert (made.target.name, made.width, made.height) == ("clip_next.gif", 16, 12)
    assert [frame.shape for frame in read_frames(made.target)] == [(12, 16, 3)] * 5
    made = predict_film(tmp_path / "clip.gif", models, f"{tmp_path}/both.webm", frames=1)
    assert made.width == 2 * 32 + 4


def test_of_a_long_clip_only_the_end_is_asked_for(models, tmp_path, monkeypatch) -> None:
    make_clip(tmp_path / "clip.mp4", 20)
    asked = []
    whole = predict_module.read_last_frames
    monkeypatch.setattr(
        predict_module,
        "read_last_frames",
        lambda path, count: asked.append(count) or whole(path, count),
    )
    predict_film(tmp_path / "clip.mp4", models[:1], frames=2)
    predict_film(tmp_path / "clip.mp4", models[:1], frames=2, past=6, compare=True, overwrite=True)
    assert asked == [4, 8]


def test_beside_a_clip_in_a_read_only_folder_nothing_can_stand(
    models, tmp_path, monkeypatch
) -> None:
    clip = tmp_path / "clip.mp4"
    make_clip(clip, 5)
    monkeypatch.setattr("imgan.files.os.access", lambda path, mode: Path(path) != tmp_path)
    with pytest.raises(ImganError, match=r"clip_next.mp4 cannot be written.*with -o"):
        predict_film(clip, models[:1], frames=1)
    (tmp_path / "other").mkdir()
    predict_film(clip, models[:1], f"{tmp_path}/other/next.mp4", frames=1)


def test_nothing_is_written_over(models, tmp_path) -> None:
    clip = tmp_path / "clip.mp4"
    make_clip(clip, 9)
    predict_film(clip, models[:1], frames=1)
    with pytest.raises(ImganError, match=r"clip_next.mp4 exists; --overwrite replaces it, -o"):
        predict_film(clip, models[:1], frames=2)
    predict_film(clip, models[:1], frames=2, overwrite=True)
    assert len(list(read_frames(tmp_path / "clip_next.mp4"))) == 6
    with pytest.raises(ImganError, match="is the clip itself"):
        predict_film(clip, models[:1], str(clip), overwrite=True)
    out = tmp_path / "out"
    predict_film(clip, models[:1], str(out), frames=4)
    (out / "other.png").touch()
    with pytest.raises(ImganError, match="out exists"):
        predict_film(clip, models[:1], str(out), frames=1)
    predict_film(clip, models[:1], str(out), frames=1, overwrite=True)
    names = sorted(file.name for file in out.iterdir())
    assert names == [*(f"next-000{i}.png" for i in range(1, 6)), "other.png"]


def test_bad_input_is_one_sentence(models, tmp_path, monkeypatch) -> None:
    make_clip(tmp_path / "short.mp4", 3)
    make_clip(tmp_path / "clip.mp4", 9)
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").touch()
    for clip, options, message in [
        ("short.mp4", {}, "short.mp4 has 3 frames, and the model looks at 4; give a longer clip"),
        ("clip.mp4", {"compare": True}, "with --frames 12 takes 16; give --frames 5 or less"),
        ("short.mp4", {"compare": True}, "with 12 more to compare with; give a longer clip"),
        ("text.mp4", {}, "text.mp4"),
        ("none.mp4", {}, "none.mp4"),
        ("empty", {}, "holds no numbered frames"),
        ("clip.mp4", {"frames": 0}, "frames is at least 1"),
        ("clip.mp4", {"past": -1}, "past is at least 0"),
        ("clip.mp4", {"size": -3}, "size is a number"),
        ("clip.mp4", {"out": "next.txt"}, "next.txt is no film that can be written"),
        ("clip.mp4", {"out": f"{tmp_path}/file/"}, "is a file and no folder"),
    ]:
        with pytest.raises(ImganError) as error:
            predict_film(tmp_path / clip, models[:1], **options)
        assert message in str(error.value), message
    monkeypatch.setattr(shipped, "shipped_models", lambda: {})
    with pytest.raises(ImganError, match="the model nextframe does not come with imgan here"):
        predict_film(tmp_path / "clip.mp4")


def test_labels_differ() -> None:
    assert labels([None, "a/x4.safetensors", "runs/mse/model.safetensors"]) == [
        "nextframe",
        "x4",
        "mse",
    ]
    assert labels(["a/m.safetensors", "b/m.safetensors"]) == ["m-1", "m-2"]
    assert labels(["x/model.safetensors", "y/x/model.safetensors", "x-2/model.safetensors"]) == [
        "x-1",
        "x-3",
        "x-2",
    ]

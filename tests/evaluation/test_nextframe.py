"""Models of next frames scored on clips and on moving digits."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

from imgan.cli import app
from imgan.data.moving_digits import held_out_sequences, read_digits, split_digits
from imgan.errors import ImganError
from imgan.evaluation.frames import score
from imgan.evaluation.nextframe import COPY, FrameReport, evaluate_nextframe, is_nextframe
from imgan.evaluation.trained_clips import CardClips, named_clips
from imgan.inference.predict import Predictor
from imgan.model_file import Card
from tests.inference.frame_models import make_clip, make_model


@pytest.fixture(scope="module")
def clips(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "clips"
    folder.mkdir()
    for seed, name in enumerate(["a", "b", "c"]):
        make_clip(folder / name, 11, seed=seed)
    return folder


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    trained = {"data": {"folders": ["clips"], "held_out": ["b"]}}
    kinds = {
        "change": {},
        "copy": {"noise": 0},
        "short": {"noise": 0, "past": 2},
        "trained": {"card": trained},
        "grey": {"channels": 1, "past": 10, "future": 10},
    }
    return {key: make_model(folder / f"{key}.safetensors", **own) for key, own in kinds.items()}


@pytest.fixture(scope="module")
def digits(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("digits") / "digits.npz"
    rng = np.random.default_rng(0)
    np.savez(file, images=rng.integers(0, 256, (20, 28, 28), np.uint8))
    return file


def test_figures_are_those_of_the_predictor(models, clips) -> None:
    model = models["change"]
    report = evaluate_nextframe([model], [clips], 3, device="cpu", precision="float32")
    assert report.windows == 3 and list(report.clips) == ["a", "b", "c"]
    assert list(report.models) == [COPY, str(model)]
    frames = make_frames_of(clips / "b")
    made = Predictor(model, "cpu", "float32").ahead(frames[:4])
    output = torch.from_numpy(np.stack([next(made) for _ in range(3)])).permute(0, 3, 1, 2)
    truth, last = (
        torch.from_numpy(x).permute(0, 3, 1, 2) / 255 for x in (frames[4:7], frames[3:4])
    )
    for ours, wanted in zip(
        report.clips["b"][str(model)], score(output, truth, last[0]), strict=True
    ):
        assert ours == pytest.approx(wanted, rel=1e-5)
    copied = report.clips["b"][COPY]
    assert copied[0]["psnr"] == pytest.approx(score(last, truth[:1], last[0])[0]["psnr"])
    assert copied[2]["psnr"] < copied[0]["psnr"]  # the further ahead, the worse
    psnr = [report.clips[clip][str(model)][1]["psnr"] for clip in "abc"]
    assert report.models[str(model)][1]["psnr"] == pytest.approx(np.mean(psnr))


def make_frames_of(folder: Path) -> np.ndarray:
    from imgan.data.video import read_frames

    return np.stack(list(read_frames(folder)))


def test_a_model_that_only_copies_is_told_so(models, clips) -> None:
    names = [models["copy"], models["short"]]  # which look at 4 frames and at 2
    report = evaluate_nextframe(names, [clips], 2, device="cpu", precision="float32")
    for name in names:
        assert report.mean(str(name)) == pytest.approx(report.mean(COPY), rel=1e-5)
    report.models[str(names[1])][1] |= {"psnr": 50.0, "psnr_moving": 50.0}
    report.models[str(names[0])][0]["psnr_moving"] = 49.0
    for row in report.models[COPY]:
        row |= {"psnr": 40.0, "psnr_moving": 30.0}
    report.models[str(names[0])][0]["psnr"] = 39.0
    report.models[str(names[0])][1] |= {"psnr": 41.0, "psnr_moving": 31.0}
    report.models[str(names[1])][0] |= {"psnr": 41.0, "psnr_moving": 29.0}
    assert report.verdicts == [
        f"{names[0]} does not beat copying the last frame over all pixels at +1: "
        "PSNR 39.00 against 40.00 dB at +1",
        f"{names[1]} does not beat copying the last frame over the moving pixels at +1: "
        "PSNR 29.00 against 30.00 dB at +1",
    ]


def test_clips_that_were_trained_on_are_left_out(models, clips, tmp_path) -> None:
    report = evaluate_nextframe([models["trained"], models["change"]], [clips], 2, device="cpu")
    assert list(report.clips) == ["b"]
    assert "held out in training: b (of 3 clips)" in report.protocol[0]
    make_clip(tmp_path / "other" / "x", 9)
    report = evaluate_nextframe([models["trained"]], [tmp_path / "other"], 2, device="cpu")
    assert report.windows == 1 and "of all clips" in report.protocol[0]


def folders_of(root: Path, *names: str) -> Path:
    """Empty video files, and no more than their names are looked at."""
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def sorted_out(data: list[Path], folders: list[str], held_out: list[str], trained: list[str]):
    """The clips to score on, whether they were held out, whether all were trained on."""
    own = {"folders": folders, "held_out": held_out, "trained": trained}
    card = Card(pipeline="nextframe", name="m", networks={}, data=own)
    found = CardClips.of(card, named_clips(data))
    return found.usable, found.held_out, found.trained_on_all


def test_linked_clips_are_known_by_their_names_and_by_their_files(tmp_path) -> None:
    store = folders_of(tmp_path / "store", "1.mp4", "2.mp4", "3.mp4")
    clips = tmp_path / "clips"
    clips.mkdir()
    for link, file in (("a", "1"), ("b", "2")):
        (clips / f"{link}.mp4").symlink_to(store / f"{file}.mp4")
    (tmp_path / "link").symlink_to(clips)
    for data in (clips, tmp_path / "link"):
        card = (["clips"], ["b.mp4"], ["a.mp4"])
        assert sorted_out([data], *card) == (["b.mp4"], True, False)
        assert sorted_out([data / "a.mp4"], *card)[2]
        # Trained on the files themselves:
        card = (["store"], ["1.mp4"], ["2.mp4", "3.mp4"])
        assert sorted_out([data], *card) == (["a.mp4"], True, False)
        assert sorted_out([data / "b.mp4"], *card)[2]


def test_clips_of_one_of_several_folders_and_single_ones_are_known(tmp_path) -> None:
    one = folders_of(tmp_path / "A", "x.mp4", "y.mp4", "z.mp4")
    folders_of(tmp_path / "B", "y.mp4", "w.mp4")
    card = (["A", "B"], ["w.mp4", "A/y.mp4"], ["x.mp4", "B/y.mp4"])
    assert sorted_out([one, tmp_path / "B"], *card)[0] == ["A/y.mp4", "w.mp4"]
    assert sorted_out([one], *card) == (["y.mp4"], True, False)
    assert sorted_out([tmp_path], *card)[0] == ["A/y.mp4", "B/w.mp4"]
    # Nothing of A was held out: what was not trained on is left, or else everything, and said.
    card = (["A", "B"], ["w.mp4"], ["x.mp4", "z.mp4", "A/y.mp4", "B/y.mp4"])
    assert sorted_out([one], *card) == (["x.mp4", "y.mp4", "z.mp4"], False, True)
    assert sorted_out([one / "y.mp4"], *card)[2]
    folders_of(one, "new.mp4")
    assert sorted_out([one], *card) == (["new.mp4"], False, False)


def test_a_held_out_name_is_not_that_of_a_clip_in_a_deeper_folder(tmp_path) -> None:
    clips = folders_of(tmp_path / "CLIPS", "a.mp4", "sub/a.mp4", "b.mp4")
    card = (["CLIPS"], ["a.mp4"], ["b.mp4", "sub/a.mp4"])
    assert sorted_out([clips], *card)[0] == ["a.mp4"]
    assert sorted_out([clips / "sub"], *card) == (["a.mp4"], False, True)
    card = (["CLIPS"], ["sub/a.mp4"], ["b.mp4", "a.mp4"])
    assert sorted_out([clips], *card)[0] == ["sub/a.mp4"]
    assert sorted_out([clips / "a.mp4"], *card)[2]


def test_the_end_of_a_single_clip_and_a_folder_that_was_renamed(tmp_path) -> None:
    clip = folders_of(tmp_path / "walks", "walk.mp4") / "walk.mp4"
    card = (["walk.mp4"], ["walk.mp4[180:200]"], ["walk.mp4[0:150]"])
    assert sorted_out([clip], *card) == (["walk.mp4[180:200]"], True, False)
    assert sorted_out([tmp_path], *card)[0] == ["walks/walk.mp4[180:200]"]
    moved = folders_of(tmp_path / "moved", "a.mp4", "b.mp4", "c.mp4")
    assert sorted_out([moved], ["clips"], ["b.mp4"], ["a.mp4", "c.mp4"])[0] == ["b.mp4"]
    other = folders_of(tmp_path / "other", "b.mp4")  # of the same name, and not the same
    assert sorted_out([other], ["clips"], ["b.mp4"], ["a.mp4"]) == (["b.mp4"], False, False)


def test_scores_on_clips_that_were_trained_on_say_so(models, clips, tmp_path) -> None:
    trained = {"folders": ["clips"], "held_out": ["z"], "trained": ["a", "b", "c"]}
    model = make_model(tmp_path / "seen.safetensors", card={"data": trained})
    report = evaluate_nextframe([model], [clips / "a"], 2, device="cpu")
    assert list(report.clips) == ["a"]
    assert report.protocol[0].endswith("of all clips; seen was trained on these")
    before = {"folders": ["clips"], "held_out": ["z"]}  # a card without their names
    old = make_model(tmp_path / "old.safetensors", card={"data": before})
    report = evaluate_nextframe([old], [clips], 2, device="cpu")
    assert report.protocol[0].endswith("of all clips; old was trained on these")
    report = evaluate_nextframe([model, models["trained"]], [clips], 2, device="cpu")
    assert list(report.clips) == ["b"] and "seen was trained on these" in report.protocol[0]
    trained["trained"] = ["a", "c"]
    model = make_model(tmp_path / "part.safetensors", card={"data": trained})
    report = evaluate_nextframe([model], [clips], 2, device="cpu")
    assert list(report.clips) == ["b"] and "all 1 clips that were not trained" in report.protocol[0]


def test_moving_digits_by_the_standard_measure(models, digits) -> None:
    model = models["grey"]
    report = evaluate_nextframe([model], [digits], sequences=3, device="cpu", precision="float32")
    again = evaluate_nextframe([model], [digits], sequences=3, device="cpu", precision="float32")
    assert (report.horizon, report.windows) == (10, 3)
    assert report.models == again.models
    # Squared error summed over the 64x64 pixels, mean over frames and sequences: the copy by hand.
    found = list(held_out_sequences(read_digits(digits), 20, 3))
    frames = np.stack(found).astype(np.float64) / 255
    wanted = ((frames[:, 10:] - frames[:, 9:10]) ** 2).sum((2, 3)).mean(0)
    assert [row["mse"] for row in report.models[COPY]] == pytest.approx(list(wanted))
    for text in (
        "3 sequences of two moving digits from digits.npz, seed 0, 10 frames to 10",
        "not those of mnist_test_seq.npy",
    ):
        assert text in report.protocol[0]


def test_the_protocol_says_where_it_was_computed(models, digits) -> None:
    report = evaluate_nextframe(
        [models["grey"]], [digits], 1, sequences=1, device="cpu", precision="bf16"
    )
    assert report.protocol[1].startswith("computed on cpu in bfloat16; predictions are clamped")


def test_digits_that_were_trained_on_are_left_out(digits, tmp_path) -> None:
    card = {"data": {"folders": ["digits.npz"], "digits": 18, "held_out": 2}}
    model = make_model(tmp_path / "m.safetensors", channels=1, card=card)
    report = evaluate_nextframe([model], [digits], 2, sequences=2, device="cpu")
    assert "of the 2 digits kept from training" in report.protocol[0]
    _, held_out = split_digits(digits)
    frames = np.stack(list(held_out_sequences(held_out, 6, 2))) / 255
    wanted = ((frames[:, 4:] - frames[:, 3:4]) ** 2).sum((2, 3)).mean(0)
    assert [row["mse"] for row in report.models[COPY]] == pytest.approx(list(wanted))
    np.savez(tmp_path / "one.npz", images=np.ones((1, 28, 28), np.uint8))
    card["data"]["folders"] = ["one.npz"]
    model = make_model(tmp_path / "one.safetensors", channels=1, card=card)
    report = evaluate_nextframe([model], [tmp_path / "one.npz"], 1, sequences=1, device="cpu")
    assert "one was trained on these digits" in report.protocol[0]


@pytest.mark.parametrize("shape", [(20, 28, 28), (20, 28, 28, 1), (20, 1, 28, 28)])
def test_digits_of_a_numpy_file_are_scored_as_they_are_trained_on(models, tmp_path, shape) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    np.save(tmp_path / "digits.npy", pixels)
    report = evaluate_nextframe([models["grey"]], [tmp_path], 1, sequences=1, device="cpu")
    assert "two moving digits from digits.npy" in report.protocol[0]


def test_a_table_beside_clips_is_no_data(models, clips, tmp_path) -> None:
    make_clip(tmp_path / "walk.mp4", 9)
    (tmp_path / "notes.csv").write_text("file,what\nwalk.mp4,a walk\n")
    report = evaluate_nextframe([models["change"]], [tmp_path], 2, device="cpu")
    assert list(report.clips) == ["walk.mp4"]


def test_ready_sequences(models, tmp_path) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (20, 3, 64, 64), np.uint8)
    np.save(tmp_path / "test.npy", frames)
    report = evaluate_nextframe([models["grey"]], [tmp_path], sequences=2, device="cpu")
    wanted = np.mean(
        [((frames[9] / 255 - frames[10 + k] / 255)[:2] ** 2).sum((1, 2)) for k in range(10)]
    )
    assert report.windows == 2
    assert report.mean(COPY)["mse"] == pytest.approx(wanted, rel=1e-5)
    np.save(tmp_path / "test.npy", frames[:12])
    with pytest.raises(ImganError, match="with at least 20 frames"):
        evaluate_nextframe([models["grey"]], [tmp_path], device="cpu")


def test_what_cannot_be_scored(models, clips, digits, tmp_path) -> None:
    make_clip(tmp_path / "short" / "x", 5)
    held = make_model(
        tmp_path / "held.safetensors", card={"data": {"folders": ["clips"], "held_out": ["c"]}}
    )
    sized = make_model(tmp_path / "sized.safetensors", card={"recipe": {"data": {"side": 16}}})
    for names, data, options, message in [
        (["change", "grey"], clips, {}, "some of these models see grey and some RGB"),
        (["change"], clips, {"horizon": 0}, "horizon is at least 1"),
        (["grey"], digits, {"sequences": 0}, "sequences is at least 1"),
        (["grey"], digits, {"size": 32}, "size is for clips"),
        (["change"], clips, {"size": -5}, "size is a number of pixels for the shorter side"),
        (["change"], clips, {"size": 0}, "size is a number of pixels for the shorter side"),
        (["grey"], clips / "none.npy", {}, "there is no file"),
        (["change"], clips, {"horizon": 50}, "54"),
        (["change"], tmp_path / "none", {}, "none"),
        (["trained", held], clips, {}, "no clip was held out in the training of all"),
        (["change", sized], clips, {}, "say with --size"),
    ]:
        with pytest.raises(ImganError) as error:
            evaluate_nextframe(
                [models.get(name, name) for name in names], [data], device="cpu", **options
            )
        assert message in str(error.value), message


def test_models_are_told_apart(models, tmp_path) -> None:
    assert is_nextframe(models["change"])
    assert not is_nextframe("x4-mse")
    assert not is_nextframe("bicubic")
    (tmp_path / "x.pth").write_bytes(b"0")
    assert not is_nextframe(tmp_path / "x.pth")


def run(*arguments):
    return CliRunner().invoke(
        app, ["evaluate", *(str(argument) for argument in arguments)], env={"COLUMNS": "200"}
    )


def test_the_command_prints_figures_by_horizon_and_how_they_were_measured(
    models, clips, tmp_path
) -> None:
    model = models["copy"]
    result = run(model, clips, "--horizon", 2, "--json", tmp_path / "out.json", "--device", "cpu")
    assert result.exit_code == 0, (result.output, result.exception)
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["horizon"] == 2
    rows = report["models"][COPY]["by_horizon"]
    for text in (
        *("+1", "+2", "mean", f"{rows[1]['psnr']:.2f}", f"{rows[0]['ssim_moving']:.4f}"),
        *("Mathieu et al. 2016", "does not beat copying the last frame", "no LPIPS"),
    ):
        assert text in result.output, text
    assert report["verdicts"] and report["protocol"][0].startswith("3 windows of 4 frames")


def test_the_command_refuses_what_does_not_fit(models, clips, photos) -> None:
    for arguments, message in [
        ((models["change"], "x4-mse", clips), "some enlarge and some predict frames"),
        (
            (models["change"], clips, "--scale", 2),
            "--scale, --border, --realism, --restore, --jpeg and --noise are for",
        ),
        ((models["change"], clips, "-o", "x"), "--direction and --out are for translation"),
        (("x4-mse", photos, "--horizon", 3), "are for models of next frames"),
        ((models["change"], "no-such-clips"), "no-such-clips"),
    ]:
        error = run(*arguments).exception
        assert isinstance(error, ImganError), arguments
        assert message in str(error)


def test_a_report_without_figures_for_moving_pixels_stands() -> None:
    rows = [{"psnr": 60.0}, {"psnr": 60.0, "psnr_moving": 20.0}]
    report = FrameReport("x", 2, 1, [], "cpu", "float32", {COPY: rows, "m": rows})
    assert report.mean("m") == {"psnr": 60.0, "psnr_moving": 20.0}
    assert len(report.verdicts) == 2

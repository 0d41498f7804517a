"""Models of next frames scored on clips and on moving digits."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).parents[1] / "inference"))
from frame_models import make_clip, make_model

from imgan.cli import app
from imgan.errors import ImganError
from imgan.evaluation.frames import score
from imgan.evaluation.nextframe import COPY, FrameReport, evaluate_nextframe, is_nextframe
from imgan.inference.predict import Predictor


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
    assert "held out in training: b" in report.protocol[0]
    make_clip(tmp_path / "other" / "x", 9)
    report = evaluate_nextframe([models["trained"]], [tmp_path / "other"], 2, device="cpu")
    assert report.windows == 1 and "of all clips" in report.protocol[0]


def test_moving_digits_by_the_standard_measure(models, digits) -> None:
    model = models["grey"]
    report = evaluate_nextframe([model], [digits], sequences=3, device="cpu", precision="float32")
    again = evaluate_nextframe([model], [digits], sequences=3, device="cpu", precision="float32")
    assert (report.horizon, report.windows) == (10, 3)
    assert report.models == again.models
    assert 50 < report.mean(COPY)["mse"] < 2000
    assert (
        "3 sequences of two moving digits from digits.npz, seed 0, 10 frames to 10"
        in (report.protocol[0])
    )


def test_digits_that_were_trained_on_are_left_out(digits, tmp_path) -> None:
    card = {"data": {"folders": ["digits.npz"], "digits": 18, "held_out": 2}}
    model = make_model(tmp_path / "m.safetensors", channels=1, card=card)
    report = evaluate_nextframe([model], [digits], 1, sequences=1, device="cpu")
    assert "of the 2 digits that training held out" in report.protocol[0]


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
        (["change"], clips, {"horizon": 0}, "--horizon is at least 1"),
        (["grey"], digits, {"sequences": 0}, "--sequences is at least 1"),
        (["grey"], digits, {"size": 32}, "--size is for clips"),
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
        ((models["change"], clips, "--scale", 2), "--scale, --border and --realism are for"),
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

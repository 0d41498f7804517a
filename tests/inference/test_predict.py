"""Next frames of whatever a user has."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgan import predict
from imgan.data.prepared import luma
from imgan.errors import ImganError
from imgan.inference import predict as module
from imgan.inference.predict import Predictor
from imgan.model_file import load_model
from tests.inference.frame_models import make_clip, make_frames, make_model


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    kinds = {
        "rgb": {},
        "two": {"future": 2},
        "grey": {"channels": 1, "future": 3},
        "copy": {"noise": 0},
    }
    return {key: make_model(folder / f"{key}.safetensors", **own) for key, own in kinds.items()}


def by_hand(model: Path, frames: np.ndarray, count: int) -> np.ndarray:
    """What the network says to ``[T, H, W, C]`` floats of a size that it takes, again and again."""
    network = load_model(model).generator
    x = torch.from_numpy(frames).float().permute(0, 3, 1, 2)[None]  # [1, T, C, H, W]
    with torch.no_grad():
        while x.shape[1] < len(frames) + count:
            x = torch.cat([x, network(x[:, -network.past :]).clamp(0, 1)], dim=1)
    return x[0, len(frames) : len(frames) + count].permute(0, 2, 3, 1).numpy()


@pytest.mark.parametrize("name", ["rgb", "two"])
def test_it_is_the_network_on_its_own_output(models, name) -> None:
    frames = make_frames(6).astype(np.float32) / 255
    wanted = by_hand(models[name], frames, 5)
    assert np.abs(np.diff(wanted, axis=0)).mean() > 1e-4
    made = predict(frames, 5, model=models[name], precision="float32")
    np.testing.assert_allclose(made, wanted, atol=1e-5)


def in_small_tiles(monkeypatch) -> list[int]:
    """Let tiles be small from now on; filled with how many there are."""
    counts: list[int] = []
    run = module.run_tiled
    more = {"tile": 40, "progress": lambda done, count: counts.append(count)}
    monkeypatch.setattr(module, "run_tiled", lambda *args, **own: run(*args, **(own | more)))
    return counts


@pytest.mark.parametrize("network", ["simvp", "multiscale-predictor"])
def test_tiles_give_the_same(tmp_path, monkeypatch, network) -> None:
    more = {} if network == "simvp" else {"width": 4, "scales": 3}
    model = make_model(tmp_path / "m.safetensors", 0.05, network=network, **more)
    frames = make_frames(4, 2400, 32)
    whole = predict(frames, 2, model=model, precision="float32")
    assert np.abs(whole.astype(int) - frames[-1]).max() > 3
    counts = in_small_tiles(monkeypatch)
    tiled = predict(frames, 2, model=model, precision="float32")
    assert min(counts) > 1
    assert np.abs(tiled.astype(int) - whole).max() <= 1


def test_a_network_that_looks_everywhere_sees_the_whole_frame_at_once(
    tmp_path, monkeypatch
) -> None:
    more = {"width": 8, "hidden": 8, "depth": 1}
    model = make_model(tmp_path / "m.safetensors", network="moving-layers", **more)
    counts = in_small_tiles(monkeypatch)
    frames = make_frames(4, 70, 101)
    made = predict(frames, 2, model=model, precision="float32")
    assert made.shape == (2, *frames.shape[1:])
    assert set(counts) == {1}


def test_clear_pixels_of_pillow_images_lie_on_white(models) -> None:
    frames = make_frames(4)
    alpha = np.full((24, 32, 1), 255, np.uint8)
    alpha[:, 16:] = 0
    clear = [Image.fromarray(np.concatenate([frame, alpha], axis=2)) for frame in frames]
    made = np.asarray(predict(clear, 1, model=models["copy"])[0])
    assert made.shape == (24, 32, 3)
    np.testing.assert_array_equal(made[:, :16], frames[-1][:, :16])
    assert (made[:, 16:] == 255).all()
    grey = [image.convert("LA") for image in clear]
    made = predict(grey, 1, model=models["copy"])[0]
    assert made.mode == "L"
    assert (np.asarray(made)[:, 16:] == 255).all()


@pytest.mark.parametrize("mode", ["I;16", "I", "F"])
def test_pillow_images_of_more_than_8_bits(models, mode) -> None:
    ramp = np.linspace(0, 65535, 24 * 32).reshape(24, 32)
    dtype, top = {"I;16": (np.uint16, 1), "I": (np.int32, 1), "F": (np.float32, 65535)}[mode]
    frames = [Image.fromarray((ramp / top).astype(dtype)) for _ in range(4)]
    assert {frame.mode for frame in frames} == {mode}
    made = predict(frames, 1, model=models["copy"])[0]
    assert made.mode == "L"
    np.testing.assert_allclose(np.asarray(made), ramp / 257, atol=1)
    if mode == "F":  # the brightest frame tells the range of all
        values = np.full((24, 32), 0.9, np.float32)
        dark = [Image.fromarray(values * (255 if i == 0 else 1)) for i in range(4)]
        assert np.asarray(predict(dark, 1, model=models["copy"])[0]).max() == 1


@settings(max_examples=8, deadline=None)
@given(
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    channels=st.sampled_from([1, 3]),
    count=st.integers(1, 5),
    name=st.sampled_from(["rgb", "two", "grey"]),
)
def test_any_size_number_and_colour(models, height, width, channels, count, name) -> None:
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 256, (5, height, width, channels), np.uint8)
    made = Predictor(models[name]).continue_(frames, count)
    assert made.shape == (count, height, width, channels)
    assert made.dtype == np.uint8


def test_narrow_frames_are_widened_for_the_network(models, monkeypatch) -> None:
    # In bf16 some maps of one pixel's width came out as no numbers, though seldom.
    predictor, seen = Predictor(models["rgb"]), []
    network = predictor.network
    monkeypatch.setattr(predictor, "network", lambda x: seen.append(x.shape[2:]) or network(x))
    frames = np.random.default_rng(0).integers(0, 256, (5, 40, 5, 3), np.uint8)
    assert predictor.continue_(frames, 1).shape == (1, 40, 5, 3)
    assert seen == [(40, 16)]


def test_only_the_last_frames_are_looked_at(models) -> None:
    predictor = Predictor(models["rgb"])
    frames = make_frames(9)
    np.testing.assert_array_equal(
        predictor.continue_(frames, 3), predictor.continue_(frames[-4:], 3)
    )


def test_an_untrained_change_is_a_copy(models) -> None:
    frames = make_frames(5)
    made = predict(frames, 3, model=models["copy"])
    np.testing.assert_array_equal(made, np.repeat(frames[-1:], 3, axis=0))
    grey = predict(frames, 1, model=models["grey"], precision="float32")
    assert (grey[..., 0] == grey[..., 2]).all()
    same = predict(luma(frames.reshape(-1, 32, 3)).reshape(5, 24, 32, 1), 1, model=models["grey"])
    np.testing.assert_allclose(grey[..., :1].astype(int), same, atol=2)


def test_everything_comes_back_as_what_it_was(models) -> None:
    frames = make_frames(5)
    wanted = predict(frames, 2, model=models["rgb"], precision="float32")
    for dtype, white in ((np.uint16, 65535), (np.float32, 1), (np.float64, 1)):
        clip = (frames / 255 * white).round(6).astype(dtype)
        made = predict(clip, 2, model=models["rgb"], precision="float32")
        assert made.dtype == dtype
        np.testing.assert_allclose(made / white * 255, wanted, atol=0.6)
    for dtype in (torch.uint8, torch.float32):
        clip = torch.from_numpy(frames).permute(0, 3, 1, 2)
        clip = clip if dtype == torch.uint8 else clip / 255
        made = predict(clip, 2, model=models["rgb"], precision="float32")
        assert made.shape == (2, 3, 24, 32) and made.dtype == dtype
    images = [Image.fromarray(frame) for frame in frames]
    made = predict(images, 2, model=models["rgb"], precision="float32")
    np.testing.assert_array_equal(np.stack([np.asarray(image) for image in made]), wanted)
    assert predict(frames[..., 0], 2, model=models["grey"]).shape == (2, 24, 32)
    assert predict(frames, 2, model=models["rgb"], size=48).shape == (2, 48, 64, 3)


def test_files_and_folders(models, tmp_path) -> None:
    frames = make_clip(tmp_path / "frames", 12)  # 10.png comes after 9.png
    made = predict(tmp_path / "frames", 2, model=models["rgb"])
    np.testing.assert_array_equal(made, predict(frames, 2, model=models["rgb"]))
    make_clip(tmp_path / "clip.mp4", 6)
    assert predict(str(tmp_path / "clip.mp4"), 3, model=models["rgb"]).shape == (3, 24, 32, 3)


def test_a_loaded_model_serves_and_progress_is_told(models) -> None:
    said = []
    predictor = Predictor(load_model(models["rgb"]))
    predictor.continue_(make_frames(4), 2, lambda done, count: said.append((done, count)))
    assert said == [(1, 2), (2, 2)]
    assert (predictor.past, predictor.future, predictor.channels) == (4, 1, 3)


def test_frames_are_made_when_they_are_asked_for(models) -> None:
    endless = Predictor(models["two"]).ahead(make_frames(4))
    assert [frame.shape for frame in islice(endless, 7)] == [(24, 32, 3)] * 7


def test_errors_are_sentences(models, tmp_path) -> None:
    frames, model = make_frames(5), models["rgb"]
    for clip, options, message in [
        (frames[:3], {}, "looks at 4 frames and here are 3; give a longer clip"),
        (frames[:1], {}, "here is 1"),
        (frames, {"frames": 0}, "at least 1 frame"),
        (frames, {"size": 0}, "size is a number of pixels for the shorter side, not 0"),
        (frames.astype(np.int32), {}, "uint8, uint16 or float"),
        (frames[0, 0], {}, "an array of frames is"),
        (torch.zeros(3, 4, 4), {}, "a tensor of frames is"),
        ([], {}, "predict takes a path, a list of Pillow images"),
        ([Image.new("RGB", (8, 8 + i)) for i in range(4)], {}, "differ in size"),
        (tmp_path / "none.mp4", {}, "none.mp4"),
        (frames, {"model": "no-such-model"}, "no-such-model"),
        (frames, {"model": "x4-mse"}, "is a srgan model and predicts no frames"),
        (frames, {"device": "abacus"}, "abacus"),
    ]:
        with pytest.raises(ImganError) as error:
            predict(clip, **({"model": model} | options))
        assert message in str(error.value), message
        assert "--size" not in str(error.value)  # an option of the command, not of the function

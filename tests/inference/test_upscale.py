"""Upscaling of whatever a user has, with small random models, and the shipped ones if there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as pil
from PIL import ImageDraw
from torch.nn.functional import interpolate

from imgan import shipped, upscale
from imgan.data.damage import Damage
from imgan.data.images import read_image
from imgan.data.pixels import Frame, Image
from imgan.errors import ImganError
from imgan.inference import models
from imgan.inference.target import Target
from imgan.inference.upscale import Upscaler
from imgan.model_file import Card, NetworkCard, save_model
from imgan.networks.plainsr import PlainSR
from imgan.shipped import shipped_models

torch.set_num_threads(1)
PHOTOS = Path(__file__).parents[1] / "files" / "photos"
NAMES = [
    f"{kind}-{cost}" for kind in ("x2", "x4", "x4-realistic") for cost in ("mse", "adversarial")
]
needs_models = pytest.mark.skipif(not shipped_models(), reason="no models in assets/models yet")


def make_model(path: Path, scale: int, seed: int) -> Path:
    torch.manual_seed(seed)
    arguments = {"scale": scale, "width": 8, "blocks": 1}
    network = PlainSR(**arguments)
    card = Card(
        pipeline="srgan",
        name=path.stem,
        networks={"generator": NetworkCard(name="plainsr", arguments=arguments)},
        scale=scale,
        reach=network.reach,
        recipe={"data": {"degradation": "realistic"}} if "realistic" in path.stem else {},
    )
    save_model(path, card, {"generator": network.state_dict()})
    return path


@pytest.fixture(scope="module")
def small(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        name: make_model(folder / f"{name}.safetensors", int(name[1]), seed)
        for seed, name in enumerate(NAMES)
    }


@pytest.fixture
def twins(small, monkeypatch) -> dict[str, Path]:
    for module in (models, shipped):  # one imports the name from the other
        monkeypatch.setattr(module, "shipped_models", lambda: small)
    return small


def pixels(height: int = 12, width: int = 16, channels: int = 3, dtype: type = np.uint8):
    rng = np.random.default_rng(0)
    if dtype is np.float32:
        return rng.random((height, width, channels), np.float32)
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width, channels), dtype)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_arrays(twins, dtype, channels) -> None:
    out = upscale(pixels(channels=channels, dtype=dtype))
    assert out.shape == (48, 64, channels)
    assert out.dtype == dtype


def test_flat_and_float64_arrays(twins) -> None:
    out = upscale(pixels()[:, :, 0] / 255)
    assert out.shape == (48, 64)
    assert out.dtype == np.float64


@pytest.mark.parametrize("shape", [(3, 6, 5), (1, 6, 5), (2, 3, 6, 5), (4, 6, 5)])
@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16])
def test_tensors(twins, shape, dtype) -> None:
    tensor = torch.rand(shape)
    tensor = (tensor * 255).to(dtype) if dtype == torch.uint8 else tensor.to(dtype)
    out = upscale(tensor, 2)
    assert out.shape == (*shape[:-2], 12, 10)
    assert out.dtype == dtype


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_pillow_images(twins, mode) -> None:
    image = pil.new(mode, (9, 7))
    image.info["icc_profile"] = b"profile"
    out = upscale(image, 3)
    assert out.size == (27, 21)
    assert out.mode == {"1": "L", "P": "RGB", "CMYK": "RGB"}.get(mode, mode)


def test_a_path_gives_a_pillow_image(twins) -> None:
    image = upscale(PHOTOS / "casa-mila.jpg", width=300)
    assert isinstance(image, pil.Image)
    assert image.size == (300, 225)


def test_a_pillow_image_keeps_its_notes_with_the_size_of_now(twins) -> None:
    exif = pil.Exif()
    exif[0x010F], exif[0x0112], exif[256], exif[257] = "Maker", 6, 16, 12
    exif.get_ifd(0x8769).update({0xA002: 16, 0xA003: 12})
    image = pil.new("RGB", (16, 12))
    image.info["exif"] = exif.tobytes()
    notes = upscale(image, 2).getexif()
    assert (notes[0x010F], notes[0x0112]) == ("Maker", 6)  # the pixels were not turned
    assert notes.get_ifd(0x8769) == {0xA002: 32, 0xA003: 24}
    assert (notes[256], notes[257]) == (32, 24)
    image.getexif()[0x010F] = "Other"  # and not yet in a file
    assert upscale(image, 2).getexif()[0x010F] == "Other"


def test_notes_that_were_taken_out_of_a_pillow_image_stay_out(twins) -> None:
    exif = pil.Exif()
    exif[0x010F] = "Maker"
    image = pil.new("RGB", (16, 12))
    image.info["exif"] = exif.tobytes()
    del image.getexif()[0x010F]
    assert not upscale(image, 2).info.get("exif")


def test_damaged_notes_of_a_pillow_image_stay_as_they_are(twins) -> None:
    image = pil.new("RGB", (16, 12))
    image.info["exif"] = b"Exif\0\0no notes"
    assert upscale(image, 2).info["exif"] == b"Exif\0\0no notes"


def test_values_that_are_no_brightness_are_one_sentence(twins) -> None:
    with pytest.raises(ImganError, match="cannot be taken: its values are not brightness"):
        upscale(pil.new("F", (16, 12), -1.0))


def test_a_path_keeps_profile_and_exif(twins, tmp_path) -> None:
    exif = pil.Exif()
    exif[0x010F], exif[0x0112] = "Maker", 6
    notes = {"exif": exif, "icc_profile": b"profile", "dpi": (300, 300)}
    pil.new("RGB", (16, 12)).save(tmp_path / "a.png", **notes)
    out = upscale(tmp_path / "a.png", 2)
    assert out.size == (24, 32)
    assert out.info["dpi"] == pytest.approx((300, 300), abs=0.1)
    assert out.info["icc_profile"] == b"profile"
    assert (out.getexif()[0x010F], out.getexif()[0x0112]) == ("Maker", 1)


def test_a_converted_image_loses_the_profile_it_had(twins) -> None:
    image = pil.new("CMYK", (16, 12))
    image.info |= {"icc_profile": b"of a printer", "dpi": (300, 300)}
    assert upscale(image, 2).info == {"dpi": (300, 300)}


def test_kinds_agree(twins) -> None:
    array = pixels()
    wanted = upscale(array, precision="float32")
    image = upscale(pil.fromarray(array), precision="float32")
    tensor = upscale(torch.from_numpy(array).permute(2, 0, 1), precision="float32")
    np.testing.assert_array_equal(np.asarray(image), wanted)
    np.testing.assert_array_equal(tensor.permute(1, 2, 0).numpy(), wanted)


@pytest.mark.parametrize("scale", [0.5, 1, 1.3, 2, 2.5, 3, 4, 5, 7.5, 8, 16])
def test_any_factor(twins, scale) -> None:
    out = upscale(pixels(10, 6), scale)
    assert out.shape == (round(10 * scale), max(1, int(6 * scale + 0.5)), 3)


def test_which_models_run(twins) -> None:
    upscaler = Upscaler(realism=0)
    scales = {
        1: [],
        1.5: [2],
        2: [2],
        2.1: [4],
        4: [4],
        6: [4, 2],
        8: [4, 2],
        9: [4, 4],
        16: [4, 4],
    }
    for factor, wanted in scales.items():
        assert [stage.scale for stage in upscaler._passes(factor)] == wanted


def test_factor_one_changes_nothing(twins) -> None:
    np.testing.assert_array_equal(upscale(pixels(), 1), pixels())


def test_models_that_restore_run_first_and_once(twins) -> None:
    upscaler = Upscaler(realism=0, restore=True)
    scales = {0.5: [4], 1: [4], 2: [4], 4: [4], 6: [4, 2], 16: [4, 4]}
    first = next(models.load("x4-realistic-mse").network.parameters())
    for factor, wanted in scales.items():
        passes = upscaler._passes(factor)
        assert [stage.scale for stage in passes] == wanted
        restoring = [torch.equal(next(stage.network.parameters()), first) for stage in passes]
        assert restoring == [True, False][: len(passes)]


def test_restoring(twins) -> None:
    for realism, name in ((0, "x4-realistic-mse"), (1, "x4-realistic-adversarial")):
        out = upscale(pixels(), realism=realism, restore=True)
        np.testing.assert_array_equal(out, upscale(pixels(), model=name))
    assert upscale(pixels(), 1, restore=True).shape == pixels().shape
    assert not np.array_equal(upscale(pixels(), 1, restore=True), pixels())
    assert not np.array_equal(upscale(pixels(), restore=True), upscale(pixels()))


def test_a_named_model_that_restores_cleans_at_factor_one(twins) -> None:
    for factor in (0.5, 1):
        out = upscale(pixels(), factor, model="x4-realistic-mse")
        np.testing.assert_array_equal(out, upscale(pixels(), factor, realism=0, restore=True))
    np.testing.assert_array_equal(upscale(pixels(), 1, model="x4-mse"), pixels())


def test_a_truncated_photo_that_is_opened_only_is_one_sentence(tmp_path) -> None:
    pil.fromarray(pixels()).resize((200, 200)).save(tmp_path / "a.jpg", quality=95)
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.jpg").read_bytes()[:3000])
    with pytest.raises(ImganError, match="cannot be taken"):
        upscale(pil.open(tmp_path / "a.jpg"))


def test_restoring_without_such_models_is_one_sentence(twins, monkeypatch) -> None:
    monkeypatch.delitem(twins, "x4-realistic-mse")
    with pytest.raises(ImganError, match="holds no models that restore"):
        upscale(pixels(), restore=True)


def test_one_pixel(twins) -> None:
    assert upscale(pixels(1, 1)).shape == (4, 4, 3)


def test_realism_blends_the_weights(twins) -> None:
    plain, vivid = (models.load(twins[f"x4-{cost}"]).network for cost in ("mse", "adversarial"))
    blend = models.load_twins(4, 0.25).network.state_dict()
    for key, value in plain.state_dict().items():
        wanted = 0.75 * value + 0.25 * vivid.state_dict()[key]
        torch.testing.assert_close(blend[key], wanted)
    for realism, name in ((0, "x4-mse"), (1, "x4-adversarial")):
        out = upscale(pixels(), realism=realism)
        np.testing.assert_array_equal(out, upscale(pixels(), model=name))


def test_default_realism_is_a_half(twins) -> None:
    np.testing.assert_array_equal(upscale(pixels()), upscale(pixels(), realism=0.5))


def test_grey_is_the_mean_of_equal_channels(twins) -> None:
    grey = pixels(channels=1) // 3 + 85  # so that no channel is clipped
    wide = upscale(np.repeat(grey, 3, axis=2), precision="float32").astype(int)
    out = upscale(grey, precision="float32").astype(int)
    assert np.abs(out[:, :, 0] - wide.mean(axis=2)).max() <= 1


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_black_and_white_stored_as_rgb_stays_so(twins, dtype) -> None:
    grey = pixels(channels=1, dtype=dtype)
    for options in ({}, {"model": "x4-mse"}, {"restore": True}, {"scale": 1.5}):
        out = upscale(np.repeat(grey, 3, axis=2), precision="float32", **options)
        wanted = upscale(grey, precision="float32", **options)
        np.testing.assert_array_equal(out, np.repeat(wanted, 3, axis=2))


def test_clear_pixels_leave_no_halo(twins) -> None:
    image = np.zeros((24, 24, 4), np.uint8)
    image[:, 12:] = (200, 200, 200, 255)  # under the clear half lies black
    out = upscale(image, precision="float32", realism=0)
    filled = image.copy()
    filled[:, :, :3] = 200
    np.testing.assert_array_equal(out, upscale(filled, precision="float32", realism=0))
    assert set(np.unique(out[:, :40, 3])) == {0}
    assert len(np.unique(out[:, :, 3])) > 2  # a soft edge


def test_tta_is_the_same_for_a_turned_image(twins) -> None:
    image = pixels(9, 14, dtype=np.float32)
    out = upscale(image, tta=True, precision="float32", tile=16)
    turned = upscale(
        np.ascontiguousarray(image[:, ::-1].swapaxes(0, 1)), tta=True, precision="float32"
    )
    np.testing.assert_allclose(out[:, ::-1].swapaxes(0, 1), turned, atol=1e-5)


def test_tiles_do_not_show(twins) -> None:
    image = pixels(60, 50)
    whole = upscale(image, precision="float32", tile=256)
    tiled = upscale(image, precision="float32", tile=16, batch=3)
    assert np.abs(whole.astype(int) - tiled).max() <= 1


def test_every_frame_and_what_the_file_held(twins) -> None:
    frames = [Frame(pixels(), duration=40), Frame(pixels()[::-1], duration=60)]
    image = Image(frames, "GIF", b"exif", b"icc", loop=3)
    seen: list[tuple[int, int]] = []
    out = Upscaler().image(image, Target(2), lambda *at: seen.append(at))
    assert [frame.duration for frame in out.frames] == [40, 60]
    assert (out.exif, out.icc, out.loop, out.size) == (b"exif", b"icc", 3, (32, 24))
    assert seen[-1][0] == seen[-1][1]


@pytest.mark.parametrize(
    ("target", "size"),
    [
        (Target(), (40, 20)),
        (Target(2.5), (25, 13)),
        (Target(width=30), (30, 15)),
        (Target(height=30), (60, 30)),
        (Target(width=30, height=30), (30, 15)),
        (Target(width=30, height=30, fit="outside"), (60, 30)),
        (Target(width=30, height=30, fit="stretch"), (30, 30)),
        (Target(0.01), (1, 1)),
    ],
)
def test_target(target, size) -> None:
    assert target.size(10, 5) == size


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"scale": 0}, "scale is above 0"),
        ({"scale": float("nan")}, "scale is above 0"),
        ({"scale": 17}, "at most 16"),
        ({"scale": 2, "width": 5}, "but not both"),
        ({"width": 0}, "width is at least 1"),
        ({"width": 5000}, "more than the 16 times"),
        ({"fit": "crop"}, "fit is one of"),
        ({"fit": "outside", "width": 30}, "fit outside is for a width and a height"),
        ({"realism": 1.1}, "realism is from 0 to 1"),
        ({"realism": 0.1, "model": "x4-mse"}, "cannot go with a named model"),
        ({"restore": True, "model": "x4-mse"}, "restore picks shipped models"),
        ({"model": "x9-mse"}, "there is no model x9-mse"),
        ({"tile": 4}, "tile is at least 16"),
        ({"batch": 0}, "batch is at least 1"),
        ({"device": "tpu9"}, "there is no device"),
    ],
)
def test_bad_settings(twins, options, sentence) -> None:
    with pytest.raises(ImganError, match=sentence):
        upscale(pixels(), **options)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4, 5)), np.zeros((4, 4), bool), torch.zeros(4, 4), np.zeros((0, 4)), 7]
)
def test_bad_images(twins, image) -> None:
    with pytest.raises(ImganError):
        upscale(image)


class _Evil:
    def __reduce__(self):
        return (Path.touch, (Path("ran-code"),))


@pytest.mark.parametrize("wrong", [200.0, -1.0, float("nan")])
def test_floats_of_another_range_are_refused(twins, wrong) -> None:
    image = pixels(dtype=np.float32)
    image[3, 4] = wrong
    for given in (image, torch.from_numpy(image).permute(2, 0, 1)):
        with pytest.raises(ImganError, match="not all between 0 and 1"):
            upscale(given)


def test_no_code_of_a_community_file_runs(tmp_path, monkeypatch) -> None:
    pytest.importorskip("spandrel")
    monkeypatch.chdir(tmp_path)
    torch.save({"params": _Evil()}, "evil.pth")
    with pytest.raises(ImganError, match=r"evil\.pth is not a file of plain weights"):
        upscale(pixels(), model="evil.pth")
    assert not Path("ran-code").exists()


def test_community_model(tmp_path) -> None:
    pytest.importorskip("spandrel")
    from spandrel.architectures.Compact.__arch.SRVGG import SRVGGNetCompact

    torch.manual_seed(0)
    network = SRVGGNetCompact(num_feat=8, num_conv=2, upscale=2)
    torch.save({"params": network.state_dict()}, tmp_path / "compact.pth")
    image = pixels(20, 18, dtype=np.float32)
    out = upscale(image, model=tmp_path / "compact.pth", tile=16, precision="float32")
    assert out.shape == (40, 36, 3)
    with torch.no_grad():
        wanted = network.eval()(torch.from_numpy(image).permute(2, 0, 1)[None]).clamp(0, 1)
    np.testing.assert_allclose(out, wanted[0].permute(1, 2, 0).numpy(), atol=1e-5)
    grey = np.repeat(image[..., :1], 3, axis=2)  # which it may be there to colour
    assert (
        np.ptp(upscale(grey, model=tmp_path / "compact.pth", precision="float32"), 2).max() > 0.01
    )
    next(network.parameters()).data[0] = torch.nan
    torch.save({"params": network.state_dict()}, tmp_path / "broken.pth")
    with pytest.raises(ImganError, match=r"broken\.pth: its weights are not finite"):
        upscale(image, model=tmp_path / "broken.pth")


def test_community_files_that_make_no_sense_are_one_sentence(tmp_path) -> None:
    pytest.importorskip("spandrel")
    weight = torch.zeros(8, 3, 3, 3)
    cut = {"model.0.weight": weight, "model.1.sub.0.RDB1.conv1.0.weight": weight}
    for name, state in (("cut.pth", cut), ("numbers.pth", {0: weight})):
        torch.save(state, tmp_path / name)
        with pytest.raises(ImganError, match=rf"{name} is (of no architecture|not a file)"):
            upscale(pixels(), model=tmp_path / name)


def test_community_without_spandrel(tmp_path, monkeypatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "spandrel", None)
    torch.save({}, tmp_path / "a.pth")
    with pytest.raises(ImganError, match=r"pip install spandrel"):
        upscale(pixels(), model=tmp_path / "a.pth")


@needs_models
@pytest.mark.parametrize("name", [name for name in sorted(shipped_models()) if name[0] == "x"])
def test_shipped_models_beat_bicubic(name) -> None:
    """Down by the model's scale and up again, in float32; the adversarial twin stays near.

    Those that restore are shown what was compressed in between.
    """
    scale = int(name[1])
    damage = Damage(jpeg=50 if "realistic" in name else None)
    for photo in sorted(PHOTOS.glob("*.jpg")):
        sharp = torch.from_numpy(read_image(photo).frames[0].colour.copy()).permute(2, 0, 1) / 255
        small = interpolate(sharp[None], scale_factor=1 / scale, mode="bicubic", antialias=True)
        eight = (small[0].clamp(0, 1) * 255).round().byte()
        small = damage(eight, photo.name)[None] / 255
        cubic = interpolate(small, scale_factor=scale, mode="bicubic").clamp(0, 1)
        ours = upscale(small, model=name, precision="float32")
        error, reference = ((x - sharp).square().mean().item() for x in (ours[0], cubic[0]))
        assert error < reference * (1 if name.endswith("mse") else 2.5), photo.name


@needs_models
def test_shipped_models_are_called_by_their_names() -> None:
    with pytest.raises(ImganError, match="^nextframe is .* use imgan predict --model nextframe$"):
        upscale(pixels(), model="nextframe")


@needs_models
def test_shipped_models_keep_flat_colour() -> None:
    flat = np.full((24, 24, 3), (200, 30, 120), np.uint8)
    for scale, realism in ((2, 0.0), (4, 0.5), (4, 1.0)):
        off = np.abs(upscale(flat, scale, realism=realism).astype(int) - flat[0, 0])
        assert off.max() <= 2  # at the borders, too: they had a dotted frame


@needs_models
def test_shipped_models_do_not_ripple_beside_stepped_lines() -> None:
    drawn = pil.new("RGB", (64, 64), "white")
    draw = ImageDraw.Draw(drawn)
    draw.line((6, 4, 58, 20), fill="black")
    draw.line((6, 58, 40, 28), fill=(200, 0, 0))
    ink = np.asarray(drawn).min(2) < 255
    near = np.zeros_like(ink)
    for down in range(-2, 3):
        for right in range(-2, 3):
            near |= np.roll(ink, (down, right), (0, 1))
    far = ~near.repeat(4, 0).repeat(4, 1)
    for realism, level in ((0.0, 235), (0.5, 225), (1.0, 215)):  # white fell to 132
        assert np.asarray(upscale(drawn, realism=realism))[far].min() >= level

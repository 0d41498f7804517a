"""Translation of whatever a user has, by small random models of every kind."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image as pil
from PIL import ImageCms

from imgan import shipped, translate, upscale
from imgan.data.pixels import Frame, Image
from imgan.data.prepared import luma
from imgan.errors import ImganError
from imgan.inference import translate as module
from imgan.inference.translate import Translator
from imgan.model_file import Card, NetworkCard, save_model
from imgan.networks import build

torch.set_num_threads(1)


def make_model(path: Path, pipeline="pix2pix", roles=("generator",), name="resnet", **arguments):
    """A random generator for each role, in a model file; `arguments` may say ``card``."""
    card = arguments.pop("card", {})
    small = {"resnet": {"width": 4, "blocks": 1}, "unet": {"width": 4, "depth": 3}}[name]
    torch.manual_seed(len(roles))
    networks = {}
    for role in roles:
        own = small | arguments
        if role == "b_to_a":
            own |= {
                "channels": own.get("out_channels", 3),
                "out_channels": own.get("channels", 3),
            }
        networks[role] = (NetworkCard(name=name, arguments=own), build(name, own))
    network = networks[roles[0]][1]
    for parameter in network.parameters():  # so that different pixels give different answers
        if parameter.ndim == 4:
            torch.nn.init.normal_(parameter, std=0.2)
    save_model(
        path,
        Card(
            pipeline=pipeline,
            name=path.stem,
            networks={role: entry for role, (entry, _) in networks.items()},
            channels=arguments.get("channels", 3),
            out_channels=arguments.get("out_channels"),
            value_range=(-1, 1),
            size_multiple=network.size_multiple,
            reach=network.reach,
            **card,
        ),
        {role: built.state_dict() for role, (_, built) in networks.items()},
    )
    return path


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    kinds = {
        "plain": {},
        "exact": {"norm": "none"},
        "unet": {"name": "unet"},
        "grey": {"channels": 1, "out_channels": 3, "norm": "none"},
        "five": {"channels": 5, "out_channels": 2, "norm": "none"},
        "both": {
            "pipeline": "cyclegan",
            "roles": ("a_to_b", "b_to_a"),
            "channels": 1,
            "out_channels": 3,
        },
        "back": {"pipeline": "cyclegan", "roles": ("b_to_a",)},
    }
    return {
        key: make_model(folder / f"{key}.safetensors", **options) for key, options in kinds.items()
    }


def pixels(height: int = 12, width: int = 16, channels: int = 3, dtype: type = np.uint8):
    rng = np.random.default_rng(0)
    if dtype is np.float32:
        return rng.random((height, width, channels), np.float32)
    return rng.integers(0, np.iinfo(dtype).max + 1, (height, width, channels), dtype)


def answer(path: Path, image: np.ndarray) -> np.ndarray:
    """What the network itself says to ``[H, W, C]`` floats of a size that it takes."""
    network = Translator(path, precision="float32").network
    x = torch.from_numpy(image).permute(2, 0, 1)[None] * 2 - 1
    with torch.no_grad():
        return ((network(x)[0].permute(1, 2, 0) + 1) / 2).numpy()


def test_it_is_the_networks_answer(files) -> None:
    image = pixels(dtype=np.float32)
    for name in ("plain", "exact"):
        wanted = answer(files[name], image)
        assert wanted.std() > 0.01
        np.testing.assert_allclose(translate(image, model=files[name]), wanted, atol=1e-5)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_arrays(files, dtype, channels) -> None:
    image = pixels(channels=channels, dtype=dtype)
    out = translate(image, model=files["plain"])
    assert out.shape == (12, 16, 4 if channels in (2, 4) else 3)
    assert out.dtype == dtype
    if channels in (2, 4):
        np.testing.assert_array_equal(out[:, :, -1], image[:, :, -1])


def test_depths_agree(files) -> None:
    image = pixels()
    wide = translate(image.astype(np.uint16) * 257, model=files["plain"], precision="float32")
    assert len(np.unique(wide)) > 256  # 16 bits, though the model learned from 8
    floats = translate(image / np.float32(255), model=files["plain"], precision="float32")
    narrow = translate(image, model=files["plain"], precision="float32")
    np.testing.assert_allclose(wide / 65535, floats, atol=1e-4)
    np.testing.assert_allclose(narrow / 255, floats, atol=0.51 / 255)


def test_deep_images_are_not_computed_in_bf16(files) -> None:
    image = pixels(dtype=np.uint16)
    np.testing.assert_array_equal(
        translate(image, model=files["plain"]),
        translate(image, model=files["plain"], precision="float32"),
    )


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (3, 30), (7, 5), (17, 33), (40, 24)])
@pytest.mark.parametrize("name", ["plain", "exact", "unet"])
def test_any_size(files, name, size) -> None:
    assert translate(pixels(*size), model=files[name]).shape == (*size, 3)


def test_padding_is_a_reflection(files) -> None:
    image = pixels(9, 10, dtype=np.float32)
    padded = np.pad(image, ((0, 7), (0, 6), (0, 0)), mode="reflect")
    wanted = answer(files["unet"], padded)[:9, :10]
    np.testing.assert_allclose(translate(image, model=files["unet"]), wanted, atol=1e-5)


def test_grey_and_colour(files) -> None:
    grey = pixels(channels=1)
    wide = translate(grey.repeat(3, axis=2), model=files["plain"], precision="float32")
    np.testing.assert_array_equal(translate(grey, model=files["plain"], precision="float32"), wide)
    colour = pixels()
    out = translate(colour, model=files["grey"], precision="float32")
    assert out.shape == (12, 16, 3)
    np.testing.assert_array_equal(
        out, translate(luma(colour), model=files["grey"], precision="float32")
    )
    assert translate(grey[:, :, 0], model=files["grey"]).shape == (12, 16, 3)


def test_many_channels(files, tmp_path) -> None:
    image = pixels(channels=5, dtype=np.uint16)
    out = translate(image, model=files["five"])
    assert (out.shape, out.dtype) == ((12, 16, 2), np.uint16)
    np.save(tmp_path / "a.npy", image)
    np.testing.assert_array_equal(translate(tmp_path / "a.npy", model=files["five"]), out)
    tensor = torch.rand(5, 12, 16)
    assert translate(tensor, model=files["five"]).shape == (2, 12, 16)
    for wrong in (pixels(), pixels(channels=4)):
        with pytest.raises(ImganError, match="takes images of 5 channels, not 3"):
            translate(wrong, model=files["five"])


def test_kinds_agree(files) -> None:
    image = pixels()
    wanted = translate(image, model=files["plain"])
    out = translate(pil.fromarray(image), model=files["plain"])
    np.testing.assert_array_equal(np.asarray(out), wanted)
    batch = torch.from_numpy(image).permute(2, 0, 1)[None]
    tensor = translate(batch, model=files["plain"])
    np.testing.assert_array_equal(tensor[0].permute(1, 2, 0).numpy(), wanted)


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16"])
def test_pillow_images(files, mode) -> None:
    out = translate(pil.new(mode, (9, 7)), model=files["plain"])
    assert out.size == (9, 7)
    assert out.mode == ("RGBA" if mode in ("LA", "RGBA") else "RGB")


def test_directions(files) -> None:
    there, back = Translator(files["both"]), Translator(files["both"], direction="BtoA")
    assert (there.direction, there.channels, there.out_channels) == ("AtoB", 1, 3)
    assert (back.direction, back.channels, back.out_channels) == ("BtoA", 3, 1)
    assert there(pixels()).shape == (12, 16, 3)
    assert back(pixels()).shape == (12, 16, 1)
    assert (there.label, back.label) == ("both-AtoB", "both-BtoA")
    assert Translator(files["plain"], direction="AtoB").label == "plain"
    assert Translator(files["back"]).direction == "BtoA"


def test_size(files) -> None:
    image = pixels(20, 30)
    for size, wanted in {
        8: (8, 12),
        "8": (8, 12),
        "17x9": (9, 17),
        (17, 9): (9, 17),
        40: (40, 60),
    }.items():
        out = translate(image, model=files["plain"], size=size)
        assert out.shape[:2] == wanted, size
    clear = translate(pixels(20, 30, 4), model=files["plain"], size=10)
    assert clear.shape == (10, 15, 4)


def test_exact_tiles(files) -> None:
    image = pixels(150, 130, dtype=np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        whole = translate(image, model=files["exact"], tile=400)
        tiled = translate(image, model=files["exact"], tile=32)
    np.testing.assert_allclose(tiled, whole, atol=1e-5)


def test_tiles_that_see_the_whole_image_are_blended_and_said(files) -> None:
    image = pixels(70, 60)
    said: list[str] = []
    translator = Translator(files["plain"], tile=32, overlap=16, say=said.append)
    seen: list[tuple[int, int]] = []
    out = translator(image, lambda *at: seen.append(at))
    assert out.shape == image.shape
    assert len(seen) == seen[-1][0] == seen[-1][1] > 4
    translator(image)
    assert len(said) == 1
    assert "tiles may differ in tone" in said[0]
    with pytest.warns(UserWarning, match="may differ in tone"):
        translate(image, model=files["plain"], tile=32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        translate(image, model=files["plain"], tile=80)  # in one piece
        translate(image, model=files["plain"])


def test_what_does_not_fit_into_memory_is_tiled(files, monkeypatch) -> None:
    image = pixels(200, 180)
    said: list[str] = []
    translator = Translator(files["plain"], say=said.append)
    need = translator._pixel_bytes * 200 * 180 / module.SHARE
    monkeypatch.setattr(module, "free_memory", lambda device: need * 1.01)
    whole = translator(image)
    assert not said
    monkeypatch.setattr(module, "free_memory", lambda device: need * 0.5)
    tiled = translator(image)
    assert "180x200 pixels do not fit into memory in one piece" in said[0]
    assert tiled.shape == whole.shape
    monkeypatch.setattr(module, "free_memory", lambda device: need * 1.01)
    real = translator.network.forward

    def short(x: torch.Tensor) -> torch.Tensor:
        if x.shape[2] > 110:
            raise MemoryError  # another program was faster
        return real(x)

    monkeypatch.setattr(translator.network, "forward", short)
    assert translator(image).shape == whole.shape


def test_clear_pixels_leave_no_halo(files) -> None:
    image = np.zeros((24, 24, 4), np.uint8)
    image[:, 12:] = (200, 200, 200, 255)  # under the clear half lies black
    filled = image.copy()
    filled[:, :, :3] = 200
    for size in (None, 16):
        np.testing.assert_array_equal(
            translate(image, model=files["exact"], size=size),
            translate(filled, model=files["exact"], size=size),
        )


def test_profiles_go_where_they_do_not_fit(files) -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    grey = srgb[:16] + b"GRAY" + srgb[20:]
    one, three = Frame(pixels(channels=1)), Frame(pixels())
    colours = Translator(files["grey"])
    for frame, icc, kept in ((one, grey, b""), (three, srgb, srgb), (one, b"", b"")):
        out = colours.image(Image([frame], exif=b"exif", icc=icc))
        assert (out.icc, out.exif) == (kept, b"exif")
    back = Translator(files["both"], direction="BtoA")
    assert back.image(Image([three], icc=srgb)).icc == b""


def test_every_frame(files) -> None:
    image = Image([Frame(pixels(), duration=40), Frame(pixels()[::-1], duration=60)], "GIF", loop=3)
    seen: list[tuple[int, int]] = []
    out = Translator(files["plain"]).image(image, lambda *at: seen.append(at))
    assert [frame.duration for frame in out.frames] == [40, 60]
    assert out.loop == 3
    assert seen[-1] == (2, 2)


def test_the_default_is_the_shipped_model(files, monkeypatch) -> None:
    monkeypatch.setattr(shipped, "shipped_models", lambda: {"x4-mse": files["plain"]})
    with pytest.raises(ImganError, match="name one with --model"):
        translate(pixels())
    monkeypatch.setattr(shipped, "shipped_models", lambda: {"colourise": files["grey"]})
    grey = pil.new("L", (9, 7))
    np.testing.assert_array_equal(translate(grey), translate(grey, model="colourise"))
    assert translate(grey).mode == "RGB"


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"direction": "CtoD"}, "direction is AtoB or BtoA"),
        ({"direction": "BtoA"}, "was trained to go AtoB; leave out --direction BtoA"),
        ({"tile": 4}, "tile is at least 16"),
        ({"overlap": -1}, "overlap is at least 0"),
        ({"size": "big"}, "size is a number of pixels"),
        ({"size": 0}, "size is a number of pixels"),
        ({"size": (3, -4)}, "size is a number of pixels"),
        ({"model": "nowhere"}, "there is no model nowhere"),
        ({"device": "tpu9"}, "there is no device"),
    ],
)
def test_bad_settings(files, options, sentence) -> None:
    with pytest.raises(ImganError, match=sentence):
        translate(pixels(), **{"model": files["plain"], **options})


def test_one_command_names_the_other(files, tmp_path) -> None:
    arguments = {"scale": 2, "width": 4, "blocks": 1}
    network = build("plainsr", arguments)
    path = tmp_path / "larger.safetensors"
    card = Card(
        pipeline="srgan",
        name="larger",
        networks={"generator": NetworkCard(name="plainsr", arguments=arguments)},
        scale=2,
    )
    save_model(path, card, {"generator": network.state_dict()})
    with pytest.raises(ImganError, match=r"use imgan upscale --model .*larger\.safetensors"):
        translate(pixels(), model=path)
    for name in ("plain", "both"):
        with pytest.raises(ImganError, match=rf"use imgan translate --model .*{name}"):
            upscale(pixels(), model=files[name])
    for pipeline, command in (("nextframe", "predict"), ("dann", "classify")):
        other = make_model(tmp_path / f"{pipeline}.safetensors", pipeline=pipeline)
        for use in (translate, upscale):
            with pytest.raises(ImganError, match=rf"is a {pipeline} model and .*; use imgan") as no:
                use(pixels(), model=other)
            assert str(no.value).endswith(f"use imgan {command} --model {other}")


@pytest.mark.parametrize("image", [np.zeros((4, 4), bool), torch.zeros(4, 4), np.zeros((0, 4)), 7])
def test_bad_images(files, image) -> None:
    with pytest.raises(ImganError):
        translate(image, model=files["plain"])

"""Image files: what goes in comes out, and what is broken says so in one sentence."""

from __future__ import annotations

import io
import struct
import zlib
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as pil
from PIL import ImageCms, ImageOps
from PIL.TiffImagePlugin import AppendingTiffWriter

from imgan.data import notes
from imgan.data.images import read_image, write_image
from imgan.data.pixels import Frame, Image, from_pil, to_bits, upright
from imgan.errors import ImganError

PHOTO = Path(__file__).parents[1] / "files" / "photos" / "casa-mila.jpg"
SRGB = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def smooth(dtype: type, channels: int, size: tuple[int, int] = (30, 20)) -> np.ndarray:
    across, down = np.meshgrid(np.linspace(0, 1, size[0]), np.linspace(0, 1, size[1]))
    planes = [across, down, (across + down) / 2, 1 - across][:channels]
    return (np.stack(planes, axis=2) * np.iinfo(dtype).max).astype(dtype)


def exif_block(orientation: int = 1) -> bytes:
    exif = pil.Exif()
    exif[0x010F], exif[0x0112] = "Maker", orientation
    exif.get_ifd(0x8769).update({0x9003: "2020:01:02 03:04:05", 0xA002: 5, 0xA003: 6})
    return exif.tobytes()


@pytest.mark.parametrize("suffix", [".png", ".tiff"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("clear", [False, True])
def test_lossless_round_trip(tmp_path, suffix, dtype, channels, clear) -> None:
    alpha = smooth(dtype, 4)[:, :, 3:] if clear else None
    icc = SRGB if channels == 3 else b""
    written = Image([Frame(smooth(dtype, channels), alpha)], exif=exif_block(), icc=icc)
    write_image(tmp_path / f"a{suffix}", written)
    back = read_image(tmp_path / f"a{suffix}")
    colour = back.frames[0].colour
    if suffix == ".tiff" and clear and channels == 1 and dtype == np.uint16:
        colour = colour[:, :, :1]  # written as RGB
    assert colour.dtype == dtype
    np.testing.assert_array_equal(colour, written.frames[0].colour)
    assert (back.frames[0].alpha is None) == (alpha is None)
    if alpha is not None:
        np.testing.assert_array_equal(back.frames[0].alpha, alpha)
    assert back.icc == icc
    exif = pil.Exif()
    exif.load(back.exif)
    assert exif[0x010F] == "Maker"
    assert exif.get_ifd(0x8769)[0x9003] == "2020:01:02 03:04:05"
    assert exif.get_ifd(0x8769)[0xA002] == 30  # the size that it has now


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif", ".gif"])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_lossy_formats(tmp_path, suffix, dtype) -> None:
    written = Image([Frame(smooth(dtype, 3))], exif=exif_block(), icc=SRGB)
    write_image(tmp_path / f"a{suffix}", written)
    back = read_image(tmp_path / f"a{suffix}")
    wanted = to_bits(written.frames[0].colour, 8).astype(int)
    assert np.abs(back.frames[0].colour - wanted).mean() < 8
    if suffix != ".gif":
        assert back.icc == SRGB
        assert b"Maker" in back.exif


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".tiff"])
def test_grey_stays_grey(tmp_path, suffix) -> None:
    write_image(tmp_path / f"a{suffix}", Image([Frame(smooth(np.uint8, 1))]))
    assert pil.open(tmp_path / f"a{suffix}").mode == "L"
    assert read_image(tmp_path / f"a{suffix}").frames[0].colour.shape == (20, 30, 1)


@pytest.mark.parametrize("channels", [1, 3])
def test_jpeg_puts_alpha_on_white(tmp_path, channels) -> None:
    black = np.zeros((8, 8, channels), np.uint8)
    write_image(tmp_path / "a.jpg", Image([Frame(black, black[:, :, :1])]))
    assert read_image(tmp_path / "a.jpg").frames[0].colour.min() > 250


@pytest.mark.parametrize("suffix", [".png", ".tif"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(tmp_path, orientation, suffix) -> None:
    raw = pil.fromarray(smooth(np.uint8, 3))
    raw.save(tmp_path / f"a{suffix}", exif=exif_block(orientation), dpi=(300, 150))
    upright_by_pillow = np.asarray(ImageOps.exif_transpose(pil.open(tmp_path / f"a{suffix}")))
    read = read_image(tmp_path / f"a{suffix}")
    np.testing.assert_array_equal(read.frames[0].colour, upright_by_pillow)
    np.testing.assert_array_equal(upright(np.asarray(raw), orientation), upright_by_pillow)
    assert read.dpi == pytest.approx((300, 150) if orientation < 5 else (150, 300), abs=0.1)
    for target in (".png", ".tif"):
        write_image(tmp_path / f"b{target}", read)
        with pil.open(tmp_path / f"b{target}") as back:
            assert back.getexif()[0x0112] == 1
            dpi = tuple(float(value) for value in back.info["dpi"])
            assert dpi == pytest.approx(read.dpi, abs=0.1)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_of_16_bits_and_of_pages(tmp_path, orientation) -> None:
    raw = smooth(np.uint16, 3)
    for format in ("TIFF", "PNG"):
        buffer = io.BytesIO()
        write_image(buffer, Image([Frame(raw)], exif=exif_block(orientation)), format)
        read = read_image(buffer.getvalue())
        np.testing.assert_array_equal(read.frames[0].colour, upright(raw, orientation))
    page = pil.fromarray(smooth(np.uint8, 3))
    file = tmp_path / "a.tif"
    page.save(file, save_all=True, append_images=[page], tiffinfo={274: orientation})
    with pil.open(file) as pages:
        assert pages.n_frames == 2
        turned = []
        for number in range(2):
            pages.seek(number)
            turned.append(pages.getexif().get(274, 1))
    for frame, own in zip(read_image(file).frames, turned, strict=True):
        np.testing.assert_array_equal(frame.colour, upright(np.asarray(page), own))


@pytest.mark.parametrize(
    ("mode", "channels", "clear"),
    [
        ("1", 1, False),
        ("L", 1, False),
        ("LA", 1, True),
        ("P", 3, False),
        ("RGB", 3, False),
        ("RGBA", 3, True),
        ("CMYK", 3, False),
        ("YCbCr", 3, False),
        ("LAB", 3, False),
        ("PA", 3, True),
        ("La", 1, True),
        ("RGBa", 3, True),
        ("HSV", 3, False),
    ],
)
def test_every_mode(mode, channels, clear) -> None:
    frame = from_pil(pil.new(mode, (3, 2)))
    assert frame.colour.shape == (2, 3, channels)
    assert frame.colour.dtype == np.uint8
    assert (frame.alpha is not None) == clear


def test_palette_with_a_clear_colour(tmp_path) -> None:
    image = pil.new("P", (4, 4), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.putpixel((0, 0), 0)
    image.save(tmp_path / "a.png", transparency=0)
    frame = read_image(tmp_path / "a.png").frames[0]
    assert frame.alpha is not None
    assert frame.alpha[0, 0, 0] == 0
    assert frame.alpha[1, 1, 0] == 255
    assert frame.colour[1, 1].tolist() == [0, 0, 255]


def test_cmyk_jpeg_becomes_srgb(tmp_path) -> None:
    pil.new("CMYK", (16, 16), (0, 255, 255, 0)).save(tmp_path / "a.jpg", icc_profile=SRGB)
    read = read_image(tmp_path / "a.jpg")  # its profile is of another space: used as if none
    assert read.icc == b""
    red, green, _ = read.frames[0].colour[8, 8]
    assert red > 200 > 100 > green


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_float_tiff_becomes_16_bit(tmp_path, top) -> None:
    pil.fromarray((smooth(np.uint16, 1)[:, :, 0] / 65535 * top).astype(np.float32)).save(
        tmp_path / "a.tif"
    )
    colour = read_image(tmp_path / "a.tif").frames[0].colour
    assert colour.dtype == np.uint16
    assert colour.max() == 65535


def test_float_tiff_that_is_no_picture(tmp_path) -> None:
    pil.fromarray(np.full((4, 4), -3, np.float32)).save(tmp_path / "depth.tif")
    with pytest.raises(ImganError, match=r"depth\.tif .* brightness"):
        read_image(tmp_path / "depth.tif")


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".avif"])
@pytest.mark.parametrize("clear", [False, True])
def test_animation(tmp_path, suffix, clear) -> None:
    frames = []
    for index in range(3):
        colour = np.full((8, 12, 3), 80 * index, np.uint8)
        alpha = np.full((8, 12, 1), 255, np.uint8)
        alpha[index] = 0
        frames.append(Frame(colour, alpha if clear else None, duration=70))
    write_image(tmp_path / f"a{suffix}", Image(frames, loop=0))
    back = read_image(tmp_path / f"a{suffix}")
    assert [frame.duration for frame in back.frames] == [70, 70, 70]
    assert back.loop == 0
    for wrote, read in zip(frames, back.frames, strict=True):
        if clear:
            np.testing.assert_array_equal(read.alpha, wrote.alpha)
        assert abs(int(read.colour[7, 0, 0]) - int(wrote.colour[7, 0, 0])) <= 3


def test_pages_of_a_tiff(tmp_path) -> None:
    pages = [Frame(smooth(np.uint16, 1) // (index + 1)) for index in range(2)]
    write_image(tmp_path / "a.tif", Image(pages))
    back = read_image(tmp_path / "a.tif")
    np.testing.assert_array_equal(back.frames[1].colour, pages[1].colour)


def test_animation_does_not_go_into_a_jpeg(tmp_path) -> None:
    frame = Frame(smooth(np.uint8, 3))
    with pytest.raises(ImganError, match="JPEG holds one image, and here are 2; take WebP"):
        write_image(tmp_path / "a.jpg", Image([frame, frame]))
    assert list(tmp_path.iterdir()) == []


def test_too_wide_for_webp(tmp_path) -> None:
    with pytest.raises(ImganError, match="at most 16383 pixels a side"):
        write_image(tmp_path / "a.webp", Image([Frame(np.zeros((1, 16384, 1), np.uint8))]))


def test_streams() -> None:
    buffer = io.BytesIO()
    write_image(buffer, Image([Frame(smooth(np.uint8, 3))]), "PNG")
    np.testing.assert_array_equal(
        read_image(io.BytesIO(buffer.getvalue())).frames[0].colour, smooth(np.uint8, 3)
    )


def bomb(width: int, height: int) -> bytes:
    """A PNG whose header claims more than it holds."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", b"x") + chunk(b"IEND", b"")


def broken_files(folder: Path) -> dict[str, str]:
    whole = PHOTO.read_bytes()
    deep = io.BytesIO()
    write_image(
        deep,
        Image([Frame(np.random.default_rng(0).integers(0, 65535, (64, 64, 3), np.uint16))]),
        "PNG",
    )
    avif = io.BytesIO()
    pil.effect_noise((200, 200), 50).save(avif, "AVIF")
    head, body = avif.getvalue().split(b"mdat", 1)
    files = {
        "bad.avif": (head + b"mdat" + b"\0" * len(body), "is damaged"),
        "empty.png": (b"", "is empty"),
        "text.jpg": (b"hello", "is not an image"),
        "cut.jpg": (whole[: len(whole) // 2], "is damaged"),
        "cut16.png": (deep.getvalue()[:9000], "is damaged"),
        "bomb.png": (bomb(60_000, 60_000), "has 3600 megapixels, more than the limit of 400"),
    }
    for name, (data, _) in files.items():
        (folder / name).write_bytes(data)
    (folder / "folder.png").mkdir()
    says = {name: sentence for name, (_, sentence) in files.items()}
    return says | {"folder.png": "is a folder", "missing.png": "there is no file"}


def test_broken_files_say_so_in_one_line(tmp_path) -> None:
    for name, sentence in broken_files(tmp_path).items():
        with pytest.raises(ImganError, match=sentence) as error:
            read_image(tmp_path / name)
        assert name in str(error.value)
        assert "\n" not in str(error.value)


@pytest.mark.parametrize("at", [0.2, 0.5, 0.8])
def test_a_damaged_png_is_no_picture(at) -> None:
    """Looking for EXIF, Pillow decodes the pixels and keeps silent on where they end."""
    file = io.BytesIO()
    pil.effect_noise((60, 60), 50).save(file, "PNG")
    whole = bytearray(file.getvalue())
    read_image(bytes(whole))
    whole[int(at * len(whole))] ^= 0xFF
    with pytest.raises(ImganError, match="is damaged"):
        read_image(bytes(whole))


def test_a_bomb_is_refused_before_it_is_decoded(monkeypatch) -> None:
    file = io.BytesIO()
    pil.new("L", (400, 400)).save(file, "PNG")
    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", lambda self: pytest.fail("it was decoded"))
    with pytest.raises(ImganError, match="more than the limit"):
        read_image(file.getvalue(), max_pixels=10_000)


def test_gifs_keep_time() -> None:
    frames = [Frame(np.full((4, 4, 3), 20 * i, np.uint8), duration=33) for i in range(12)]
    file = io.BytesIO()
    write_image(file, Image(frames, loop=0), "GIF")
    durations = [frame.duration for frame in read_image(file.getvalue()).frames]
    assert set(durations) <= {30, 40}
    assert abs(sum(durations) - 12 * 33) <= 10
    quick = io.BytesIO()
    held = Frame(np.zeros((4, 4, 3), np.uint8), duration=1000)
    write_image(quick, Image([*(replace(frame, duration=16) for frame in frames), held]), "GIF")
    durations = [frame.duration for frame in read_image(quick.getvalue()).frames]
    assert set(durations[:-1]) == {20}
    assert durations[-1] == pytest.approx(1000, abs=10)


def test_16_bits_stay_without_exif(tmp_path) -> None:
    pixels = smooth(np.uint16, 3)
    write_image(tmp_path / "a.png", Image([Frame(pixels)]))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png").frames[0].colour, pixels)


def test_what_opencv_raises_is_one_sentence(tmp_path, monkeypatch) -> None:
    def imdecode(*_: object) -> None:
        raise cv2.error("OpenCV(4) error\n> in function\n")

    write_image(tmp_path / "a.png", Image([Frame(smooth(np.uint16, 3))]))
    monkeypatch.setattr(cv2, "imdecode", imdecode)
    with pytest.raises(ImganError, match=r"a\.png is damaged.*cannot be decoded$"):
        read_image(tmp_path / "a.png")


def test_threads_leave_pillows_limit_as_it_was() -> None:
    before = pil.MAX_IMAGE_PIXELS
    with ThreadPoolExecutor(8) as pool:
        assert len(list(pool.map(read_image, [PHOTO] * 40))) == 40
    assert before == pil.MAX_IMAGE_PIXELS


def test_large_photos_are_no_bombs(tmp_path, recwarn) -> None:
    pil.new("1", (10_500, 10_000)).save(tmp_path / "a.png")  # 105 megapixels: Pillow would warn
    with pytest.raises(ImganError, match="more than the limit of 100"):
        read_image(tmp_path / "a.png", max_pixels=100_000_000)
    assert read_image(tmp_path / "a.png").size == (10_500, 10_000)
    assert not recwarn.list


def test_a_target_that_cannot_be_written(tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ImganError, match="cannot be written"):
        write_image(tmp_path / "file" / "a.png", Image([Frame(smooth(np.uint8, 3))]))


def test_damaged_notes_do_not_cost_the_picture(tmp_path) -> None:
    exif = pil.Exif()
    exif[0x010F] = "maker"  # Make, an ASCII tag
    data = bytearray(exif.tobytes())
    at = data.index(struct.pack(">H", 0x010F))
    data[at + 2 : at + 8] = struct.pack(">HI", 5, 1)  # as a rational
    data += bytes(8)
    pil.new("RGB", (8, 6), "red").save(tmp_path / "a.jpg", exif=bytes(data))
    read = read_image(tmp_path / "a.jpg")
    assert read.size == (8, 6)
    write_image(tmp_path / "b.jpg", read)


def test_frames_of_several_sizes_are_one_sentence(tmp_path) -> None:
    frames = [Frame(np.zeros((s, s, 3), np.uint8)) for s in (8, 12)]
    with pytest.raises(ImganError, match="WEBP holds no pages of several sizes"):
        write_image(tmp_path / "a.webp", Image(frames))
    assert not list(tmp_path.iterdir())


def test_smaller_copies_in_a_tiff_are_no_pages(tmp_path) -> None:
    page, copy, other = (pil.new("RGB", size) for size in [(40, 30), (10, 8), (20, 40)])
    with AppendingTiffWriter(tmp_path / "a.tif", new=True) as writer:
        for picture, kind in [(page, 0), (copy, 1), (other, 0)]:
            picture.save(writer, "TIFF", tiffinfo={254: kind})
            writer.newFrame()
    assert pil.open(tmp_path / "a.tif").n_frames == 3
    read = read_image(tmp_path / "a.tif")
    assert [frame.colour.shape[:2] for frame in read.frames] == [(30, 40), (40, 20)]
    assert not read.one_size
    assert len(read_image(tmp_path / "a.tif", max_pixels=2000).frames) == 2  # copies do not count
    with pytest.raises(ImganError, match="more than the limit"):
        read_image(tmp_path / "a.tif", max_pixels=1999)


@pytest.mark.parametrize("source", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("target", [".png", ".jpg", ".tif"])
@pytest.mark.parametrize("bits", [8, 16])
def test_density_in_print_stays(tmp_path, source, target, bits) -> None:
    pil.new("RGB", (20, 10)).save(tmp_path / f"a{source}", dpi=(300, 150))
    read = read_image(tmp_path / f"a{source}")
    frames = [Frame(to_bits(frame.colour, bits)) for frame in read.frames]
    write_image(tmp_path / f"b{target}", replace(read, frames=frames))
    with pil.open(tmp_path / f"b{target}") as back:
        assert [float(value) for value in back.info["dpi"]] == pytest.approx([300, 150], abs=0.1)


def test_a_density_beyond_what_a_jpeg_can_say(tmp_path) -> None:
    pil.new("RGB", (20, 10)).save(tmp_path / "a.png", dpi=(100_000, 100_000))
    write_image(tmp_path / "a.jpg", read_image(tmp_path / "a.png"))
    assert "dpi" not in pil.open(tmp_path / "a.jpg").info


def test_a_tiff_without_a_density_has_none(tmp_path) -> None:
    cv2.imwrite(str(tmp_path / "a.tif"), smooth(np.uint16, 3))
    with AppendingTiffWriter(tmp_path / "b.tif", new=True) as writer:
        pil.new("RGB", (8, 6)).save(writer, "TIFF")
        writer.newFrame()
    for name in ("a.tif", "b.tif"):
        tags = pil.open(tmp_path / name).tag_v2
        assert (read_image(tmp_path / name).dpi is None) == (282 not in tags), name


def test_a_smaller_copy_may_come_first(tmp_path) -> None:
    with AppendingTiffWriter(tmp_path / "a.tif", new=True) as writer:
        for size, kind in [((10, 8), 1), ((40, 30), 0)]:
            pil.new("RGB", size).save(writer, "TIFF", tiffinfo={254: kind})
            writer.newFrame()
    assert [frame.colour.shape[:2] for frame in read_image(tmp_path / "a.tif").frames] == [(30, 40)]
    pil.new("RGB", (10, 8)).save(tmp_path / "b.tif", tiffinfo={254: 1})
    assert read_image(tmp_path / "b.tif").size == (10, 8)  # a copy alone is all there is


@pytest.mark.parametrize("dpi", [None, (0, 0), (float("nan"), 1), "many", (72, 72, 72)])
def test_a_density_that_is_none(tmp_path, dpi) -> None:
    picture = pil.new("RGB", (20, 10))
    picture.info["dpi"] = dpi
    assert notes.dpi(picture) is None


def test_notes_that_a_jpeg_cannot_hold_do_not_cost_the_picture(tmp_path) -> None:
    exif = pil.Exif()
    exif[0x010F] = "M" * 70_000
    write_image(tmp_path / "a.jpg", Image([Frame(smooth(np.uint8, 3))], exif=exif.tobytes()))
    assert pil.open(tmp_path / "a.jpg").size == (30, 20)


def test_the_picture_for_who_shows_no_animations_is_no_frame(tmp_path) -> None:
    still, *frames = (pil.new("RGB", (8, 8), (value, 0, 0)) for value in (9, 90, 200))
    still.save(
        tmp_path / "a.png", save_all=True, append_images=frames, default_image=True, duration=50
    )
    back = read_image(tmp_path / "a.png")
    assert [int(frame.colour[0, 0, 0]) for frame in back.frames] == [90, 200]
    assert [frame.duration for frame in back.frames] == [50, 50]


@pytest.mark.parametrize("mode", ["L", "RGB", "CMYK"])
def test_how_far_a_jpeg_was_compressed(tmp_path, mode) -> None:
    for quality in (3, 5, 10, 15, 40, 50, 75, 90, 95, 100):
        pil.new(mode, (16, 16)).save(tmp_path / "a.jpg", quality=quality)
        assert abs(read_image(tmp_path / "a.jpg").quality - quality) <= 1
    pil.new("RGB", (16, 16)).save(tmp_path / "a.webp", quality=40)
    assert read_image(tmp_path / "a.webp").quality is None

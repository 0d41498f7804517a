"""Video files and folders of frames, in and out."""

import os
import sys
import weakref

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgan.data import video
from imgan.data.video import probe, read_frames, read_last_frames, write_video
from imgan.errors import ImganError

av = pytest.importorskip("av")


def moving(count=12, height=32, width=48):
    """Smooth colours that go to the left, two pixels a frame."""
    y, x = np.mgrid[:height, :width]
    for i in range(count):
        waves = [np.sin((x + 2 * i) / 9), np.cos(y / 7), np.sin((x + y + 2 * i) / 11)]
        yield (127 + 100 * np.stack(waves, axis=2)).astype(np.uint8)


def error(a, b):
    return float(np.abs(a.astype(int) - b).mean())


@pytest.mark.parametrize(("ending", "most"), [("mp4", 4), ("mkv", 4), ("webm", 4), ("gif", 7)])
@pytest.mark.parametrize("size", [(32, 48), (33, 47)])
def test_frames_come_back(tmp_path, ending, most, size):
    path, frames = tmp_path / f"a.{ending}", list(moving(12, *size))
    write_video(path, iter(frames), 12.5)
    back = list(read_frames(path))
    assert len(back) == 12
    assert probe(path) == (12.5, size[1], size[0])
    for one, other in zip(frames, back, strict=True):
        assert other.dtype == np.uint8 and other.shape == one.shape
        assert other.flags.c_contiguous
        assert error(one, other) < most
    assert [p.name for p in tmp_path.iterdir()] == [path.name]


@settings(deadline=None, max_examples=12)
@given(
    height=st.integers(2, 40),
    width=st.integers(2, 40),
    count=st.integers(1, 5),
    ending=st.sampled_from(["mp4", "webm", "gif"]),
)
def test_any_size_and_count(tmp_path_factory, height, width, count, ending):
    path = tmp_path_factory.mktemp("any") / f"a.{ending}"
    frames = [np.full((height, width, 3), 40 * i, np.uint8) for i in range(count)]
    write_video(path, frames, 10)
    back = list(read_frames(path))
    assert [frame.shape for frame in back] == [(height, width, 3)] * count
    assert all(error(a, b) < 4 for a, b in zip(frames, back, strict=True))


def test_equal_frames_of_a_gif_stay_frames_and_time_is_kept(tmp_path):
    write_video(tmp_path / "a.gif", [np.full((8, 8, 3), 77, np.uint8)] * 7, 12)
    assert len(list(read_frames(tmp_path / "a.gif"))) == 7
    with Image.open(tmp_path / "a.gif") as image:
        total = 0
        for i in range(image.n_frames):
            image.seek(i)
            total += image.info["duration"]
    assert abs(total - 7000 / 12) <= 10


def test_grey_frames_are_written(tmp_path):
    write_video(tmp_path / "a.gif", [np.full((8, 8, 1), 50, np.uint8)] * 2, 10)
    assert next(read_frames(tmp_path / "a.gif"))[0, 0].tolist() == [50] * 3


def test_quality_is_size(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (4, 64, 64, 3), np.uint8)
    for ending in ("mp4", "webm"):
        low, high = tmp_path / f"low.{ending}", tmp_path / f"high.{ending}"
        write_video(low, noise, 10, quality=10)
        write_video(high, noise, 10, quality=100)
        assert low.stat().st_size < high.stat().st_size / 2


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm", "gif"])
def test_a_part_of_the_frames(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    write_video(path, moving(), 10)
    whole = list(read_frames(path))
    part = list(read_frames(path, start=3, count=4))
    assert len(part) == 4
    assert all(np.array_equal(a, b) for a, b in zip(part, whole[3:7], strict=True))
    assert len(list(read_frames(path, start=9, count=9))) == 3
    assert list(read_frames(path, start=99)) == list(read_frames(path, count=0)) == []


@pytest.mark.parametrize("ending", ["mp4", "webm", "gif"])
def test_writing_holds_a_frame_at_a_time(tmp_path, ending):
    alive, most = weakref.WeakSet(), 0

    class Frame(np.ndarray):
        def __hash__(self):
            return id(self)

    def frames():
        nonlocal most
        for frame in moving(40, 16, 16):
            frame = frame.view(Frame)
            alive.add(frame)
            most = max(most, len(alive))
            yield frame

    write_video(tmp_path / f"a.{ending}", frames(), 10)
    assert most <= 6


def test_reading_goes_no_further_than_it_must(tmp_path, monkeypatch):
    for i in range(1, 12):
        Image.new("RGB", (8, 8), (i, 0, 0)).save(tmp_path / f"{i}.png")
    read = []
    decode = video.decode
    monkeypatch.setattr(video, "decode", lambda file: read.append(file.name) or decode(file))
    frames = read_frames(tmp_path, start=1)
    assert next(frames)[0, 0, 0] == 2
    assert read == ["2.png"]


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are none")
def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.mp4")
    with pytest.raises(ImganError, match=r"a\.mp4 is a pipe and no file"):
        probe(tmp_path / "a.mp4")


# Colours.


def write_yuv(path, colour, size=(64, 48), matrix=1, full=False, tagged=True):
    """A clip of one RGB colour in [0, 1] by the given matrix (1: BT.709, 6: BT.601)."""
    kr, kb = {1: (0.2126, 0.0722), 6: (0.299, 0.114)}[matrix]
    r, g, b = colour
    y = kr * r + (1 - kr - kb) * g + kb * b
    u, v = (b - y) / 2 / (1 - kb), (r - y) / 2 / (1 - kr)
    values = (255 * y, 255 * u + 128, 255 * v + 128)
    if not full:
        values = (16 + 219 * y, 128 + 224 * u, 128 + 224 * v)
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        stream.options = {"crf": "1"}
        if tagged:
            stream.codec_context.colorspace = matrix
            stream.codec_context.color_range = 2 if full else 1
        frame = av.VideoFrame(*size, "yuv420p")
        for plane, value in zip(frame.planes, values, strict=True):
            plane.update(bytes([round(value)]) * plane.buffer_size)
        if tagged:
            frame.colorspace, frame.color_range = matrix, 2 if full else 1
        container.mux(stream.encode(frame))
        container.mux(stream.encode())


@pytest.mark.parametrize("matrix", [1, 6])
@pytest.mark.parametrize("full", [False, True])
def test_the_matrix_and_range_of_the_file_are_obeyed(tmp_path, matrix, full):
    write_yuv(tmp_path / "a.mp4", (0.8, 0.2, 0.1), matrix=matrix, full=full)
    colour = next(read_frames(tmp_path / "a.mp4"))[20, 20]
    assert np.abs(colour.astype(int) - [204, 51, 26]).max() <= 4


@pytest.mark.parametrize(("size", "matrix"), [((64, 48), 6), ((1280, 64), 1), ((64, 600), 1)])
def test_untagged_colours_are_read_as_players_read_them(tmp_path, size, matrix):
    write_yuv(tmp_path / "a.mp4", (0.1, 0.7, 0.2), size, matrix, tagged=False)
    colour = next(read_frames(tmp_path / "a.mp4"))[20, 20]
    assert np.abs(colour.astype(int) - [26, 179, 51]).max() <= 4


@pytest.mark.parametrize(("size", "matrix"), [((48, 32), 6), ((1280, 32), 1)])
def test_colours_are_tagged(tmp_path, size, matrix):
    frame = np.zeros((*size[::-1], 3), np.uint8) + np.array([204, 51, 26], np.uint8)
    for ending in ("mp4", "webm"):
        write_video(tmp_path / f"a.{ending}", [frame], 10)
        with av.open(str(tmp_path / f"a.{ending}")) as container:
            first = next(container.decode(video=0))
            # BT.470BG and SMPTE 170M are two names of the matrix of BT.601.
            assert first.colorspace in ((1,) if matrix == 1 else (5, 6))
            assert first.color_range == 1
        assert error(next(read_frames(tmp_path / f"a.{ending}")), frame) < 4


def test_rotation_is_applied(tmp_path):
    path = tmp_path / "a.mp4"
    picture = np.zeros((32, 64, 3), np.uint8)
    picture[:, :32] = 250
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=10)
        stream.width, stream.height, stream.pix_fmt = 64, 32, "yuv420p"
        stream.set_display_rotation(90)  # counter-clockwise: the left side goes down
        container.mux(stream.encode(av.VideoFrame.from_ndarray(picture)))
        container.mux(stream.encode())
    assert probe(path)[1:] == (32, 64)
    frame = next(read_frames(path))
    assert frame.shape == (64, 32, 3)
    assert frame[:28].mean() < 5 and frame[36:].mean() > 240


def test_what_is_clear_lies_on_white(tmp_path):
    clear = Image.new("RGBA", (16, 16), (0, 0, 0, 0))
    clear.paste((255, 0, 0, 255), (0, 0, 8, 16))
    clear.save(tmp_path / "a.gif", save_all=True, append_images=[clear.rotate(90)], disposal=2)
    frame = next(read_frames(tmp_path / "a.gif"))
    assert frame[4, 4].tolist() == [255, 0, 0] and frame[4, 12].tolist() == [255] * 3


# Folders of frames.


def save(folder, names, size=(8, 8)):
    folder.mkdir(exist_ok=True)
    for i, name in enumerate(names):
        Image.new("RGB", size, (i, 0, 0)).save(folder / name)


def test_numbered_frames_are_sorted_by_number(tmp_path):
    save(tmp_path / "a", ["f_2.png", "f_10.png", "f_1.jpg", "f_003.png", "cover.png", ".f_4.png"])
    order = [frame[0, 0, 0] for frame in read_frames(tmp_path / "a")]
    assert np.abs(np.array(order, int) - [2, 0, 3, 1]).max() <= 1  # JPEG is not exact
    assert probe(tmp_path / "a") == (25, 8, 8)
    assert len(list(read_frames(tmp_path / "a", start=1, count=2))) == 2


def test_folders_that_are_no_clip_are_told(tmp_path):
    save(tmp_path / "two", ["a_1.png", "b_1.png"])
    save(tmp_path / "twice", ["1.png", "01.png"])
    save(tmp_path / "none", ["cover.png"])
    save(tmp_path / "sizes", ["1.png"])
    save(tmp_path / "sizes", ["2.png"], (8, 9))
    save(tmp_path / "bad", ["1.png"])
    (tmp_path / "bad" / "2.png").write_text("no image")
    for folder, words in {
        "two": "frames of several clips",
        "twice": "the same number",
        "none": "no numbered frames",
        "sizes": "frame 1 is 8x9 pixels and those before 8x8",
        "bad": r"2\.png",
    }.items():
        with pytest.raises(ImganError, match=words):
            list(read_frames(tmp_path / folder))


# What cannot be read or written.


def test_files_that_are_no_video_are_one_sentence(tmp_path):
    (tmp_path / "text.mp4").write_text("no video " * 1000)
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXTINF:10,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n")
    (tmp_path / "empty.webm").write_bytes(b"")
    with av.open(str(tmp_path / "sound.mp4"), "w") as container:
        stream = container.add_stream("aac", rate=44100)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        sound.sample_rate = 44100
        container.mux(stream.encode(sound))
        container.mux(stream.encode())
    for name, words in {
        "text.mp4": "no video that can be read",
        "list.mp4": "no video that can be read",
        "empty.webm": "no video that can be read",
        "sound.mp4": "holds no video",
        "gone.mp4": "there is no file",
    }.items():
        for call in (probe, lambda path: list(read_frames(path))):
            with pytest.raises(ImganError, match=words) as caught:
                call(tmp_path / name)
            assert name in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("ending", ["mp4", "mkv", "webm", "gif"])
@pytest.mark.parametrize("part", [0.3, 0.6, 0.75])
def test_files_cut_short_are_told(tmp_path, ending, part):
    path = tmp_path / f"a.{ending}"
    rng = np.random.default_rng(0)
    write_video(path, rng.integers(0, 255, (30, 24, 24, 3), np.uint8), 10)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(part * len(whole))])
    frames = []
    with pytest.raises(ImganError, match="cut short") as caught:
        frames.extend(read_frames(path))
    assert path.name in str(caught.value)
    assert len(frames) < 30


def test_frames_in_a_stream_that_runs_from_the_front_come_before_the_error(tmp_path):
    path = tmp_path / "a.webm"
    write_video(path, moving(40), 10)
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    with pytest.raises(ImganError, match=r"cut short after (\d\d) frames"):
        list(read_frames(path))
    assert len(list(read_frames(path, count=5))) == 5


def test_names_are_no_addresses(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = type(tmp_path)("take:1 %d é.mp4")
    write_video(path, moving(2), 10)
    assert len(list(read_frames(path))) == 2


def test_what_cannot_be_written_is_one_sentence(tmp_path):
    frame = np.zeros((8, 8, 3), np.uint8)
    with pytest.raises(ImganError, match=r"written as \.mp4, \.mkv, \.webm, \.gif"):
        write_video(tmp_path / "a.avi", [frame], 10)
    with pytest.raises(ImganError, match="no frames to write"):
        write_video(tmp_path / "a.mp4", [], 10)
    with pytest.raises(ImganError, match="frames a second"):
        write_video(tmp_path / "a.mp4", [frame], 0)
    with pytest.raises(ImganError, match="quality is 1 to 100"):
        write_video(tmp_path / "a.mp4", [frame], 10, quality=0)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(ImganError, match="cannot be written"):
        write_video(tmp_path / "file" / "a.mp4", [frame], 10)


@pytest.mark.parametrize("ending", ["mp4", "webm", "gif"])
def test_a_failed_write_leaves_what_was_there(tmp_path, ending):
    path = tmp_path / f"a.{ending}"
    path.write_bytes(b"before")
    frames = [np.zeros((8, 8, 3), np.uint8)] * 3 + [np.zeros((8, 10, 3), np.uint8)]
    with pytest.raises(ImganError, match="frame 3 is 10x8 pixels and those before 8x8"):
        write_video(path, frames, 10)
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_without_pyav_the_way_out_is_told(tmp_path, monkeypatch):
    save(tmp_path / "frames", ["1.png", "2.png"])
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(ImganError, match="pip install av"):
        write_video(tmp_path / "a.mp4", moving(), 10)
    with pytest.raises(ImganError, match="pip install av"):
        probe(tmp_path / "a.mp4")
    assert len(list(read_frames(tmp_path / "frames"))) == 2


# The end of a clip.


@pytest.mark.parametrize("ending", ["mp4", "webm", "gif"])
def test_the_last_frames_alone_become_rgb(tmp_path, ending, monkeypatch):
    path = tmp_path / f"a.{ending}"
    write_video(path, moving(12), 10)
    whole = list(read_frames(path))
    made = []
    rgb = video._rgb
    monkeypatch.setattr(video, "_rgb", lambda *frame: made.append(1) or rgb(*frame))
    last = read_last_frames(path, 4)
    assert len(last) == len(made) == 4
    assert all(np.array_equal(a, b) for a, b in zip(last, whole[8:], strict=True))
    assert len(read_last_frames(path, 99)) == 12
    assert read_last_frames(path, 0) == []


def test_of_a_folder_the_last_files_alone_are_read(tmp_path):
    save(tmp_path / "a", [f"{i}.png" for i in range(12)])
    (tmp_path / "a" / "3.png").write_text("no image")
    assert [frame[0, 0, 0] for frame in read_last_frames(tmp_path / "a", 3)] == [9, 10, 11]
    with pytest.raises(ImganError, match=r"3\.png"):
        read_last_frames(tmp_path / "a", 10)


def test_the_end_of_what_is_cut_short_is_an_error(tmp_path):
    path = tmp_path / "a.webm"
    write_video(path, moving(40), 10)
    path.write_bytes(path.read_bytes()[: int(0.6 * path.stat().st_size)])
    with pytest.raises(ImganError, match="cut short after"):
        read_last_frames(path, 3)


# Odd containers.


def write_raw(path, frames, form=None, gop=10, header=None, step=1):
    """H.264 with a key frame every `gop` frames, `step` units of time apart."""
    from fractions import Fraction

    header = header or 25
    with av.open(str(path), "w", format=form) as container:
        stream = container.add_stream("libx264", rate=header)
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt, stream.options = "yuv420p", {"g": str(gop), "bf": "0"}
        for i, pixels in enumerate(frames):
            frame = av.VideoFrame.from_ndarray(pixels)
            frame.pts, frame.time_base = i * step, Fraction(1, header)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())


def spoil(path, numbers):
    """Overwrite the content of these packets."""
    data = bytearray(path.read_bytes())
    with av.open(str(path)) as container:
        packets = [(packet.pos, packet.size) for packet in container.demux() if packet.size]
    for pos, size in (packets[number] for number in numbers):
        data[pos + 4 : pos + size] = b"\xff" * (size - 4)
    path.write_bytes(data)


def test_what_cannot_be_decoded_before_the_first_frame_is_passed_over(tmp_path):
    path = tmp_path / "a.mkv"
    frames = list(moving(40))
    write_raw(path, frames, "matroska")
    whole = list(read_frames(path))
    spoil(path, [0])  # and with it the nine frames that build on it
    back = list(read_frames(path))
    assert len(whole) == 40 and len(back) == 30
    assert all(np.array_equal(a, b) for a, b in zip(back, whole[10:], strict=True))
    assert np.array_equal(read_last_frames(path, 1)[0], whole[-1])
    spoil(path, [10, 20, 30])
    with pytest.raises(ImganError, match="damaged or cut short after 0 frames"):
        list(read_frames(path))


def test_packets_that_are_marked_as_corrupt(tmp_path, monkeypatch):
    path = tmp_path / "a.mkv"
    write_raw(path, list(moving(40)), "matroska")
    whole = list(read_frames(path))

    class Packet:
        def __init__(self, packet, corrupt):
            self.packet, self.is_corrupt = packet, corrupt

        def __getattr__(self, name):
            return getattr(self.packet, name)

    class Container:
        def __init__(self, container, numbers):
            self.container, self.numbers = container, numbers

        def __enter__(self):
            return self

        def __exit__(self, *error):
            self.container.close()

        def __getattr__(self, name):
            return getattr(self.container, name)

        def demux(self):
            return (
                Packet(packet, i in self.numbers) for i, packet in enumerate(self.container.demux())
            )

    opened = av.open
    for numbers in ({0}, {0, 1, 2}):
        monkeypatch.setattr(av, "open", lambda *a, n=numbers, **k: Container(opened(*a, **k), n))
        back = list(read_frames(path))
        assert len(back) == 30
        assert np.array_equal(back[0], whole[10])
    monkeypatch.setattr(av, "open", lambda *a, **k: Container(opened(*a, **k), {39}))
    with pytest.raises(ImganError, match="cut short after"):
        list(read_frames(path))


def test_a_recording_that_begins_anywhere(tmp_path):
    path = tmp_path / "a.ts"
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    write_raw(path, [np.roll(noise, i, 1) for i in range(40)], "mpegts")
    whole = list(read_frames(path))
    data = path.read_bytes()
    path.write_bytes(data[188 * (len(data) // 188 // 20) :])  # packets of 188 bytes
    back = list(read_frames(path))
    assert len(back) == 30
    assert np.array_equal(back[0], whole[10])


def test_the_film_and_not_the_picture_beside_it(tmp_path):
    path = tmp_path / "a.mkv"
    with av.open(str(path), "w") as container:
        streams = [container.add_stream("libx264", rate=10) for _ in range(2)]
        for stream, side in zip(streams, (16, 64), strict=True):
            stream.width = stream.height = side
            stream.pix_fmt = "yuv420p"
        for stream, count in zip(streams, (1, 12), strict=True):
            for i in range(count):
                pixels = np.full((stream.height, stream.width, 3), 15 * i, np.uint8)
                container.mux(stream.encode(av.VideoFrame.from_ndarray(pixels)))
            container.mux(stream.encode())
    assert probe(path)[1:] == (64, 64)
    assert len(list(read_frames(path))) == 12


def test_a_unit_of_time_is_no_frame_rate(tmp_path):
    path = tmp_path / "a.mkv"
    write_raw(path, list(moving(26)), header=1000, step=40)
    with av.open(str(path)) as container:
        assert container.streams.video[0].average_rate == 1000
    assert probe(path).fps == pytest.approx(25)


def test_placeholder_rates_give_way_to_the_frames_times():
    from fractions import Fraction
    from types import SimpleNamespace as Of

    def rate(told, pts, unit=Fraction(1, 1000)):
        packets = [Of(pts=time) for time in pts]
        container = Of(format=Of(name="matroska"), demux=lambda stream: packets)
        return video._rate(container, Of(average_rate=told, guessed_rate=None, time_base=unit))

    assert rate(1000, [0, 40, 120, 80, 160, None]) == 25
    assert rate(90_000, range(100)) == 1000  # no more than can be written
    assert rate(1000, [7]) == rate(1000, [7, 7]) == rate(None, []) == 25
    assert rate(480, range(0, 480, 2)) == 500
    assert rate(0.001, []) == 0.1
    assert rate(60, []) == 60

"""Folders of images, understood by what is in them."""

import os
import shutil
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from imgan.data.images import read_image
from imgan.data.layouts import MissingPartners, _image_size, find_layout
from imgan.data.partners import partners
from imgan.errors import ImganError


def fill(folder, names, size=(8, 8)):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.new("RGB", size).save(folder / name)
    return folder


def counts(layout):
    return {name: (len(split.a), len(split.b)) for name, split in layout.splits.items()}


@pytest.mark.parametrize(
    "sides",
    [
        ("{split}A", "{split}B"),
        ("{split}_a", "{split}_b"),
        ("A/{split}", "B/{split}"),
        ("{split}/A", "{split}/B"),
    ],
)
def test_two_folders_by_name(tmp_path, sides):
    for split, names in {"train": ["1", "2", "3"], "val": ["4"], "test": ["5", "6"]}.items():
        fill(tmp_path / sides[0].format(split=split), [f"{name}.png" for name in names])
        fill(tmp_path / sides[1].format(split=split), [f"{name}.jpg" for name in names])
    layout = find_layout(tmp_path)
    assert layout.kind == "folders" and layout.root == tmp_path
    assert list(layout.splits) == ["train", "val", "test"]
    assert counts(layout) == {"train": (3, 3), "val": (1, 1), "test": (2, 2)}
    for split in layout.splits.values():
        assert [file.stem for file in split.a] == [file.stem for file in split.b]
        assert {file.suffix for file in split.a} == {".png"}
    dropped = find_layout(tmp_path, "unpaired")
    assert dropped.kind == "unpaired" and counts(dropped) == counts(layout)
    photos = find_layout(tmp_path, "photos")
    assert counts(photos) == {"train": (6, 0), "val": (2, 0), "test": (4, 0)}


def test_two_folders_without_splits_marked_and_nested(tmp_path):
    root = tmp_path / "archive" / "set"
    fill(root / "A" / "sub", ["1_A.png", "2_A.png"])
    fill(root / "B" / "sub", ["2_B.png", "1_B.png", ".hidden.png"])
    (tmp_path / "archive" / "__MACOSX").mkdir()
    layout = find_layout(tmp_path)
    assert (layout.kind, layout.root) == ("folders", root)
    assert [file.name for file in layout.splits["train"].b] == ["1_B.png", "2_B.png"]


def test_unpaired(tmp_path):
    fill(tmp_path / "trainA", [f"horse{i}.png" for i in range(3)])
    fill(tmp_path / "trainB", [f"zebra{i}.png" for i in range(5)])
    layout = find_layout(tmp_path)
    assert layout.kind == "unpaired" and counts(layout) == {"train": (3, 5)}
    with pytest.raises(MissingPartners, match="lacks the partner of .*horse0.*7 more"):
        find_layout(tmp_path, "folders")


def test_numbered_heaps_are_unpaired(tmp_path):
    fill(tmp_path / "trainA", [f"{i}.png" for i in range(10)])
    fill(tmp_path / "trainB", [f"{i}.png" for i in range(7)])
    assert find_layout(tmp_path).kind == "unpaired"


def test_a_few_missing_partners_are_an_error(tmp_path):
    fill(tmp_path / "trainA", [f"{i}.png" for i in range(20)])
    fill(tmp_path / "trainB", [f"{i}.png" for i in range(19)])
    with pytest.raises(
        MissingPartners, match=r"trainB lacks the partner of .*19\.png, wh"
    ) as missing:
        find_layout(tmp_path)
    assert counts(missing.value.layout) == {"train": (19, 19)}
    assert [file.name for file in missing.value.alone] == ["19.png"]
    assert find_layout(tmp_path, "unpaired").kind == "unpaired"


def test_joined(tmp_path):
    fill(tmp_path / "train", ["1.png", "2.jpg"], (32, 16))
    fill(tmp_path / "valid", ["3.png"], (64, 32))
    np.save(tmp_path / "train" / "4.npy", np.zeros((16, 32, 5), np.uint8))
    layout = find_layout(tmp_path)
    assert layout.kind == "joined" and counts(layout) == {"train": (3, 3), "val": (1, 1)}
    assert layout.splits["val"].a == layout.splits["val"].b
    assert find_layout(tmp_path, "photos").splits["train"].b == []
    assert find_layout(tmp_path / "train").kind == "joined"
    fill(tmp_path / "train", ["5.png"], (30, 16))
    with pytest.raises(ImganError, match=r"5\.png is 30x16 while most"):
        find_layout(tmp_path)
    assert find_layout(tmp_path, "joined").kind == "joined"
    assert find_layout(tmp_path / "train").kind == "photos"  # one of another shape is enough
    fill(tmp_path / "train", ["5.png"], (31, 16))
    with pytest.raises(ImganError, match="an odd width has no two halves"):
        find_layout(tmp_path, "joined")


def test_photos(tmp_path):
    fill(tmp_path / "rome", ["1.png"], (30, 20))
    fill(tmp_path / "test", ["2.png"], (32, 16))
    assert counts(find_layout(tmp_path)) == {"train": (2, 0)}  # an album that is called test
    fill(tmp_path / "train", ["3.png"])
    assert counts(find_layout(tmp_path)) == {"train": (1, 0), "test": (1, 0)}


def test_images_beside_test_folders_are_train(tmp_path):
    fill(tmp_path, ["1.png", "2.png"])
    fill(tmp_path / "test", ["3.png"])
    assert counts(find_layout(tmp_path)) == {"train": (2, 0), "test": (1, 0)}
    (tmp_path / "notes").mkdir()  # without images
    assert counts(find_layout(tmp_path, "photos")) == {"train": (2, 0), "test": (1, 0)}
    (tmp_path / "test").rename(tmp_path / "train")  # an album of trains
    assert counts(find_layout(tmp_path, "photos")) == {"train": (3, 0)}


def test_large_images_are_measured(tmp_path, recwarn):
    header = struct.pack(">IIBBBBB", 14_000, 14_000, 8, 0, 0, 0, 0)
    chunks = [
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in ((b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b""))
    ]
    (tmp_path / "scan.png").write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(chunks))
    assert find_layout(tmp_path).kind == "photos"
    assert not recwarn


def test_upright_size_counts(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (16, 32)).save(tmp_path / "turned.jpg", exif=exif)
    assert find_layout(tmp_path).kind == "joined"


def test_damaged_files_do_not_decide(tmp_path):
    fill(tmp_path, ["1.png"], (32, 16))
    (tmp_path / "0.png").write_bytes(b"no image")
    (tmp_path / "2.npy").write_bytes(b"")
    assert find_layout(tmp_path).kind == "joined"
    (tmp_path / "1.png").write_bytes(b"no image")
    with pytest.raises(ImganError, match="damaged: none can be read"):
        find_layout(tmp_path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are none")
def test_pipes_are_not_waited_for(tmp_path):
    fill(tmp_path, ["1.png"], (32, 16))
    for name in ("0.png", "2.npy"):
        os.mkfifo(tmp_path / name)
    assert find_layout(tmp_path).kind == "joined"


def test_malformed_layouts_are_one_sentence(tmp_path):
    root = tmp_path / "set"
    with pytest.raises(ImganError, match="there is no folder"):
        find_layout(root)
    root.mkdir()
    with pytest.raises(ImganError, match="set holds no images"):
        find_layout(root)
    (tmp_path / "set.zip").write_bytes(b"")
    with pytest.raises(ImganError, match="archive; unpack it"):
        find_layout(tmp_path / "set.zip")
    fill(root / "trainA", ["1.png"])
    with pytest.raises(ImganError, match="has trainA for train and lacks B"):
        find_layout(root)
    (root / "trainB").mkdir()
    with pytest.raises(ImganError, match="trainB holds no images"):
        find_layout(root)
    with pytest.raises(ImganError, match="a folder for each side"):
        find_layout(root, "joined")
    shutil.rmtree(root / "trainB")
    fill(root / "trainB", ["1.png", "1.jpg"])
    with pytest.raises(ImganError, match="have one name"):
        find_layout(root)
    fill(root / "testA", ["1.png"])
    with pytest.raises(ImganError, match="lacks B"):
        find_layout(root)
    plain = fill(tmp_path / "plain", ["1.png"])
    with pytest.raises(ImganError, match="no folders for two sides"):
        find_layout(plain, "unpaired")


def test_splits_first_want_both_sides_everywhere(tmp_path):
    fill(tmp_path / "train" / "A", ["1.png"])
    fill(tmp_path / "train" / "B", ["1.png"])
    fill(tmp_path / "test" / "A", ["1.png"])
    with pytest.raises(ImganError, match="has test/A for test and lacks B"):
        find_layout(tmp_path)
    assert counts(find_layout(tmp_path, "photos")) == {"train": (2, 0), "test": (1, 0)}


@settings(max_examples=30, deadline=None)
@given(st.sets(st.text("abc", min_size=1)), st.sets(st.text("abc", min_size=1)))
def test_every_file_is_paired_or_alone(a, b):
    sides = [[Path(side, f"{name}.png") for name in names] for side, names in (("A", a), ("B", b))]
    found = partners(*sides, Path("A"), Path("B"))
    assert [file.name for file in found.a] == [file.name for file in found.b]
    assert sorted(found.a + found.alone_a) == sorted(sides[0])
    assert sorted(found.b + found.alone_b) == sorted(sides[1])
    assert {file.stem for file in found.a} == a & b


@pytest.mark.parametrize(
    "folders", [("train", "val", "test"), ("trainA", "trainB"), ("A", "B"), ("photos",)]
)
def test_a_run_that_is_kept_in_the_data_changes_nothing(tmp_path, folders):
    for name in folders:
        fill(tmp_path / name, [f"{i}.png" for i in range(3)])
    before = find_layout(tmp_path)
    fill(tmp_path / "run" / "previews", ["0.png"])
    for name in ("recipe.yaml", "metrics.jsonl"):
        (tmp_path / "run" / name).touch()
    (tmp_path / "lost+found").mkdir()
    assert find_layout(tmp_path) == before


@pytest.mark.parametrize("orientation", [1, 6])
@pytest.mark.parametrize("suffix", ["jpg", "tif", "webp"])
def test_turned_images_are_measured_upright(tmp_path, suffix, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.new("RGB", (40, 20)).save(tmp_path / f"a.{suffix}", exif=exif)
    size = (40, 20) if orientation == 1 else (20, 40)
    assert _image_size(tmp_path / f"a.{suffix}") == size
    assert read_image(tmp_path / f"a.{suffix}").size == size

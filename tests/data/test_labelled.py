import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from imgan.data.domains import UNKNOWN, Reading, read_domains
from imgan.data.labelled import read_labelled
from imgan.errors import ImganError

RNG = np.random.default_rng(0)
IMAGES = RNG.integers(0, 256, (12, 8, 8, 1), dtype=np.uint8)
LABELS = np.arange(12) % 3


def picture(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full((9, 8, 3), value, np.uint8)).save(path)


def folder(root, classes=("cat", "dog"), count=3):
    for number, name in enumerate(classes):
        for i in range(count):
            picture(root / name / f"{i}.png", 40 * number + i)
    return root


def how(**changes):
    settings = {
        "size": 8, "channels": 3, "sources": 1, "held_out": 0.25, "attribute": None,
        "target_labels": True, "seed": 0,
    }  # fmt: skip
    return Reading(**(settings | changes))


def read(folders, alone=False, **changes):
    return read_domains(folders, how(**changes), alone, lambda done, total: None)[0]


def test_a_folder_a_class_with_and_without_splits(tmp_path):
    parts = read_labelled(folder(tmp_path / "a"))
    assert list(parts) == ["train"]
    assert parts["train"].labels == ["cat"] * 3 + ["dog"] * 3
    folder(tmp_path / "b" / "train")
    folder(tmp_path / "b" / "Test", count=1)
    parts = read_labelled(tmp_path / "b")
    assert {split: len(part) for split, part in parts.items()} == {"train": 6, "test": 2}


def test_images_side_by_side_have_no_labels(tmp_path):
    picture(tmp_path / "1.png")
    picture(tmp_path / "deep" / "2.png")
    assert read_labelled(tmp_path)["train"].labels is None


def test_a_table_with_attributes_and_splits(tmp_path):
    for i in range(4):
        picture(tmp_path / "images" / f"{i}.png")
    rows = [
        f"images/{i}.png,{'ab'[i % 2]},{'lr'[i // 2]},{'train' if i else 'test'}" for i in range(4)
    ]
    (tmp_path / "t.csv").write_text("path,label,side,split\n" + "\n".join(rows) + "\n")
    parts = read_labelled(tmp_path / "t.csv")
    assert len(parts["train"]) == 3 and len(parts["test"]) == 1
    assert parts["train"].attributes == {"side": ["l", "r", "r"]}
    (tmp_path / "bare.csv").write_text("images/0.png,a\nimages/1.png,b\n")
    assert read_labelled(tmp_path / "bare.csv")["train"].labels == ["a", "b"]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("head", [True, False])
def test_rows_of_pixels_with_the_class_first_or_last(tmp_path, first, head):
    flat = IMAGES.reshape(12, -1).copy()
    flat[:, [0, -1]] = 0  # as in MNIST the corners
    columns = [LABELS[:, None], flat] if first else [flat, LABELS[:, None]]
    rows = "\n".join(",".join(map(str, row)) for row in np.hstack(columns).tolist())
    names = [f"p{i}" for i in range(64)]
    names.insert(0 if first else 64, "label")
    with gzip.open(tmp_path / "d.csv.gz", "wt") as file:
        file.write((",".join(names) + "\n" if head else "") + rows + "\n")
    part = read_labelled(tmp_path / "d.csv.gz")["train"]
    assert part.pixels.shape == (12, 8, 8, 1)
    assert (part.pixels.reshape(12, -1) == flat).all()
    assert part.labels == [str(i) for i in LABELS]


def test_arrays_of_numpy_by_their_usual_names(tmp_path):
    np.savez(
        tmp_path / "a.npz", x_train=IMAGES, y_train=LABELS, x_test=IMAGES[:5], y_test=LABELS[:5]
    )
    parts = read_labelled(tmp_path / "a.npz")
    assert {split: len(part) for split, part in parts.items()} == {"train": 12, "test": 5}
    assert parts["test"].labels == [str(i) for i in LABELS[:5]]
    floats = IMAGES.transpose(0, 3, 1, 2).astype(np.float32) / 255
    np.savez(tmp_path / "b.npz", images=floats, labels=np.eye(3)[LABELS], writer=LABELS // 2)
    part = read_labelled(tmp_path / "b.npz")["train"]
    assert (part.pixels == IMAGES).all()
    assert part.labels == [str(i) for i in LABELS] and set(part.attributes["writer"]) == {"0", "1"}
    np.savez(tmp_path / "c.npz", weights=np.zeros(3))
    with pytest.raises(ImganError, match="it holds weights|holds weights"):
        read_labelled(tmp_path / "c.npz")


def test_the_files_of_mnist_find_their_labels(tmp_path):
    head = struct.pack(">BBBB3I", 0, 0, 8, 3, 12, 8, 8)
    packed = gzip.compress(head + IMAGES.tobytes())
    (tmp_path / "t-images-idx3-ubyte.gz").write_bytes(packed)
    labels = struct.pack(">BBBBI", 0, 0, 8, 1, 12) + LABELS.astype(np.uint8).tobytes()
    (tmp_path / "t-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    part = read_labelled(tmp_path / "t-images-idx3-ubyte.gz")["train"]
    assert (part.pixels == IMAGES).all() and part.labels == [str(i) for i in LABELS]
    (tmp_path / "cut-images-idx3-ubyte.gz").write_bytes(packed[:200])
    with pytest.raises(ImganError, match="no whole MNIST file"):
        read_labelled(tmp_path / "cut-images-idx3-ubyte.gz")


def test_domains_hide_the_targets_classes(tmp_path):
    source, target = folder(tmp_path / "photos"), folder(tmp_path / "drawings")
    data = read([source, target])
    assert data.classes == ["cat", "dog"] and data.domains == ["photos", "drawings"]
    assert len(data.train[0]) == 4 and len(data.held_out[0]) == 2
    item = data[5]
    assert item["image"].shape == (2, 3, 8, 8)
    assert item["label"][1] == UNKNOWN and item["label"][0] != UNKNOWN
    assert item["domain"].tolist() == [0, 1]
    assert (data.test["drawings"].labels != UNKNOWN).all()  # to report only
    assert not read([source, target], target_labels=False).test
    assert data.fingerprint == read([source, target]).fingerprint
    seen = {data.train[1].names[i] for i in range(6)}
    assert len(seen) == 6


def test_an_attribute_is_the_domain(tmp_path):
    np.savez(tmp_path / "a.npz", images=IMAGES, labels=LABELS, light=np.arange(12) % 2)
    data = read([tmp_path / "a.npz"], attribute="light")
    assert data.domains == ["0", "1"]
    assert {int(data[i]["domain"][0]) for i in range(12)} == {0, 1}
    with pytest.raises(ImganError, match="no attribute size; it has light"):
        read([tmp_path / "a.npz"], attribute="size")


def test_bad_data_is_one_sentence(tmp_path):
    source, other = folder(tmp_path / "a"), folder(tmp_path / "b", ("cat", "cow"))
    plain = tmp_path / "plain"
    picture(plain / "1.png")
    (tmp_path / "empty").mkdir()
    cases = [
        ([source], {}, "single domain"),
        ([source, other], {}, r"target .*b has classes that the source has not \(cow\)"),
        ([source, other, plain], {"sources": 2}, r"differ in their classes \(cow, dog"),
        ([plain, source], {}, "has no classes"),
        ([source, tmp_path / "empty"], {}, "holds no images"),
        ([source, tmp_path / "none"], {}, "there is no"),
        ([folder(tmp_path / "c", ("cat",)), plain], {}, "one class only"),
    ]
    for folders, changes, sentence in cases:
        with pytest.raises(ImganError, match=sentence):
            read(folders, **changes)
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "1.png").write_bytes(b"no image")
    with pytest.raises(ImganError, match="no image in .* can be used"):
        read([source, bad])

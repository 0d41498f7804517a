import gzip
import struct

import numpy as np
import pytest
from PIL import Image

from imgan.data.domains import Reading, read_domains
from imgan.data.labelled import read_labelled
from imgan.data.labelled_arrays import Labelled
from imgan.data.shelf import UNKNOWN, shelf_of
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


def test_splits_are_kept_apart_whatever_lies_beside(tmp_path):
    folder(tmp_path / "a" / "train")
    folder(tmp_path / "a" / "test", count=1)
    (tmp_path / "a" / "annotations").mkdir()  # without images
    picture(tmp_path / "a" / "previews" / "1.png")
    parts = read_labelled(tmp_path / "a")
    assert {split: len(part) for split, part in parts.items()} == {"train": 6, "test": 2}
    assert parts["train"].labels == ["cat"] * 3 + ["dog"] * 3
    for name in ("0.png", "1.png", "test/2.png"):
        picture(tmp_path / "loose" / name)
    parts = read_labelled(tmp_path / "loose")
    assert {split: part.names for split, part in parts.items()} == {
        "train": ["0.png", "1.png"], "test": ["2.png"],
    }  # fmt: skip
    for names in (("bus", "train"), ("bus", "test", "train")):  # classes of such names
        parts = read_labelled(folder(tmp_path / str(len(names)), names))
        assert parts["train"].labels == [name for name in names for _ in range(3)]
    (tmp_path / "outer").mkdir()
    (tmp_path / "a").rename(tmp_path / "outer" / "set")  # as archives unpack
    assert set(read_labelled(tmp_path / "outer")) == {"train", "test"}


def test_linked_folders_are_classes_too(tmp_path):
    folder(tmp_path / "a", ("cat",))
    folder(tmp_path / "elsewhere", ("dog",))
    (tmp_path / "a" / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    (tmp_path / "a" / "circle").symlink_to(tmp_path)
    (tmp_path / "a" / "again").symlink_to(tmp_path / "a" / "cat")
    (tmp_path / "elsewhere" / "dog" / "back").symlink_to(tmp_path / "a")
    (tmp_path / "elsewhere" / "dog" / "up").symlink_to(tmp_path / "elsewhere")  # found already
    assert read_labelled(tmp_path / "a")["train"].labels == ["cat"] * 3 + ["dog"] * 3


@pytest.mark.parametrize("off", [1.0000005, 1.0005])
def test_rounding_of_one_split_changes_no_other_range(tmp_path, off):
    grey = np.full((4, 8, 8), 0.5)
    above, below = grey.copy(), grey.copy()
    above[0, 0, 0], below[0, 0, 0] = off, 1 - off
    np.savez(tmp_path / "a.npz", x_train=grey, x_val=below, x_test=above)
    for part in read_labelled(tmp_path / "a.npz").values():
        assert np.median(part.pixels) in (127, 128)
    np.savez(tmp_path / "b.npz", x_train=2 * grey - 0.5, x_test=-grey)  # of one range, [-1, 1]
    medians = {k: np.median(p.pixels) for k, p in read_labelled(tmp_path / "b.npz").items()}
    assert medians == {"train": 191, "test": 64}


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


@pytest.mark.parametrize(
    ("head", "rows", "labels"),
    [
        ("class,path", ["a,0.png", "b,1.png"], ["a", "b"]),
        ("path,split", ["0.png,train", "1.png,train"], None),
        ("path,split,species", ["0.png,train,a", "1.png,train, b "], ["a", "b"]),
        ("path,label", ["0.png,", "1.png,"], None),
        ("path,label", ["0.png,a", "1.png,"], ["a", ""]),
        ("path", ["0.png", "1.png"], None),
    ],
)
def test_the_column_of_the_class(tmp_path, head, rows, labels):
    for i in range(2):
        picture(tmp_path / f"{i}.png")
    (tmp_path / "t.csv").write_text("\n".join([head, *rows]))
    part = read_labelled(tmp_path / "t.csv")["train"]
    assert part.names == ["0.png", "1.png"] and part.labels == labels


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("path,label,split\n0.png,a,train\n0.png,b,testing\n", "split of row 2 is testing"),
        ("path,label\n" + "0.png,a\n" * 3000 + "0.png,caf\xe9\n", "cannot be read as a table"),
        ("path,label\n0.png," + "x" * 200_000, "cannot be read as a table"),
        ("path;label\n0.png;a\n", "names 0.png;a, which is not there"),
        ("path,label\n0.png,a\n0.png\n", "row 2 has 1 columns and the head 2"),
    ],
)
def test_tables_that_make_no_sense_are_one_sentence(tmp_path, text, sentence):
    picture(tmp_path / "0.png")
    (tmp_path / "t.csv").write_bytes(text.encode("latin-1"))
    with pytest.raises(ImganError, match=sentence):
        read_labelled(tmp_path / "t.csv")


def test_rows_of_pixels_without_a_class(tmp_path):
    rows = [",".join(map(str, row)) for row in IMAGES.reshape(12, -1).tolist()]
    for count in (12, 1):
        (tmp_path / "p.csv").write_text("\n".join(rows[:count]))
        part = read_labelled(tmp_path / "p.csv")["train"]
        assert (part.pixels == IMAGES[:count]).all() and part.labels is None


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
    np.savez(tmp_path / "d.npz", X_val=IMAGES, val_labels=LABELS, side_val=LABELS, value=LABELS)
    part = read_labelled(tmp_path / "d.npz")["val"]
    assert part.labels == [str(i) for i in LABELS] and list(part.attributes) == ["side"]


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"weights": np.zeros(3)}, "holds weights; its images are to be called"),
        ({"images": np.float32(3)}, r"images of shape \[\] are not"),
        ({"images": np.array([[["a"]]])}, "<U1 holds no images"),
        ({"images": np.zeros((3, 0, 8), np.uint8)}, "are not"),
        ({"images": IMAGES, "labels": np.int64(3)}, "give a class an image"),
        ({"images": IMAGES, "labels": np.zeros((12, 2, 2))}, "give a class an image"),
        ({"images": np.full((1, 8, 8), np.nan)}, "none of images"),
    ],
)
def test_arrays_that_are_no_images_are_one_sentence(tmp_path, arrays, sentence):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(ImganError, match=sentence):
        read_labelled(tmp_path / "a.npz")


@pytest.mark.parametrize("between", ["-", "."])
def test_the_files_of_mnist_find_their_labels(tmp_path, between):
    head = struct.pack(">BBBB3I", 0, 0, 8, 3, 12, 8, 8)
    packed = gzip.compress(head + IMAGES.tobytes())
    (tmp_path / f"t-images{between}idx3-ubyte.gz").write_bytes(packed)
    labels = struct.pack(">BBBBI", 0, 0, 8, 1, 12) + LABELS.astype(np.uint8).tobytes()
    (tmp_path / f"t-labels{between}idx1-ubyte.gz").write_bytes(gzip.compress(labels))
    part = read_labelled(tmp_path / f"t-images{between}idx3-ubyte.gz")["train"]
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


def test_images_of_any_form_become_the_square_in_their_middle(tmp_path):
    wide = np.zeros((2, 8, 16), np.uint8)
    wide[:, :, :4] = wide[:, :, 12:] = 255
    np.savez(tmp_path / "a.npz", images=wide, labels=np.arange(2))
    target = tmp_path / "target"
    for mode, size in (("L", (8, 9)), ("RGBA", (9, 8)), ("P", (30, 8)), ("I;16", (10, 3000))):
        target.mkdir(exist_ok=True)
        Image.new(mode, size, 0).save(target / f"{size[0]}.png")
    for channels in (1, 3):
        data = read([tmp_path / "a.npz", target], channels=channels)
        assert not data.train[0].pixels.any()
        (images,) = data.train[1].portions()
        assert images.shape == (4, channels, 8, 8)


def test_large_images_go_through_a_network_in_small_portions(tmp_path):
    pixels = np.zeros((5, 1600, 1600, 1), np.uint8)
    shelf, _ = shelf_of(Labelled(list("abcde"), pixels), [], 1600, 1)
    assert [len(images) for images in shelf.portions()] == [1] * 5
    small, _ = shelf_of(Labelled(list("abcde"), pixels[:, :8, :8]), [], 8, 1)
    assert [len(images) for images in small.portions()] == [5]
    assert [len(images) for images in small.portions([4, 1])] == [2]


def test_what_is_held_out_leaves_every_class_something_to_train_on(tmp_path):
    labels = np.array([0] * 10 + [1])
    for seed in range(20):
        np.savez(tmp_path / "a.npz", images=IMAGES[:11], labels=labels)
        data = read([tmp_path / "a.npz"], alone=True, held_out=0.5, seed=seed)
        assert set(data.train[0].labels) == {0, 1}
        assert len(data.train[0]) + len(data.held_out[0]) == 11


def test_splits_of_the_source(tmp_path):
    for split, classes in (("train", "ab"), ("val", "ab"), ("test", "ab")):
        folder(tmp_path / "a" / split, tuple(classes), count=2)
    target = folder(tmp_path / "t", ("a",))
    data = read([tmp_path / "a", target])
    assert [len(x) for x in (data.train[0], data.held_out[0], data.test["a"])] == [4, 4, 4]
    assert all(name.startswith(("a", "b")) for name in data.train[0].names)


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
        ([tmp_path / "stray", plain], {}, "no classes, as cover.png lies beside the folders"),
        ([tmp_path / "more", plain], {}, r"the test split of .* its train split has not \(cow\)"),
        ([tmp_path / "held", plain], {}, "has nothing to train on, test alone"),
        ([tmp_path / "blank.csv", plain], {}, "no class of 1 of its 2 images"),
    ]
    picture(folder(tmp_path / "stray") / "cover.png")
    folder(tmp_path / "more" / "train")
    folder(tmp_path / "more" / "test", ("cat", "cow"))
    folder(tmp_path / "held" / "test")
    (tmp_path / "blank.csv").write_text("path,label\na/cat/0.png,x\na/cat/1.png,\n")
    for folders, changes, sentence in cases:
        with pytest.raises(ImganError, match=sentence):
            read(folders, **changes)
    bad = tmp_path / "bad"
    bad.mkdir()
    (bad / "1.png").write_bytes(b"no image")
    with pytest.raises(ImganError, match="no image in .* can be used"):
        read([source, bad])


def test_a_run_that_is_kept_in_the_data_changes_nothing(tmp_path):
    for split in ("train", "test"):
        folder(tmp_path / split)
    before = read_labelled(tmp_path)
    picture(tmp_path / "run" / "previews" / "0.png")
    for name in ("recipe.yaml", "metrics.jsonl"):
        (tmp_path / "run" / name).touch()
    after = read_labelled(tmp_path)
    assert set(after) == set(before) == {"train", "test"}
    for split, part in before.items():
        assert after[split].files == part.files
        assert after[split].labels == part.labels

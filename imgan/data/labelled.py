"""Images with a class each: a folder of folders, a table, arrays; and images without.

What is understood::

    CLASS/*.png, train/CLASS/*.png test/CLASS/*.png     a folder a class, with or without splits
                                                        (see `imgan.data.layouts`)
    *.png in any depth                                  a folder without labels
    table.csv                                           a path and a class a row (columns "path" and
                                                        "label", or the first two), more columns are
                                                        attributes, "split" is train, val or test
    pixels.csv, pixels.csv.gz                           a row an image: its class first, last or not
                                                        at all, the rest square grey pixels of 0 to
                                                        255
    arrays.npz                                          arrays x_train, y_train, x_test, y_test, or
                                                        images, labels
    t10k-images-idx3-ubyte, also .gz                    MNIST's files; the labels lie beside
"""

from __future__ import annotations

from pathlib import Path

from ..errors import ImganError
from .labelled_arrays import Labelled, idx, load, npz, of_arrays
from .labelled_tables import table
from .layouts import SUFFIXES, images_in, split_folders


def read_labelled(path: str | Path) -> dict[str, Labelled]:
    """Images and classes by split; everything in ``train`` where there are no splits.

    Raises:
        ImganError: nothing there can be used; the sentence names the file and the way out.
    """
    path = Path(path)
    if path.is_dir():
        found = _folder(path)
    elif not path.is_file():
        raise ImganError(
            f"there is no {path}: give a folder of images, a table or a file of arrays"
        )
    elif "idx3" in path.name or "idx1" in path.name:
        found = {"train": idx(path)}
    elif path.suffix == ".npz":
        found = npz(path)
    elif path.suffix == ".npy":
        found = {"train": of_arrays(load(path), None, path)}
    elif path.name.lower().endswith((".csv", ".csv.gz")):
        found = table(path)
    elif path.suffix.lower() in SUFFIXES:
        found = {"train": Labelled([path.name], files=[path])}
    else:
        raise ImganError(
            f"{path} is neither a folder nor an image, a .csv, .npz, .npy or MNIST file; give one "
            "of these"
        )
    found = {split: part for split, part in found.items() if len(part)}
    if not found:
        raise ImganError(f"{path} holds no images; give a folder or file that does")
    return found


def _folder(root: Path) -> dict[str, Labelled]:
    folders, beside, others = split_folders(root)
    found = {split: _classes(folder, images_in(folder)) for split, folder in folders.items()}
    # Beside others with images, folders of these names may be classes, unless they hold some.
    strange = any(other.is_dir() for other in others)
    if not folders or (strange and any(part.labels is None for part in found.values())):
        return {"train": _classes(root, images_in(root))}
    return {"train": _classes(root, beside), **found} if beside else found


def _classes(folder: Path, files: list[Path]) -> Labelled:
    """The folders in it are the classes where all images lie in them."""
    inside = [file.relative_to(folder) for file in files]
    labelled = bool(inside) and all(len(file.parts) > 1 for file in inside)
    labels = [file.parts[0] for file in inside] if labelled else None
    return Labelled([str(file) for file in inside], files=files, labels=labels)

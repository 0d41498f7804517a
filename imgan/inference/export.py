"""Write a model as an ONNX file that takes images of any size."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.export import Dim

from ..errors import ImganError
from ..files import replacing
from ..model_file import KEY, Card, Model, load_model
from ..shipped import called, resolve
from .models import instead
from .reference import load_reference

NEEDS = ("onnx", "onnxscript", "onnxruntime")
"""Packages beyond imgan's own: the extra ``imgan[onnx]``."""

_SMALL = 16  # sides below this tell little about a network
_TOLERANCE = 1e-3


@dataclass(frozen=True)
class Export:
    """What was written, and how near it is to PyTorch."""

    path: Path
    card: Card
    role: str
    takes: str
    """The input in words: type, shape, range, sizes."""
    gives: str
    """The output in words."""
    difference: float
    """The largest difference between ONNX Runtime and PyTorch, in the network's value range."""
    checked: tuple[int, int]
    """Height and width of the image on which they were compared; not those of the trace."""


def export_onnx(
    model: str | Path, out: str | Path, role: str | None = None, *, overwrite: bool = False
) -> Export:
    """Write the network of a model as ONNX, with height, width and batch left open.

    The file's one input ("input") and one output ("output") are float32 images [N, C, H, W] in the
    network's own value range, which is not always [0, 1]; H and W are multiples of the card's
    ``size_multiple`` (pad by reflection, and crop the result). All of this stands in the file's
    metadata: "input" and "output" in words, "role", and under "imgan" the model's card as JSON.

    The file is run once in ONNX Runtime, with another size and batch than it was traced with, and
    compared with PyTorch; a file that fails this is not written.

    Args:
        model: a model file of imgan's, the name of a shipped model, or a generator (``.pth``) of
            pytorch-CycleGAN-and-pix2pix.
        out: the file to write.
        role: which network of the model; by default the generator, of a CycleGAN "a_to_b".
        overwrite: replace a file that exists, once all went well.

    Raises:
        ImganError: a package is missing, no such model or role, the file exists, or the exported
            network answers differently.
    """
    if missing := [name for name in NEEDS if find_spec(name) is None]:
        raise ImganError(
            f"an export to ONNX needs {' and '.join(missing)}: pip install {' '.join(missing)}"
        )
    source, out = resolve(model, "srgan", "pix2pix", "cyclegan"), Path(out)
    if out.is_dir() or out.suffix.lower() != ".onnx":
        raise ImganError(f"{out} is not the name of an ONNX file; give one such as model.onnx")
    if out.exists() and not overwrite:
        raise ImganError(f"{out} exists; take --overwrite, or another name")
    loaded = load_reference(source) if source.suffix == ".pth" else load_model(source)
    if loaded.card.pipeline in ("nextframe", "dann"):  # which do not make an image of an image
        use = instead(source, loaded.card.pipeline, "export")
        raise ImganError(
            f"{called(source)} is a {loaded.card.pipeline} model, and ONNX files are made of "
            f"models that turn an image into another; {use}"
        )
    role = _role(loaded, source, role)
    card, network = loaded.card, loaded.networks[role]
    multiple = card.size_multiple
    least = -(-int(getattr(network, "minimum", 1)) // multiple)
    units = max(least, -(-_SMALL // multiple))
    traced = 2 * units * multiple, 3 * units * multiple
    checked = units * multiple, 2 * units * multiple
    channels = next(m.in_channels for m in network.modules() if isinstance(m, nn.Conv2d))
    sample = _image(card, 1, channels, checked)
    with torch.no_grad():
        expected = network(sample)
    takes = _words(channels, "H", "W", card)
    if multiple > 1:
        takes += f", H and W multiples of {multiple} from {least * multiple} on"
    sides = ("H", "W") if card.scale == 1 else (f"{card.scale}*H", f"{card.scale}*W")
    gives = _words(expected.shape[1], *sides, card)
    program = _trace(network, _image(card, 2, channels, traced), multiple, least)
    program.model.metadata_props.update(
        {KEY: card.to_json(), "role": role, "input": takes, "output": gives}
    )
    try:
        with replacing(out) as beside:
            program.save(beside, external_data=False)
            difference = float((_run(beside, sample) - expected).abs().max())
            if not difference <= _TOLERANCE * (card.value_range[1] - card.value_range[0]):
                raise ImganError(
                    f"{out} is not written: in ONNX Runtime the network's answer differs from "
                    f"PyTorch's by {difference:.2g}"
                )
    except OSError as error:
        raise ImganError(f"{out} cannot be written: {error.strerror or error}") from None
    return Export(out, card, role, takes, gives, difference, checked)


def _role(model: Model, path: Path, role: str | None) -> str:
    """The network that is meant: the one that there is, or that from A to B."""
    roles = list(model.networks)
    chosen = role or ("a_to_b" if "a_to_b" in roles else roles[0])
    if chosen in roles:
        return chosen
    if len(roles) == 1:
        raise ImganError(f"{path} works in one direction only; leave the direction out")
    raise ImganError(f"{path} has no network {chosen!r}; it has {' and '.join(roles)}")


def _words(channels: int, height: str, width: str, card: Card) -> str:
    colours = {1: "grey ", 3: "RGB "}.get(channels, "")
    low, high = card.value_range
    return f"{colours}float32 [N, {channels}, {height}, {width}] in [{low:g}, {high:g}]"


def _image(card: Card, count: int, channels: int, size: tuple[int, int]) -> Tensor:
    """``[count, channels, *size]`` of noise in the card's range."""
    low, high = card.value_range
    noise = torch.rand(count, channels, *size, generator=torch.Generator().manual_seed(0))
    return low + (high - low) * noise


def _trace(network: nn.Module, image: Tensor, multiple: int, least: int) -> Any:
    """The ONNX program of a network whose sides are open multiples of `multiple`."""
    # A batch of one would be taken for a constant.
    shapes: dict[int, Any] = {0: Dim("batch")}
    for axis, name in ((2, "height"), (3, "width")):
        shapes[axis] = Dim(name) if multiple == 1 else multiple * Dim(f"{name}_units", min=least)
    with _quiet():
        return torch.onnx.export(
            network,
            (image,),
            dynamo=True,
            dynamic_shapes=(shapes,),
            input_names=["input"],
            output_names=["output"],
            verbose=False,
        )


def _run(file: Path, image: Tensor) -> Tensor:
    """The answer of ONNX Runtime."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    session = onnxruntime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(["output"], {"input": image.numpy()})[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """The exporter warns and logs much that says nothing about the network."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings(action="ignore"):
            yield
    finally:
        logging.disable(before)

"""The published generators of pytorch-CycleGAN-and-pix2pix, loaded as imgan's own networks."""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..errors import ImganError
from ..model_file import Card, Model, NetworkCard, check_finite
from ..networks import build

Place = tuple[int, ...]
"""Where a layer stands in the file's nested sequences: ``model.10.conv_block.5`` is (10, 5)."""

_KINDS = {"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}


@dataclass(frozen=True)
class _Found:
    """The network that the weights are of, and its layers in the order of computing.

    `norms` are the places behind the convolutions that a norm may follow.
    """

    network: str
    arguments: dict[str, Any]
    convs: list[Place]
    norms: list[Place]


def load_reference(path: str | Path) -> Model:
    """Load a generator that pytorch-CycleGAN-and-pix2pix saved, such as ``latest_net_G.pth``.

    Both of its architectures, the U-Net of pix2pix (any depth) and the residual generator of
    CycleGAN (any number of blocks), with batch, instance or no norm, with or without dropout. All
    of that is read off the weights; no flags, and no code of the file is run.

    The model comes in eval mode: batch norm takes its running statistics, and dropout is off, so
    that an image always gives the same result. The test script of that project does so only with
    its option ``--eval``; without it, its pix2pix results (not CycleGAN's) take the statistics of
    the image itself, and roll dice.

    Raises:
        ImganError: no such file, a damaged one, or one with anything but the weights of such a
            generator, which are finite numbers.
    """
    path = Path(path)
    if not path.is_file():
        raise ImganError(f"there is no model file {path}")
    layers = _layers(_state(path), path)
    found = _unet(layers) or _resnet(layers)
    if found is None or set(layers) - {*found.convs, *found.norms}:
        raise ImganError(
            f"{path} is no generator of pytorch-CycleGAN-and-pix2pix: its layers are neither those "
            "of the U-Net nor those of the ResNet with reflection padding"
        )
    try:
        generator: Any = build(found.network, found.arguments)
        generator.load_state_dict(renamed := _renamed(generator, layers, found))
    except (RuntimeError, ValueError, KeyError, MemoryError):
        said = ", ".join(f"{name} {value}" for name, value in found.arguments.items())
        raise ImganError(
            f"{path} is damaged or changed: its weights do not fit the {found.network} that its "
            f"layers speak of ({said})"
        ) from None
    check_finite(renamed, path)
    channels = found.arguments["channels"]
    card = Card(
        pipeline="pix2pix",
        name=path.stem,
        networks={"generator": NetworkCard(name=found.network, arguments=found.arguments)},
        input="grey" if channels == 1 else "rgb",
        channels=channels,
        out_channels=found.arguments["out_channels"],
        value_range=(-1.0, 1.0),
        size_multiple=generator.size_multiple,
        reach=generator.reach,
        notes="a generator of pytorch-CycleGAN-and-pix2pix",
    )
    return Model(card, {"generator": generator.eval().requires_grad_(False)})


def _state(path: Path) -> dict[str, Any]:
    """What the file holds, with nothing unpickled but tensors and plain containers."""
    try:
        with warnings.catch_warnings(action="ignore"):
            loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception:  # unpickling a damaged or hostile file may raise anything
        raise ImganError(
            f"{path} is damaged, or holds more than plain weights, and nothing else is loaded: it "
            "could run code of its maker"
        ) from None
    if not isinstance(loaded, dict):
        raise ImganError(f"{path} holds a {type(loaded).__name__}, not a network's weights")
    return loaded


def _layers(state: dict[str, Any], path: Path) -> dict[Place, dict[str, Tensor]]:
    """The tensors by their layer's place."""
    layers: dict[Place, dict[str, Tensor]] = {}
    for key, value in state.items():
        *parts, kind = str(key).split(".")
        while parts and parts[0] in ("module", "_orig_mod"):  # of a parallel or compiled network
            del parts[0]
        place = tuple(int(part) for part in parts if part.isdecimal())
        words = {part for part in parts if not part.isdecimal()}
        if not (
            isinstance(value, Tensor)
            and kind in _KINDS
            and place
            and parts[0] == "model"
            and words <= {"model", "conv_block"}
        ):
            raise ImganError(
                f"{path} is no generator of pytorch-CycleGAN-and-pix2pix: it holds {key!r}"
            )
        layers.setdefault(place, {})[kind] = value
    return layers


def _unet(layers: dict[Place, dict[str, Tensor]]) -> _Found | None:
    """A block holds the next: its first convolution, the block inside it, its second convolution.

    Inside the outermost that is 0, 1, 3, in the others 1, 3, 5, and in the innermost 1 and 3.
    """
    convs = _convs(layers)
    depth = len(convs) // 2
    if depth < 2:
        return None
    inside = [(1, *(3,) * i) for i in range(depth - 1)]  # the blocks in the outermost one
    down = [(0,), *((*block, 1) for block in inside)]
    up = [(*inside[-1], 3), *((*block, 5) for block in reversed(inside[:-1])), (3,)]
    if convs != down + up:
        return None
    normed = down[1:-1] + up[:-1]
    first, last = layers[0,]["weight"], layers[3,]["weight"]
    arguments = {
        "channels": first.shape[1],
        "out_channels": last.shape[1],  # that of a transposed convolution: [in, out, k, k]
        "width": first.shape[0],
        "depth": depth,
        "norm": _norm(layers, normed),
        # It leaves no trace in a U-Net's weights, and changes nothing in use.
        "dropout": True,
    }
    return _Found("unet", arguments, convs, [_after(place) for place in normed])


def _resnet(layers: dict[Place, dict[str, Tensor]]) -> _Found | None:
    """One sequence; in a block the second convolution is number 5, and 6 behind a dropout."""
    convs = _convs(layers)
    blocks = sum(len(place) == 2 for place in convs) // 2
    dropout = (10, 6) in convs
    second = 6 if dropout else 5
    end = 10 + blocks
    inside = [(i, j) for i in range(10, end) for j in (1, second)]
    normed = [(1,), (4,), (7,), *inside, (end,), (end + 3,)]
    if convs != [*normed, (end + 7,)]:
        return None
    first, last = layers[1,]["weight"], layers[end + 7,]["weight"]
    arguments = {
        "channels": first.shape[1],
        "out_channels": last.shape[0],
        "width": first.shape[0],
        "blocks": blocks,
        "norm": _norm(layers, normed),
        "dropout": dropout,
    }
    return _Found("resnet", arguments, convs, [_after(place) for place in normed])


def _convs(layers: dict[Place, dict[str, Tensor]]) -> list[Place]:
    """The convolutions; ascending places are the order of computing, in nested blocks too."""
    return sorted(
        place
        for place, own in layers.items()
        if "weight" in own and own["weight"].ndim == 4 and own["weight"].numel()
    )


def _after(place: Place) -> Place:
    return (*place[:-1], place[-1] + 1)


def _norm(layers: dict[Place, dict[str, Tensor]], normed: list[Place]) -> str:
    """Which norm follows the convolutions `normed`.

    Only batch norm has weights of its own. Instance norm has none (older files hold running
    statistics, which it never used), but the convolutions before it have biases.
    """
    if any({"weight", "bias"} & layers.get(_after(place), {}).keys() for place in normed):
        return "batch"
    if any("bias" in layers[place] or _after(place) in layers for place in normed):
        return "instance"
    return "none"


def _renamed(
    generator: nn.Module, layers: dict[Place, dict[str, Tensor]], found: _Found
) -> dict[str, Tensor]:
    """The weights under the names that they have in `generator`, whose order is the same."""
    convs, norms = [], []
    for name, module in generator.named_modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            convs.append((name, module))
        elif isinstance(module, nn.BatchNorm2d):
            norms.append(name)
    places = found.convs + (found.norms if norms else [])
    state = {
        f"{name}.{kind}": value
        for name, place in zip([*(name for name, _ in convs), *norms], places, strict=True)
        for kind, value in layers[place].items()
    }
    for name, conv in convs:
        if conv.bias is not None:  # that project leaves some out where no norm follows
            state.setdefault(f"{name}.bias", torch.zeros_like(conv.bias))
    return state

"""Super-resolution networks ready to run: imgan's own files, the shipped twins, community files."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from ..averaging import load_mean
from ..errors import ImganError
from ..model_file import Model, check_finite, load_model, read_card
from ..shipped import called, resolve, shipped_models

if TYPE_CHECKING:
    from .tiles import Network

OVERLAP = 32
"""What a community network is taken to reach: few say; past this little can be seen."""

COMMANDS = {
    "srgan": "upscale",
    "pix2pix": "translate",
    "cyclegan": "translate",
    "nextframe": "predict",
    "dann": "classify",
}
"""Pipelines, and the command that uses their models."""


@dataclass
class Upscaling:
    """A network and what it asks of its images (see `tiles.run_tiled`).

    `colours` says that it may be made to colour what is grey, `restores` that it was trained on
    damaged images.
    """

    network: nn.Module
    scale: int
    channels: int = 3
    reach: int | None = None
    size_multiple: int = 1
    minimum: int = 1
    value_range: tuple[float, float] = (0.0, 1.0)
    bf16: bool = True
    colours: bool = False
    restores: bool = False
    dtype: torch.dtype = torch.float32

    def to(self, device: torch.device, dtype: torch.dtype) -> Upscaling:
        """Move the network, to compute in `dtype`; one that cannot in bf16 does in float32."""
        self.network.to(device)
        self.dtype = dtype if self.bf16 else torch.float32
        for parameter in self.network.parameters():
            if parameter.ndim == 4:
                parameter.data = parameter.data.contiguous(memory_format=torch.channels_last)
        return self


def load(model: str | Path) -> Upscaling:
    """Load a model by its shipped name or its file: imgan's, or a community ``.pth``.

    No code of the file is run.

    Raises:
        ImganError: no such model, or not one for super-resolution.
    """
    path = resolve(model, "srgan")
    if path.suffix == ".safetensors" and not _is_foreign(path):
        return _own(path, load_model(path))
    return _community(path)


def instead(path: Path, pipeline: str, command: str) -> str:
    """The end of a sentence: with which command to use a model; empty if `command` is right."""
    right = COMMANDS.get(pipeline, command)
    return "" if right == command else f"use imgan {right} --model {called(path)}"


def scale_of(model: str | Path) -> int:
    """The factor of a model, at the price of loading it where the file is not imgan's."""
    path = resolve(model, "srgan")
    try:
        return read_card(path).scale
    except ImganError:
        return load(model).scale


def twins(scale: int | str, restore: bool = False) -> tuple[str, str]:
    """The names of the shipped MSE and adversarial twin; `restore`: of those for damaged photos."""
    kind = f"x{scale}-realistic" if restore else f"x{scale}"
    return f"{kind}-mse", f"{kind}-adversarial"


def shipped_scales(restore: bool = False) -> list[int]:
    """The scales of the shipped twins, ascending; `restore`: of those for damaged photos.

    Raises:
        ImganError: none are shipped.
    """
    shipped = shipped_models()
    pattern = twins(r"(\d+)", restore)[0]
    found = (re.fullmatch(pattern, name) for name in shipped)
    scales = {int(name[1]) for name in found if name}
    if not scales:
        kind = "no models that restore" if restore and shipped else "no models"
        raise ImganError(f"this installation holds {kind}; give one with --model, or reinstall")
    return sorted(scales)


def load_twins(scale: int, realism: float, restore: bool = False) -> Upscaling:
    """The shipped network of `scale`, on the line from the MSE twin (0) to the adversarial one (1).

    Both come from the same weights: the adversarial twin was trained on from an MSE twin, and the
    shipped one may be that twin trained further. So the weights between the two are networks too
    (Wang et al. 2018, ESRGAN, equation 4).
    """
    names = twins(scale, restore)
    if realism in (0, 1):
        return load(names[int(realism)])
    return _own(resolve(names[0]), load_mean(names, (1 - realism, realism)))


def for_channels(network: Network, takes: int, channels: int) -> Network:
    """Let a network for `takes` channels answer for images of `channels`."""
    if takes == channels:
        return network
    if channels == 1:  # grey: as equal channels, and grey again

        def grey(x: Tensor) -> Tensor:
            return network(x.expand(-1, takes, -1, -1)).float().mean(1, keepdim=True)

        return grey
    if takes == 1:

        def each(x: Tensor) -> Tensor:
            y = network(x.flatten(0, 1)[:, None])  # [N*C, 1, H, W]
            return y.reshape(len(x), channels, *y.shape[2:])  # [N, C, H, W]

        return each
    raise ImganError(f"this model takes images of {takes} channels, not {channels}")


def all_eight(network: Network) -> Network:
    """The mean of the network's answers to the eight flips and turns of its input."""

    def mean(x: Tensor) -> Tensor:
        total: Any = 0
        for turns in range(4):
            for flip in (False, True):
                seen = torch.rot90(x.flip(3) if flip else x, turns, (2, 3))
                seen = seen.contiguous(memory_format=torch.channels_last)
                back = torch.rot90(network(seen).float(), -turns, (2, 3))
                total = total + (back.flip(3) if flip else back)
        result: Tensor = total / 8
        return result

    return mean


def _own(path: Path, model: Model) -> Upscaling:
    card = model.card
    if use := instead(path, card.pipeline, "upscale"):
        raise ImganError(
            f"{called(path)} is a {card.pipeline} model and makes no image larger; {use}"
        )
    if "generator" not in model.networks or (card.scale == 1 and card.pipeline != "srgan"):
        raise ImganError(
            f"{called(path)} is a {card.pipeline} model and makes no image larger; use imgan "
            f"translate --model {called(path)}"
        )
    network = model.generator
    reach = card.reach if card.reach is not None else getattr(network, "reach", None)
    return Upscaling(
        network,
        card.scale,
        card.channels,
        reach,
        card.size_multiple,
        value_range=card.value_range,
        restores=card.recipe.get("data", {}).get("degradation") == "realistic",
    )


def _is_foreign(path: Path) -> bool:
    """Whether a safetensors file has no card of imgan's."""
    try:
        read_card(path)
    except ImganError as error:
        return "no card" in str(error)
    return False


def _community(path: Path) -> Upscaling:
    try:
        from spandrel import (
            ImageModelDescriptor,
            ModelLoader,
            canonicalize_state_dict,
        )
    except ImportError:
        raise ImganError(
            f"{path} is no imgan model; for community models: pip install spandrel"
        ) from None
    weights = _weights(path)
    try:
        found = ModelLoader().load_from_state_dict(canonicalize_state_dict(weights))
    except Exception as error:  # spandrel takes names and shapes as it likes them
        if _translates(path):
            raise ImganError(
                f"{path} is a generator of pix2pix or CycleGAN; use imgan translate --model {path}"
            ) from None
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImganError(f"{path} is of no architecture that spandrel knows: {reason}") from None
    if not isinstance(found, ImageModelDescriptor) or found.input_channels != found.output_channels:
        raise ImganError(f"{path} does not turn an image into a larger one")
    check_finite(dict(found.model.named_parameters()), path)  # buffers may be masks, and infinite
    tiles = found.tiling.name == "SUPPORTED" and not found.size_requirements.square
    return Upscaling(
        _Described(found),
        found.scale,
        found.input_channels,
        OVERLAP if tiles else None,
        found.size_requirements.multiple_of,
        found.size_requirements.minimum,
        bf16=found.supports_bfloat16,
        colours=True,
    )


def _translates(path: Path) -> bool:
    """Whether a file holds a published generator of pix2pix or CycleGAN."""
    from .reference import load_reference

    try:
        load_reference(path)
    except ImganError:
        return False
    return True


class _Described(nn.Module):
    """A spandrel network, called as its descriptor says: some take or return more than an image."""

    def __init__(self, descriptor: Any) -> None:
        super().__init__()
        self.network = descriptor.model.eval().requires_grad_(False)
        self.descriptor = descriptor

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.descriptor(single[None]) for single in x])  # it takes one at a time


def _weights(path: Path) -> dict[str, Any]:
    """The tensors of a community file, with nothing unpickled but tensors and plain containers."""
    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return dict(load_file(path))
        loaded = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # unpickling a damaged or hostile file may raise anything
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if "weights_only" in reason:  # torch's advice is to run what is in the file
            reason = "it is another kind of file, or holds code"
        raise ImganError(
            f"{path} is not a file of plain weights, and nothing else is loaded: {reason}"
        ) from None
    if not isinstance(loaded, dict):
        raise ImganError(f"{path} holds a {type(loaded).__name__}, not a network's weights")
    return loaded

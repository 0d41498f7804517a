"""Translate images by a trained model: files, Pillow images, arrays and tensors of any size."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from ..data.makers import MAKERS
from ..data.pixels import Frame, Image, resize, split_alpha, spread, to_bits
from ..data.prepared import to_channels
from ..errors import ImganError
from ..model_file import Card, Model, load_model
from ..shipped import TRANSLATION, called, default, resolve
from .blend import OVERLAP, fit, run_blended
from .chroma import with_colours
from .convert import Progress, convert, each_frame
from .device import choose
from .memory import bytes_per_pixel, free_memory
from .models import instead
from .tiles import TILE, OutOfMemory, run_tiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

ROLES = {"AtoB": "a_to_b", "BtoA": "b_to_a"}
"""Directions, and the networks of a CycleGAN file that go there."""

SHARE = 0.8
"""The part of the free memory that an image may take as a whole."""

_TRIAL = 128  # side of the image that a network's memory is measured with


def _warn(line: str) -> None:
    warnings.warn(line, stacklevel=2)


class Translator:
    """A trained model, loaded once, for many images.

    Args:
        model: an imgan model file, a shipped name, or a published ``.pth`` generator of pix2pix or
            CycleGAN; by default the shipped model, which colours grey photos.
        direction: ``AtoB`` or ``BtoA``, for models that go both ways; by default A to B.
        size: images are resized to it before the network, and the result has it: a number of pixels
            for the shorter side, or width and height (a pair, or ``"640x480"``).
        tile: side of the tiles in pixels. By default a network that looks at the whole image gets
            it whole while memory allows, in one piece.
        overlap: pixels over which tiles of such a network go over into each other; at most half a
            tile.
        device: see `device.choose`.
        precision: see `device.choose`; auto is float32 for images of 16 bits and floats.
        say: takes the sentence that warns of tiles which may differ; by default a Python warning.

    Raises:
        ImganError: a value out of its range, or a model that cannot be loaded or does other work.
    """

    def __init__(
        self,
        model: str | Path | None = None,
        *,
        direction: str | None = None,
        size: int | str | tuple[int, int] | None = None,
        tile: int | None = None,
        overlap: int = OVERLAP,
        device: str | None = None,
        precision: str = "auto",
        say: Callable[[str], None] = _warn,
    ) -> None:
        if direction is not None and direction not in ROLES:
            raise ImganError(f"direction is AtoB or BtoA, not {direction!r}")
        if tile is not None and tile < 16:
            raise ImganError(f"tile is at least 16 pixels, not {tile}")
        if overlap < 0:
            raise ImganError(f"overlap is at least 0 pixels, not {overlap}")
        self.size, self.tile, self.overlap = _size(size), tile, overlap
        self.device, self.dtype = choose(device, precision)
        self._auto, self._say, self._said = precision == "auto", say, False
        path = default(TRANSLATION) if model is None else resolve(model, "pix2pix", "cyclegan")
        loaded = load_translation(path)
        self.card = loaded.card
        both = loaded.card.pipeline == "cyclegan"
        self.direction, network = directed(path, loaded, direction)
        self.channels, self.out_channels = _channels(loaded.card, self.direction if both else None)
        reach = getattr(network, "reach", None)
        self._reach: int | None = loaded.card.reach if loaded.card.reach is not None else reach
        self._multiple = max(loaded.card.size_multiple, getattr(network, "size_multiple", 1))
        self._minimum = int(getattr(network, "minimum", 1))
        # A model that colours is shown pictures of the size it was trained on; the light stays.
        colours = loaded.card.task == "colourise"
        load = loaded.card.recipe.get("data", {}).get("load")
        self._chroma_side: int | None = int(load or 256) if colours else None
        self.network = network.to(memory_format=torch.channels_last).to(self.device)
        name = re.sub(r"[^\w.-]+", "-", loaded.card.name or path.stem).strip("-.") or "translated"
        self.label = f"{name}-{self.direction}" if both else name

    def result(self, image: Image) -> tuple[int, int, int]:
        """Width, height and channels of colour of what an image becomes."""
        return *self._sized(*image.size), self.out_channels

    def image(self, image: Image, progress: Progress | None = None) -> Image:
        """Translate an image as it was read, every frame of it; keeps EXIF, profile and timing.

        A profile of grey goes where colour comes, and the other way round.
        """
        result = each_frame(image, self.frame, progress)
        fits = {b"GRAY": 1, b"RGB ": 3}.get(result.icc[16:20], result.channels) == result.channels
        return result if fits else replace(result, icc=b"")

    def frame(self, frame: Frame, progress: Progress | None = None) -> Frame:
        """Translate one picture; alpha stays as it is, but for `size`."""
        frame = split_alpha(frame, self.channels)
        colour, alpha = frame.colour, frame.alpha
        have = colour.shape[2]
        if have != self.channels and {have, self.channels} != {1, 3}:
            raise ImganError(f"this model takes images of {self.channels} channels, not {have}")
        size = self._sized(colour.shape[1], colour.shape[0])
        if alpha is not None:  # what lies under clear pixels is arbitrary and would bleed out
            colour, alpha = spread(colour, alpha), resize(alpha, size)
        given = self._given(to_channels(resize(colour, size), self.channels))
        if self._chroma_side is None:
            colour = self._run(given, progress)
        else:
            small = resize(given, _shorter(*size, min(self._chroma_side, *size)))
            colour = with_colours(given, self._run(small, progress))
        return replace(frame, colour=colour, alpha=alpha)

    def _given(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """What the network takes: 16 bits where it was trained on them, lines where on lines."""
        if self.card.bit_depth == 16 and pixels.dtype.itemsize == 1:
            return to_bits(pixels, 16)
        if self.card.input == "edges":
            top = 1 if pixels.dtype.kind == "f" else np.iinfo(pixels.dtype).max
            unit = pixels.astype(np.float32) / np.float32(top)
            if np.mean((unit > 0.1) & (unit < 0.9)) > 0.2:  # a photo, and no drawing
                lines = MAKERS["edges"](unit.repeat(3, axis=2), np.random.default_rng(0))
                return (lines * top).astype(pixels.dtype)
        return pixels

    def __call__(self, image: Any, progress: Progress | None = None) -> Any:
        """Translate what `translate` takes."""
        return convert(image, lambda single: self.image(single, progress), "translate")

    def _sized(self, width: int, height: int) -> tuple[int, int]:
        if self.size is None:
            return width, height
        if isinstance(self.size, tuple):
            return self.size
        return _shorter(width, height, self.size)

    def _run(self, pixels: NDArray[Any], progress: Progress | None) -> NDArray[Any]:
        """``[H, W, C]`` through the network, whole or in tiles."""
        contract: dict[str, Any] = {
            "size_multiple": self._multiple,
            "minimum": self._minimum,
            "value_range": self.card.value_range,
            "device": self.device,
            # bf16 has the bits for 256 levels, and not for 65,536.
            "dtype": torch.float32 if self._auto and pixels.itemsize > 1 else self.dtype,
            "progress": progress,
        }
        if self._reach is not None:
            return run_tiled(
                self.network, pixels, reach=self._reach, tile=self.tile or TILE, **contract
            )
        if self.tile is None:
            side = self._affordable(*pixels.shape[:2])
            if side is None:
                try:
                    return run_tiled(self.network, pixels, **contract)
                except OutOfMemory:  # another program took what was free
                    side = min(pixels.shape[:2]) // 2
            self._tell(
                f"{pixels.shape[1]}x{pixels.shape[0]} pixels do not fit into memory in one piece, "
                "and tiles may differ in tone, because this model looks at the whole image; "
                "--size makes it smaller"
            )
        else:
            side = self.tile
            if max(pixels.shape[:2]) > self._taken(side):
                self._tell(
                    "tiles may differ in tone, because this model looks at the whole image; "
                    "without --tile it gets the image in one piece where memory allows"
                )
        return run_blended(self.network, pixels, tile=side, overlap=self.overlap, **contract)

    def _taken(self, side: int) -> int:
        """`side` raised to what the network takes."""
        return fit(max(side, self._minimum), self._multiple)

    def _affordable(self, height: int, width: int) -> int | None:
        """The side of the tiles to take for want of memory; None where the image fits whole."""
        pixels = self._taken(height) * self._taken(width)
        if pixels <= self._taken(_TRIAL) ** 2:
            return None
        most = int(SHARE * free_memory(self.device) / self._pixel_bytes)
        if pixels <= most:
            return None
        return max(1, math.isqrt(most) // self._multiple) * self._multiple

    @cached_property
    def _pixel_bytes(self) -> float:
        return bytes_per_pixel(self.network, self.channels, self._taken(_TRIAL))

    def _tell(self, line: str) -> None:
        if not self._said:
            self._said = True
            self._say(line)


def translate(
    image: Any,
    *,
    model: str | Path | None = None,
    direction: str | None = None,
    size: int | str | tuple[int, int] | None = None,
    tile: int | None = None,
    overlap: int = OVERLAP,
    device: str | None = None,
    precision: str = "auto",
    progress: Progress | None = None,
) -> Any:
    """Turn an image into another; a Pillow image, array or tensor comes back as what it was.

    For many images make one `Translator` and call that.

    Args:
        image: a path (a Pillow image comes back, of ``.npy`` an array; of several frames or pages
            the first), a Pillow image, an array ``[H, W]`` or ``[H, W, C]`` (uint8, uint16, float
            in [0, 1]), or a tensor ``[C, H, W]`` or ``[N, C, H, W]`` (float in [0, 1], uint8). Two
            and four channels are grey and RGB with alpha, unless the model takes so many. Grey
            serves where a model takes RGB, and the other way round.
        model, direction, size, tile, overlap, device, precision: see `Translator`.
        progress: called with the tiles done and their number.

    Raises:
        ImganError: with one sentence that says what is wrong.
    """
    translator = Translator(
        model,
        direction=direction,
        size=size,
        tile=tile,
        overlap=overlap,
        device=device,
        precision=precision,
    )
    return translator(image, progress)


def load_translation(path: Path) -> Model:
    """Load imgan's own model file, or a published generator.

    Raises:
        ImganError: it cannot be loaded, or does other work.
    """
    if path.suffix == ".safetensors":
        model = load_model(path)
    else:
        from .reference import load_reference

        model = load_reference(path)
    use = instead(path, model.card.pipeline, "translate")
    if use and model.card.pipeline != "srgan":
        raise ImganError(
            f"{called(path)} is a {model.card.pipeline} model and translates no image; {use}"
        )
    if use or model.card.scale != 1:
        raise ImganError(
            f"{called(path)} makes images larger and translates none; use imgan upscale "
            f"--model {called(path)}"
        )
    if not model.networks.keys() & {"generator", *ROLES.values()}:
        raise ImganError(f"{path} is a {model.card.pipeline} model, and none for translation")
    return model


def directed(path: Path, model: Model, asked: str | None) -> tuple[str, nn.Module]:
    """The direction to go, by default the one that was trained, and the network that goes there.

    Raises:
        ImganError: the model was not trained to go there.
    """
    has = [name for name, role in ROLES.items() if role in model.networks]
    recipe = model.card.recipe
    one = recipe.get("directions" if has else "direction")
    trained = [one] if one in ROLES else has or ["AtoB"]
    direction = asked or trained[0]
    if direction not in trained:
        raise ImganError(f"{path} was trained to go {trained[0]}; leave out --direction {asked}")
    return direction, model.networks[ROLES[direction] if has else "generator"]


def _channels(card: Card, direction: str | None) -> tuple[int, int]:
    """Channels that go in and come out."""
    channels = card.channels, card.out_channels or card.channels
    return channels if direction != "BtoA" else channels[::-1]


def _shorter(width: int, height: int, side: int) -> tuple[int, int]:
    """The size, in proportion, whose shorter side is `side`."""
    factor = side / min(width, height)
    return max(1, round(width * factor)), max(1, round(height * factor))


def _size(size: int | str | tuple[int, int] | None) -> int | tuple[int, int] | None:
    if size is None:
        return None
    text = "x".join(map(str, size)) if isinstance(size, tuple) else str(size)
    found = re.fullmatch(r"([1-9]\d{0,4})(?:x([1-9]\d{0,4}))?", text)
    if not found:
        raise ImganError(
            "size is a number of pixels for the shorter side, such as 512, or width and height "
            f"as 640x480, not {text!r}"
        )
    return (int(found[1]), int(found[2])) if found[2] else int(found[1])

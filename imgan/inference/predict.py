"""Predict the next frames of a clip by a trained model: files, arrays, tensors, Pillow images."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from PIL import Image as pil
from torch import Tensor, nn

from ..data.pixels import float_top, from_pil, on_white, resize, to_bits
from ..data.prepared import to_channels
from ..data.video import read_last_frames
from ..errors import ImganError
from ..model_file import Model, load_model
from ..shipped import PREDICTION, called, default, resolve
from .device import choose
from .tiles import run_tiled

if TYPE_CHECKING:
    from numpy.typing import NDArray

Progress = Callable[[int, int], None]
"""Called with the frames done and their number."""


class Predictor:
    """A trained model of next frames, loaded once, for many clips.

    Args:
        model: an imgan model file, a shipped name, or a loaded model; by default the shipped one.
        device: see `device.choose`.
        precision: see `device.choose`.

    Attributes:
        past: how many frames the model looks at.
        future: how many it gives at once; for more it is applied again on its own.
        channels: 1 where it sees grey, 3 where RGB.

    Raises:
        ImganError: the model cannot be loaded, or does other work.
    """

    def __init__(
        self,
        model: str | Path | Model | None = None,
        device: str | None = None,
        precision: str = "auto",
    ) -> None:
        self.device, self.dtype = choose(device, precision)
        if not isinstance(model, Model):
            model = load_predictor(
                default(PREDICTION) if model is None else resolve(model, "nextframe")
            )
        self.card = model.card
        network = model.generator
        self.past, self.future = _count(network, "past"), _count(network, "future")
        self.channels = self.card.channels
        self._reach = (
            getattr(network, "reach", None) if self.card.reach is None else self.card.reach
        )
        self._multiple = max(self.card.size_multiple, _count(network, "size_multiple"))
        self._minimum = _count(network, "minimum")
        self.network = _Stacked(network, self.channels).to(self.device)

    def continue_(
        self,
        frames: Sequence[NDArray[np.uint8]] | NDArray[np.uint8],
        count: int,
        progress: Progress | None = None,
    ) -> NDArray[np.uint8]:
        """The `count` frames after ``[P.., H, W, C] uint8``: ``[count, H, W, C]``, any size.

        Only the last `past` frames are looked at. Grey serves where the model takes RGB, and the
        other way round; the result has the channels of the frames.

        Raises:
            ImganError: there are too few frames, or they differ in size.
        """
        made = []
        for frame in islice(self.ahead(frames), count):
            made.append(to_channels(to_8_bits(frame), frames[0].shape[2]))
            if progress:
                progress(len(made), count)
        return np.stack(made)

    def ahead(self, frames: Iterable[NDArray[Any]]) -> Iterator[NDArray[np.float32]]:
        """Without end the frames that come next, ``[H, W, channels]`` in [0, 1], not rounded.

        Args:
            frames: ``[H, W, C]`` each, uint8, uint16, or float in [0, 1].

        Raises:
            ImganError: there are too few frames, or they differ in size.
        """
        last = list(frames)[-self.past :]
        if len(last) < self.past:
            raise ImganError(
                f"the model looks at {self.past} frames and here {_are(len(last))}; "
                "give a longer clip"
            )
        if len({frame.shape for frame in last}) > 1:
            raise ImganError("the frames differ in size; bring them all to one")
        seen = deque((to_channels(unit(frame), self.channels) for frame in last), self.past)
        while True:
            answer = self._answer(np.concatenate(seen, axis=2))  # [H, W, future*C]
            for new in np.split(answer, answer.shape[2] // self.channels, axis=2):
                seen.append(new)
                yield new

    def _answer(self, stacked: NDArray[np.float32]) -> NDArray[np.float32]:
        """``[H, W, past*C]`` through the network, in tiles that leave no seams."""
        return run_tiled(
            self.network,
            stacked,
            reach=self._reach,
            size_multiple=self._multiple,
            minimum=self._minimum,
            value_range=self.card.value_range,
            device=self.device,
            dtype=self.dtype,
        )


class _Stacked(nn.Module):
    """A network of frames as one of images: time is stacked into the channels.

    Shape: ``[N, past*C, H, W] -> [N, future*C, H, W]``.
    """

    def __init__(self, network: nn.Module, channels: int) -> None:
        super().__init__()
        self.network, self.channels = network, channels

    def forward(self, stacked: Tensor) -> Tensor:
        """The frames after these."""
        n, _, height, width = stacked.shape
        past = stacked.reshape(n, -1, self.channels, height, width)
        future: Tensor = self.network(past)
        return future.flatten(1, 2)


def predict(
    clip: Any,
    frames: int = 12,
    *,
    model: str | Path | None = None,
    size: int | None = None,
    device: str | None = None,
    precision: str = "auto",
    progress: Progress | None = None,
) -> Any:
    """Predict the next frames of a clip; arrays, tensors and Pillow images come back as such.

    For many clips make one `Predictor` and call `Predictor.continue_`.

    Args:
        clip: the past frames: a path (a video file, or a folder of numbered frames; ``[frames, H,
            W, 3]`` uint8 comes back), a list of Pillow images (what is clear lies on white), an
            array ``[T, H, W]`` or ``[T, H, W, C]`` (uint8, uint16, float in [0, 1]), or a tensor
            ``[T, C, H, W]`` (float in [0, 1], uint8). Only the last ones are looked at, as many as
            the model sees.
        frames: how many are to be predicted; the further ahead, the less they tell.
        size: the shorter side is brought to so many pixels first, and the result has that size.
        model, device, precision: see `Predictor`.
        progress: called with the frames done and their number.

    Returns:
        The predicted frames alone.

    Raises:
        ImganError: with one sentence that says what is wrong.
    """
    if frames < 1:
        raise ImganError(f"at least 1 frame can be predicted, not {frames}")
    predictor = Predictor(model, device, precision)
    past, back = _taken(clip, predictor.past)
    if size is not None:
        past = [resize(frame, shorter(frame, size)) for frame in past]
    made = []
    for frame in islice(predictor.ahead(past), frames):
        made.append(to_channels(frame, past[0].shape[2]))
        if progress:
            progress(len(made), frames)
    return back(np.stack(made))


def load_predictor(path: Path) -> Model:
    """Load a model of next frames.

    Raises:
        ImganError: it cannot be loaded, or does other work.
    """
    model = load_model(path)
    if model.card.pipeline != "nextframe":
        raise ImganError(
            f"{called(path)} is a {model.card.pipeline} model and predicts no frames; give one "
            "that imgan train made with a recipe of nextframe"
        )
    return model


def read_last(clip: Path, count: int) -> list[NDArray[np.uint8]]:
    """The last `count` frames of a clip, ``[H, W, 3]`` each, or all where there are fewer.

    No more than `count` frames are in memory, and only these become RGB.

    Raises:
        ImganError: it cannot be read.
    """
    return read_last_frames(clip, count)


def shorter(frame: NDArray[Any], side: int) -> tuple[int, int]:
    """Width and height of a frame, in proportion, whose shorter side is `side`.

    Raises:
        ImganError: that is no size.
    """
    if not 1 <= side <= 99_999:
        raise ImganError(f"size is a number of pixels for the shorter side, not {side}")
    height, width = frame.shape[:2]
    factor = side / min(height, width)
    return max(1, round(width * factor)), max(1, round(height * factor))


def unit(pixels: NDArray[Any]) -> NDArray[np.float32]:
    """Pixels of any depth as float32 in [0, 1]."""
    if pixels.dtype.kind == "f":
        return np.clip(pixels.astype(np.float32), 0, 1)
    white = np.float32(np.iinfo(pixels.dtype).max)
    scaled: NDArray[np.float32] = pixels.astype(np.float32) / white
    return scaled


def to_8_bits(pixels: NDArray[np.float32]) -> NDArray[np.uint8]:
    """Floats in [0, 1] as uint8, rounded."""
    return np.rint(pixels * 255).astype(np.uint8)


def _taken(clip: Any, past: int) -> tuple[list[NDArray[Any]], Callable[[NDArray[np.float32]], Any]]:
    """The last `past` frames ``[H, W, C]``, and how predictions become what `clip` was."""
    if isinstance(clip, (str, Path)):
        return read_last(Path(clip), past), to_8_bits
    if isinstance(clip, np.ndarray):
        return _array(clip, past)
    if isinstance(clip, Tensor):
        if clip.ndim != 4:
            raise ImganError(f"a tensor of frames is [T, C, H, W], not {tuple(clip.shape)}")
        if clip.dtype != torch.uint8 and not clip.is_floating_point():
            raise ImganError(f"a tensor is float in [0, 1] or uint8, not {clip.dtype}")
        plain = clip.detach() if clip.dtype == torch.uint8 else clip.detach().float()
        taken, back = _array(plain.permute(0, 2, 3, 1).cpu().numpy(), past)

        def to_tensor(made: NDArray[np.float32]) -> Tensor:
            frames = torch.from_numpy(back(made)).permute(0, 3, 1, 2)
            return frames.contiguous().to(clip.device, clip.dtype)

        return taken, to_tensor
    if isinstance(clip, Sequence) and clip and all(isinstance(one, pil.Image) for one in clip):
        try:
            frames = [to_bits(on_white(from_pil(one)), 8) for one in _of_one_range(clip[-past:])]
        except ValueError as error:
            raise ImganError(f"the frames cannot be taken: {error}") from None
        grey = frames[-1].shape[2] == 1
        frames = [to_channels(frame, 1 if grey else 3) for frame in frames]
        taken, _ = _array(np.stack(_alike(frames)), past)

        def to_images(made: NDArray[np.float32]) -> list[pil.Image]:
            pixels = to_8_bits(made)
            return [pil.fromarray(one[:, :, 0] if grey else one) for one in pixels]

        return taken, to_images
    raise ImganError(
        "predict takes a path, a list of Pillow images, a numpy array or a torch tensor, not "
        f"{type(clip).__name__}"
    )


def _of_one_range(images: Sequence[pil.Image]) -> list[pil.Image]:
    """Floats, whose range is told by their greatest value, as that of all frames says."""
    if any(image.mode != "F" for image in images):
        return list(images)
    values = [np.asarray(image) for image in images]
    top = float_top(float(max(frame.max() for frame in values)))
    return [pil.fromarray((frame / (top or 1)).astype(np.float32)) for frame in values]


def _array(
    clip: NDArray[Any], past: int
) -> tuple[list[NDArray[Any]], Callable[[NDArray[np.float32]], Any]]:
    if clip.ndim not in (3, 4) or 0 in clip.shape:
        raise ImganError(f"an array of frames is [T, H, W] or [T, H, W, C], not {clip.shape}")
    if clip.dtype not in (np.uint8, np.uint16) and clip.dtype.kind != "f":
        raise ImganError(f"an array is uint8, uint16 or float in [0, 1], not {clip.dtype}")

    def back(made: NDArray[np.float32]) -> NDArray[Any]:
        if clip.dtype.kind != "f":
            made = np.rint(made * np.float32(np.iinfo(clip.dtype).max))
        return (made if clip.ndim == 4 else made[..., 0]).astype(clip.dtype, copy=False)

    return list(clip[-past:].reshape(*clip[-past:].shape[:3], -1)), back


def _alike(frames: list[NDArray[Any]]) -> list[NDArray[Any]]:
    if len({frame.shape for frame in frames}) > 1:
        raise ImganError("the frames differ in size; bring them all to one")
    return frames


def _count(network: nn.Module, name: str) -> int:
    return int(getattr(network, name, 1))


def _are(count: int) -> str:
    return "is 1" if count == 1 else f"are {count}"

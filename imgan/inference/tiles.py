"""Run a network on an image of any size in bounded memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from ..errors import ImganError
from ..machine import is_out_of_memory

if TYPE_CHECKING:
    from numpy.typing import NDArray

Network = Callable[[Tensor], Tensor]
"""``[N, C, H, W] -> [N, C', scale*H, scale*W]``."""

TILE = 340
"""The default side of a tile, in input pixels; see `windows`."""

_ROW = 16
"""oneDNN multiplies the pixels of a row in blocks of 16; other widths cost up to twice as much."""

SMALLEST = 32
"""No tile is made smaller than this when memory runs out."""


class OutOfMemory(ImganError):
    """Memory ran out, even with the smallest tiles or where there can be none."""

    def __init__(self, device: torch.device, shape: tuple[int, ...]) -> None:
        on_cpu = device.type == "cpu"
        super().__init__(
            f"the {'computer' if on_cpu else 'GPU'} has not the memory for "
            f"{shape[1]}x{shape[0]} pixels with this model; free some, or "
            f"{'cut the image into parts' if on_cpu else 'compute on the cpu'}"
        )


@dataclass(frozen=True)
class Span:
    """A tile along one axis: the network sees ``[start, stop)`` and answers for ``[low, high)``."""

    start: int
    stop: int
    low: int
    high: int


def windows(
    height: int, width: int, tile: int, reach: int, multiple: int = 1
) -> list[tuple[Span, Span]]:
    """Cut an image into tiles, down and across, for the least computing.

    A window, which is a tile with its reach, has at most as many pixels as that of a square tile of
    side `tile`: that bounds the memory. Of all such cuts, the one that computes the fewest pixels:
    where the memory allows strips of the whole width, nothing is computed twice across. Where the
    width is cut, windows are multiples of 16 pixels wide.
    """
    units, margin = (height // multiple, width // multiple), -(-reach // multiple)
    side = -(-tile // multiple)
    square = side + 2 * margin
    limit = square * -(-square // _ROW) * _ROW
    best: tuple[int, int, int] | None = None
    for across in range(1, -(-units[1] // side) + 1):
        wide = _window(units[1], across, margin, _ROW)
        tall = limit // wide
        if units[0] <= tall:
            down = 1
        elif -(-units[0] // 2) + margin <= tall:
            down = 2
        elif tall > 2 * margin:
            down = -(-units[0] // (tall - 2 * margin))
        else:
            continue
        pixels = down * across * wide * _window(units[0], down, margin)
        if best is None or pixels < best[0]:
            best = pixels, down, across
    assert best  # squares always fit
    return [
        (y, x)
        for y in spans(height, best[1], reach, multiple)
        for x in spans(width, best[2], reach, multiple, _ROW)
    ]


def _window(units: int, count: int, margin: int, align: int = 1) -> int:
    """The length of each of `count` spans of an axis: at its ends they need no margin."""
    if count == 1:
        return units
    least = -(-units // count) + margin * min(count - 1, 2)
    return min(units, -(-least // align) * align)


def spans(length: int, count: int, reach: int, multiple: int = 1, align: int = 1) -> list[Span]:
    """Cut an axis into `count` tiles that see `reach` pixels more to each side than they answer.

    All spans have the same length, so that tiles can be batched, and there are no borders but those
    of the image: at a tile's inner border nothing that the network makes up is kept. `length` is a
    multiple of `multiple`, and so is every start. Their length is a
    multiple of `multiple * align`, unless it is that of the whole axis.
    """
    units, margin = length // multiple, -(-reach // multiple)
    count = min(count, units)
    cuts = [units * i // count for i in range(count + 1)]
    needs = [(max(0, low - margin), min(units, high + margin)) for low, high in pairwise(cuts)]
    side = min(units, -(-max(stop - start for start, stop in needs) // align) * align)
    found = []
    for (start, _), (low, high) in zip(needs, pairwise(cuts), strict=True):
        start = min(start, units - side)
        found.append(Span(*(multiple * u for u in (start, start + side, low, high))))
    return found


def run_tiled(
    network: Network,
    image: NDArray[Any],
    *,
    scale: int = 1,
    reach: int | None = None,
    size_multiple: int = 1,
    minimum: int = 1,
    value_range: tuple[float, float] = (0.0, 1.0),
    tile: int = TILE,
    batch: int = 1,
    device: torch.device | None = None,
    dtype: torch.dtype = torch.float32,
    progress: Callable[[int, int], None] | None = None,
) -> NDArray[Any]:
    """The network's answer to a whole image, computed in tiles.

    With the true `reach` the result is that of the whole image, without seams. It is gathered in
    the image's own dtype: 4000x3000 pixels to 16000x12000 need 576 MB for the result, not 2.3 GB.

    Args:
        network: a callable; its weights are float32, on `device`.
        image: ``[H, W, C]``, uint8, uint16, or float32 in [0, 1].
        scale: output pixels an input pixel.
        reach: input pixels to each side that an output pixel depends on; None where it is the whole
            image (attention, instance norm): then there are no tiles.
        size_multiple: what sides the network takes; the image is padded by reflection.
        minimum: the smallest side that the network takes.
        value_range: what black and white are in the network.
        tile: bounds what is computed at once, see `windows`.
        batch: tiles computed at once.
        progress: called with the tiles done and their number.

    Returns:
        ``[scale*H, scale*W, C']`` of the image's dtype.

    Raises:
        OutOfMemory: memory runs out even with the smallest tiles.
    """
    height, width = image.shape[:2]
    padded = _pad(image, size_multiple, minimum)
    run = Run(network, padded, scale, value_range, device or torch.device("cpu"), dtype)
    while True:
        side = max(padded.shape) if reach is None else tile
        grid = windows(padded.shape[0], padded.shape[1], side, reach or 0, size_multiple)
        try:
            return run.over(grid, batch, progress)[: height * scale, : width * scale]
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            if reach is None or (batch == 1 and side <= SMALLEST):
                raise OutOfMemory(run.device, image.shape) from None
            tile, batch = (min(side, *padded.shape[:2]) // 2, 1) if batch == 1 else (side, 1)


@dataclass
class Run:
    """One network over one image."""

    network: Network
    image: NDArray[Any]
    scale: int
    value_range: tuple[float, float]
    device: torch.device
    dtype: torch.dtype

    def over(
        self,
        grid: list[tuple[Span, Span]],
        batch: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> NDArray[Any]:
        """Compute the tiles of `grid`, `batch` at once, and put them together."""
        out: NDArray[Any] | None = None
        for at in range(0, len(grid), batch):
            tiles = grid[at : at + batch]
            answers = self.compute(
                [self.image[d.start : d.stop, a.start : a.stop] for d, a in tiles]
            )
            if out is None:
                shape = (*(side * self.scale for side in self.image.shape[:2]), answers.shape[3])
                out = np.empty(shape, self.image.dtype)
            for (down, across), answer in zip(tiles, answers, strict=True):
                out[_kept(down, self.scale, 0), _kept(across, self.scale, 0)] = answer[
                    _kept(down, self.scale, down.start), _kept(across, self.scale, across.start)
                ]
            if progress:
                progress(at + len(tiles), len(grid))
        assert out is not None
        return out

    def compute(self, windows: list[NDArray[Any]]) -> NDArray[Any]:
        """``[H, W, C]`` windows of one shape to ``[N, scale*H, scale*W, C']`` of their dtype."""
        white = _white(windows[0])
        y = self.answer(windows)
        with torch.inference_mode():
            if white > 1:
                # By way of int32: torch has no conversion from float to uint16 everywhere.
                y = y.mul_(white).round_().to(torch.uint8 if white == 255 else torch.int32)
            return y.cpu().numpy()

    def answer(self, windows: list[NDArray[Any]]) -> Tensor:
        """``[H, W, C]`` windows of one shape to ``[N, scale*H, scale*W, C']``, float in [0, 1]."""
        low, high = self.value_range
        half = self.dtype != torch.float32
        # Autocast rather than weights in bf16: what lies beside the convolutions, such as the
        # input that a network adds its answer to, keeps all its bits, as in training.
        with (
            torch.inference_mode(),
            torch.autocast(self.device.type, self.dtype if half else None, enabled=half),
        ):
            # Channels last is how images lie in memory.
            x = torch.from_numpy(np.stack(windows)).to(self.device).permute(0, 3, 1, 2)
            x = x.float().contiguous(memory_format=torch.channels_last)
            x = x * ((high - low) / _white(windows[0])) + low
            y = self.network(x).float().sub_(low).mul_(1 / (high - low)).clamp_(0, 1)
            return y.permute(0, 2, 3, 1)  # [N, scale*H, scale*W, C']


def _white(pixels: NDArray[Any]) -> int:
    return 1 if pixels.dtype.kind == "f" else int(np.iinfo(pixels.dtype).max)


def _kept(span: Span, scale: int, origin: int) -> slice:
    return slice((span.low - origin) * scale, (span.high - origin) * scale)


def _pad(image: NDArray[Any], multiple: int, minimum: int) -> NDArray[Any]:
    """Extend right and bottom by reflection to a size that the network takes."""
    height, width = (
        max(-(-side // multiple), -(-minimum // multiple)) * multiple for side in image.shape[:2]
    )
    return pad(image, height, width)


def pad(image: NDArray[Any], height: int, width: int) -> NDArray[Any]:
    """Extend ``[H, W, C]`` right and bottom to that size, by reflection there and back."""
    if image.shape[:2] == (height, width):
        return image
    grow = ((0, height - image.shape[0]), (0, width - image.shape[1]), (0, 0))
    return np.pad(image, grow, mode="reflect")

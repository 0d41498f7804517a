"""Making low-resolution images: MATLAB's bicubic, as in the papers, and realistic degradations."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import torch
from torch import Tensor

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_SUPPORT = 4  # width of the cubic kernel, in pixels


def imresize(
    image: Tensor, scale: float | None = None, size: tuple[int, int] | None = None
) -> Tensor:
    """Resize as MATLAB's ``imresize(image, scale, "bicubic")`` does on floating-point images.

    Keys' cubic kernel with a = -0.5, widened by 1/scale when shrinking, edges repeated; the
    output's sides are the input's times `scale`, rounded up. This is the down-scaling of the
    super-resolution papers, and with a scale over 1 their "bicubic" row. Differentiable. Values can
    leave [0, 1] by a little, as the kernel has negative lobes.

    Shape: ``[..., H, W] floating-point -> [..., ceil(scale*H), ceil(scale*W)]``, or to
    ``size = (height, width)``.
    """
    for dim, length, factor in _passes(image, scale, size):
        image = _resize_axis(image, dim, length, factor, image.dtype)
    return image


def imresize_uint8(
    image: Tensor, scale: float | None = None, size: tuple[int, int] | None = None
) -> Tensor:
    """Resize as MATLAB's ``imresize`` does on uint8 images: rounded after each of the two passes.

    The low-resolution files of Set5, Set14 and BSD100 come out bit for bit.

    Shape: ``[..., H, W] uint8 -> [..., ceil(scale*H), ceil(scale*W)] uint8``.
    """
    for dim, length, factor in _passes(image, scale, size):
        exact = _resize_axis(image, dim, length, factor, torch.float64)
        image = exact.add_(0.5).floor_().clamp_(0, 255).to(torch.uint8)  # halves go up, as there
    return image


def _passes(
    image: Tensor, scale: float | None, size: tuple[int, int] | None
) -> list[tuple[int, int, float]]:
    """The two passes as (dimension, length, scale): the stronger shrinking first, then rows."""
    if (scale is None) == (size is None):
        raise ValueError("give either scale or size")
    if scale is not None:
        # The small number keeps an exact product, as 3 * (1 / 3), from being rounded up.
        passes = [(dim, math.ceil(image.shape[dim] * scale - 1e-9), scale) for dim in (-2, -1)]
    else:
        assert size is not None
        passes = [(dim, size[dim], size[dim] / image.shape[dim]) for dim in (-2, -1)]
    if min(length for _, length, _ in passes) < 1:
        raise ValueError(f"nothing is left of an image of shape {tuple(image.shape)}")
    return sorted(passes, key=lambda step: step[2])


def _resize_axis(x: Tensor, dim: int, length: int, scale: float, dtype: torch.dtype) -> Tensor:
    """Resize one dimension: a sum over the kernel's taps, each a gather of the output's size.

    No more than three tensors of the output's size are held beside the input, so that large photos
    pass; a matrix product would want the input in `dtype`, and mostly multiply by zero.
    """
    if dim == -1:  # gathering rows copies whole rows, and is several times faster
        return _resize_axis(x.mT.contiguous(), -2, length, scale, dtype).mT.contiguous()
    index, weight = _taps(x.shape[-2], length, scale)  # [taps, length] each
    index, weight = index.to(x.device), weight.to(x.device, dtype).unsqueeze(-1)
    total = torch.zeros((*x.shape[:-2], length, x.shape[-1]), dtype=dtype, device=x.device)
    for where, factor in zip(index, weight, strict=True):
        total = total.addcmul_(x.index_select(-2, where).to(dtype), factor)
    return total


@lru_cache(maxsize=64)  # photos of one size follow each other
def _taps(length: int, out_length: int, scale: float) -> tuple[Tensor, Tensor]:
    """Which input pixels each output pixel sums, and their weights, ``[taps, out_length]``.

    `contributions` of MATLAB's imresize.m, with pixels counted from 0, and with the borders of the
    version that the benchmark sets were made with: it repeats the edge, later ones mirror there.
    """
    shrink = min(scale, 1.0)
    width = _SUPPORT / shrink
    centre = (torch.arange(out_length, dtype=torch.float64) + 0.5) / scale - 0.5
    first = torch.floor(centre - width / 2)
    position = first + torch.arange(math.ceil(width) + 2, dtype=torch.float64).unsqueeze(1)
    weight = _cubic((centre - position) * shrink)
    weight = weight / weight.sum(0)
    index = position.long().clamp_(0, length - 1)
    used = weight.abs().amax(1) > 0
    return index[used], weight[used]


def _cubic(x: Tensor) -> Tensor:
    """Keys 1981, equation 15: the cubic convolution kernel with a = -0.5."""
    x = x.abs()
    near = (1.5 * x - 2.5) * x**2 + 1
    far = ((-0.5 * x + 2.5) * x - 4) * x + 2
    return torch.where(x <= 1, near, torch.where(x <= 2, far, torch.zeros_like(x)))


@dataclass(frozen=True)
class RealisticSettings:
    """How strong the realistic degradation is; each strength is drawn evenly from its range."""

    blur_sigma: tuple[float, float] = (0.2, 2.4)
    """Of the Gaussian along each of its two axes, in high-resolution pixels."""
    blur_probability: float = 0.8
    detour: tuple[float, float] = (0.6, 1.6)
    """Size at which noise comes in, over the final one; 1: no second resizing."""
    gaussian_noise: tuple[float, float] = (0.004, 0.06)
    """Standard deviation, where white is 1."""
    poisson_noise: tuple[float, float] = (0.005, 0.08)
    """Standard deviation at white, where white is 1; it falls with the root of the brightness."""
    noise_probability: float = 0.8
    jpeg_quality: tuple[int, int] = (40, 95)
    jpeg_probability: float = 0.8
    jpeg_last: float = 0.5
    """Share of the images compressed at their final size, else at that of the noise."""


class RealisticDegradation:
    """Low-resolution images as cameras and the web make them, for training on what users have.

    One round of Real-ESRGAN's chain (Wang et al. 2021, section 3; the paper's second round and its
    sinc filters are left out): Gaussian blur, round or oblong and turned; resizing with a kernel
    drawn from area, linear and cubic; Gaussian or Poisson noise; JPEG and resizing to the final
    size, in either order: files come as they were compressed, or were made smaller since.

    A call is a pure function of the image and the generator's state. Objects can be pickled, but
    one object must not be used by two threads at once.
    """

    def __init__(self, scale: int, settings: RealisticSettings | None = None) -> None:
        from .augment import realistic_pipelines

        self.scale = scale
        self.settings = settings or RealisticSettings()
        self._taking, self._compression = realistic_pipelines(scale, self.settings)

    def __call__(self, image: NDArray[np.uint8], rng: np.random.Generator) -> NDArray[np.uint8]:
        """Degrade ``[H, W, 3] uint8`` RGB to ``[H // scale, W // scale, 3] uint8``."""
        from .augment import resize_randomly, run_seeded

        height, width = (side // self.scale for side in image.shape[:2])
        image = run_seeded(self._taking, image, int(rng.integers(2**32)))
        last = rng.random() < self.settings.jpeg_last
        if last:
            image = resize_randomly(image, (height, width), rng)
        image = run_seeded(self._compression, image, int(rng.integers(2**32)))
        return image if last else resize_randomly(image, (height, width), rng)

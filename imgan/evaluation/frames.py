"""How near predicted frames come to the true ones: over all pixels, and over those that move."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import max_pool2d

from ..errors import ImganError
from ..perceptual import LpipsDistance

THRESHOLD = 10 / 255
"""A pixel moves where the truth differs by more from the last frame seen."""

DILATION = 5
"""Side of the square by which moving pixels are widened."""

LEAST_MOVING = 0.001
"""A frame of which less moves has no figures over moving pixels."""

CEILING = 60.0
"""Decibels are capped here: of equal frames they would be infinite."""

_WINDOW, _STRIP = 11, 1024


@dataclass(frozen=True)
class Metric:
    """A figure of a frame: how tables show it, and what it is to be published with."""

    title: str
    digits: int
    protocol: str


_MOVING = (
    f"moving: over the pixels where the truth differs by more than {THRESHOLD * 255:.0f} of 255 in "
    f"any channel from the last frame seen, widened to {DILATION}x{DILATION}; this picks pixels "
    f"where copying errs; frames of which under {LEAST_MOVING:.1%} move are left out"
)

METRICS: dict[str, Metric] = {
    "psnr": Metric("PSNR", 2, f"PSNR in dB on all channels, at most {CEILING:.0f} a frame"),
    "psnr_moving": Metric("PSNR", 2, _MOVING),
    "ssim": Metric("SSIM", 4, "SSIM with an 11x11 Gaussian window, sigma 1.5, valid positions"),
    "ssim_moving": Metric("SSIM", 4, ""),
    "sharpness": Metric(
        "sharp. diff.",
        2,
        "sharpness difference in dB (Mathieu et al. 2016, section 4), higher is nearer to the "
        f"truth's gradients place by place; at most {CEILING:.0f} a frame",
    ),
    "sharpness_moving": Metric("sharp. diff.", 2, ""),
    "gradient": Metric(
        "gradient",
        3,
        "gradient: sum of the gradients over the truth's, 1 is as sharp as the truth; flat frames "
        "are left out",
    ),
    "gradient_moving": Metric("gradient", 3, ""),
    "lpips": Metric("LPIPS", 4, ""),
    "mse": Metric(
        "MSE", 2, "MSE: squared error summed over a frame's pixels and channels, values in [0, 1]"
    ),
}
"""Every figure of `score`, in the order of tables; ``_moving`` is over the moving pixels."""


def score(
    output: Tensor, truth: Tensor, last: Tensor, lpips: LpipsDistance | None = None
) -> list[dict[str, float]]:
    """The figures of each of K predicted frames; those over moving pixels only where some move.

    Args:
        output, truth: ``[K, C, H, W]`` in [0, 1].
        last: ``[C, H, W]``, the last frame seen.
        lpips: adds LPIPS.

    Raises:
        ImganError: the frames are too small for SSIM.
    """
    if min(truth.shape[-2:]) < _WINDOW:
        height, width = truth.shape[-2:]
        raise ImganError(f"SSIM needs frames of {_WINDOW} pixels and more, not {width}x{height}")
    moving = moving_pixels(truth, last)
    whole = torch.ones_like(moving)
    error = (output.double() - truth.double()).square()
    columns = {"mse": error.sum((1, 2, 3))}
    alike = ssim(output, truth, whole, moving)
    for name, mask, similarity in zip(("", "_moving"), (whole, moving), alike, strict=True):
        columns[f"psnr{name}"] = _decibels(_mean(error, mask))
        columns[f"ssim{name}"] = similarity
        columns[f"sharpness{name}"] = sharpness_difference(output, truth, mask)
        columns[f"gradient{name}"] = gradient_share(output, truth, mask)
    if lpips:
        with torch.no_grad():
            columns["lpips"] = lpips(*(x.expand(-1, 3, -1, -1).float() for x in (output, truth)))
    enough = moving.double().mean((1, 2, 3)) >= LEAST_MOVING
    rows = []
    for k in range(len(truth)):
        row = {metric: columns[metric][k].item() for metric in METRICS if metric in columns}
        rows.append(
            {
                metric: value
                for metric, value in row.items()
                if (enough[k] or not metric.endswith("_moving")) and math.isfinite(value)
            }
        )
    return rows


def moving_pixels(truth: Tensor, last: Tensor) -> Tensor:
    """Where ``truth [K, C, H, W]`` has left ``last [C, H, W]``: ``[K, 1, H, W]`` of bool.

    A pixel moves if any channel differs by more than `THRESHOLD`, or if one does that lies within
    the square of side `DILATION` around it.
    """
    far = (truth - last).abs().amax(1, keepdim=True) > THRESHOLD
    wide = max_pool2d(far.float(), DILATION, stride=1, padding=DILATION // 2)
    return wide > 0


def sharpness_difference(output: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """The sharpness difference of Mathieu, Couprie & LeCun 2016 (section 4), in dB.

    ``10 log10(max^2 / (1/N sum_ij |(d_i Y + d_j Y) - (d_i Y' + d_j Y')|))`` with ``d_i Y =
    |Y_i,j - Y_i-1,j|`` and ``d_j Y = |Y_i,j - Y_i,j-1|``: the nearer the gradients of the output
    Y' come to those of the truth Y, place by place, the higher. Values are in [0, 1], so the
    maximum is 1; the first row and column have no gradient and do not count.

    Shape: ``[K, C, H, W] twice, mask [K, 1, H, W] -> [K]``, capped at `CEILING`.
    """
    difference = (_gradient(truth) - _gradient(output)).abs()
    return _decibels(_mean(difference, _inner(mask, truth)))


def gradient_share(output: Tensor, truth: Tensor, mask: Tensor | None = None) -> Tensor:
    """How sharp the output is: its gradients' sum over the truth's, wherever they lie; 1 is equal.

    Under 1 it is blurred, over 1 it has more edges or noise than the truth. The gradients are those
    of `sharpness_difference`, which blur can win by not standing in the wrong place; this one it
    cannot.

    Shape: ``[K, C, H, W] twice, mask [K, 1, H, W] -> [K]``, NaN where the truth is flat: of less
    than one grey level of 255 a pixel.
    """
    mask = _inner(mask, truth)
    wanted = _mean(_gradient(truth), mask)
    share = _mean(_gradient(output), mask) / wanted
    return share.where(wanted >= 1 / 255, math.nan)


def ssim(output: Tensor, truth: Tensor, *masks: Tensor) -> list[Tensor]:
    """SSIM as `metrics.ssim`, for each mask over the window positions whose centre is in it.

    Shape: ``[K, C, H, W] twice, masks [K, 1, H, W] -> [K]`` each, NaN where a mask is empty.
    """
    from kornia.metrics import ssim as ssim_map

    margin = _WINDOW // 2
    height, width = truth.shape[-2:]
    inner = slice(margin, height - margin), slice(margin, width - margin)
    centres = torch.stack([mask[:, 0, *inner] for mask in masks]).double()  # [M, K, h, w]
    total = centres.new_zeros(centres.shape[:2])
    for top in range(0, height - 2 * margin, _STRIP):  # large frames pass, in little memory
        rows = slice(top, top + _STRIP + 2 * margin)
        one, other = output[:, :, rows].double(), truth[:, :, rows].double()
        values = ssim_map(one, other, _WINDOW, 1.0, padding="valid").mean(1)  # [K, h, w]
        total += (values * centres[:, :, top : top + _STRIP]).sum((2, 3))
    return list(total / centres.sum((2, 3)))


def _gradient(image: Tensor) -> Tensor:
    """``|dx| + |dy|`` by backward differences: ``[K, C, H, W] -> [K, C, H-1, W-1]``."""
    image = image.double()
    down = image[..., 1:, 1:] - image[..., :-1, 1:]
    across = image[..., 1:, 1:] - image[..., 1:, :-1]
    return down.abs() + across.abs()


def _inner(mask: Tensor | None, like: Tensor) -> Tensor:
    """The mask, by default of everything, without the first row and column."""
    if mask is None:
        mask = torch.ones_like(like[:, :1], dtype=torch.bool)
    return mask[..., 1:, 1:]


def _mean(values: Tensor, mask: Tensor) -> Tensor:
    """Over the channels and the pixels of the mask: ``[K, C, H, W], [K, 1, H, W] -> [K]``."""
    count = mask.sum((1, 2, 3)) * values.shape[1]
    return (values * mask).sum((1, 2, 3)) / count


def _decibels(error: Tensor) -> Tensor:
    return (-10 * torch.log10(error)).clamp(max=CEILING)

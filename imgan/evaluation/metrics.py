"""PSNR and SSIM as super-resolution papers compute them, and their general forms."""

from __future__ import annotations

import torch
from torch import Tensor

_WINDOW = 11
_STRIP = 1024  # rows of SSIM's map at a time: large photos pass, and the mean is the same

PROTOCOL = (
    "PSNR and SSIM on Y (BT.601, 16-235; grey images as they are, 0-255) of 8-bit images, "
    "{border} pixels cropped from each side; per image, then the mean; SSIM with an 11x11 Gaussian "
    "window, sigma 1.5, valid positions only"
)
"""What figures of `psnr_y` and `ssim_y` are to be published with; to be formatted with `border`."""


def to_y(image: Tensor) -> Tensor:
    """Luma as in MATLAB's rgb2ycbcr, unrounded: ``[..., 3, H, W] -> [..., 1, H, W]`` in [0, 1].

    BT.601 in studio swing, from 16/255 for black to 235/255 for white. One channel stays as it is:
    the papers' scripts convert coloured images alone.
    """
    if image.shape[-3] == 1:
        return image
    weight = image.new_tensor([65.481, 128.553, 24.966]).view(3, 1, 1)
    return ((image * weight).sum(-3, keepdim=True) + 16) / 255


def psnr(output: Tensor, target: Tensor, data_range: float = 1.0) -> Tensor:
    """Peak signal-to-noise ratio in dB: ``[N, C, H, W] twice -> [N]``; equal images: infinite."""
    error = (output.double() - target.double()).square().flatten(1).mean(1)
    return 10 * torch.log10(data_range**2 / error)


def ssim(output: Tensor, target: Tensor, data_range: float = 1.0) -> Tensor:
    """Structural similarity (Wang et al. 2004), mean over channels and valid window positions.

    11x11 Gaussian window with sigma 1.5, K1 = 0.01, K2 = 0.03, in float64: scikit-image's figure
    with ``gaussian_weights=True, use_sample_covariance=False``.

    Shape: ``[N, C, H, W] twice, 11 pixels and more to a side -> [N]``.
    """
    from kornia.metrics import ssim as ssim_map

    height, margin = output.shape[-2], _WINDOW - 1
    if min(output.shape[-2:]) < _WINDOW:
        raise ValueError(f"SSIM needs {_WINDOW} pixels and more, not {tuple(output.shape[-2:])}")
    total = torch.zeros(len(output), dtype=torch.float64, device=output.device)
    for top in range(0, height - margin, _STRIP):
        rows = slice(top, top + _STRIP + margin)
        one, other = output[:, :, rows].double(), target[:, :, rows].double()
        values = ssim_map(one, other, _WINDOW, data_range, padding="valid")
        total += values.sum((1, 2, 3))  # [N]
    return total / (output.shape[1] * (height - margin) * (output.shape[3] - margin))


def crop_border(image: Tensor, border: int) -> Tensor:
    """Take `border` pixels off each side of ``[..., H, W]``."""
    height, width = image.shape[-2:]
    return image[..., border : height - border, border : width - border]


def psnr_y(output: Tensor, target: Tensor, border: int) -> Tensor:
    """PSNR by `PROTOCOL`: ``[N, C, H, W] in [0, 1], grey or RGB, twice -> [N]``."""
    return psnr(_cropped_y(output, border), _cropped_y(target, border))


def ssim_y(output: Tensor, target: Tensor, border: int) -> Tensor:
    """SSIM by `PROTOCOL`: ``[N, C, H, W] in [0, 1], grey or RGB, twice -> [N]``."""
    return ssim(_cropped_y(output, border), _cropped_y(target, border))


def _cropped_y(image: Tensor, border: int) -> Tensor:
    return to_y(crop_border(image.double(), border))

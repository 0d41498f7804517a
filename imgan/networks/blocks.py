"""Pieces that several generators share."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F


def norm_layers(norm: str, channels: int) -> list[nn.Module]:
    """The normalisation that a word names: one layer, or for "none" no layer.

    "batch" has a learned scale and shift; a convolution before it needs no bias. "instance" has
    none, and no running statistics: it treats each sample alone, in use as in training (Ulyanov et
    al. 2016).

    Raises:
        ValueError: the word is another.
    """
    if norm == "batch":
        return [nn.BatchNorm2d(channels)]
    if norm == "instance":
        return [InstanceNorm(channels)]
    if norm == "none":
        return []
    raise ValueError(f"norm is batch, instance or none, not {norm!r}")


class InstanceNorm(nn.InstanceNorm2d):
    """Instance norm that keeps the memory format on a processor.

    torch's copies a channels_last map to a contiguous one and back, which takes longer than the
    norm itself. Batch norm of one sample is the same thing, and has a kernel for channels_last.

    Shape: ``[N, C, H, W] -> [N, C, H, W]``.
    """

    def forward(self, x: Tensor) -> Tensor:
        last = x.is_contiguous(memory_format=torch.channels_last) and not x.is_contiguous()
        if x.device.type != "cpu" or not last or torch.compiler.is_compiling():
            return super().forward(x)
        samples = [
            F.batch_norm(sample, None, None, self.weight, self.bias, True, 0.0, self.eps)
            for sample in torch.split(x, 1)
        ]
        return samples[0] if len(samples) == 1 else torch.cat(samples)


class ReflectConv(nn.Conv2d):
    """`nn.Conv2d` that pads by reflection, in the precision of its input.

    Autocast pads in float32 on a processor: twice the memory, and a copy there and back.
    """

    def __init__(
        self, channels: int, out_channels: int, size: int, padding: int, bias: bool = True
    ) -> None:
        super().__init__(
            channels, out_channels, size, 1, padding, bias=bias, padding_mode="reflect"
        )
        self._edge = padding

    def forward(self, x: Tensor) -> Tensor:
        if torch.is_autocast_enabled(x.device.type):
            with torch.autocast(x.device.type, enabled=False):
                x = self._pad(x)
        else:
            x = self._pad(x)
        return F.conv2d(x, self.weight, self.bias)

    def _pad(self, x: Tensor) -> Tensor:
        return F.pad(x, (self._edge,) * 4, mode="reflect")


def init_normal_(network: nn.Module) -> None:
    """Draw the weights as pix2pix and CycleGAN do: convolutions from N(0, 0.02), no biases.

    Scales of batch norm are drawn from N(1, 0.02) (Isola et al. 2017, section 6.2; Radford et al.
    2016, DCGAN).
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0.0, 0.02)
        elif isinstance(module, nn.BatchNorm2d):
            nn.init.normal_(module.weight, 1.0, 0.02)
        else:
            continue
        if module.bias is not None:
            nn.init.zeros_(module.bias)


def init_he_(network: nn.Module, slope: float = 0.2) -> None:
    """Draw the weights such that signals keep their strength through layers without norms.

    For convolutions that leaky ReLUs of this slope follow (He et al. 2015, equation 15). With
    PyTorch's own draw each layer halves what differs between two images, and a critic starts almost
    blind.
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.kaiming_normal_(module.weight, slope)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions beside an identity: ``x + conv(act(conv(x)))``.

    With batch norm and PReLU it is the block of SRResNet (Ledig et al. 2017, figure 4); without
    normalisation and with ReLU it is the block of EDSR (Lim et al. 2017, figure 2c); with instance
    norm, ReLU and ``padding="reflect"`` it is the block of CycleGAN (Zhu et al. 2017, section 7.2).

    Args:
        norm: "batch", "instance" or "none"; True and False are the first and the last.
        dropout: drop half of the activations between the convolutions.
        padding: "zeros" or "reflect".

    Shape: ``[N, C, H, W] -> [N, C, H, W]``; with reflection H and W of 2 and more.
    """

    def __init__(
        self,
        channels: int,
        norm: str | bool = "none",
        prelu: bool = False,
        dropout: bool = False,
        padding: Literal["zeros", "reflect"] = "zeros",
    ) -> None:
        super().__init__()
        if isinstance(norm, bool):
            norm = "batch" if norm else "none"

        def conv() -> nn.Module:
            bias = norm != "batch"
            if padding == "reflect":
                return ReflectConv(channels, channels, 3, 1, bias=bias)
            return nn.Conv2d(channels, channels, 3, 1, 1, bias=bias)

        layers = [conv(), *norm_layers(norm, channels)]
        layers.append(nn.PReLU() if prelu else nn.ReLU(inplace=True))
        if dropout:
            layers.append(nn.Dropout(0.5))
        layers += [conv(), *norm_layers(norm, channels)]
        self.body = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return out.add_(x)  # in place: the sum of a trunk's maps is most of its memory traffic


def downsampling(channels: int, norm: str) -> list[nn.Module]:
    """A 3x3 convolution of stride 2 that doubles the channels, norm and ReLU (Zhu et al. 2017, dk).

    Shape: ``[N, C, H, W] -> [N, 2*C, H/2, W/2]``.
    """
    conv = nn.Conv2d(channels, 2 * channels, 3, 2, 1, bias=norm != "batch")
    return [conv, *norm_layers(norm, 2 * channels), nn.ReLU(inplace=True)]


def upsampling(channels: int, norm: str, resize: bool = False) -> list[nn.Module]:
    """A 3x3 transposed convolution that halves the channels, norm and ReLU (Zhu et al. 2017, uk).

    With `resize` it repeats each pixel and convolves instead: no checkerboard (Odena et al. 2016).

    Shape: ``[N, C, H, W] -> [N, C/2, 2*H, 2*W]``.
    """
    out, bias = channels // 2, norm != "batch"
    layers: list[nn.Module] = (
        [
            nn.Upsample(scale_factor=2, mode="nearest"),
            ReflectConv(channels, out, 3, 1, bias=bias),
        ]
        if resize
        else [nn.ConvTranspose2d(channels, out, 3, 2, 1, output_padding=1, bias=bias)]
    )
    return [*layers, *norm_layers(norm, out), nn.ReLU(inplace=True)]


def upsampler(channels: int, scale: int, activation: bool = True) -> nn.Sequential:
    """Sub-pixel up-scaling in steps of 2 or 3 (Shi et al. 2016).

    Shape: ``[N, C, H, W] -> [N, C, scale*H, scale*W]``; scale is 2, 3, 4 or 8.
    """
    factors = {2: [2], 3: [3], 4: [2, 2], 8: [2, 2, 2]}.get(scale)
    if factors is None:
        raise ValueError(f"scale {scale} is not one of 2, 3, 4, 8")
    layers: list[nn.Module] = []
    for factor in factors:
        layers += [nn.Conv2d(channels, channels * factor**2, 3, 1, 1), nn.PixelShuffle(factor)]
        if activation:
            layers.append(nn.PReLU())
    return nn.Sequential(*layers)


def icnr_(conv: nn.Conv2d, scale: int) -> None:
    """Give the `scale**2` filters of each output channel the same start: no checkerboard at step 0.

    Source: Aitken et al. 2017, "Checkerboard artifact free sub-pixel convolution".
    """
    with torch.no_grad():
        conv.weight.copy_(conv.weight[:: scale**2].repeat_interleave(scale**2, 0))
        if conv.bias is not None:
            conv.bias.copy_(conv.bias[:: scale**2].repeat_interleave(scale**2, 0))

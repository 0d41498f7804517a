"""Critics: networks that score images. All return raw logits, one or a map of them."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn
from torch.nn.functional import interpolate, leaky_relu
from torch.nn.utils.parametrizations import spectral_norm

from .blocks import init_he_, init_normal_, norm_layers

Layer = Callable[[], nn.Module]
"""Makes a layer that appends one channel, such as `imgan.core.MinibatchStdDev`."""


class SRGANCritic(nn.Module):
    """The discriminator of SRGAN (Ledig et al. 2017, figure 4): one logit an image.

    The paper's dense layer fits 96x96 crops only; here features are pooled to the 6x6 grid that
    such a crop has, so that it is the paper's network at 96 and works on any side of 16 and more.
    A layer of `statistics` may tell it of the batch as a whole.

    Shape: ``[N, channels, H, W] -> [N, 1]``.
    """

    def __init__(
        self,
        width: int = 64,
        norm: bool = True,
        channels: int = 3,
        statistics: Layer | None = None,
    ) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 3, 1, 1), nn.LeakyReLU(0.2)]
        c = width
        for out, stride in [(1, 2), (2, 1), (2, 2), (4, 1), (4, 2), (8, 1), (8, 2)]:
            layers.append(nn.Conv2d(c, out * width, 3, stride, 1, bias=not norm))
            if norm:
                layers.append(nn.BatchNorm2d(out * width))
            layers.append(nn.LeakyReLU(0.2))
            c = out * width
        self.features = nn.Sequential(*layers)
        self.pool = nn.Sequential(nn.AdaptiveAvgPool2d(6), *_made(statistics))
        c += statistics is not None
        self.head = nn.Sequential(
            nn.Linear(c * 36, 16 * width), nn.LeakyReLU(0.2), nn.Linear(16 * width, 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        features = self.pool(self.features(image))  # [N, 8*width, 6, 6]
        logit: Tensor = self.head(features.flatten(1))  # [N, 1]
        return logit


class PatchCritic(nn.Module):
    """PatchGAN (Isola et al. 2017, section 3.2): a map of logits, each sees one patch.

    ``layers=3`` sees patches of 70x70 pixels, 0 of 1x1, 1 of 16x16 and 5 of 286x286. `norm` is
    "batch" (the paper's), "instance" (CycleGAN's) or "none"; True and False are the first and the
    last. A layer of `statistics` may tell every logit of the batch as a whole.

    Shape: ``[N, channels, H, W] -> [N, 1, h, w]``; H and W of `minimum` and more. With
    ``features=True`` the maps of the inner layers come too: ``(logits, [features, ...])``.
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 64,
        layers: int = 3,
        norm: str | bool = "batch",
        statistics: Layer | None = None,
    ) -> None:
        super().__init__()
        if isinstance(norm, bool):
            norm = "batch" if norm else "none"
        kernel, pad, first_stride = (1, 0, 1) if layers == 0 else (4, 1, 2)
        body: list[nn.Module] = [
            nn.Conv2d(channels, width, kernel, first_stride, pad),
            nn.LeakyReLU(0.2),
        ]
        c = width
        for i in range(1, max(layers, 1) + 1):
            out = width * min(2**i, 8)
            stride = 2 if i < layers else 1
            body.append(nn.Conv2d(c, out, kernel, stride, pad, bias=norm != "batch"))
            body += norm_layers(norm, out)
            body.append(nn.LeakyReLU(0.2))
            c = out
        body += _made(statistics)
        body.append(nn.Conv2d(c + (statistics is not None), 1, kernel, 1, pad))
        self.body = nn.Sequential(*body)
        self.minimum = 3 * 2**layers if layers else 2
        """The smallest side of an image that it takes."""
        if norm == "none":
            init_he_(self)
        else:  # the papers' draw, which leans on norms
            init_normal_(self)

    def forward(
        self, image: Tensor, features: bool = False
    ) -> Tensor | tuple[Tensor, list[Tensor]]:
        inner: list[Tensor] = []
        x = image
        for layer in self.body:
            x = layer(x)
            if features and isinstance(layer, nn.LeakyReLU):
                inner.append(x)
        return (x, inner) if features else x


class MultiscaleCritic(nn.Module):
    """PatchGANs that look at the image in several sizes (Wang et al. 2018, pix2pixHD, section 3.2).

    Each next one sees the image at half the size of the one before, by average pooling, and so
    judges patches twice as wide.

    Shape: ``[N, channels, H, W]`` to a list of ``[N, 1, h, w]``, the largest first; H and W of
    `minimum` and more. With ``features=True`` the inner maps of all sizes come too, in one list:
    ``([logits, ...], [features, ...])``.
    """

    def __init__(
        self,
        channels: int = 3,
        width: int = 64,
        layers: int = 3,
        scales: int = 3,
        norm: str | bool = "instance",
        statistics: Layer | None = None,
    ) -> None:
        super().__init__()
        self.critics = nn.ModuleList(
            PatchCritic(channels, width, layers, norm, statistics) for _ in range(scales)
        )
        # Without the border's zeros in its means.
        self.pool = nn.AvgPool2d(3, 2, 1, count_include_pad=False)
        self.minimum = 2 ** (scales - 1) * (3 * 2**layers if layers else 2)
        """The smallest side of an image that it takes."""

    def forward(
        self, image: Tensor, features: bool = False
    ) -> list[Tensor] | tuple[list[Tensor], list[Tensor]]:
        logits: list[Tensor] = []
        inner: list[Tensor] = []
        for i, critic in enumerate(self.critics):
            image = self.pool(image) if i else image
            verdict, seen = critic(image, features=True)
            logits.append(verdict)
            inner += seen
        return (logits, inner) if features else logits


class UNetCritic(nn.Module):
    """A U-Net that scores every pixel, with spectral norm (Wang et al. 2021, Real-ESRGAN).

    After Schonfeld et al. 2020 ("A U-Net based discriminator for GANs"); spectral norm after
    Miyato et al. 2018.

    Shape: ``[N, channels, H, W] -> [N, 1, H, W]``; H and W of 8 and more, in multiples of 8.
    """

    def __init__(self, channels: int = 3, width: int = 64) -> None:
        super().__init__()

        def conv(i: int, o: int, k: int = 3, s: int = 1) -> nn.Module:
            return spectral_norm(nn.Conv2d(i, o, k, s, 1, bias=False))

        w = width
        self.head = nn.Conv2d(channels, w, 3, 1, 1)
        self.down = nn.ModuleList([conv(w, 2 * w, 4, 2), conv(2 * w, 4 * w, 4, 2)])
        self.deep = conv(4 * w, 8 * w, 4, 2)
        self.up = nn.ModuleList([conv(8 * w, 4 * w), conv(4 * w, 2 * w), conv(2 * w, w)])
        self.tail = nn.Sequential(
            conv(w, w), nn.LeakyReLU(0.2), conv(w, w), nn.LeakyReLU(0.2), nn.Conv2d(w, 1, 3, 1, 1)
        )

    def forward(self, image: Tensor) -> Tensor:
        x = leaky_relu(self.head(image), 0.2)
        skips = [x]
        for layer in self.down:
            x = leaky_relu(layer(x), 0.2)
            skips.append(x)
        x = leaky_relu(self.deep(x), 0.2)
        for layer, skip in zip(self.up, reversed(skips), strict=True):
            x = interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
            x = leaky_relu(layer(x), 0.2) + skip
        logits: Tensor = self.tail(x)  # [N, 1, H, W]
        return logits


def _made(statistics: Layer | None) -> list[nn.Module]:
    return [statistics()] if statistics else []


def receptive_field(critic: PatchCritic) -> int:
    """Side in pixels of the patch that one logit of `critic` sees."""
    field, jump = 1, 1
    for layer in critic.modules():
        if isinstance(layer, nn.Conv2d):
            field += (layer.kernel_size[0] - 1) * jump
            jump *= layer.stride[0]
    return field

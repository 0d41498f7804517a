"""The convolutional part of VGG-19 (Simonyan & Zisserman 2015), as a feature extractor."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor, nn

# Convolutions in each of the five stages, and their width.
_STAGES = [(2, 64), (2, 128), (4, 256), (4, 512), (4, 512)]

LAYERS = [
    f"{kind}{stage}_{i}"
    for stage, (count, _) in enumerate(_STAGES, 1)
    for i in range(1, count + 1)
    for kind in ("conv", "relu")
]
"""Names of the layers whose output can be asked for: conv1_1, relu1_1, ..., relu5_4."""


class VGG19Features(nn.Module):
    """VGG-19 up to the deepest layer that is asked for.

    The modules are numbered as in torchvision's ``vgg19().features``, so that its weights load
    (``strict=False``: layers that are not needed are not built).

    Shape: ``[N, 3, H, W]``, normalised as torchvision does, to ``{layer: [N, C, h, w]}``.
    """

    def __init__(self, layers: Iterable[str] = ("conv5_4",)) -> None:
        super().__init__()
        wanted = set(layers)
        if unknown := wanted - set(LAYERS):
            raise ValueError(f"VGG-19 has no layer {', '.join(sorted(unknown))}")
        self.names: dict[int, str] = {}
        body: list[nn.Module] = []
        channels = 3
        for stage, (count, width) in enumerate(_STAGES, 1):
            for i in range(1, count + 1):
                self.names[len(body)] = f"conv{stage}_{i}"
                body.append(nn.Conv2d(channels, width, 3, 1, 1))
                self.names[len(body)] = f"relu{stage}_{i}"
                # Not in place: the convolution's own output may be asked for as well.
                body.append(nn.ReLU())
                channels = width
            body.append(nn.MaxPool2d(2, 2))
        last = max(index for index, name in self.names.items() if name in wanted)
        self.wanted = wanted
        self.features = nn.Sequential(*body[: last + 1])

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        found: dict[str, Tensor] = {}
        x = image
        for index, layer in enumerate(self.features):
            x = layer(x)
            name = self.names.get(index, "")
            if name in self.wanted:
                found[name] = x
        return found

"""Classifiers in two parts, features and a head over them, and the critic that tells domains."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn


class PaperDigits(nn.Sequential):
    """The small nets for digits of Ganin et al. 2016, figure 4: ``[N, C, S, S] -> [N, F]``.

    ``kind`` "mnist" has convolutions of 32 and 48 channels and 100 features, "svhn" of 64, 64 and
    128 and 3072 then 2048 features. Input in [-1, 1], S a multiple of 4.
    """

    def __init__(self, channels: int = 3, size: int = 32, kind: str = "mnist") -> None:
        side = size // 4
        layers: list[nn.Module]
        if kind == "mnist":
            features = 100
            layers = [
                *(nn.Conv2d(channels, 32, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2)),
                *(nn.Conv2d(32, 48, 5, padding=2), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
                *(nn.Linear(48 * side**2, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU()),
            ]
        elif kind == "svhn":
            features = 2048
            layers = [
                *(nn.Conv2d(channels, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
                *(nn.Conv2d(64, 64, 5, padding=2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)),
                *(nn.Conv2d(64, 128, 5, padding=2), nn.ReLU(), nn.Flatten()),
                *(nn.Linear(128 * side**2, 3072), nn.ReLU(), nn.Linear(3072, 2048), nn.ReLU()),
            ]
        else:
            raise ValueError(f"kind is mnist or svhn, not {kind!r}")
        super().__init__(*layers)
        self.features = features


class Digits(nn.Module):
    """Convolutions with batch norm over three scales, and a layer over the whole last map.

    ``[N, C, S, S] -> [N, 8 * width]``, S a multiple of 8, input in [-1, 1]. ``standardise`` gives
    each image's channels mean 0 and deviation 1 first (instance norm of the input, as in Shu et al.
    2018), so that brightness and contrast tell nothing of the domain.
    """

    def __init__(
        self, channels: int = 3, size: int = 32, width: int = 16, standardise: bool = True
    ) -> None:
        super().__init__()
        self.features = 8 * width
        self.standardise = nn.InstanceNorm2d(channels) if standardise else nn.Identity()
        self.layers = nn.Sequential(
            *_block(channels, width, 5, 2),  # S/2
            *_block(width, 2 * width),
            nn.MaxPool2d(2),  # S/4
            *_block(2 * width, 4 * width),
            nn.MaxPool2d(2),  # S/8
            *_block(4 * width, 4 * width),
            nn.Flatten(),
            nn.Linear(4 * width * (size // 8) ** 2, self.features, bias=False),
            nn.BatchNorm1d(self.features),
            nn.ReLU(),
        )

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.layers(self.standardise(images))
        return found


def _block(inputs: int, outputs: int, side: int = 3, stride: int = 1) -> list[nn.Module]:
    convolution = nn.Conv2d(inputs, outputs, side, stride, side // 2, bias=False)
    return [convolution, nn.BatchNorm2d(outputs), nn.ReLU()]


class Torchvision(nn.Module):
    """A classifier of torchvision's by its name, without its last layer.

    ``[N, 3, H, W] -> [N, F]``.

    Input in [-1, 1]; it is brought to the mean and deviation of ImageNet, with which torchvision's
    weights were trained. ``weights`` is a state dict of torchvision's, in which the last layer may
    be of other classes or not there; without it they are random. ValueError: there is no such
    classifier; KeyError: ``weights`` are of another.
    """

    def __init__(self, model: str = "resnet18", weights: dict[str, Any] | None = None) -> None:
        super().__init__()
        import torchvision.models as models
        from torchvision.models import get_model, list_models

        if model not in list_models(module=models):
            raise ValueError(
                f"torchvision has no classifier {model!r}; it has resnet18, resnet50, "
                "mobilenet_v3_small, convnext_tiny, vit_b_16 and others"
            )
        options = {"init_weights": False} if model in ("googlenet", "inception_v3") else {}
        if options:
            options["aux_logits"] = False
        self.model = get_model(model, weights=None, **options)
        linear = [(n, m) for n, m in self.model.named_modules() if isinstance(m, nn.Linear)]
        if not linear:
            raise ValueError(f"{model} has no last linear layer under which its features could be")
        name, last = linear[-1]
        self.features = last.in_features
        holder, _, leaf = name.rpartition(".")
        setattr(self.model.get_submodule(holder), leaf, nn.Identity())
        if weights is not None:
            self._take(weights)
        self.register_buffer("mean", torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1))
        self.register_buffer("deviation", torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1))

    mean: Tensor
    deviation: Tensor

    def _take(self, weights: dict[str, Any]) -> None:
        own = self.model.state_dict()
        fits = {k: v for k, v in weights.items() if k in own and v.shape == own[k].shape}
        missing = [k for k in own if k not in fits and not k.endswith("num_batches_tracked")]
        if missing:
            raise KeyError(f"{len(missing)} of {len(own)} tensors do not fit, as {missing[0]}")
        self.model.load_state_dict(fits, strict=False)

    def forward(self, images: Tensor) -> Tensor:
        found: Tensor = self.model(((images + 1) / 2 - self.mean) / self.deviation)
        return found.flatten(1)


class Head(nn.Linear):
    """The classifier over the features: ``[N, F] -> [N, K]`` logits."""

    def __init__(self, features: int, classes: int) -> None:
        super().__init__(features, classes)


class DomainCritic(nn.Sequential):
    """Which domain do features come from? ``[N, F] -> [N, D]``, a logit a domain.

    Fully connected, ``layers`` hidden layers of ``width``, as in Ganin et al. 2016, figure 4.
    """

    def __init__(self, features: int, domains: int, width: int = 100, layers: int = 1) -> None:
        sides = [features, *[width] * layers]
        hidden = [part for a, b in pairwise(sides) for part in (nn.Linear(a, b), nn.ReLU())]
        super().__init__(*hidden, nn.Linear(sides[-1], domains))

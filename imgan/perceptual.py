"""Distances between the features of networks that were trained to classify: VGG-19 loss, LPIPS.

The backbones are 3 to 550 MB and not part of imgan. Each comes from a local file, or from
torchvision: its cache in TORCH_HOME, else its download.
"""

from __future__ import annotations

import os
import pickle
import warnings
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional

from .errors import ImganError
from .networks.vgg import LAYERS, VGG19Features

Backbone = Literal["squeeze", "alex", "vgg"]

_TORCHVISION_INPUT = ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
# The original Caffe weights: 0-255 minus ImageNet's mean colour, here in RGB and over 255.
_CAFFE_INPUT = ((123.68 / 255, 116.779 / 255, 103.939 / 255), (1 / 255, 1 / 255, 1 / 255))

_LPIPS_BACKBONES: dict[Backbone, tuple[str, str]] = {
    "squeeze": ("SqueezeNet1_1_Weights", "SqueezeNet 1.1"),
    "alex": ("AlexNet_Weights", "AlexNet"),
    "vgg": ("VGG16_Weights", "VGG-16"),
}

_VGG_WAY_OUT = "give them as a file (recipe key `perceptual.weights`)"
_LPIPS_WAY_OUT = (
    "give them as a file (`--lpips-weights FILE`, in training `--set lpips.weights=FILE`)"
)

SMALLEST = 32
"""Pixels of a side that LPIPS and its backbones need."""


class NormalisedVGG19(nn.Module):
    """VGG-19's features of images in [0, 1]; the normalisation that the weights want is inside.

    Frozen: no parameter asks for a gradient, the input may.

    Shape: ``[N, 3, H, W] RGB in [0, 1] -> {layer: [N, C, h, w]}``.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        layers: Iterable[str],
        state: Mapping[str, Tensor],
        mean: Iterable[float],
        std: Iterable[float],
    ) -> None:
        super().__init__()
        self.vgg = VGG19Features(layers)
        self.vgg.load_state_dict({key: state[key] for key in self.vgg.state_dict()})
        self.register_buffer("mean", torch.tensor(list(mean)).view(1, 3, 1, 1))
        self.register_buffer("std", torch.tensor(list(std)).view(1, 3, 1, 1))
        self.requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        """Features by layer."""
        features: dict[str, Tensor] = self.vgg((image - self.mean) / self.std)
        return features


def vgg19_features(layers: Iterable[str], weights: Path | None = None) -> NormalisedVGG19:
    """Make the VGG-19 extractor for `layers` (names as in `imgan.networks.vgg.LAYERS`).

    `weights` is a state dict of torchvision's vgg19 (.pth, .safetensors), or the original Caffe
    weights (BGR, 0-255) in 8 bits (.npz with NAME|q, NAME|scale, NAME|min in Keras' names, kernels
    HWIO); without it torchvision's ImageNet weights are taken from TORCH_HOME or downloaded. The
    two sets of weights are two trainings whose features differ in scale: a loss is calibrated for
    one of them.

    Raises:
        ImganError: a layer is unknown, the file is missing or damaged or holds another network, or
            the download failed.
    """
    wanted = list(layers)
    if unknown := [name for name in wanted if name not in LAYERS]:
        raise ImganError(f"VGG-19 has no layer {unknown[0]!r}; the deepest is relu5_4")
    caffe = weights is not None and weights.suffix == ".npz"
    if weights is None:
        state = _download("VGG19_Weights", "VGG-19", _VGG_WAY_OUT)
    else:
        state = _read_quantised_vgg19(weights) if caffe else _read_state(weights)
    try:
        return NormalisedVGG19(wanted, state, *(_CAFFE_INPUT if caffe else _TORCHVISION_INPUT))
    except (KeyError, RuntimeError):
        raise ImganError(f"{weights} does not hold the layers of torchvision's VGG-19") from None


class PerceptualLoss(nn.Module):
    """The distance of two images in VGG-19's features, summed over layers with weights.

    SRGAN's content loss (Ledig et al. 2017, equation 5) is ``{"relu5_4": 1}`` with "mse": the paper
    takes phi_{5,4} "after activation". ESRGAN (Wang et al. 2018, section 3.2) takes the same layer
    before it, ``{"conv5_4": 1}`` with "l1", as hardly a feature is left positive that deep. Both
    average over channels too, which equation 5 leaves open; the paper's further factor of 1/12.75
    on the features belongs into the weights (1/12.75**2 for "mse").

    Shape: ``output, target [N, 3, H, W] RGB in [0, 1] -> scalar``, float32. The target's features
    carry no gradient.

    Under autocast the features are computed in its format, and only their distance in float32. In
    bf16 that is three times as fast on a CPU with AMX; on VGG-19's trained weights the cost moves
    by some 0.1 %, and its gradient by an angle whose cosine is 0.98.

    "relative" is l1 over the mean size of the target's features. The features of the original
    (Caffe) weights and of torchvision's own differ in size by two orders of magnitude; with it a
    recipe's weights mean the same for both. "direction" is the squared distance of the features of
    each place, brought to length 1: LPIPS before its channels are weighted (Zhang et al. 2018,
    equation 1), which asks what is there and not how strongly.
    """

    def __init__(
        self,
        layers: Mapping[str, float],
        weights: Path | None = None,
        criterion: Literal["l1", "mse", "relative", "direction"] = "l1",
    ) -> None:
        super().__init__()
        self.layers = dict(layers)
        self.features = vgg19_features(self.layers, weights)
        distances: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
            "l1": functional.l1_loss,
            "mse": functional.mse_loss,
            "relative": _relative,
            "direction": _direction,
        }
        self.distance = distances[criterion]

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The weighted sum of the layers' distances."""
        with torch.no_grad():
            wanted = self.features(target)
        found = self.features(output)
        distances = [
            weight * self.distance(found[name].float(), wanted[name].float())
            for name, weight in self.layers.items()
        ]
        return torch.stack(distances).sum()


def _direction(found: Tensor, wanted: Tensor) -> Tensor:
    one, other = (functional.normalize(features, dim=1, eps=1e-6) for features in (found, wanted))
    return (one - other).square().sum(1).mean()


def _relative(found: Tensor, wanted: Tensor) -> Tensor:
    return functional.l1_loss(found, wanted) / wanted.abs().mean().clamp(min=1e-6)


class LpipsDistance(nn.Module):
    """LPIPS, the learned perceptual distance (Zhang et al. 2018), version 0.1; lower is better.

    `protocol` says which backbone it is and where its weights came from: figures compare only
    where it agrees, and the published ones are those of "torchvision's weights". Frozen, and always
    in eval mode; gradients flow to the input, so it serves as a loss too.

    Shape: ``[N, 3, H, W] RGB in [0, 1], twice -> [N]``; 32 pixels and more to a side.
    """

    def __init__(self, backbone: Backbone = "squeeze", weights: Path | None = None) -> None:
        """Load the linear heads from the lpips package, the backbone from `weights`.

        `weights` is a state dict under torchvision's names (.pth, .safetensors); without it,
        torchvision's are taken from TORCH_HOME or downloaded.

        Raises:
            ImganError: the file is missing, damaged or holds another network, or the download
                failed.
        """
        super().__init__()
        enum, name = _LPIPS_BACKBONES[backbone]
        if weights is None:
            state = _download(enum, name, _LPIPS_WAY_OUT)
            source = "torchvision's weights"
        else:
            state = _read_state(weights)
            source = f"local backbone {weights.name}"
        with warnings.catch_warnings():  # lpips calls torchvision's constructors the old way
            warnings.simplefilter("ignore")
            import lpips

            self.lpips = lpips.LPIPS(net=backbone, pnet_rand=True, verbose=False)
        try:
            # sliceK.N.* in lpips is features.N.* in torchvision.
            own = self.lpips.net.state_dict()
            self.lpips.net.load_state_dict(
                {key: state["features." + key.partition(".")[2]] for key in own}
            )
        except (KeyError, RuntimeError):
            raise ImganError(
                f"{weights} does not hold the layers of torchvision's {name}"
            ) from None
        self.requires_grad_(False)
        self.eval()
        self.protocol = f"LPIPS ({backbone}, {source})"

    def train(self, mode: bool = True) -> LpipsDistance:
        """Stay in eval mode: the heads have dropout."""
        return super().train(False)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """The distance of each pair."""
        if min(output.shape[-2:]) < SMALLEST:
            height, width = output.shape[-2:]
            raise ImganError(
                f"LPIPS needs images of {SMALLEST} pixels and more to a side, "
                f"and one is {width}x{height}; leave that image out"
            )
        distance: Tensor = self.lpips(output, target, normalize=True)  # [N, 1, 1, 1]
        return distance.flatten()


def _read_state(path: Path) -> dict[str, Tensor]:
    """Read a state dict; a .pth file is unpickled as tensors only, so no code of it runs."""
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise ImganError(f"there is no file of weights {path}") from None
    except (OSError, EOFError, RuntimeError, pickle.UnpicklingError, SafetensorError):
        raise ImganError(f"{path} cannot be read as weights (.pth, .safetensors)") from None
    return state if isinstance(state, dict) else {}


def _read_quantised_vgg19(path: Path) -> dict[str, Tensor]:
    """Read the 8-bit Caffe weights under torchvision's names, the first kernel turned to RGB."""
    import zipfile

    import numpy as np

    numbers = {
        f"block{name[4]}_conv{name[6]}": index
        for index, name in VGG19Features(LAYERS).names.items()
        if name.startswith("conv")
    }
    state: dict[str, Tensor] = {}
    try:
        with np.load(path) as file:
            for key in file.files:
                name, _, part = key.partition("|")
                layer, _, kind = name.partition("/")
                if part != "q" or layer not in numbers:
                    continue
                scale, least = (np.float32(file[f"{name}|{part}"]) for part in ("scale", "min"))
                value = torch.from_numpy(file[key] * scale + least)
                if kind == "kernel":
                    value = value.permute(3, 2, 0, 1).contiguous()  # HWIO -> OIHW
                target = {"kernel": "weight", "bias": "bias"}[kind]
                state[f"features.{numbers[layer]}.{target}"] = value
        state["features.0.weight"] = state["features.0.weight"].flip(1)  # BGR -> RGB
    except FileNotFoundError:
        raise ImganError(f"there is no file of weights {path}") from None
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile):
        raise ImganError(f"{path} cannot be read as 8-bit weights of VGG-19") from None
    return state


def _download(enum: str, name: str, way_out: str) -> dict[str, Tensor]:
    """Get torchvision's ImageNet weights from its cache, or from the network into its cache."""
    import torchvision

    weights = getattr(torchvision.models, enum).IMAGENET1K_V1
    try:
        return dict(weights.get_state_dict(progress=True, check_hash=True))
    except (OSError, RuntimeError, EOFError, pickle.UnpicklingError) as error:  # or no whole file
        cache = os.path.join(torch.hub.get_dir(), "checkpoints")
        reason = getattr(error, "reason", error)
        raise ImganError(
            f"the weights of {name} are not in {cache} and {weights.url} cannot be fetched "
            f"({reason}); {way_out}"
        ) from None

"""Score models on a folder of images, beside bicubic interpolation."""

from __future__ import annotations

import math
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .. import __version__
from ..data.damage import Damage
from ..data.degrade import imresize
from ..errors import ImganError
from ..inference.target import Target
from ..inference.upscale import REALISM, Upscaler
from ..model_file import read_card
from ..perceptual import LpipsDistance
from ..shipped import shipped_models
from .metrics import PROTOCOL, crop_border, psnr_y, ssim_y
from .pairs import Pair, find_pairs

BICUBIC = "bicubic"
"""The baseline's name: MATLAB's imresize, as in the papers' tables."""
TWINS = "imgan"
"""The name for the shipped twins, blended by realism, as ``imgan upscale`` runs them."""

Progress = Callable[[str, int, int], None]


@dataclass
class Scores:
    """What one model scored: metric to value, for each image by name, and the mean of them."""

    model: str
    card_name: str = ""
    images: dict[str, dict[str, float]] = field(default_factory=dict)

    @property
    def mean(self) -> dict[str, float]:
        """The mean, metric by metric, over the images that have it: LPIPS sees no small ones."""
        values: dict[str, list[float]] = {}
        for row in self.images.values():
            for metric, value in row.items():
                values.setdefault(metric, []).append(value)
        return {metric: sum(known) / len(known) for metric, known in values.items()}


@dataclass
class Report:
    """The scores of all models on one folder, with all that is needed to repeat them."""

    data: str
    scale: int
    protocol: list[str]
    device: str
    precision: str
    models: list[Scores]

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; an infinite PSNR (equal images) is None."""
        plain = {
            key: getattr(self, key) for key in ("data", "scale", "protocol", "device", "precision")
        }
        models = [
            {
                "model": scores.model,
                "card_name": scores.card_name,
                "mean": finite(scores.mean),
                "images": {name: finite(row) for name, row in scores.images.items()},
            }
            for scores in self.models
        ]
        versions = {
            "imgan": __version__,
            "torch": torch.__version__,
            "python": platform.python_version(),
        }
        return plain | {"versions": versions, "models": models}


def evaluate(
    models: Sequence[str],
    data: Path,
    scale: int | None = None,
    *,
    border: int | None = None,
    realism: float | None = None,
    restore: bool = False,
    damage: Damage | None = None,
    lpips: LpipsDistance | None = None,
    device: str | None = None,
    precision: str = "auto",
    progress: Progress | None = None,
) -> Report:
    """Score models on a folder.

    Args:
        models: model files, shipped names, ``imgan`` (the shipped twins at `realism`) or
            ``bicubic``, which is scored first in any case.
        data: a folder with HR/ and LR/ (the same names), or of photos: cropped to a multiple of the
            scale at the right and below, their low resolution made by MATLAB's bicubic.
        scale: by default that of the pairs, else that of the models.
        border: pixels left out at each side; by default the scale.
        realism: 0 to 1, for ``imgan`` alone; 0.5 by default.
        restore: for ``imgan`` alone: the twins for damaged photos, see `Upscaler`.
        damage: done to every low resolution first.
        lpips: the distance to add, which stays on its device.
        device: see `imgan.inference.device.choose`, as `precision`.
        progress: called with model, image's number and count before each image.

    Raises:
        ImganError: the data or a model cannot be used, or does not fit the other.
    """
    names = [BICUBIC, *(name for name in dict.fromkeys(models) if name != BICUBIC)]
    if realism is not None and TWINS not in names:
        raise ImganError(f"realism blends the shipped twins; name the model {TWINS!r} for it")
    if restore and TWINS not in names:
        raise ImganError(f"restore picks the shipped twins; name the model {TWINS!r} for it")
    upscalers = {
        name: Upscaler(
            model=None if name == TWINS else name,
            realism=realism if name == TWINS else None,
            restore=restore and name == TWINS,
            device=device,
            precision=precision,
        )
        for name in names[1:]
    }
    own = {upscaler.scale for name, upscaler in upscalers.items() if name != TWINS}
    if len(own) > 1:
        each = "; ".join(f"{n} {u.scale} times" for n, u in upscalers.items() if n != TWINS)
        raise ImganError(f"these models do not enlarge alike ({each}); score those of one scale")
    pairs = find_pairs(data, scale, max(own, default=4))
    scale = pairs[0].scale
    for name, upscaler in upscalers.items():
        if name != TWINS and upscaler.scale != scale:
            raise ImganError(
                f"{name} enlarges {upscaler.scale} times, and {data} is for {scale} times; "
                "take data or a model of the same scale"
            )
    border = scale if border is None else border
    results = [Scores(name, _card_name(name, realism, restore)) for name in names]
    for scores in results:
        for number, pair in enumerate(pairs):
            if progress:
                progress(scores.model, number, len(pairs))
            high, low = pair.load()
            low = damage(low, pair.name) if damage else low
            output = run(upscalers.get(scores.model), low, scale)
            scores.images[pair.name] = _score(pair, output, high, border, lpips)
    protocol = [_source(pairs[0], damage), PROTOCOL.format(border=border)]
    if lpips:
        protocol.append(f"{lpips.protocol} on RGB, cropped alike")
    first = next(iter(upscalers.values()), None)
    return Report(
        data=str(data),
        scale=scale,
        protocol=protocol,
        device=str(first.device) if first else "cpu",
        precision=str(first.computes_in).removeprefix("torch.") if first else "float32",
        models=results,
    )


def run(upscaler: Upscaler | None, low: Tensor, scale: int) -> Tensor:
    """Enlarge ``[C, h, w] uint8`` to uint8; without an upscaler by MATLAB's bicubic."""
    if upscaler is not None:
        output: Tensor = upscaler(low, Target(scale))
        return output
    return imresize(low.double(), scale).round_().clamp_(0, 255).byte()


def _score(
    pair: Pair, output: Tensor, high: Tensor, border: int, lpips: LpipsDistance | None
) -> dict[str, float]:
    if min(high.shape[1:]) - 2 * border < 11:
        raise ImganError(
            f"{pair.high} is too small to be scored: SSIM needs 11 pixels beside the border of "
            f"{border}; leave it out, or give a smaller border"
        )
    ours, truth = (image[None].double() / 255 for image in (output, high))  # [1, C, H, W]
    row = {
        "psnr": psnr_y(ours, truth, border).item(),
        "ssim": ssim_y(ours, truth, border).item(),
    }
    if lpips:
        weight = next(lpips.parameters())
        colour = (crop_border(x, border).expand(-1, 3, -1, -1).to(weight) for x in (ours, truth))
        with torch.no_grad():
            row["lpips"] = lpips(*colour).item()
    return row


def _card_name(model: str, realism: float | None, restore: bool) -> str:
    """The name in the model's card; community files have none."""
    if model == BICUBIC:
        return ""
    if model == TWINS:
        kind = "shipped twins that restore" if restore else "shipped twins"
        return f"{kind}, at realism {REALISM if realism is None else realism:g}"
    try:
        return read_card(shipped_models().get(model, Path(model))).name
    except ImganError:
        return ""


def _source(pair: Pair, damage: Damage | None) -> str:
    made = "made by MATLAB's bicubic from the cropped photos"
    source = f"x{pair.scale}, the low resolution {'as given in LR/' if pair.low else made}"
    return f"{source}, with {damage}" if damage and str(damage) else source


def finite(row: dict[str, float]) -> dict[str, float | None]:
    """Figures as JSON can hold them: None for infinite ones."""
    return {metric: value if math.isfinite(value) else None for metric, value in row.items()}

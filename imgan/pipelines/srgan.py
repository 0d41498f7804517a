"""Super-resolution with and without an adversary (SRGAN, Ledig et al. 2017)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d, interpolate, pad

from .. import __version__
from ..core import AdversarialStep, ImageHistory, Log
from ..data.crops import Crops, with_margin
from ..data.degrade import RealisticDegradation, RealisticSettings
from ..data.photos import PhotoSet, load_photos, summary
from ..errors import ImganError
from ..model_file import Card, NetworkCard
from ..networks import build
from ..recipe import SRGANRecipe
from ..recipe.srgan import Photos
from .critics import make_critic
from .fidelity import DISTANCES, Fidelity
from .init import start_from
from .pipeline import Batch, Exact, Networks, Progress
from .shift import shifted

DETAIL = 0.1
"""About the size of what is fine in a photo, in its range of values."""

Judge = Callable[[Tensor], Any]


class SRGAN:
    """Generator: low to high resolution. Critic: which high resolution is a photo.

    The generator pays the pixel cost, the distance of features if the recipe asks for it, and the
    adversarial cost if there is an adversary. Without one it is the MSE twin.
    """

    def __init__(self, recipe: SRGANRecipe) -> None:
        self.recipe = recipe
        arguments = recipe.generator.model_dump(exclude={"name"}) | {"scale": recipe.scale}
        self._generator = NetworkCard(name=recipe.generator.name, arguments=arguments)
        generator = build(self._generator.name, arguments)
        self._parent: Card | None = None
        if recipe.init:
            self._parent = start_from({"generator": generator}, recipe.init, recipe.pipeline)
            _check_depth(self._parent.networks["generator"], self._generator)
        self.networks: dict[str, nn.Module] = {"generator": generator}
        self.critics: tuple[str, ...] = ()
        if recipe.adversary:
            seen = 6 if recipe.adversary.detail else 3
            self.networks["critic"] = make_critic(recipe.adversary.critic, seen)
            self.critics = ("critic",)
        self._fidelity = Fidelity(recipe.pixel, recipe.perceptual, recipe.lpips)
        self.frozen = self._fidelity.modules
        self._history = ImageHistory(
            recipe.adversary.history if recipe.adversary else 0, recipe.seed
        )
        self._photos = PhotoSet()

    def dataset(self, folders: Sequence[Path], progress: Progress) -> Crops:
        """Crops of the photos in the folders."""
        data, scale = self.recipe.data, self.recipe.scale
        collage = None
        if data.collage or data.contrast:
            from ..data.collage import Collage

            collage = Collage(data.collage, data.contrast)
        degrade = degradation(data, scale)
        side = with_margin(data.crop) if collage or degrade else data.crop
        self._photos = load_photos(folders, scale, side * scale, progress, data.shrink)
        seed = self.recipe.seed
        return Crops(
            self._photos, scale, data.crop, data.min_detail, seed, degrade, collage, data.drawings
        )

    def data_card(self) -> dict[str, Any]:
        """Count, size and the skipped files."""
        skipped = {str(path): reason for path, reason in self._photos.skipped.items()}
        return summary(self._photos) | {"skipped": skipped}

    def move(self, players: Networks, exact: Exact, batch: Batch, step: AdversarialStep) -> Log:
        """One move of each player; ``batch`` is uint8, ``low [N, 3, h, w]`` and ``high``."""
        low, high = _unit(batch["low"]), _unit(batch["high"])
        fake = players["generator"](low).float()
        costs = self._fidelity.pixels(fake, high)
        if self.recipe.pixel.chroma:
            distance = DISTANCES[self.recipe.pixel.kind](chroma(fake), chroma(high))
            costs["chroma"] = self.recipe.pixel.chroma * distance
        fake, high = shifted(fake, high)
        log: Log = {}
        critic = self._judge(players.get("critic"))
        if critic is not None:
            seen = self._history.query(fake.detach())
            exactly = self._judge(exact["critic"])
            log |= step.discriminator(critic, real=high, fake=seen, penalty_critic=exactly)
            if not step.generator_due:
                return log
        costs |= self._fidelity.features(fake, high)
        return log | step.generator(critic, fake=fake, real=high, extra=costs)

    def _judge(self, critic: Judge | None) -> Judge | None:
        adversary = self.recipe.adversary
        if critic is None or adversary is None or not adversary.detail:
            return critic
        return lambda image: critic(with_detail(image))

    def state_dict(self) -> dict[str, Any]:
        """The history of generated images."""
        return {"history": self._history.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the history up again."""
        self._history.load_state_dict(state["history"])

    def preview(self, networks: Networks, batch: Batch) -> Tensor:
        """Rows of input (pixels repeated), output and truth for up to four samples."""
        low, high = _unit(batch["low"][:4]), _unit(batch["high"][:4])
        output = networks["generator"](low).float().clamp(0, 1)
        enlarged = interpolate(low, size=high.shape[-2:], mode="nearest")
        rows = torch.cat([enlarged, output, high], dim=3)  # [n, 3, H, 3W]
        return torch.cat(list(rows), dim=1)  # [3, n*H, 3W]

    def card(self) -> Card:
        """Everything that using the model needs, and where it comes from."""
        recipe = self.recipe
        return Card(
            pipeline="srgan",
            name=recipe.name,
            networks={"generator": self._generator},
            scale=recipe.scale,
            reach=getattr(self.networks["generator"], "reach", None),
            cost="adversarial" if recipe.adversary else self._fidelity.name,
            licence=recipe.licence,
            notes=recipe.notes,
            version=__version__,
            parent=self._parent,
        )


def degradation(photos: Photos, scale: int) -> RealisticDegradation | None:
    """What a recipe's section `data` asks for; None: MATLAB's bicubic."""
    if photos.degradation == "bicubic":
        return None
    return RealisticDegradation(scale, RealisticSettings(**photos.realistic.model_dump()))


def _check_depth(given: NetworkCard, own: NetworkCard) -> None:
    """Refuse weights of a deeper or shallower network: its layers follow each other otherwise."""
    depth = given.arguments.get("blocks")
    if given.name == own.name and depth != own.arguments["blocks"]:
        raise ImganError(
            f"init: its network is {depth} blocks deep and generator.blocks is "
            f"{own.arguments['blocks']}; set generator.blocks={depth}"
        )


def with_detail(image: Tensor) -> Tensor:
    """An image and, enlarged to about its range, what its mean over 5x5 pixels leaves out.

    That is where photos and enlarged images differ, and it is a tenth of the range: a patch critic
    that sees the image alone was still near chance after a thousand moves.

    Shape: ``[N, C, H, W] -> [N, 2*C, H, W]``.
    """
    mean = avg_pool2d(pad(image, (2, 2, 2, 2), mode="replicate"), 5, stride=1)
    return torch.cat([image, (image - mean) / DETAIL], dim=1)


def chroma(image: Tensor) -> Tensor:
    """What an image has beside its luma (Rec. 601): zero where it is grey.

    Shape: ``[N, 3, H, W] -> [N, 3, H, W]``.
    """
    luma = 0.299 * image[:, :1] + 0.587 * image[:, 1:2] + 0.114 * image[:, 2:]
    return image - luma


def _unit(images: Tensor) -> Tensor:
    """uint8 to float in [0, 1]."""
    return images.float() / 255

"""Paired translation with and without an adversary (Pix2Pix, Isola et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import __version__
from ..core import AdversarialStep, Log, feature_matching, frozen
from ..data.prepared import Form
from ..data.sets import sets_for
from ..data.translation import Pairs, load_pairs
from ..model_file import Card, NetworkCard
from ..networks import build
from ..recipe import Pix2PixRecipe
from .critics import make_critic
from .fidelity import Fidelity
from .init import start_from
from .pictures import rows, shown
from .pipeline import Batch, Exact, Networks, Progress


class Pix2Pix:
    """Generator: input to output. Critic: which output belongs to this input.

    The generator pays the pixel cost, the distances of features that the recipe asks for, and the
    adversarial cost if there is an adversary. Without one it is the MSE twin.
    """

    def __init__(self, recipe: Pix2PixRecipe) -> None:
        self.recipe = recipe
        channels = {"channels": recipe.channels, "out_channels": recipe.out_channels}
        arguments = recipe.generator.model_dump(exclude={"name"}) | channels
        self._generator = NetworkCard(name=recipe.generator.name, arguments=arguments)
        self.networks: dict[str, nn.Module] = {"generator": build(recipe.generator.name, arguments)}
        self._parent = (
            start_from(self.networks, recipe.init, recipe.pipeline) if recipe.init else None
        )
        self.critics: tuple[str, ...] = ()
        if recipe.adversary:
            seen = recipe.channels + recipe.out_channels
            self.networks["critic"] = make_critic(recipe.adversary.critic, seen)
            self.critics = ("critic",)
        self._fidelity = Fidelity(recipe.pixel, recipe.perceptual, recipe.lpips)
        self.frozen = self._fidelity.modules
        self._skipped: dict[str, str] = {}
        self._data: dict[str, Any] = {}

    def dataset(self, folders: Sequence[Path], progress: Progress) -> Pairs:
        """The pairs in the folder."""
        recipe, data = self.recipe, self.recipe.data
        forms = (
            Form(recipe.channels, data.resize, data.load, data.size),
            Form(recipe.out_channels, data.resize, data.load, data.size),
        )
        sets = sets_for(recipe.pipeline, bool(data.make), folders, data.layout)
        pairs, self._skipped = load_pairs(
            sets, recipe.direction, forms, recipe.seed, data.flip, data.make, progress
        )
        self._data = {
            "pairs": len(pairs),
            "held_out": len(pairs.held_out[1]),
            "folders": [folder.resolve().name for folder in folders],
        }
        return pairs

    def data_card(self) -> dict[str, Any]:
        """Counts and the skipped files."""
        return self._data | {"skipped": self._skipped}

    def move(self, players: Networks, exact: Exact, batch: Batch, step: AdversarialStep) -> Log:
        """One move of each player; ``batch`` is in [-1, 1], ``source`` and ``target``."""
        source, target = batch["source"], batch["target"]
        fake = players["generator"](source).float()
        costs = self._fidelity.pixels(fake, target)
        costs |= self._fidelity.features((fake + 1) / 2, (target + 1) / 2)
        critic = players.get("critic")
        if critic is None:
            return step.generator(None, fake=fake, extra=costs)

        def judge(image: Tensor) -> Any:
            return critic(torch.cat([source, image], dim=1))

        def judge_exactly(image: Tensor) -> Any:
            return exact["critic"](torch.cat([source, image], dim=1))

        log = step.discriminator(judge, real=target, fake=fake, penalty_critic=judge_exactly)
        if not step.generator_due:
            return log
        weight = self.recipe.adversary.feature_matching if self.recipe.adversary else 0.0
        opponent = judge
        if weight:
            with frozen(self.networks["critic"]):
                logits, made = critic(torch.cat([source, fake], dim=1), features=True)
                with torch.no_grad():
                    _, true = critic(torch.cat([source, target], dim=1), features=True)
            costs["feature_matching"] = weight * feature_matching(true, made)

            def opponent(image: Tensor) -> Any:  # what was computed is not computed again
                return logits if image is fake else judge(image)

        return log | step.generator(opponent, fake=fake, real=target, extra=costs)

    def state_dict(self) -> dict[str, Any]:
        """Nothing beside the networks."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take up."""

    def preview(self, networks: Networks, batch: Batch) -> Tensor:
        """Rows of input | output | target for up to four samples."""
        source, target = batch["source"][:4], batch["target"][:4]
        output = networks["generator"](source).float()
        return rows(shown(source), shown(output), shown(target))

    def card(self) -> Card:
        """Everything that using the model needs, and where it comes from."""
        recipe = self.recipe
        make = recipe.data.make
        return Card(
            pipeline="pix2pix",
            name=recipe.name,
            networks={"generator": self._generator},
            task=make or f"{recipe.direction} of {', '.join(self._data.get('folders', []))}",
            input={"colourise": "grey", "edges": "edges"}.get(make or "", "rgb"),
            channels=recipe.channels,
            out_channels=recipe.out_channels,
            value_range=(-1.0, 1.0),
            bit_depth=recipe.bits,
            size_multiple=recipe.generator.size_multiple,
            reach=getattr(self.networks["generator"], "reach", None),
            cost="adversarial" if recipe.adversary else self._fidelity.name,
            licence=recipe.licence,
            notes=recipe.notes,
            version=__version__,
            parent=self._parent,
        )

"""Unpaired translation with and without an adversary (CycleGAN, Zhu et al. 2017)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from .. import __version__
from ..core import AdversarialStep, ImageHistory, Log
from ..data.prepared import Form
from ..data.sets import unpaired_sets
from ..data.translation import Unpaired, load_unpaired
from ..model_file import Card, NetworkCard
from ..networks import build
from ..recipe import CycleGANRecipe
from .critics import make_critic
from .fidelity import DISTANCES
from .init import start_from
from .pictures import rows, shown
from .pipeline import Batch, Exact, Networks, Progress


class Way(NamedTuple):
    """One translation: the generator there, the one back, the set it starts from, the other."""

    there: str
    back: str
    own: str
    other: str


_WAYS = {
    "AtoB": Way("a_to_b", "b_to_a", "a", "b"),
    "BtoA": Way("b_to_a", "a_to_b", "b", "a"),
}


class CycleGAN:
    """Two generators, there and back; a critic for each set that is translated into.

    The generators pay the cycle (there and back is where it was), the identity (what is in the
    target set already stays), and the adversarial costs if there is an adversary. Without one it is
    the MSE twin.
    """

    def __init__(self, recipe: CycleGANRecipe) -> None:
        self.recipe = recipe
        self._ways = [w for d, w in _WAYS.items() if recipe.directions in ("both", d)]
        counts = {"a": recipe.channels, "b": recipe.out_channels}
        self._cards: dict[str, NetworkCard] = {}
        for way in _WAYS.values():
            channels = {"channels": counts[way.own], "out_channels": counts[way.other]}
            arguments = recipe.generator.model_dump(exclude={"name"}) | channels
            self._cards[way.there] = NetworkCard(name=recipe.generator.name, arguments=arguments)
        self.networks: dict[str, nn.Module] = {
            role: build(card.name, card.arguments) for role, card in self._cards.items()
        }
        self._parent = (
            start_from(self.networks, recipe.init, recipe.pipeline) if recipe.init else None
        )
        self.critics: tuple[str, ...] = ()
        self._histories: dict[str, ImageHistory] = {}
        if recipe.adversary:
            spec = recipe.adversary.critic
            for number, way in enumerate(self._ways):
                self.networks[f"critic_{way.other}"] = make_critic(spec, counts[way.other])
                self._histories[way.other] = ImageHistory(
                    recipe.adversary.history, recipe.seed + number
                )
            self.critics = tuple(f"critic_{way.other}" for way in self._ways)
        self.frozen: tuple[nn.Module, ...] = ()
        self._skipped: dict[str, str] = {}
        self._data: dict[str, Any] = {}

    def dataset(self, folders: Sequence[Path], progress: Progress) -> Unpaired:
        """Both sets of images."""
        recipe, data = self.recipe, self.recipe.data
        forms = (
            Form(recipe.channels, data.resize, data.load, data.size),
            Form(recipe.out_channels, data.resize, data.load, data.size),
        )
        sets = unpaired_sets(folders, data.layout)
        images, self._skipped = load_unpaired(sets, forms, recipe.seed, data.flip, progress)
        self._data = {
            "a": len(images.train[0]),
            "b": len(images.train[1]),
            "folders": [folder.resolve().name for folder in folders],
        }
        return images

    def data_card(self) -> dict[str, Any]:
        """Counts and the skipped files."""
        return self._data | {"skipped": self._skipped}

    def move(self, players: Networks, exact: Exact, batch: Batch, step: AdversarialStep) -> Log:
        """One move of each player; ``batch`` is in [-1, 1], ``a`` and ``b``."""
        fakes: dict[str, Tensor] = {}
        costs: dict[str, Tensor] = {}
        for way in self._ways:
            fakes[way.other], same = self._translate(players[way.there], way, batch)
            weight = getattr(self.recipe.identity, way.other)
            if same is not None:
                distance = DISTANCES[self.recipe.identity.kind]
                costs[f"identity_{way.other}"] = weight * distance(same, batch[way.other])
        if not self.critics:
            costs |= self._cycles(players, fakes, batch)
            return step.generator(None, fake=fakes, extra=costs)
        real = {way.other: batch[way.other] for way in self._ways}
        seen = {key: self._histories[key].query(fake.detach()) for key, fake in fakes.items()}
        critics = {key: players[f"critic_{key}"] for key in fakes}
        exactly = {key: exact[f"critic_{key}"] for key in fakes}
        log = step.discriminator(critics, real=real, fake=seen, penalty_critic=exactly)
        if not step.generator_due:
            return log
        costs |= self._cycles(players, fakes, batch)
        return log | step.generator(critics, fake=fakes, real=real, extra=costs)

    def _translate(
        self, generator: nn.Module, way: Way, batch: Batch
    ) -> tuple[Tensor, Tensor | None]:
        """The other set's image, and what becomes of an image that is in that set already."""
        own, other = batch[way.own], batch[way.other]
        if not getattr(self.recipe.identity, way.other):
            return generator(own).float(), None
        if self.recipe.generator.norm == "batch":  # whose statistics the two must not share
            return generator(own).float(), generator(other).float()
        both = generator(torch.cat([own, other])).float()  # one call is faster than two
        fake, same = both.split([len(own), len(other)])
        return fake, same

    def _cycles(
        self, players: Networks, fakes: dict[str, Tensor], batch: Batch
    ) -> dict[str, Tensor]:
        costs = {}
        for way in self._ways:
            if weight := getattr(self.recipe.cycle, way.own):
                returned = players[way.back](fakes[way.other]).float()
                distance = DISTANCES[self.recipe.cycle.kind]
                costs[f"cycle_{way.own}"] = weight * distance(returned, batch[way.own])
        return costs

    def state_dict(self) -> dict[str, Any]:
        """The histories of generated images."""
        return {key: history.state_dict() for key, history in self._histories.items()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the histories up again."""
        for key, history in self._histories.items():
            history.load_state_dict(state[key])

    def preview(self, networks: Networks, batch: Batch) -> Tensor:
        """Rows of A | B' | A'' and of B | A' | B'', for up to three samples each."""
        lines = []
        for way in self._ways:
            own = batch[way.own][:3]
            made = networks[way.there](own).float()
            lines.append(rows(shown(own), shown(made), shown(networks[way.back](made).float())))
        return torch.cat(lines, dim=1)

    def card(self) -> Card:
        """Everything that using the model needs, and where it comes from."""
        recipe = self.recipe
        return Card(
            pipeline="cyclegan",
            name=recipe.name,
            networks=self._cards,
            task=f"{recipe.directions} of {', '.join(self._data.get('folders', []))}",
            channels=recipe.channels,
            out_channels=recipe.out_channels,
            value_range=(-1.0, 1.0),
            bit_depth=recipe.bits,
            size_multiple=recipe.generator.size_multiple,
            reach=getattr(self.networks["a_to_b"], "reach", None),
            cost="adversarial" if recipe.adversary else recipe.cycle.kind,
            licence=recipe.licence,
            notes=recipe.notes,
            version=__version__,
            parent=self._parent,
        )

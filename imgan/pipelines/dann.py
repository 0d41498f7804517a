"""Features that hold in another domain (Ganin et al. 2016), and their twins without the game."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from .. import __version__
from ..core import EMA, AdversarialStep, Log, reversal_strength, reverse_gradient
from ..core.domains import conditioned, entropy, marginal_entropy, moment_distance
from ..data.domains import Domains, Reading, read_domains
from ..data.jitter import Jitter
from ..data.shelf import UNKNOWN
from ..errors import ImganError
from ..model_file import Card, NetworkCard
from ..networks import build, build_critic
from ..recipe.dann import DannRecipe
from . import choosing, scatter
from .backbones import backbone
from .choosing import unit
from .init import start_from
from .pipeline import Batch, Exact, Networks, Progress

SHOWN = 250
"""Points of a domain in the preview."""


class Dann:
    """Features, the classifier over them, and the critic that tells the domain from them.

    Features and classifier pay for wrong classes where they are known; the features pay for what
    tells the domain (`adversary` or `moments`), and on the target for unsure or unsteady answers
    (`target`). Critics, widths and the number of classes follow from the data, so the networks are
    made when it has been read: `dataset` comes first.

    Args:
        recipe: what to train.
        features: with ``features: {name: own}`` a module ``[N, C, S, S] -> [N, F]``, input in
            [-1, 1]; F is its attribute ``features``, or found by asking it.
    """

    def __init__(self, recipe: DannRecipe, features: nn.Module | None = None) -> None:
        self.recipe = recipe
        if (features is not None) != (recipe.features.name == "own"):
            raise ImganError(
                "features: {name: own} stands for a module that is given from Python, and takes one"
            )
        self._own = features
        self.networks: dict[str, nn.Module] = {}
        self.critics: tuple[str, ...] = ()
        self.frozen: tuple[nn.Module, ...] = ()
        self._cards: dict[str, NetworkCard] = {}
        self._parent: Card | None = None
        self._teacher: EMA | None = None
        self._jitter = Jitter(**recipe.jitter.model_dump())
        self._skipped: dict[str, str] = {}
        self.rule = choosing.WORDS[recipe.choose]

    # -- data and networks -----------------------------------------------------------------------

    def dataset(self, folders: Sequence[Path], progress: Progress) -> Domains:
        """The domains, sources first; the networks are made for their classes."""
        recipe, data = self.recipe, self.recipe.data
        alone = not (recipe.adversary or recipe.moments)
        how = Reading(**data.model_dump(), channels=recipe.channels, seed=recipe.seed)
        self.data, self._skipped = read_domains(folders, how, alone, progress)
        if recipe.target and data.sources == len(folders):
            raise ImganError(
                "target: learns from images without classes, and no folder is a target"
            )
        self._make()
        return self.data

    def _make(self) -> None:
        recipe = self.recipe
        features, made, width = backbone(recipe, self._own)
        head = {"features": width, "classes": len(self.data.classes)}
        self._cards = {"features": made, "classifier": NetworkCard(name="head", arguments=head)}
        self.networks |= {"features": features, "classifier": build("head", head)}
        if recipe.init:
            self._parent = start_from(self.networks, recipe.init, recipe.pipeline)
        if recipe.target and recipe.target.teacher:
            both = nn.ModuleDict(dict(self.networks))
            self._teacher = EMA(both, recipe.target.teacher)
        if recipe.adversary:
            game = recipe.adversary
            sees = width * len(self.data.classes) if game.conditional else width
            sides = {"features": sees, "domains": len(self.data.domains)}
            critic = game.critic.model_dump(exclude={"name"}) | sides
            self.networks["critic"] = build_critic(game.critic.name, critic)
            if game.game == "moves":
                self.critics = ("critic",)

    def data_card(self) -> dict[str, Any]:
        """Classes, domains, counts, and the skipped files."""
        data = self.data
        return {
            "classes": data.classes,
            "domains": data.domains,
            "size": self.recipe.data.size,
            "images": [len(shelf) for shelf in data.train],
            "held_out": [len(shelf) for shelf in data.held_out],
            "skipped": self._skipped,
        }

    # -- a step ----------------------------------------------------------------------------------

    def move(self, players: Networks, exact: Exact, batch: Batch, step: AdversarialStep) -> Log:
        """One move of each player on ``image`` ``[B, D, C, S, S]``, ``label``, ``domain``."""
        log = self._moved(players, exact, batch, step)
        if self._teacher is not None and "grad_norm_g" in log:  # the features have moved
            self._teacher.update()
        return log

    def _moved(self, players: Networks, exact: Exact, batch: Batch, step: AdversarialStep) -> Log:
        recipe = self.recipe
        plain = unit(batch["image"].flatten(0, 1))  # [B*D, C, S, S]
        labels, domains = batch["label"].flatten(), batch["domain"].flatten()
        progress = self._progress(batch)
        unknown = labels == UNKNOWN
        learns = recipe.target is not None and progress >= recipe.target.after
        if not (learns or recipe.moments or recipe.adversary):  # batch norm must not see it either
            plain, labels, domains = plain[~unknown], labels[~unknown], domains[~unknown]
            unknown = unknown[~unknown]
        judged = self._judged(players, plain[unknown]) if learns else None
        features = players["features"](self._jitter(plain))
        logits = players["classifier"](features).float()
        features = features.float()
        costs = {
            "class": cross_entropy(
                logits[~unknown], labels[~unknown], label_smoothing=recipe.smoothing
            )
        }
        log: Log = {"accuracy": (logits[~unknown].argmax(1) == labels[~unknown]).float().mean()}
        if learns:
            costs |= self._learned(judged, logits, unknown, log)
        if recipe.moments:
            costs |= self._matched(features, domains, progress)
        if recipe.adversary is None:
            return log | step.generator(None, fake=features, extra=costs)
        seen = conditioned(features, logits) if recipe.adversary.conditional else features
        strength = _strength(recipe.adversary.steepness, progress)
        if recipe.adversary.game == "moves":
            return log | self._moves(players, exact, seen, domains, strength, costs, step)
        # The weight is the strength of the reversal: the critic itself always pays in full.
        told = players["critic"](reverse_gradient(seen, strength * recipe.adversary.weight)).float()
        costs["domain"] = cross_entropy(told, domains)
        log["domain_accuracy"] = (told.argmax(1) == domains).float().mean()
        return log | step.generator(None, fake=features, extra=costs)

    def _progress(self, batch: Batch) -> float:
        train = self.recipe.train
        return min(1.0, int(batch["index"].min()) // train.batch / train.steps)

    def _judged(self, players: Networks, images: Tensor) -> Tensor | None:
        """The class probabilities of the target's unchanged images, by the teacher."""
        target = self.recipe.target
        if target is None or not target.consistency:
            return None
        # Before the step's own forward: the weights are exchanged in place.
        with torch.no_grad(), self._teacher.averaged() if self._teacher else nullcontext():
            judged: Tensor = players["classifier"](players["features"](images)).float().softmax(1)
        return judged

    def _learned(
        self, judged: Tensor | None, all_logits: Tensor, unknown: Tensor, log: Log
    ) -> dict[str, Tensor]:
        """What the target's images teach."""
        target = self.recipe.target
        assert target is not None
        costs, logits = {}, all_logits[unknown]
        if judged is not None:
            surest, classes = judged.max(1)
            with torch.no_grad():
                usual = all_logits[~unknown].softmax(1).amax(1).mean()
            sure = (surest >= target.threshold * usual).float()
            each = cross_entropy(logits, classes, reduction="none")
            costs["consistency"] = target.consistency * (each * sure).mean()
            log["sure"] = sure.mean()
        if target.entropy:
            costs["target_entropy"] = target.entropy * entropy(logits).mean()
        if target.diversity:
            costs["target_diversity"] = -target.diversity * marginal_entropy(logits)
        return costs

    def _matched(self, features: Tensor, domains: Tensor, progress: float) -> dict[str, Tensor]:
        spec = self.recipe.moments
        assert spec is not None
        means, covariances = moment_distance(features, domains)
        strength = _strength(spec.steepness, progress)
        return {
            "means": strength * spec.means * means,
            "covariances": strength * spec.covariances * covariances,
        }

    def _moves(
        self,
        players: Networks,
        exact: Exact,
        seen: Tensor,
        domains: Tensor,
        strength: float,
        costs: dict[str, Tensor],
        step: AdversarialStep,
    ) -> Log:
        """A game a domain: its features are real, those of the others are to be taken for them."""
        assert self.recipe.adversary is not None
        here = [int(d) for d in torch.unique(domains)]
        if len(here) < 2:  # of an attribute, a batch may hold one value only: there is no game
            return step.generator({}, fake={}, extra=costs)
        real = {str(d): seen[domains == d] for d in here}
        fake = {str(d): seen[domains != d] for d in here}

        def judges(critic: Any) -> dict[str, Any]:
            return {str(d): lambda samples, d=d: critic(samples)[:, d] for d in here}

        critics = judges(players["critic"])
        log = step.discriminator(
            critics, real=real, fake=fake, penalty_critic=judges(exact["critic"])
        )
        if not step.generator_due:
            return log
        step.weight = self.recipe.adversary.weight * strength / len(here)
        return log | step.generator(critics, fake=fake, real=real, extra=costs)

    def state_dict(self) -> dict[str, Any]:
        """The teacher, where there is one."""
        return {"teacher": self._teacher.state_dict()} if self._teacher else {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take the teacher up again."""
        if self._teacher:
            self._teacher.load_state_dict(state["teacher"])

    # -- what is shown and kept ------------------------------------------------------------------

    def scores(self, networks: Networks) -> tuple[float | None, dict[str, float]]:
        """The score that chooses, more is better, and all scores; by networks in eval mode."""
        game = self.recipe.adversary
        critic = networks.get("critic", self.networks.get("critic"))
        found = choosing.scores(networks, critic, self.data, bool(game and game.conditional))
        return found.get(self.recipe.choose), found

    def preview(self, networks: Networks, batch: Batch) -> Tensor:
        """The features by principal components, coloured by domain and by class."""
        data = self.data
        shelves = data.held_out + data.train[data.sources :]
        found = [choosing.outputs(networks, shelf, SHOWN) for shelf in shelves]
        drawn = scatter.of_domains(
            torch.cat([values for values, *_ in found]).numpy(),
            np.concatenate([shelf.domains for *_, shelf in found]),
            data.domains,
            torch.cat([logits.argmax(1) for _, logits, _ in found]).numpy(),
            data.classes,
            "by the class that is said",
        )
        return torch.from_numpy(drawn).permute(2, 0, 1).float() / 255

    def card(self) -> Card:
        """Everything that using the model needs, and where it comes from."""
        recipe = self.recipe
        cost = "adversarial" if recipe.adversary else "mse" if recipe.moments else "source only"
        return Card(
            pipeline="dann",
            name=recipe.name,
            networks=self._cards,
            task=f"classes of {' and '.join(self.data.domains)}",
            channels=recipe.channels,
            value_range=(-1.0, 1.0),
            cost=cost,
            licence=recipe.licence,
            notes=recipe.notes,
            version=__version__,
            parent=self._parent,
        )


def _strength(steepness: float | None, progress: float) -> float:
    return 1.0 if steepness is None else reversal_strength(progress, steepness)

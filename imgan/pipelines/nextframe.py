"""Next-frame prediction with and without an adversary (Mathieu, Couprie & LeCun 2016)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from .. import __version__
from ..core import AdversarialStep, Log
from ..errors import ImganError
from ..model_file import Card, NetworkCard
from ..networks import build
from ..recipe.nextframe import ClipData, NextFrameRecipe
from .critics import make_critic
from .fidelity import DISTANCES
from .init import start_from
from .pipeline import Batch, Exact, Networks, Progress, Stream
from .shift import shifted

CHANGE = 0.1
"""About as much of the range of values a moving pixel changes from frame to frame."""


class NextFrame:
    """Generator: past frames to next ones. Critic: which frames follow these.

    The generator pays the pixel cost, the gradient difference if the recipe asks for it, and the
    adversarial cost if there is an adversary. Without one it is the MSE twin.
    """

    def __init__(self, recipe: NextFrameRecipe) -> None:
        self.recipe = recipe
        arguments = recipe.generator.model_dump(exclude={"name"})
        arguments |= {"past": recipe.past, "future": recipe.future, "channels": recipe.channels}
        self._generator = NetworkCard(name=recipe.generator.name, arguments=arguments)
        self.networks: dict[str, nn.Module] = {"generator": build(recipe.generator.name, arguments)}
        self._parent = (
            start_from(self.networks, recipe.init, recipe.pipeline) if recipe.init else None
        )
        self.critics: tuple[str, ...] = ()
        if recipe.adversary:
            seen = (recipe.past + 2 * recipe.horizon) * recipe.channels
            self.networks["critic"] = make_critic(recipe.adversary.critic, seen)
            self.critics = ("critic",)
        self.frozen: tuple[nn.Module, ...] = ()
        self._skipped: dict[str, str] = {}
        self._data: dict[str, Any] = {}

    def dataset(self, folders: Sequence[Path], progress: Progress) -> Stream:
        """The clips in the folders, or digits that move."""
        recipe, data = self.recipe, self.recipe.data
        self._data = {"folders": [folder.resolve().name for folder in folders]}
        if isinstance(data, ClipData):
            from ..data.clips import load_clips

            clips, self._skipped = load_clips(
                folders,
                past=recipe.past,
                future=recipe.horizon,
                side=data.side,
                crop=data.crop,
                channels=recipe.channels,
                seed=recipe.seed,
                flip=data.flip,
                min_motion=data.min_motion,
                held_out=data.held_out,
                reverse=data.reverse,
                turn=data.turn,
                progress=progress,
            )
            self._data |= clips.summary()
            return clips
        from ..data.moving_digits import MovingDigits, split_digits

        if len(folders) != 1:
            raise ImganError(f"moving digits are made from one file of digits, not {len(folders)}")
        train, held_out = split_digits(folders[0])
        digits = MovingDigits(train, held_out, recipe.past, recipe.horizon, recipe.seed)
        self._data |= digits.summary()
        return digits

    def data_card(self) -> dict[str, Any]:
        """Counts and the skipped files."""
        return self._data | {"skipped": self._skipped}

    def move(self, players: Networks, exact: Exact, batch: Batch, step: AdversarialStep) -> Log:
        """One move of each player; ``past`` and ``future`` ``[N, T, C, H, W]`` are in [0, 1]."""
        past, future = batch["past"], batch["future"]
        fake = roll_out(players["generator"], past, self.recipe.horizon)
        costs = self._costs(fake, future)
        critic = players.get("critic")
        if critic is None:
            return step.generator(None, fake=fake, extra=costs)
        past, fake, future = shifted(past, fake, future)
        judge = _conditioned(critic, past)
        log = step.discriminator(
            judge, real=future, fake=fake, penalty_critic=_conditioned(exact["critic"], past)
        )
        if not step.generator_due:
            return log
        return log | step.generator(judge, fake=fake, real=future, extra=costs)

    def _costs(self, fake: Tensor, future: Tensor) -> dict[str, Tensor]:
        pixel, gdl = self.recipe.pixel, self.recipe.gdl
        costs: dict[str, Tensor] = {}
        if pixel.weight:
            costs[pixel.kind] = pixel.weight * DISTANCES[pixel.kind](fake, future)
        if gdl:
            costs["gdl"] = gdl.weight * gradient_difference(fake, future, gdl.alpha)
        return costs

    def state_dict(self) -> dict[str, Any]:
        """Nothing beside the networks."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing to take up."""

    def preview(self, networks: Networks, batch: Batch) -> Tensor:
        """For up to four samples a row of past frames and truth above one of the prediction."""
        past, future = batch["past"][:4], batch["future"][:4]
        made = roll_out(networks["generator"], past, self.recipe.horizon).clamp(0, 1)
        above = torch.cat([past, future], dim=1)
        below = torch.cat([torch.ones_like(past), made], dim=1)
        lines = torch.stack([above, below], dim=1).flatten(0, 1)  # [2N, T, C, H, W]
        picture = torch.cat(list(torch.cat(list(lines), dim=2)), dim=2)  # [C, 2N*H, T*W]
        return picture.expand(3, -1, -1)

    def card(self) -> Card:
        """Everything that using the model needs, and where it comes from."""
        recipe, network = self.recipe, self.networks["generator"]
        pixel = recipe.pixel.weight
        return Card(
            pipeline="nextframe",
            name=recipe.name,
            networks={"generator": self._generator},
            task=f"{recipe.past} frames to the next {recipe.future}",
            input="grey" if recipe.channels == 1 else "rgb",
            channels=recipe.channels,
            value_range=(0.0, 1.0),
            size_multiple=recipe.generator.size_multiple,
            reach=getattr(network, "reach", None),
            cost="adversarial" if recipe.adversary else recipe.pixel.kind if pixel else "gdl",
            licence=recipe.licence,
            notes=recipe.notes,
            version=__version__,
            parent=self._parent,
        )


def roll_out(network: Callable[[Tensor], Tensor], past: Tensor, count: int) -> Tensor:
    """`count` frames after `past`: the network is applied again on its own output.

    Shape: ``[N, P, C, H, W] -> [N, count, C, H, W]``, not clamped.
    """
    frames, made = past, 0
    while made < count:
        new = network(frames[:, -past.shape[1] :]).float()
        frames, made = torch.cat([frames, new], dim=1), made + new.shape[1]
    return frames[:, past.shape[1] : past.shape[1] + count]


def gradient_difference(output: Tensor, target: Tensor, alpha: float = 1.0) -> Tensor:
    """Mean of ``||grad target| - |grad output|| ** alpha``, both axes added.

    Source: Mathieu et al. 2016, equation 6 (there a sum).

    Args:
        output, target: ``[..., H, W]``.
    """
    costs = []
    for axis in (-1, -2):
        difference = target.diff(dim=axis).abs() - output.diff(dim=axis).abs()
        costs.append(difference.abs().pow(alpha).mean())
    return costs[0] + costs[1]


def _conditioned(critic: Callable[[Tensor], Any], past: Tensor) -> Callable[[Tensor], Any]:
    """The critic of frames ``[N, T, C, H, W]`` that sees the past beside them, as channels.

    What changes from the last frame it sees once more, enlarged: most of two frames is alike, and
    what tells true from predicted ones lies in the little that is not.
    """

    def judge(frames: Tensor) -> Any:
        change = (frames - past[:, -1:]) / CHANGE
        return critic(torch.cat([past, frames, change], dim=1).flatten(1, 2))

    return judge

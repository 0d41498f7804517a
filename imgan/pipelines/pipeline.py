"""What the training loop asks of a pipeline: networks, two costs, data, pictures, a card."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from torch import Tensor, nn

from ..core import AdversarialStep, Log
from ..model_file import Card

Batch = Mapping[str, Tensor]
Networks = Mapping[str, nn.Module]
Exact = Mapping[str, Callable[[Tensor], Tensor]]
Progress = Callable[[int, int], None]


class Stream(Protocol):
    """An endless data set: item i is a function of its settings and i alone."""

    @property
    def fingerprint(self) -> str:
        """Tells data sets apart, so that a run goes on with its own."""
        ...

    def __getitem__(self, index: int) -> dict[str, Tensor]: ...


class Pipeline(Protocol):
    """Networks and two costs; the loop does the rest and knows no pipeline."""

    @property
    def networks(self) -> Networks:
        """All networks by role."""
        ...

    @property
    def critics(self) -> Sequence[str]:
        """Roles of the critic's player; all others are the generator's."""
        ...

    @property
    def frozen(self) -> Sequence[nn.Module]:
        """Fixed modules (feature extractors)."""
        ...

    def dataset(self, folders: Sequence[Path], progress: Progress) -> Stream:
        """The data in the folders."""
        ...

    def data_card(self) -> dict[str, Any]:
        """What the data was, for the model's card; skipped files by name under "skipped"."""
        ...

    def move(self, players: Networks, exact: Exact, batch: Batch, step: AdversarialStep) -> Log:
        """One move of each player on a batch.

        ``players`` are the prepared networks (autocast, several processes), ``exact`` the same
        networks' own forwards in float32, for penalties.
        """
        ...

    def state_dict(self) -> dict[str, Any]:
        """What one process must remember beside networks and optimizers (image histories)."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on where `state_dict` was taken."""
        ...

    def preview(self, networks: Networks, batch: Batch) -> Tensor:
        """A picture of how it stands, by networks in eval mode: ``[3, H, W]`` in [0, 1]."""
        ...

    def card(self) -> Card:
        """The card of the model that is being trained."""
        ...


@runtime_checkable
class Choosing(Protocol):
    """A pipeline that scores its networks: the checkpoint of the best score becomes the model."""

    @property
    def rule(self) -> str:
        """What is chosen by, in a few words."""
        ...

    def scores(self, networks: Networks) -> tuple[float | None, dict[str, float]]:
        """The score that chooses, more is better (None: the latest), and all that are known."""
        ...

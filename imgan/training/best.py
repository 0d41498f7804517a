"""The checkpoint that becomes the model, where a pipeline scores its checkpoints."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn


class Best:
    """The averaged networks of the best score so far."""

    def __init__(self) -> None:
        self.step = 0
        self.score: float | None = None
        self.known: dict[str, float] = {}
        self.states: dict[str, dict[str, Tensor]] = {}

    def offer(
        self, step: int, score: float | None, known: dict[str, float], players: nn.ModuleDict
    ) -> None:
        """Keep these networks if they are at least as good; without a score the latest are."""
        # Not "score < self.score", which is also false where the score is no number.
        if score is not None and self.score is not None and not score >= self.score:
            return
        self.step, self.score, self.known = step, score, dict(known)
        self.states = {
            role: {name: value.detach().cpu().clone() for name, value in net.state_dict().items()}
            for role, net in players.items()
        }

    def told(self, rule: str) -> str:
        """Which it is and why, for a person."""
        score = "" if self.score is None else f" {self.score:.4f}"
        return f"step {self.step}, chosen by {rule}{score}"

    def state_dict(self) -> dict[str, Any]:
        """Everything, so that a run that goes on chooses as one that was never stopped."""
        return dict(vars(self))

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take it up again; an empty state changes nothing."""
        vars(self).update(state)

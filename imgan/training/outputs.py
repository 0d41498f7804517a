"""What a run leaves to look at and to use: pictures on the way, its page, the model file."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from PIL import Image
from torch import nn

from ..core import EMA
from ..data.translation import PREVIEW
from ..errors import ImganError
from ..files import replacing
from ..model_file import Card, read_card, save_model
from ..pipelines.pipeline import Choosing, Pipeline, Stream
from ..recipe import Recipe, published
from .best import Best
from .run_folder import RunFolder


class Outputs:
    """Written by the main process alone, of the averaged networks."""

    def __init__(
        self,
        recipe: Recipe,
        folder: RunFolder,
        pipeline: Pipeline,
        ema: EMA,
        best: Best,
        parent: Card | None,
        precision: str,
    ) -> None:
        # In the card stands what it was computed in, whatever was chosen by the machine.
        train = recipe.train.model_copy(update={"precision": precision})
        self._recipe = recipe.model_copy(update={"train": train})
        self._folder, self._pipeline, self._parent = folder, pipeline, parent
        self._ema, self._best = ema, best

    def preview(self, step: int, dataset: Stream, device: torch.device) -> None:
        """The pipeline's picture of how it stands, of the same four samples each time."""
        items = [dataset[PREVIEW + i] for i in range(4)]
        batch = {k: torch.stack([item[k] for item in items]).to(device) for k in items[0]}
        with self._ema.averaged() as players, torch.no_grad():
            assert isinstance(players, nn.ModuleDict)
            players.eval()
            picture = self._pipeline.preview(dict(players.items()), batch)
            players.train()
        pixels = picture.mul(255).round().byte().permute(1, 2, 0).cpu().numpy()  # [H, W, 3]
        with replacing(self._folder.previews / f"{step:08d}.png") as beside:
            Image.fromarray(pixels).save(beside)

    def page(self, say: Callable[[str], None]) -> None:
        """The run's page; a page never ends a run."""
        from ..report import write_run_page

        try:
            write_run_page(self._folder.path)
        except Exception as error:
            say(f"index.html was not written: {error}")

    def model(self, step: int, log: Sequence[dict[str, Any]]) -> None:
        """The model file, with at most about a hundred rows of the log in its card."""
        card = self._pipeline.card()
        card.recipe = published(self._recipe)
        card.parent = self._parent
        data = self._pipeline.data_card()
        card.data = data | {"skipped": len(data["skipped"])}
        rows = [{name: value for name, value in row.items() if name != "warnings"} for row in log]
        card.log = rows[:-1][:: max(1, len(rows) // 100)] + rows[-1:]
        card.steps = step
        with self._ema.averaged() as players:
            assert isinstance(players, nn.ModuleDict)
            states = {role: network.state_dict() for role, network in players.items()}
            if self._best.states and isinstance(self._pipeline, Choosing):
                states = self._best.states
                card.scores[self._best.told(self._pipeline.rule)] = self._best.known
            save_model(self._folder.model, card, {role: states[role] for role in card.networks})

    def model_is_of(self, step: int) -> bool:
        """Whether the model file that lies there is of this step."""
        try:
            return read_card(self._folder.model).steps == step
        except ImganError:
            return False

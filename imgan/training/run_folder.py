"""The folder of a run: what lies where, and whether a command continues the run that lies there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml
from filelock import FileLock, Timeout

from ..errors import ImganError
from ..files import replacing
from ..recipe import Recipe, load_recipe
from . import checkpoint

# May differ when a run goes on: how it is run, how long, and what the warnings advise to change.
_FREE = {
    "train.steps",
    "train.workers",
    "train.accumulate",
    "train.log_every",
    "train.preview_every",
    "train.checkpoint_every",
    "train.validate_every",
    "train.keep",
    "train.tracker",
    "train.compile",
    "train.precision",
    "train.optimizer.rate",
    "train.optimizer.clip",
    "adversary.optimizer.rate",
    "adversary.optimizer.clip",
    "adversary.label_smoothing",
    "adversary.penalties",
    "licence",
    "notes",
}


class RunFolder:
    """Paths of a run: recipe, data (what was found and skipped), metrics, checkpoints, model."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.recipe = path / "recipe.yaml"
        self.data = path / "data.json"
        self.metrics = path / "metrics.jsonl"
        self.checkpoints = path / "checkpoints"
        self.previews = path / "previews"
        self.model = path / "model.safetensors"
        self._newest: list[Path] = []

    def check(self, recipe: Recipe, resume: bool) -> None:
        """Before any work: may this recipe be trained here?

        Raises:
            ImganError: `resume` without a checkpoint, or a checkpoint of another recipe.
        """
        self._newest = checkpoint.found(self.checkpoints)[:1]
        has_run = bool(self._newest)
        if resume and not has_run:
            raise ImganError(f"there is no checkpoint in {self.path} to resume; leave --resume out")
        if has_run and (changed := [key for key in self.changed(recipe) if key not in _FREE]):
            raise ImganError(
                f"{self.path} holds a run of another recipe (it differs in {', '.join(changed)}); "
                "take the same settings to go on, or another --out"
            )

    def changed(self, recipe: Recipe) -> list[str]:
        """The settings in which the recipe that was trained here differs, such as train.steps."""
        if not self.recipe.is_file():
            return []
        # Parsed, so that a setting that is newer than the run counts with its default.
        before, now = (
            _flat(one.model_dump(mode="json", exclude={"arms"}))
            for one in (load_recipe(self.recipe), recipe)
        )
        return sorted(k for k in before.keys() | now.keys() if before.get(k) != now.get(k))

    @contextmanager
    def held(self) -> Iterator[None]:
        """While this process trains here no other may.

        Raises:
            ImganError: another one does, or has since `check`; or nothing can be written.
        """
        lock = FileLock(self.path / ".lock", timeout=0)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            lock.acquire()
        except Timeout:
            raise ImganError(
                f"another process is training in {self.path}; wait for it, or take another --out"
            ) from None
        except (OSError, NotImplementedError) as error:
            raise ImganError(
                f"a run cannot be kept in {self.path} ({error}); take another --out"
            ) from None
        try:
            if checkpoint.found(self.checkpoints)[:1] != self._newest:
                raise ImganError(
                    f"another process has trained on in {self.path} meanwhile; the same command "
                    "goes on from there"
                )
            yield
        finally:
            lock.release()

    def write_recipe(self, recipe: Recipe) -> None:
        """Keep the recipe as it is trained, every default written out."""
        with replacing(self.recipe) as beside:
            beside.write_text(
                yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False), encoding="utf-8"
            )


def _flat(tree: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat

"""Pipelines: networks, two costs, and how to show what they make."""

from __future__ import annotations

from ..recipe import Recipe
from .pipeline import Pipeline


def make_pipeline(recipe: Recipe) -> Pipeline:
    """The pipeline that a recipe asks for."""
    from .srgan import SRGAN

    return SRGAN(recipe)

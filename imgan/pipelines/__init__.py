"""Pipelines: networks, two costs, and how to show what they make."""

from __future__ import annotations

from ..recipe import CycleGANRecipe, DannRecipe, NextFrameRecipe, Pix2PixRecipe, Recipe
from .pipeline import Pipeline


def make_pipeline(recipe: Recipe) -> Pipeline:
    """The pipeline that a recipe asks for."""
    if isinstance(recipe, Pix2PixRecipe):
        from .pix2pix import Pix2Pix

        return Pix2Pix(recipe)
    if isinstance(recipe, CycleGANRecipe):
        from .cyclegan import CycleGAN

        return CycleGAN(recipe)
    if isinstance(recipe, NextFrameRecipe):
        from .nextframe import NextFrame

        return NextFrame(recipe)
    if isinstance(recipe, DannRecipe):
        from .dann import Dann

        return Dann(recipe)
    from .srgan import SRGAN

    return SRGAN(recipe)

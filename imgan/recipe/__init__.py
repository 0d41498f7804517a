"""The typed recipe: everything that a YAML file may say, and nothing else.

A recipe is data. An unknown key, a wrong type or an impossible pair of settings is one sentence
before any work starts. No torch here: reading a recipe takes milliseconds.
"""

from __future__ import annotations

from .base import Adversary, Optimizer, Penalty, Schedule, Train
from .dann import DannRecipe
from .load import Recipe, load_recipe, parse_recipe, published, recipe_names
from .nextframe import NextFrameRecipe
from .srgan import SRGANRecipe
from .translation import CycleGANRecipe, Pix2PixRecipe

__all__ = [
    "Adversary",
    "CycleGANRecipe",
    "DannRecipe",
    "NextFrameRecipe",
    "Optimizer",
    "Penalty",
    "Pix2PixRecipe",
    "Recipe",
    "SRGANRecipe",
    "Schedule",
    "Train",
    "load_recipe",
    "parse_recipe",
    "published",
    "recipe_names",
]

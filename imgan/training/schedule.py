"""The learning rate as a function of the step: nothing to save, nothing to restore."""

from __future__ import annotations

import math

from ..recipe import Schedule


def rate_factor(schedule: Schedule, step: int, steps: int) -> float:
    """The factor of the rate at `step` (from 0) of `steps`: warm-up, stable, decay.

    With ``decay=1`` and ``shape="cosine"`` it is the usual cosine (Loshchilov & Hutter 2017), with
    ``decay=0.5`` and ``"linear"`` that of CycleGAN (Zhu et al. 2017).
    """
    up = min(1.0, (step + 1) / (schedule.warmup + 1))
    start = steps * (1 - schedule.decay)
    if step < start or not schedule.decay:
        return up
    along = (step - start) / (steps - start)
    down = 1 - along if schedule.shape == "linear" else 0.5 + 0.5 * math.cos(math.pi * along)
    return up * (schedule.floor + (1 - schedule.floor) * down)

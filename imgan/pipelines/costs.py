"""From the words of a recipe to the objects of the core."""

from __future__ import annotations

from .. import core
from ..recipe import Adversary, Recipe
from ..recipe import Penalty as PenaltySpec


def gan_loss(adversary: Adversary) -> core.GanLoss:
    """The two costs that the recipe names."""
    match adversary.loss:
        case "minimax":
            return core.Minimax()
        case "non-saturating":
            return core.NonSaturating(smoothing=adversary.label_smoothing)
        case "maximum-likelihood":
            return core.MaximumLikelihood()
        case "least-squares":
            return core.LeastSquares()
        case "wasserstein":
            return core.Wasserstein()
        case "hinge":
            return core.Hinge()
        case "relativistic":
            return core.RelativisticAverage()


def penalty(spec: PenaltySpec) -> core.Penalty:
    """The regulariser that the recipe names."""
    match spec.name:
        case "r1":
            return core.R1(spec.weight, spec.every)
        case "r2":
            return core.R2(spec.weight, spec.every)
        case "wgan-gp":
            return core.WganGP(spec.weight, spec.every)
        case "dragan":
            return core.Dragan(spec.weight, spec.every)


def noise(adversary: Adversary) -> core.InstanceNoise | None:
    """Instance noise, where the recipe asks for it."""
    if not adversary.noise:
        return None
    return core.InstanceNoise(adversary.noise, adversary.noise_until)


def health(recipe: Recipe) -> core.Health:
    """The monitor, which advises what the recipe can say."""
    adversary = recipe.adversary
    # Wasserstein's critic is meant to be far ahead: it cannot have won.
    wasserstein = adversary is not None and adversary.loss == "wasserstein"
    settable = hasattr(getattr(adversary, "critic", None), "minibatch_stddev")
    return core.Health(
        accuracy=None if wasserstein else 0.95,
        statistics="adversary.critic.minibatch_stddev" if settable else "MinibatchStdDev",
    )

"""The arms of a comparison: what each trains, as changes of one recipe."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ImganError
from ..recipe import Recipe, load_recipe
from ..recipe.base import Arm as ArmSpec
from .result import TAKEN, Kind

MSE, ADVERSARIAL = "mse", "adversarial"

_NO_CRITIC = {
    "srgan": ("adversary=null", "perceptual=null", "lpips=null"),
    "pix2pix": ("adversary=null", "perceptual=null", "lpips=null"),
    "cyclegan": ("adversary=null",),
    "nextframe": ("adversary=null", "gdl=null"),
}
_PIXELS = {
    "srgan": ("pixel.kind",),
    "pix2pix": ("pixel.kind",),
    "cyclegan": ("cycle.kind", "identity.kind"),
    "nextframe": ("pixel.kind",),
}
_PAID = {
    "srgan": "of the enlarged image's pixels",
    "pix2pix": "of the translated image's pixels",
    "cyclegan": "of the way there and back, and of what the target set holds already",
    "nextframe": "of the predicted frame's pixels",
}
_DOMAINS = {
    "source": ArmSpec(
        about="trained on the source's classes alone; nothing is learned of the target",
        set=("adversary=null", "target=null", "moments=null"),
    ),
    MSE: ArmSpec(
        about="squared error between the means and covariances of the domains' features; no critic",
        set=("adversary=null", "moments.means=1", "moments.covariances=1"),
    ),
}
_TITLES = {MSE: "MSE", "l1": "L1", "wgan-gp": "WGAN-GP", "r1": "R1", "dragan": "DRAGAN"}

_COSTS = {
    "minimax": "the minimax cost of the generator (Goodfellow et al. 2014)",
    "non-saturating": "the non-saturating cost (Goodfellow et al. 2014)",
    "maximum-likelihood": "the maximum likelihood cost (Goodfellow 2014)",
    "least-squares": "the least squares cost (Mao et al. 2017)",
    "hinge": "the hinge cost (Lim & Ye 2017)",
    "relativistic": "the relativistic average cost (Jolicoeur-Martineau 2018)",
}
_PENALTIES = {"r1": ("r1", 10), "dragan": ("dragan", 10), "wgan-gp": ("wgan-gp", 10)}
_PENALISED = {
    "r1": "the recipe's game with the R1 penalty, weight 10 (Mescheder et al. 2018)",
    "dragan": "the recipe's game with the DRAGAN penalty, weight 10 (Kodali et al. 2017)",
    "wgan-gp": "the Wasserstein cost with a gradient penalty, weight 10 (Gulrajani et al. 2017)",
}


@dataclass(frozen=True)
class Planned:
    """An arm that is to be trained: `recipe(k)` is that of the k-th seed."""

    name: str
    title: str
    kind: Kind
    about: str
    changes: tuple[str, ...]
    recipe: Callable[[int], Recipe]


def plan(
    source: str | Path, changes: Sequence[str] = (), extra: Sequence[str] = ()
) -> list[Planned]:
    """The twins of a recipe, and the arms that are named beside them.

    Args:
        source: a recipe file, or a shipped recipe's name.
        changes: ``key=value``, for all arms.
        extra: of the recipe's own (`Base.arms`), or ``l1``, a cost of the core (``hinge``, ...), or
            a penalty (``r1``, ``dragan``, ``wgan-gp``).

    Raises:
        ImganError: the recipe cannot be used, has no adversary, or an arm does not fit it.
    """
    base = load_recipe(source, changes)
    known = arms_of(base)
    if ADVERSARIAL not in known:
        raise ImganError(
            f"recipe {base.name} has no adversary to compare; take one that has, or write an arm "
            "'adversarial' into its section `arms`"
        )
    if unknown := [name for name in extra if name not in known]:
        raise ImganError(
            f"recipe {base.name} knows no arm {unknown[0]}: there are {', '.join(known)}"
        )
    if taken := [name for name in extra if name in TAKEN]:
        raise ImganError(f"an arm cannot be called {taken[0]}, as baselines are; rename it")
    twins = [name for name in ("source", MSE, ADVERSARIAL) if name in known]
    return [
        _planned(source, changes, base, name, known[name])
        for name in dict.fromkeys([*twins, *extra])
    ]


def arms_of(recipe: Recipe) -> dict[str, ArmSpec]:
    """Every arm that a recipe can be trained as, by name."""
    found: dict[str, ArmSpec] = {}
    if recipe.pipeline == "dann":
        found |= _DOMAINS
    else:
        for kind, word in ((MSE, "squared"), ("l1", "absolute")):
            pixels = [f"{key}={kind}" for key in _PIXELS[recipe.pipeline]]
            if not getattr(getattr(recipe, "pixel", None), "weight", 1):
                pixels.append("pixel.weight=1")
            about = f"{word} error {_PAID[recipe.pipeline]}; no critic"
            found[kind] = ArmSpec(about=about, set=(*_NO_CRITIC[recipe.pipeline], *pixels))
    if recipe.adversary:
        found[ADVERSARIAL] = ArmSpec(about="the recipe as it is")
        found |= {name: _with_cost(recipe, name) for name in _COSTS}
        found |= {name: _with_penalty(recipe, name) for name in _PENALTIES}
    return found | recipe.arms


def _with_cost(recipe: Recipe, name: str) -> ArmSpec:
    changes = [f"adversary.loss={name}", *_moves(recipe)]
    if name != "non-saturating":
        changes.append("adversary.label_smoothing=0")
    return ArmSpec(about=f"the recipe's game with {_COSTS[name]}", set=tuple(changes))


def _with_penalty(recipe: Recipe, name: str) -> ArmSpec:
    penalty, weight = _PENALTIES[name]
    changes = [f"adversary.penalties=[{{name: {penalty}, weight: {weight}}}]", *_moves(recipe)]
    if name == "wgan-gp":
        changes += ["adversary.loss=wasserstein", "adversary.label_smoothing=0"]
    assert recipe.adversary
    norm = getattr(recipe.adversary.critic, "norm", None)
    if norm in (True, "batch"):  # it mixes samples, and a penalty is paid by each
        changes.append(f"adversary.critic.norm={'false' if norm is True else 'none'}")
    return ArmSpec(about=_PENALISED[name], set=tuple(changes))


def _moves(recipe: Recipe) -> list[str]:
    """Gradient reversal is cross-entropy in one pass; any other cost takes alternating moves."""
    return ["adversary.game=moves"] if recipe.pipeline == "dann" else []


def _planned(
    source: str | Path, changes: Sequence[str], base: Recipe, name: str, arm: ArmSpec
) -> Planned:
    # A recipe that takes itself for the adversarial twin may be the MSE twin with a switch.
    own = [*changes, *arm.set, "arms={}", f"name={base.name}-{name}"]

    def recipe(seed: int) -> Recipe:
        try:
            return load_recipe(source, [*own, f"seed={base.seed + seed}"])
        except ImganError as error:
            raise ImganError(f"arm {name}: {error}") from None

    trained = recipe(0)  # its faults cost nothing
    kind: Kind = "adversarial" if trained.adversary else "mse" if name == MSE else "other"
    if kind == "adversarial" and name != ADVERSARIAL:
        kind = "other"
    title = _TITLES.get(name, name.replace("-", " ").capitalize())
    return Planned(name, title, kind, arm.about, arm.set, recipe)

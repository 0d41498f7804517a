"""Two sentences that say what was found, from the figures alone."""

from __future__ import annotations

from .result import Arm, Comparison, Metric

ENOUGH = 0.01
"""Relative differences under this are none, whatever the spread; of decibels 0.05."""

FEW = 4
"""Fewer test images than this are told."""

_LOST = {"cyclegan": "without a critic nothing tells what the other set looks like"}
"""Why squared error can lose at its own measure, where that is not for want of training."""


def verdict(found: Comparison) -> list[str]:
    """What to think of the twins in two sentences, and what to mind where there is something."""
    mse, game = found.of_kind("mse"), found.of_kind("adversarial")
    if mse is None or game is None:
        return _ranking(found)
    if found.pipeline == "dann":
        return _domains(found, mse, game) + _warned(game)
    if lost := _untrained(found, mse, game):
        return [lost, *_few(found), *_warned(game)]
    return [_trade(found, mse, game), *_sharp(mse, game), *_few(found), *_warned(game)]


def _untrained(found: Comparison, mse: Arm, game: Arm) -> str:
    """Where no twin comes up to what takes no training, they have little to say of each other."""
    base = next((arm for arm in found.arms if arm.kind == "baseline"), None)
    keys = [metric.key for metric in found.metrics if metric.key in ("psnr", "lpips")]
    if not base or not keys:
        return ""
    for metric in map(found.metric, keys):
        if better(metric, base, mse) < 1 or better(metric, base, game) < 1:
            return ""
    metric = found.metric(keys[0])
    return (
        f"Neither twin comes up to {base.title.lower()} yet ({metric.title} "
        f"{base.mean(metric.key):.{metric.digits}f}; {_pair(metric, mse, game)}): train longer "
        "before you compare them."
    )


def _few(found: Comparison) -> list[str]:
    """Of a handful of images chance has its say."""
    count = found.tested
    if not 0 < count < FEW:
        return []
    images = f"{count} test image{'s' * (count > 1)}"
    return [f"Mind that {images} {'are few' if count > 1 else 'is little'} to judge by."]


def better(metric: Metric, one: Arm, other: Arm) -> int:
    """1 if `one` is better, -1 if `other` is, 0 if that lies within the spread or is too little."""
    a, b = one.mean(metric.key), other.mean(metric.key)
    if a is None or b is None or a == b:  # infinite ones, too
        return 0
    gap = metric.distance(b) - metric.distance(a)
    least = 0.05 if metric.unit == "dB" else ENOUGH * max(abs(a), abs(b))
    spread = (one.spread(metric.key) or 0) + (other.spread(metric.key) or 0)
    return 0 if abs(gap) <= max(least, spread) else 1 if gap > 0 else -1


_PLAIN = {"mse": "Squared error", "l1": "Absolute error"}


def _plain(arm: Arm) -> str:
    """What the arm without an adversary paid, to begin a sentence."""
    return _PLAIN.get(arm.cost, "The cost without an adversary")


def _trade(found: Comparison, mse: Arm, game: Arm) -> str:
    """Fidelity against perception."""
    plane = [found.metric(key) for key in found.plane or ()]
    if not plane or any(arm.mean(metric.key) is None for arm in (mse, game) for metric in plane):
        return _one(found, mse, game)
    near, seen = plane
    plain = _plain(mse)
    fidelity = f"{near.title} {_pair(near, mse, game)}"
    looks = f"{seen.title} {_pair(seen, mse, game)}"
    match better(near, mse, game), better(seen, game, mse):
        case 1, 1:
            return (
                f"{plain} comes nearer to the truth pixel by pixel ({fidelity}), and the "
                f"adversary looks nearer to it ({looks}): each wins what it pays for."
            )
        case 1, 0:
            return (
                f"{plain} comes nearer to the truth pixel by pixel ({fidelity}), and the "
                f"adversary does not look nearer to it ({looks}): here the game has won nothing."
            )
        case 1, -1:
            return (
                f"{plain} wins both, pixel by pixel ({fidelity}) and to the eye ({looks}): "
                "here the game has won nothing."
            )
        case 0, 1:
            return (
                f"The adversary looks nearer to the truth ({looks}), and pixel by pixel that costs "
                f"nothing that can be told ({fidelity})."
            )
        case -1, 1:
            return (
                f"The adversary wins both, to the eye ({looks}) and pixel by pixel ({fidelity}): "
                f"{_LOST.get(found.pipeline, f'{plain.lower()} has not come to its best yet')}."
            )
        case -1, -1:
            return (
                f"The adversary comes nearer to the truth pixel by pixel ({fidelity}), and "
                f"{plain.lower()} looks nearer to it ({looks}): the other way round than each is "
                "paid for."
            )
        case 0, -1:
            return (
                f"{plain} looks nearer to the truth ({looks}), and pixel by pixel they are "
                f"level ({fidelity}): here the game has won nothing."
            )
        case -1, 0:
            return (
                f"The adversary comes nearer to the truth pixel by pixel ({fidelity}), and to the "
                f"eye they are level ({looks})."
            )
        case _, _:
            return (
                f"The twins cannot be told apart as they should: {fidelity} pixel by pixel, "
                f"{looks} to the eye."
            )


def _one(found: Comparison, mse: Arm, game: Arm) -> str:
    """Without a plane: the first figure that both have."""
    for metric in found.metrics:
        if mse.mean(metric.key) is not None and game.mean(metric.key) is not None:
            plain = _plain(mse)
            word = {
                1: "The adversary is ahead",
                -1: f"{plain} is ahead",
                0: "They are level",
            }
            said = word[better(metric, game, mse)]
            return f"{said} in {metric.title}: {_pair(metric, mse, game)}."
    return "There is no figure that both twins have."


def _sharp(mse: Arm, game: Arm) -> list[str]:
    """How much of the truth's gradients is left."""
    a, b = mse.mean("gradient"), game.mean("gradient")
    if a is None or b is None:
        return []
    kept = f"{_plain(mse)} leaves {100 * a:.0f} % of the truth's gradients, the adversary "
    kept += f"{100 * b:.0f} %"
    if a < 0.97 and abs(b - 1) < abs(a - 1) - 0.01:
        return [f"{kept}: it averages over the answers that fit, where a game picks one."]
    if a < 0.97 and b > 1:
        return [f"{kept}: the game has gone beyond the truth."]
    if a < 0.97:
        return [f"{kept}: the game has not made it sharper."]
    if a > 1.03:
        return [f"{kept}: what is more than the truth has is noise or false edges, not detail."]
    return [f"{kept}: here {_plain(mse).lower()} does not blur, so there is little to win."]


def _domains(found: Comparison, mse: Arm, game: Arm) -> list[str]:
    """Accuracy on the target, and how far the domains are apart."""
    targets = [metric for metric in found.metrics if metric.key.startswith("target")]
    source = next((arm for arm in found.arms if arm.name == "source"), None)
    said = []
    for task in targets:
        if None in (mse.mean(task.key), game.mean(task.key)):  # one knows none of the classes
            continue
        known = [("trained on the source alone", source), ("with moments matched", mse)]
        known.append(("with the adversary", game))
        means = [(what, arm.mean(task.key)) for what, arm in known if arm]
        parts = [f"{mean:.1f} % {what}" for what, mean in means if mean is not None]
        ahead = {
            1: "the adversary is ahead",
            -1: "squared error is ahead",
            0: "they are level",
        }
        where = "the other domain" if len(targets) == 1 else task.title.removeprefix("Accuracy, ")
        said.append(f"In {where} {', '.join(parts)}: {ahead[better(task, game, mse)]}.")
    apart = next((metric for metric in found.metrics if metric.key == "distance"), None)
    if apart is None:  # of a single domain
        return said or _ranking(found)
    arms = [arm for arm in (source, mse, game) if arm and arm.mean("distance") is not None]
    values = ", ".join(f"{arm.mean('distance'):.2f} ({arm.title})" for arm in arms)
    said.append(
        f"A linear critic tells the domains' features apart at a distance of {values}; 0 is not at "
        f"all, 2 is always ({apart.title})."
    )
    return said


def _ranking(found: Comparison) -> list[str]:
    """Without both twins: who is best in what."""
    said = []
    for metric in found.metrics:
        best = found.best(metric)
        if best and len(found.trained) > 1:
            titles = [arm.title for arm in found.trained if arm.name in best]
            said.append(f"{metric.title}: {' and '.join(titles)}")
    if not said:
        return []
    return [f"Best of the trained in each figure: {'; '.join(said)}."]


def _warned(arm: Arm) -> list[str]:
    return [f"Mind that its training warned: {arm.warnings[0]}"] if arm.warnings else []


def _pair(metric: Metric, mse: Arm, game: Arm) -> str:
    """``31.43 dB for MSE, 30.05 dB for the adversary``."""
    a, b = mse.mean(metric.key), game.mean(metric.key)
    unit = f" {metric.unit}" if metric.unit else ""
    cost = mse.cost.upper() if mse.cost in _PLAIN else "it"
    one, other = (f"{value:.{metric.digits}f}{unit}" for value in (a, b))
    return f"{one} for {cost}, {other} for the adversary"

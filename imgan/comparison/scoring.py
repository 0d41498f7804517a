"""The figures of all models on the same images, and everything that is shown of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ..errors import ImganError
from ..inference.device import choose
from ..machine import hardware, versions
from ..perceptual import Backbone
from .eyes import Eyes
from .features import compare_features
from .judge import Judge
from .judged import judge
from .judges import Frames, SuperResolution, Translation
from .result import Arm, Comparison, Metric
from .splits import HELD_OUT, Parts

Progress = Callable[[int, int | None], None]

_WHAT = {
    "srgan": "Enlarging photos",
    "pix2pix": "Image translation, learned from pairs",
    "cyclegan": "Image translation, learned without pairs",
    "nextframe": "The next frames of clips",
    "dann": "Features that hold in another domain",
}


@dataclass(frozen=True)
class Scoring:
    """How models are scored.

    Attributes:
        lpips: a backbone, or None.
        lpips_weights, inception: local files of weights, see `Eyes`.
        insist: LPIPS was asked for by name.
        direction: of translation, as for `imgan translate`.
        horizon: frames ahead.
        device, precision: see `imgan.inference.device.choose`.
    """

    lpips: Backbone | None = "squeeze"
    lpips_weights: Path | None = None
    inception: Path | None = None
    insist: bool = False
    direction: str | None = None
    horizon: int | None = None
    size: int | None = None
    device: str | None = None
    precision: str = "auto"


AS_USUAL = Scoring()


def check_scoring(pipeline: str, scoring: Scoring) -> None:
    """Refuse options of other pipelines."""
    translates = pipeline in ("pix2pix", "cyclegan")
    if scoring.direction is not None and not translates:
        raise ImganError(f"--direction is for translation, and these are of {pipeline}")
    for name in ("horizon", "size"):
        if getattr(scoring, name) is not None and pipeline != "nextframe":
            raise ImganError(f"--{name} is for next frames, and these are of {pipeline}")


def scored(
    pipeline: str,
    arms: list[Arm],
    models: Mapping[tuple[str, int], Path],
    chosen: Parts,
    scoring: Scoring,
    eyes: Eyes | None,
    progress: Progress,
) -> Comparison:
    """The figures of all models into their arms, and everything that is shown of them."""
    device, dtype = choose(scoring.device, scoring.precision)
    found = Comparison(
        name="",
        what=_WHAT[pipeline],
        pipeline=pipeline,
        data="",
        test=chosen.about,
        seeds=[],
        arms=arms,
        metrics=[],
        protocol=[],
        versions=versions(),
        hardware=hardware(str(device)),
    )
    if eyes is None:
        compare_features(found, models, chosen.test, scoring.device, scoring.precision)
        return found
    scored = f"scored on {device} in {str(dtype).removeprefix('torch.')}"
    subjects = {f"{name} {seed}": path for (name, seed), path in models.items()}
    judging = _judge(pipeline, subjects, chosen, scoring)
    if chosen.about == HELD_OUT and not judging.held_out:
        found.test = "the images of training: none of so few were held out"
    first = {arm.name: next(f"{n} {s}" for n, s in models if n == arm.name) for arm in arms}
    titles = {first[arm.name]: arm.title for arm in arms}
    if base := judging.baseline:
        titles = {base.name: base.title} | titles
    mse, game = found.of_kind("mse"), found.of_kind("adversarial")
    rivals = (mse, game) if mse and game else (arms[0], arms[-1])
    names = (first[rivals[0].name], first[rivals[1].name])
    result = judge(judging, eyes, titles, names if names[0] != names[1] else None, progress)
    for arm in arms:
        for name, seed in models:
            if name == arm.name:
                for key, value in result.figures[f"{name} {seed}"].items():
                    arm.figures.setdefault(key, []).append(value)
    if base:
        figures = {key: [value] for key, value in result.figures[base.name].items()}
        found.arms = [Arm(base.name, base.title, "baseline", base.about, figures=figures), *arms]
    renamed = {subject: name for name, subject in first.items()}
    for row in [*result.rows, *result.crops]:
        for pane in row.panes:
            pane.subject = renamed.get(pane.subject, pane.subject)
    if result.spectra:
        for lines in (result.spectra.power, result.spectra.residual):
            _rename(lines, renamed)
    for horizon in result.horizons:
        _rename(horizon.lines, renamed)
    found.metrics, found.protocol = result.metrics, [*result.protocol, scored]
    found.spectra, found.horizons = result.spectra, result.horizons
    found.rows, found.crops, found.crop_rule = result.rows, result.crops, result.crop_rule
    found.tested = result.count
    found.plane = _plane(found.metrics)
    return found


def _judge(pipeline: str, models: Mapping[str, Path], chosen: Parts, scoring: Scoring) -> Judge:
    test, device, precision = chosen.test, scoring.device, scoring.precision
    if pipeline == "srgan":
        return SuperResolution(models, test, device, precision)
    if pipeline == "nextframe":
        return Frames(models, test, device, precision, scoring.horizon, scoring.size)
    return Translation(models, test, device, precision, scoring.direction, chosen.own)


def _plane(metrics: Sequence[Metric]) -> tuple[str, str] | None:
    """PSNR against the best perceptual distance that there is."""
    known = [metric.key for metric in metrics]
    seen = [key for key in ("lpips", "dists", "spectrum") if key in known]
    return ("psnr", seen[0]) if "psnr" in known and seen else None


def eyes_of(scoring: Scoring) -> Eyes:
    """What looks at the images; its weights are had, or found missing, now."""
    device, _ = choose(scoring.device, "float32")
    return Eyes(scoring.lpips, scoring.lpips_weights, scoring.inception, scoring.insist, device)


def _rename(lines: dict[str, list[float]], names: Mapping[str, str]) -> None:
    for subject in list(lines):
        lines[names.get(subject, subject)] = lines.pop(subject)

"""Score translation models on held-out images, and keep what they made of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from ..data.makers import MAKERS
from ..errors import ImganError
from ..files import replacing
from ..inference.device import choose
from ..inference.tiles import run_tiled
from ..inference.translate import directed, load_translation
from ..model_file import Card, read_card
from ..perceptual import SMALLEST, LpipsDistance
from ..shipped import labels, resolve
from .distribution import LEAST, SetDistance
from .evaluate import BICUBIC, TWINS, Scores, finite
from .held_out import HeldOut, form_of
from .metrics import psnr, ssim

COPY = "input"
"""The baseline: the input as it is."""

Progress = Callable[[str, int, int], None]


@dataclass
class TranslationReport:
    """The scores of all models on one set, with what is needed to repeat them."""

    data: str
    direction: str
    protocol: list[str]
    models: list[Scores] = field(default_factory=list)
    sets: dict[str, dict[str, float]] = field(default_factory=dict)
    """Scores of a model's images as a set (KID), by model."""

    def means(self) -> dict[str, dict[str, float]]:
        """Every score by model."""
        return {
            s.model: (s.mean if s.images else {}) | self.sets.get(s.model, {}) for s in self.models
        }

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return {
            "data": self.data,
            "direction": self.direction,
            "protocol": self.protocol,
            "models": [
                {
                    "model": s.model,
                    "mean": finite(self.means()[s.model]),
                    "images": {name: finite(row) for name, row in s.images.items()},
                }
                for s in self.models
            ],
        }


def is_translation(model: str | Path) -> bool:
    """Whether a model is one of these pipelines'; published ``.pth`` generators are tried.

    Raises:
        ImganError: there is no such model.
    """
    if str(model) in (BICUBIC, TWINS):
        return False
    path = resolve(model)
    try:
        if path.suffix == ".safetensors":
            return read_card(path).pipeline in ("pix2pix", "cyclegan")
        load_translation(path)
    except ImganError:  # a community model, or a damaged file, of which others tell more
        return False
    return True


def evaluate_translation(
    models: Sequence[str | Path],
    folders: Sequence[Path],
    *,
    direction: str | None = None,
    out: Path | None = None,
    lpips: LpipsDistance | None = None,
    device: str | None = None,
    precision: str = "auto",
    progress: Progress | None = None,
) -> TranslationReport:
    """Translate the held-out images of a data set, score what comes out, and keep it.

    Images are brought to their size as in training, without cut or flip. Of pairs each output is
    scored against its partner; of two unpaired sets the outputs as a set, against the set that they
    should look like.

    Args:
        models: model files or shipped names, all for the same kind of input.
        folders: as for training; see `HeldOut` for which of their images are taken.
        direction: ``AtoB`` or ``BtoA``; by default what the model was trained on, or AtoB.
        out: a folder for the images and ``results.json``.
        lpips: adds LPIPS, and KID on its backbone where there are enough images.
        device: see `imgan.inference.device.choose`, as `precision`.
        progress: called with model, image's number and count before each image.

    Raises:
        ImganError: the data or a model cannot be used, or the models do not do the same.
    """
    loaded = {str(name): load_translation(resolve(name)) for name in models}
    cards = [model.card for model in loaded.values()]
    works = {name: directed(Path(name), model, direction) for name, model in loaded.items()}
    direction = works[next(iter(works))][0]
    same_kind({name: (model.card, works[name][0]) for name, model in loaded.items()})
    data = HeldOut(cards, folders, direction)
    if not data.count:
        raise ImganError(f"no image in {folders[0]} can be used to score on")
    target, dtype = choose(device, precision)
    named = ", ".join(str(folder) for folder in folders)
    report = TranslationReport(named, direction, [data.protocol()])
    kept: dict[str, list[Path]] = {}
    for name in ([COPY] if data.copies else []) + list(loaded):
        scores = Scores(name, loaded[name].card.name if name in loaded else "")
        distance = SetDistance(lpips) if lpips and data.enough and data.large else None
        for number, sample in enumerate(data.samples()):
            if progress:
                progress(name, number, data.count)
            output = sample.source
            if name != COPY:
                network = works[name][1]
                output = translated(network, loaded[name].card, sample.source, target, dtype)
            if sample.target is not None:
                scores.images[sample.name] = _score(output, sample.target, lpips)
            if distance:
                distance.add(_rgb(output), None)
            if out and name != COPY:
                file = out / _folder(name, list(loaded)) / f"{sample.name}.png"
                _save(file, output)
                kept.setdefault(sample.name, []).append(file)
        if distance:
            for wanted in data.wanted():
                distance.add(None, _rgb(wanted))
            report.sets[name] = {"kid": distance.compute()}
            if distance.protocol not in report.protocol:
                report.protocol.append(distance.protocol)
        report.models.append(scores)
    if lpips and not data.enough:
        report.protocol.append(f"no KID: that takes {LEAST} images and more on each side")
    if lpips and not data.large:
        report.protocol.append(
            f"no KID, and no LPIPS of images of fewer than {SMALLEST} pixels to a side"
        )
    if lpips and data.paired:
        report.protocol.append(f"{lpips.protocol} on RGB")
    if out:
        _write_results(out, report, data, list(loaded), kept)
    return report


def same_kind(models: Mapping[str, tuple[Card, str]]) -> None:
    """Models by name, each with its direction, can be scored on the same images.

    Raises:
        ImganError: they differ in their input.
    """
    if len({_kind(card, direction) for card, direction in models.values()}) > 1:
        raise ImganError(
            f"{', '.join(models)} differ in their input, its size or direction, and cannot be "
            "scored on the same images"
        )


def _kind(card: Card, direction: str) -> tuple[Any, ...]:
    """What models must have in common to be scored on the same images."""
    made = card.task if card.task in MAKERS else ""
    counts = (card.channels, card.out_channels or card.channels)
    return made, counts, direction, form_of(card, 3), card.value_range, card.bit_depth


def translated(
    network: nn.Module, card: Card, source: Tensor, device: torch.device, dtype: torch.dtype
) -> Tensor:
    """What a generator makes of ``[1, C, H, W]`` in [0, 1], rounded to the bits of its card."""
    answer = run_tiled(
        network.to(device),
        source[0].permute(1, 2, 0).numpy(),
        size_multiple=max(card.size_multiple, int(getattr(network, "size_multiple", 1))),
        minimum=int(getattr(network, "minimum", 1)),
        value_range=card.value_range,
        device=device,
        dtype=dtype,
    )  # [H, W, C]
    output = torch.from_numpy(answer).permute(2, 0, 1)[None]
    return (output * 255).round() / 255 if card.bit_depth == 8 else output


def _score(output: Tensor, target: Tensor, lpips: LpipsDistance | None) -> dict[str, float]:
    row = {"psnr": psnr(output, target).item(), "ssim": ssim(output, target).item()}
    if lpips and min(output.shape[-2:]) >= SMALLEST:
        with torch.no_grad():
            row["lpips"] = lpips(_rgb(output), _rgb(target)).item()
    return row


def _rgb(image: Tensor) -> Tensor:
    """Of more channels the first three, of two the first."""
    return image[:, :3] if image.shape[1] >= 3 else image[:, :1].expand(-1, 3, -1, -1)


def _folder(model: str, models: list[str]) -> str:
    """Where a model's images go: "output" if it is the only one, else its name or number."""
    if len(models) == 1:
        return "output"
    stems = [*labels(models), COPY, "target"]
    stem = stems[models.index(model)]
    return stem if stem and stems.count(stem) == 1 else f"{stem}-{models.index(model) + 1}"


def _save(file: Path, image: Tensor) -> None:
    pixels = (_rgb(image)[0] * 255).round().byte().permute(1, 2, 0).numpy()
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as beside:
        Image.fromarray(pixels).save(beside, format="PNG")


def _write_results(
    out: Path,
    report: TranslationReport,
    data: HeldOut,
    models: list[str],
    kept: dict[str, list[Path]],
) -> None:
    rows = []
    for sample in data.samples():
        files = [out / "input" / f"{sample.name}.png"]
        _save(files[0], sample.source)
        files += kept[sample.name]
        if sample.target is not None:
            files.append(out / "target" / f"{sample.name}.png")
            _save(files[-1], sample.target)
        rows.append({"name": sample.name, "images": [f.relative_to(out).as_posix() for f in files]})
    columns = ["input", *(_folder(m, models) for m in models), *(["target"] if data.paired else [])]
    content = {
        "columns": columns,
        "rows": rows,
        "scores": {name: finite(row) for name, row in report.means().items()},
        "protocol": report.protocol,
    }
    with replacing(out / "results.json") as beside:
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")

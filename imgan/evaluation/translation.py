"""Score translation models on held-out images, and keep what they made of them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from ..data.layouts import Layout, find_layout
from ..data.makers import MAKERS
from ..data.prepared import Form, Half, prepare
from ..errors import ImganError
from ..files import replacing
from ..inference.device import choose
from ..model_file import Card, Model, load_model
from ..perceptual import LpipsDistance
from ..shipped import resolve
from .distribution import LEAST, KernelDistance
from .evaluate import Scores
from .metrics import psnr, ssim

COPY = "input"
"""The baseline: the input as it is."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Sample:
    """A held-out image: input ``[1, C, H, W]`` and, where there is one, target, in [0, 1]."""

    name: str
    source: Tensor
    target: Tensor | None


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
                {"model": s.model, "mean": self.means()[s.model], "images": s.images}
                for s in self.models
            ],
        }


def is_translation(model: str | Path) -> bool:
    """Whether a model file is one of these pipelines'; False where it cannot be told."""
    from ..model_file import read_card

    try:
        return read_card(resolve(model)).pipeline in ("pix2pix", "cyclegan")
    except ImganError:
        return False


def evaluate_translation(
    models: Sequence[str | Path],
    data: Path,
    *,
    direction: str | None = None,
    out: Path | None = None,
    lpips: LpipsDistance | None = None,
    device: str | None = None,
    precision: str = "auto",
    progress: Progress | None = None,
) -> TranslationReport:
    """Translate the held-out images of a data folder, score what comes out, and keep it.

    Images are brought to the model's training size as in training, without cut or flip. Of pairs
    each output is scored against its partner; of two unpaired sets the outputs as a set, against
    the set they should look like.

    Args:
        models: model files or shipped names, all for the same kind of input.
        data: a folder as for training; its test images are taken, else its val images, else, where
            there are no splits, all.
        direction: ``AtoB`` or ``BtoA``; by default what the model was trained on, or AtoB.
        out: a folder for the images and ``results.json``.
        lpips: adds LPIPS, and KID on its backbone where there are enough images.
        device: see `imgan.inference.device.choose`, as `precision`.
        progress: called with model, image's number and count before each image.

    Raises:
        ImganError: the data or a model cannot be used.
    """
    loaded = {str(name): load_model(resolve(name)) for name in models}
    cards = {name: model.card for name, model in loaded.items()}
    card = next(iter(cards.values()))
    direction = direction or _trained(card)
    samples = list(_samples(card, data, direction))
    if not samples:
        raise ImganError(f"no held-out image in {data} can be used")
    target, dtype = choose(device, precision)
    report = TranslationReport(str(data), direction, [_protocol(card, samples)])
    names = ([COPY] if _copies(samples) else []) + list(loaded)
    kept: dict[str, list[Path]] = {}
    for name in names:
        scores = Scores(name, cards[name].name if name in cards else "")
        distance = KernelDistance(lpips) if lpips and len(samples) >= LEAST else None
        for number, sample in enumerate(samples):
            if progress:
                progress(name, number, len(samples))
            output = (
                sample.source
                if name == COPY
                else _translated(loaded[name], direction, sample.source, target, dtype)
            )
            if sample.target is not None:
                scores.images[sample.name] = _score(output, sample.target, lpips)
            if distance:
                distance.add(_rgb(output), None if sample.target is None else _rgb(sample.target))
            if out and name != COPY:
                file = out / _folder(name, list(loaded)) / f"{sample.name}.png"
                _save(file, output)
                kept.setdefault(sample.name, []).append(file)
        if distance:
            for wanted in _set(card, data, direction) if samples[0].target is None else ():
                distance.add(None, _rgb(wanted))
            report.sets[name] = {"kid": distance.compute()}
            if distance.protocol not in report.protocol:
                report.protocol.append(distance.protocol)
        report.models.append(scores)
    if lpips:
        report.protocol.append(f"{lpips.protocol} on RGB")
    if out:
        _write_results(out, report, samples, list(loaded), kept)
    return report


def _trained(card: Card) -> str:
    return str(card.recipe.get("direction", "AtoB"))


def _form(card: Card, channels: int) -> Form:
    data = card.recipe.get("data", {})
    size = int(data.get("size", 256))
    resize = data.get("resize", "stretch")
    return Form(channels, resize, size, size)


def _held_out(layout: Layout) -> tuple[list[Path], list[Path]]:
    for name in ("test", "val"):
        split = layout.splits.get(name)
        if split and split.a:
            return split.a, split.b
    if list(layout.splits) == ["train"]:
        return layout.splits["train"].a, layout.splits["train"].b
    raise ImganError(f"{layout.root} has no test or val images to score on")


Side = tuple[list[Path], Half, Form]
"""Files, which half of them, and what they are brought to."""


def _sides(card: Card, data: Path, direction: str) -> tuple[Side | None, Side | None]:
    """Input and target of the held-out images; one of them may lack."""
    made = card.task in MAKERS
    layout = find_layout(data, "photos" if made else None)
    a, b = _held_out(layout)
    out_channels = card.out_channels or card.channels
    if made:
        return None, (a, None, _form(card, out_channels))
    halves: tuple[Half, Half] = ("left", "right") if layout.kind == "joined" else (None, None)
    sides = [(a, halves[0]), (b, halves[1])]
    counts = [card.channels, out_channels]
    if direction == "BtoA":
        sides.reverse()
        if card.pipeline == "cyclegan":
            counts.reverse()
    source, target = (
        (paths, half, _form(card, count))
        for (paths, half), count in zip(sides, counts, strict=True)
    )
    return source, target if layout.kind in ("joined", "folders") else None


def _samples(card: Card, data: Path, direction: str) -> Iterator[Sample]:
    source, target = _sides(card, data, direction)
    sources = prepare(*source, _quiet) if source else None
    targets = prepare(*target, _quiet) if target else None
    side = source or target
    assert side
    paths = side[0]
    stems: dict[str, int] = {}
    for number, path in enumerate(paths):
        found = [results[number] for results in (sources, targets) if results is not None]
        if any(isinstance(one, str) for one in found):
            continue
        wanted = _read(targets[number][0]) if targets else None
        if sources is not None:
            given = _read(sources[number][0])
        else:
            assert wanted is not None
            photo = wanted[0].permute(1, 2, 0).numpy()
            made = MAKERS[card.task](photo, np.random.default_rng(number))
            given = torch.from_numpy(np.ascontiguousarray(made)).permute(2, 0, 1)[None]
        # Of a.png and a.jpg both results are kept.
        again = stems[path.stem] = stems.get(path.stem, 0) + 1
        name = path.stem if again == 1 else f"{path.stem}-{again}"
        yield Sample(name, given, wanted)


def _set(card: Card, data: Path, direction: str) -> Iterator[Tensor]:
    """The held-out images of the set that outputs should look like."""
    layout = find_layout(data)
    a, b = _held_out(layout)
    channels = card.out_channels or card.channels
    found = prepare(a if direction == "BtoA" else b, None, _form(card, channels), _quiet)
    yield from (_read(one[0]) for one in found if not isinstance(one, str))


def _read(file: Path) -> Tensor:
    pixels = np.load(file)
    top = 1.0 if pixels.dtype.kind == "f" else float(np.iinfo(pixels.dtype).max)
    return torch.from_numpy(pixels.astype(np.float32) / top).permute(2, 0, 1)[None]


def _translated(
    model: Model, direction: str, source: Tensor, device: torch.device, dtype: torch.dtype
) -> Tensor:
    card = model.card
    role = "generator"
    if card.pipeline == "cyclegan":
        role = "b_to_a" if direction == "BtoA" else "a_to_b"
    network = model.networks[role].to(device)
    low, high = card.value_range
    multiple = card.size_multiple
    height, width = source.shape[-2:]
    grow = (-width % multiple, -height % multiple)
    padded = np.pad(source.numpy(), ((0, 0), (0, 0), (0, grow[1]), (0, grow[0])), mode="reflect")
    x = torch.from_numpy(padded).to(device) * (high - low) + low
    half = dtype != torch.float32
    with torch.inference_mode(), torch.autocast(device.type, dtype if half else None, enabled=half):
        y = network(x).float()
    y = ((y - low) / (high - low)).clamp(0, 1)[..., :height, :width].cpu()
    if card.bit_depth == 8:
        y = (y * 255).round() / 255
    return torch.as_tensor(y)


def _score(output: Tensor, target: Tensor, lpips: LpipsDistance | None) -> dict[str, float]:
    row = {"psnr": psnr(output, target).item(), "ssim": ssim(output, target).item()}
    if lpips:
        with torch.no_grad():
            row["lpips"] = lpips(_rgb(output), _rgb(target)).item()
    return row


def _copies(samples: list[Sample]) -> bool:
    """Whether input and target are alike enough in kind for the input to be an answer."""
    target = samples[0].target
    return target is not None and target.shape == samples[0].source.shape


def _rgb(image: Tensor) -> Tensor:
    return image.expand(-1, 3, -1, -1) if image.shape[1] == 1 else image[:, :3]


def _protocol(card: Card, samples: list[Sample]) -> str:
    height, width = samples[0].source.shape[-2:]
    pairs = "PSNR and SSIM on all channels of 8-bit images" if samples[0].target is not None else ""
    text = f"{len(samples)} held-out images, first {width}x{height}, as in training; {pairs}"
    return text.rstrip("; ")


def _folder(model: str, models: list[str]) -> str:
    """Where a model's images go: "output" if it is the only one, else its name or number."""
    if len(models) == 1:
        return "output"
    stems = [Path(m).stem if Path(m).stem != "model" else Path(m).parent.name for m in models]
    stem = stems[models.index(model)]
    return stem if stems.count(stem) == 1 else f"{stem}-{models.index(model) + 1}"


def _save(file: Path, image: Tensor) -> None:
    pixels = (_rgb(image)[0] * 255).round().byte().permute(1, 2, 0).numpy()
    file.parent.mkdir(parents=True, exist_ok=True)
    with replacing(file) as beside:
        Image.fromarray(pixels).save(beside, format="PNG")


def _write_results(
    out: Path,
    report: TranslationReport,
    samples: list[Sample],
    models: list[str],
    kept: dict[str, list[Path]],
) -> None:
    rows = []
    paired = samples[0].target is not None
    for sample in samples:
        files = [out / "input" / f"{sample.name}.png"]
        _save(files[0], sample.source)
        files += kept[sample.name]
        if sample.target is not None:
            files.append(out / "target" / f"{sample.name}.png")
            _save(files[-1], sample.target)
        rows.append({"name": sample.name, "images": [f.relative_to(out).as_posix() for f in files]})
    columns = ["input", *(_folder(m, models) for m in models), *(["target"] if paired else [])]
    content = {
        "columns": columns,
        "rows": rows,
        "scores": report.means(),
        "protocol": report.protocol,
    }
    with replacing(out / "results.json") as beside:
        beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


def _quiet(done: int, total: int) -> None:
    pass

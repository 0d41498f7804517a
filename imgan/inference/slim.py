"""Take the residual blocks out of a network that do next to nothing: fewer layers to compute."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..averaging import mean_of
from ..data.photos import decode, find_photos, shrunk
from ..errors import ImganError
from ..files import writable
from ..model_file import Model, load_model, save_model
from ..networks.plainsr import PlainSR
from ..shipped import labels, resolve

LIMIT = 0.01
"""By so many grey levels of 255 the answers may differ, in the mean over all pixels."""

PHOTOS = 16
SIDE = 64
"""Of each of so many photos this many pixels to a side are seen, from its middle: as it is, and of
the photo made smaller by the network's scale."""

_BORDER = 2  # pixels that a block's padding reaches

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Difference:
    """Between the answers of two networks, in grey levels of 255."""

    mean: float
    most: float


@dataclass(frozen=True)
class Slimmed:
    """What was taken out: the blocks of index `removed` of `blocks`, the same of all the models.

    `written` are the new models; none if there is nothing to take out. `between` is the difference
    of the mean of all their weights, `least` that without the block that does least, in grey levels
    in the mean.
    """

    blocks: int
    removed: tuple[int, ...]
    least: float
    images: int
    written: dict[Path, Difference]
    between: Difference
    skipped: dict[Path, str]


def slim(
    models: Sequence[str | Path],
    photos: Sequence[str | Path],
    out: str | Path,
    *,
    limit: float = LIMIT,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Slimmed:
    """Write models anew without the residual blocks that do next to nothing.

    ReLU units whose input is never positive get no gradient, and training leaves them silent (Lu et
    al. 2020, "Dying ReLU and initialization"). A block of such units adds one constant a channel to
    every pixel, which the biases around it can hold. Each block is tried without, its mean over the
    images in its place, those first without which the answers change least, for as long as the
    answers of no model change by more than `limit`.

    Silent means on photos: what the networks make of noise and of drawings, and the outermost
    pixels, where padding lets units fire, may change by more.

    The same blocks are taken out of all the models, so that the weights of twins can still be
    blended, as `imgan upscale --realism` does with the shipped ones.

    Args:
        models: one or more model files or shipped names, of `plainsr` networks of one shape.
        photos: photos and folders of them, like those that the models are for, and not those that
            they are to be scored on.
        out: the folder; each model is written as ``NAME.safetensors``, by the name of its file, or
            of its run's folder. Nothing is written where no block can go.
        limit: the difference that is allowed, in grey levels of 255, in the mean over all pixels.
        overwrite: replace files that exist.
        progress: called before each trial with how many are done, of how many at most.

    Raises:
        ImganError: a model is none of these or damaged, they differ in shape, a result exists or
            cannot be written, or there is no photo.
    """
    loaded = [load_model(resolve(model, "srgan")) for model in models]
    paths = [Path(out) / f"{label}.safetensors" for label in labels(models)]
    networks = [_network(model, str(name)) for model, name in zip(loaded, models, strict=True)]
    _check(networks, models, paths, overwrite)
    skipped: dict[Path, str] = {}
    images = _images([Path(photo) for photo in photos], networks[0].scale, skipped)
    trials = [
        _Trial(network, images, str(name)) for network, name in zip(networks, models, strict=True)
    ]
    blocks = len(networks[0].body) - 1
    done = 0

    def difference(removed: set[int]) -> float:
        nonlocal done
        if progress:
            progress(done, 2 * blocks - 1)
        done += 1
        return max(trial.difference(trial.without(removed)).mean for trial in trials)

    removed: set[int] = set()
    alone = {block: difference({block}) for block in range(blocks)}
    for block in sorted(alone, key=alone.__getitem__)[: blocks - 1]:
        if difference(removed | {block}) > limit:
            break
        removed.add(block)
    slimmed = [trial.without(removed) for trial in trials]
    differences = [trial.difference(one) for trial, one in zip(trials, slimmed, strict=True)]
    middle = _Trial(_mean(networks), images, "the mean of the weights")
    written = {}
    if removed:
        for model, path, network, found in zip(loaded, paths, slimmed, differences, strict=True):
            _write(model, path, network, blocks, found)
            written[path] = found
    return Slimmed(
        blocks,
        tuple(sorted(removed)),
        min(alone.values()),
        len(images),
        written,
        middle.difference(_mean(slimmed)),
        skipped,
    )


def without(network: PlainSR, constants: Mapping[int, Tensor]) -> PlainSR:
    """The network without some of its blocks, each of which is taken to add a constant.

    Args:
        network: stays as it is.
        constants: index of a block to what it adds to each channel, ``[width]``.
    """
    kept = [layer for index, layer in enumerate(network.body) if index not in constants]
    made = PlainSR(
        network.scale, network.head.out_channels, len(kept) - 1, network.head.in_channels
    )
    made.head.load_state_dict(network.head.state_dict())
    made.body.load_state_dict(nn.Sequential(*kept).state_dict())
    made.up.load_state_dict(network.up.state_dict())
    with torch.no_grad():
        for index, constant in constants.items():
            before = sum(one not in constants for one in range(index))
            if before:
                _shift(made.get_submodule(f"body.{before - 1}.body.2"), constant)
            else:  # the trunk's sum with the head's output is to stay what it was
                _shift(made.head, constant)
                _shift(made.body[-1], -constant)
    return made.to(memory_format=torch.channels_last).eval().requires_grad_(False)


def _shift(conv: nn.Module, constant: Tensor) -> None:
    """Add to what a convolution answers."""
    assert isinstance(conv, nn.Conv2d)
    assert conv.bias is not None
    conv.bias += constant


class _Trial:
    """A network, its answers to some images, and the mean of what each of its blocks adds."""

    def __init__(self, network: PlainSR, images: Sequence[Tensor], name: str) -> None:
        self._network, self._images = network, images
        blocks = network.body[:-1]
        sums = [torch.zeros(network.head.out_channels) for _ in blocks]
        pixels = 0

        def adding_to(total: Tensor) -> Callable[[nn.Module, object, Tensor], None]:
            def add(_: nn.Module, __: object, out: Tensor) -> None:
                total.add_(_inside(out).sum(dim=(0, 2, 3)))

            return add

        hooks = [
            block.get_submodule("body").register_forward_hook(adding_to(total))
            for block, total in zip(blocks, sums, strict=True)
        ]
        self._answers = []
        for image in images:
            pixels += _inside(image)[0, 0].numel()
            self._answers.append(_answer(network, image))
        for hook in hooks:
            hook.remove()
        if not all(bool(answer.isfinite().all()) for answer in self._answers):
            raise ImganError(f"{name}: its answers are not finite numbers; take another model")
        self._means = [total / pixels for total in sums]

    def without(self, removed: set[int]) -> PlainSR:
        """The network without these blocks."""
        return without(self._network, {index: self._means[index] for index in removed})

    def difference(self, other: PlainSR) -> Difference:
        """How far the answers of another network to the same images are from this one's."""
        total, pixels, most = 0.0, 0, 0.0
        for image, answer in zip(self._images, self._answers, strict=True):
            off = (_answer(other, image) - answer).abs()
            total += float(off.sum())
            pixels += off.numel()
            most = max(most, float(off.max()))
        return Difference(255 * total / pixels, 255 * most)


def _inside(features: Tensor) -> Tensor:
    """What padding does not reach, if there is such."""
    if min(features.shape[-2:]) <= 2 * _BORDER:
        return features
    return features[..., _BORDER:-_BORDER, _BORDER:-_BORDER]


@torch.no_grad()
def _answer(network: nn.Module, image: Tensor) -> Tensor:
    answer: Tensor = network(image)
    return answer.clamp(0, 1)


def _mean(networks: Sequence[PlainSR]) -> PlainSR:
    """The network whose weights are the mean of theirs."""
    mean = without(networks[0], {})
    mean.load_state_dict(mean_of(network.state_dict() for network in networks))
    return mean


def _network(model: Model, name: str) -> PlainSR:
    generator = model.networks.get("generator")
    if not isinstance(generator, PlainSR) or len(model.networks) > 1:
        kinds = " and ".join(network.name for network in model.card.networks.values())
        raise ImganError(
            f"{name} is made of {kinds}, and slim takes models for super-resolution with the "
            "network plainsr alone"
        )
    if generator.head.in_channels != 3:
        raise ImganError(
            f"{name} takes {generator.head.in_channels} channels, and slim judges on colour photos"
        )
    return generator.to(memory_format=torch.channels_last)


def _check(
    networks: Sequence[PlainSR], names: Sequence[str | Path], paths: Sequence[Path], overwrite: bool
) -> None:
    shapes = [[tuple(p.shape) for p in network.parameters()] for network in networks]
    for name, shape in zip(names, shapes, strict=True):
        if shape != shapes[0]:
            raise ImganError(
                f"{names[0]} and {name} are no twins: their networks differ in depth, width or "
                "scale; slim each by itself"
            )
    folder = paths[0].parent
    if os.path.exists(folder) and not os.path.isdir(folder):
        raise ImganError(f"{folder} is a file; give a folder for the new models")
    if not writable(folder):
        raise ImganError(f"the folder {folder} cannot be written; take another")
    for path in paths:
        if path.exists() and not overwrite:
            raise ImganError(f"{path} exists; take --overwrite, or another folder")


def _images(folders: Sequence[Path], scale: int, skipped: dict[Path, str]) -> list[Tensor]:
    """Middles of photos spread over all that are given: ``[1, 3, h, w]`` each, in [0, 1]."""
    found = find_photos(folders, skipped)
    images = []
    for place in range(min(PHOTOS, len(found))):
        path = found[place * len(found) // min(PHOTOS, len(found))]
        try:
            photo = decode(path)
        except (ImganError, OSError, MemoryError) as error:
            skipped[path] = str(error) or "it does not fit into memory"
            continue
        for part in (1, scale):
            height, width = (min(side // part, SIDE) * part for side in photo.shape[:2])
            if not height or not width:
                continue
            top, left = (photo.shape[0] - height) // 2, (photo.shape[1] - width) // 2
            middle = photo[top : top + height, left : left + width].copy()
            pixels = torch.from_numpy(shrunk(middle, part) if part > 1 else middle)
            image = pixels.permute(2, 0, 1)[None].float() / 255
            images.append(image.contiguous(memory_format=torch.channels_last))
        del photo
    if not images:
        path, reason = next((one, skipped[one]) for one in found if one in skipped)
        raise ImganError(f"no photo can be read (of {path}: {reason}); give others")
    return images


def _write(model: Model, path: Path, network: PlainSR, before: int, found: Difference) -> None:
    card = model.card.model_copy(deep=True)
    kept = len(network.body) - 1
    card.networks["generator"].arguments["blocks"] = kept
    card.reach = network.reach
    card.scores = {}
    told = (
        f"Slimmed from {before} to {kept} blocks: "
        f"the answers differ by {found.mean:.2g} grey levels in the mean."
    )
    card.notes = f"{card.notes} {told}".strip()
    save_model(path, card, {"generator": network.state_dict()})

"""Take the residual blocks out of a network that do nothing: the same answers from fewer layers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from ..data.photos import decode, photos_to_score, shrunk
from ..errors import ImganError
from ..model_file import Model, load_model, save_model
from ..networks.plainsr import PlainSR
from ..shipped import resolve

LIMIT = 0.01
"""By so many grey levels of 255 the answers may differ, in the mean over all pixels."""

PHOTOS = 24
SIDE = 64
"""Low-resolution pixels of the side that is seen of each of so many photos, from its middle."""

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Slim:
    """One model, and how far its answers are from what they were, in grey levels of 255."""

    path: Path
    mean: float
    most: float


@dataclass(frozen=True)
class Slimmed:
    """What was taken out: indices of `blocks` residual blocks, the same of all the models."""

    blocks: int
    removed: tuple[int, ...]
    photos: int
    models: tuple[Slim, ...]


def slim(
    models: Sequence[str | Path],
    photos: Sequence[str | Path],
    out: str | Path,
    *,
    limit: float = LIMIT,
    overwrite: bool = False,
    progress: Progress | None = None,
) -> Slimmed:
    """Write models anew without the residual blocks that do nothing.

    ReLU units whose input is never positive get no gradient and stay silent for good (Lu et al.
    2020, "Dying ReLU and initialization"). A block of such units adds one constant per channel to
    every pixel, and the biases around it can hold that constant. Here each block is replaced by its
    mean over the photos, those first without which the answers change least, for as long as no
    model's answers change by more than `limit`.

    The same blocks are taken out of all the models, so that the weights of twins can still be
    blended (`imgan upscale --realism`).

    Args:
        models: model files or shipped names, of `plainsr` networks with the same arguments.
        photos: photos and folders of them, like those that the models are for.
        out: the folder; each model is written as ``NAME.safetensors``, NAME from its card. Nothing
            is written where every block does something.
        limit: the difference that is allowed, in grey levels of 255, in the mean over all pixels.
        overwrite: replace files that exist.
        progress: called with how many of how many trials are done.

    Raises:
        ImganError: a model is none of these, two have one name, they differ, a result exists, or
            there is no photo.
    """
    loaded = [load_model(resolve(model)) for model in models]
    paths = [Path(out) / f"{model.card.name}.safetensors" for model in loaded]
    _check(loaded, paths, overwrite)
    networks = [_network(model) for model in loaded]
    images = _images([Path(photo) for photo in photos], networks[0].scale)
    trials = [_Trial(network, images) for network in networks]
    blocks = len(networks[0].body) - 1
    done = 0

    def difference(removed: set[int]) -> float:
        nonlocal done
        if progress:
            progress(done, 2 * blocks)
        done += 1
        return max(trial.difference(removed)[0] for trial in trials)

    removed: set[int] = set()
    alone = {block: difference({block}) for block in range(blocks)}
    for block in sorted(alone, key=alone.__getitem__):
        if len(removed) == blocks - 1 or difference(removed | {block}) > limit:
            break
        removed.add(block)
    written = []
    for model, path, trial in zip(loaded, paths, trials, strict=True):
        mean, most = trial.difference(removed)
        written.append(Slim(path, mean, most))
        if removed:
            _write(model, path, trial.without(removed), removed, mean)
    return Slimmed(blocks, tuple(sorted(removed)), len(images), tuple(written))


def without(network: PlainSR, constants: Mapping[int, Tensor]) -> PlainSR:
    """The network without some of its blocks, each of which is taken to add a constant.

    Args:
        network: stays as it is.
        constants: index of a block to what it adds, ``[width]``.
    """
    body = list(network.body)
    kept = [layer for index, layer in enumerate(body) if index not in constants]
    width, channels = network.head.out_channels, network.head.in_channels
    made = PlainSR(network.scale, width, len(kept) - 1, channels)
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
    return made.eval().requires_grad_(False)


def _shift(conv: nn.Module, constant: Tensor) -> None:
    """Add to what a convolution answers."""
    assert isinstance(conv, nn.Conv2d)
    assert conv.bias is not None
    conv.bias += constant


class _Trial:
    """A network, its answers to some images, and the mean of what each of its blocks adds."""

    def __init__(self, network: PlainSR, images: Sequence[Tensor]) -> None:
        self._network, self._images = network, images
        blocks = network.body[:-1]
        sums = [torch.zeros(network.head.out_channels) for _ in blocks]

        def adding_to(total: Tensor) -> Callable[[nn.Module, object, Tensor], None]:
            def add(_: nn.Module, __: object, out: Tensor) -> None:
                total.add_(out.mean(dim=(0, 2, 3)))

            return add

        hooks = [
            block.get_submodule("body").register_forward_hook(adding_to(total))
            for block, total in zip(blocks, sums, strict=True)
        ]
        self._answers = [_answer(network, image) for image in images]
        for hook in hooks:
            hook.remove()
        self._means = [total / len(images) for total in sums]

    def without(self, removed: set[int]) -> PlainSR:
        """The network without these blocks."""
        return without(self._network, {index: self._means[index] for index in removed})

    def difference(self, removed: set[int]) -> tuple[float, float]:
        """Mean and largest difference without these blocks, in grey levels of 255."""
        network = self.without(removed)
        pairs = zip(self._images, self._answers, strict=True)
        differences = [(_answer(network, image) - answer).abs() for image, answer in pairs]
        pixels = sum(one.numel() for one in differences)
        total = sum(float(one.sum()) for one in differences)
        return 255 * total / pixels, 255 * max(float(one.max()) for one in differences)


@torch.no_grad()
def _answer(network: nn.Module, image: Tensor) -> Tensor:
    answer: Tensor = network(image)
    return answer.clamp(0, 1)


def _network(model: Model) -> PlainSR:
    generator = model.generator
    assert isinstance(generator, PlainSR)
    return generator.to(memory_format=torch.channels_last)


def _check(models: Sequence[Model], paths: Sequence[Path], overwrite: bool) -> None:
    first = models[0].card
    for model in models:
        card = model.card
        if not isinstance(model.networks.get("generator"), PlainSR):
            kinds = " and ".join(network.name for network in card.networks.values())
            raise ImganError(
                f"{card.name} is made of {kinds}, and slim takes networks of the family plainsr: "
                "models for super-resolution trained with generator.name=plainsr"
            )
        if card.networks["generator"] != first.networks["generator"]:
            raise ImganError(
                f"{first.name} and {card.name} are no twins: their networks differ in depth, width "
                "or scale; slim each by itself"
            )
    for path in paths:
        if paths.count(path) > 1:
            raise ImganError(f"two models are named {path.stem}; slim each into another folder")
        if path.exists() and not overwrite:
            raise ImganError(f"{path} exists; take --overwrite, or another folder")


def _images(folders: Sequence[Path], scale: int) -> list[Tensor]:
    """Middles of photos spread over all that are given, made smaller: ``[1, 3, h, w]`` each."""
    found = photos_to_score(folders)
    chosen = found if len(found) <= PHOTOS else found[:: len(found) // PHOTOS][:PHOTOS]
    images = []
    for path in chosen:
        try:
            pixels = decode(path)
        except ImganError:
            continue
        height, width = (min(side // scale, SIDE) * scale for side in pixels.shape[:2])
        if not height or not width:
            continue
        top, left = (pixels.shape[0] - height) // 2, (pixels.shape[1] - width) // 2
        low = shrunk(pixels[top : top + height, left : left + width].copy(), scale)
        image = torch.from_numpy(low).permute(2, 0, 1)[None].float() / 255
        images.append(image.contiguous(memory_format=torch.channels_last))
    if not images:
        raise ImganError(f"none of the {len(chosen)} photos can be read; give others")
    return images


def _write(model: Model, path: Path, network: PlainSR, removed: set[int], mean: float) -> None:
    card = model.card.model_copy(deep=True)
    generator = card.networks["generator"]
    before = len(removed) + len(network.body) - 1
    generator.arguments["blocks"] = before - len(removed)
    card.reach = network.reach
    card.scores = {}
    told = (
        f"Slimmed from {before} to {before - len(removed)} blocks: "
        f"the answers differ by {mean:.2g} grey levels in the mean."
    )
    card.notes = f"{card.notes} {told}".strip()
    save_model(path, card, {"generator": network.state_dict()})

"""Draw the README's pictures of two samples: upscale.png and restore.png.

The first: input, bicubic, MSE twin, adversarial twin. The second, of samples that were compressed:
input, bicubic, the adversarial twin for clean photos, that for damaged ones.

python assets/figures/upscale.py
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import imgan
from imgan.data.damage import Damage
from imgan.data.degrade import imresize_uint8

HERE = Path(__file__).parent
PLACES = {"cat": (78, 30, 60, 50), "coffee": (130, 60, 60, 50)}
"""Left, top, width and height of the part shown, in the input's pixels."""
SCALE, GAP = 4, 6
QUALITY = 50
"""Of the JPEGs in restore.png."""


def tensor(image: Image.Image) -> torch.Tensor:
    """``[3, H, W] uint8``."""
    return torch.from_numpy(np.array(image.convert("RGB"))).permute(2, 0, 1)


def picture(pixels: torch.Tensor) -> Image.Image:
    """The way back."""
    return Image.fromarray(pixels.permute(1, 2, 0).numpy())


def pixels(image: Image.Image) -> Image.Image:
    """Every pixel repeated."""
    return image.resize((SCALE * image.width, SCALE * image.height), Image.Resampling.NEAREST)


def bicubic(image: Image.Image) -> Image.Image:
    """The papers' bicubic baseline."""
    return picture(imresize_uint8(tensor(image), scale=SCALE))


def twin(realism: float, restore: bool = False) -> Callable[[Image.Image], Image.Image]:
    """A shipped model."""
    return lambda image: imgan.upscale(image, realism=realism, restore=restore)


def draw(name: str, damage: Damage, ways: list[Callable[[Image.Image], Image.Image]]) -> None:
    """A row for each sample, a column for each way to enlarge it."""
    width, height = (SCALE * PLACES["cat"][i] for i in (2, 3))
    columns, rows = len(ways), len(PLACES)
    size = (columns * (width + GAP) - GAP, rows * (height + GAP) - GAP)
    sheet = Image.new("RGB", size, "white")
    for row, (sample, (left, top, w, h)) in enumerate(PLACES.items()):
        image = Image.open(HERE.parent / "samples" / f"{sample}.png")
        image = picture(damage(tensor(image), sample))
        box = tuple(SCALE * x for x in (left, top, left + w, top + h))
        for column, way in enumerate(ways):
            sheet.paste(way(image).crop(box), (column * (width + GAP), row * (height + GAP)))
    sheet.save(HERE / name, optimize=True)


def main() -> None:
    """Write both beside this file."""
    draw("upscale.png", Damage(), [pixels, bicubic, twin(0), twin(1)])
    draw("restore.png", Damage(jpeg=QUALITY), [pixels, bicubic, twin(1), twin(1, restore=True)])


if __name__ == "__main__":
    main()

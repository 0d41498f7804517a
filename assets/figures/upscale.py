"""Draw the README's picture: input, bicubic, MSE twin, adversarial twin, for two samples.

python assets/figures/upscale.py
"""

from __future__ import annotations

from pathlib import Path

import torch
from PIL import Image

import imgan
from imgan.data.degrade import imresize_uint8

HERE = Path(__file__).parent
PLACES = {"cat": (78, 30, 60, 50), "coffee": (130, 60, 60, 50)}
"""Left, top, width and height of the part shown, in the input's pixels."""
SCALE, GAP = 4, 6


def bicubic(image: Image.Image) -> Image.Image:
    """The papers' bicubic baseline."""
    import numpy as np

    pixels = torch.from_numpy(np.array(image)).permute(2, 0, 1)
    large = imresize_uint8(pixels, scale=SCALE).permute(1, 2, 0).numpy()
    return Image.fromarray(large)


def main() -> None:
    """Write upscale.png beside this file."""
    width, height = (SCALE * PLACES["cat"][i] for i in (2, 3))
    sheet = Image.new("RGB", (4 * width + 3 * GAP, 2 * height + GAP), "white")
    for row, (name, (left, top, w, h)) in enumerate(PLACES.items()):
        image = Image.open(HERE.parent / "samples" / f"{name}.png").convert("RGB")
        columns = [
            image.resize((SCALE * image.width, SCALE * image.height), Image.Resampling.NEAREST),
            bicubic(image),
            imgan.upscale(image, realism=0.0),
            imgan.upscale(image, realism=1.0),
        ]
        box = tuple(SCALE * x for x in (left, top, left + w, top + h))
        for column, picture in enumerate(columns):
            sheet.paste(picture.crop(box), (column * (width + GAP), row * (height + GAP)))
    sheet.save(HERE / "upscale.png", optimize=True)


if __name__ == "__main__":
    main()

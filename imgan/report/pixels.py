"""Pictures inside a page: pixels as an address that holds them."""

from __future__ import annotations

import base64
import io
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

EXACT = 256 * 256
"""Pictures of at most so many pixels are kept bit for bit."""

QUALITY = 95
"""Of larger ones, as lossy WebP."""


def data_uri(pixels: NDArray[np.uint8]) -> str:
    """A picture ``[H, W, 3]`` as ``data:image/...``: small ones exact, large ones nearly so."""
    from PIL import Image

    image = Image.fromarray(np.ascontiguousarray(pixels))
    if not is_exact(pixels):
        return _address(_saved(image, "WEBP", quality=QUALITY), "webp")
    webp, png = _saved(image, "WEBP", lossless=True), _saved(image, "PNG", optimize=True)
    return _address(png, "png") if len(png) < len(webp) else _address(webp, "webp")


def is_exact(pixels: NDArray[np.uint8]) -> bool:
    """Whether `data_uri` keeps every pixel as it is."""
    return bool(pixels.shape[0] * pixels.shape[1] <= EXACT)


def _saved(image: object, format: str, **settings: object) -> bytes:
    file = io.BytesIO()
    image.save(file, format, **settings)  # type: ignore[attr-defined]
    return file.getvalue()


def _address(content: bytes, kind: str) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"

"""Features as points in a plane: by principal components, or t-SNE where scikit-learn is there."""

from __future__ import annotations

import colorsys
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ImganError

Points = NDArray[np.float32]


def principal(features: NDArray[Any]) -> Points:
    """``[N, F] -> [N, 2]``: the two directions of the largest variance, signs fixed."""
    centred = features.astype(np.float64) - features.mean(0, dtype=np.float64)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)
    first = directions[:2]
    largest = np.abs(first).argmax(1)[:, None]
    first = first * np.sign(np.take_along_axis(first, largest, 1))
    points = centred @ first.T
    if points.shape[1] < 2:
        points = np.pad(points, ((0, 0), (0, 2 - points.shape[1])))
    result: Points = points.astype(np.float32)
    return result


def tsne(features: NDArray[Any], seed: int = 0) -> Points:
    """``[N, F] -> [N, 2]``: neighbours stay neighbours (van der Maaten & Hinton 2008).

    Raises:
        ImganError: scikit-learn is not installed.
    """
    tsne_there()
    from sklearn.manifold import TSNE

    perplexity = min(30.0, max(2.0, (len(features) - 1) / 4))
    made: Points = TSNE(perplexity=perplexity, init="pca", random_state=seed).fit_transform(
        features.astype(np.float32)
    )
    return made


def tsne_there() -> None:
    """Fail early where t-SNE cannot be had.

    Raises:
        ImganError: scikit-learn is not installed.
    """
    from importlib.util import find_spec

    if find_spec("sklearn") is None:
        raise ImganError("t-SNE needs scikit-learn: pip install scikit-learn, or take --plot pca")


def of_domains(
    features: NDArray[Any],
    domains: NDArray[np.int64],
    names: Sequence[str],
    classes: NDArray[np.int64],
    class_names: Sequence[str],
    title: str = "by class (grey: not known)",
    side: int = 460,
    points: Callable[[NDArray[Any]], Points] = principal,
) -> NDArray[np.uint8]:
    """Features ``[N, F]`` as points, once by domain ``[N]`` and once by class ``[N]``.

    `names` and `class_names` are those of the numbers, `title` stands over the classes; of `side`
    see `picture`, and `points` is `principal` or `tsne`.
    """
    groups = [("by domain", names, domains), (title, class_names, classes)]
    return picture(points(features), groups, side)


def picture(
    points: Points,
    groups: Sequence[tuple[str, Sequence[str], NDArray[np.int64]]],
    side: int = 460,
) -> NDArray[np.uint8]:
    """The points once for each grouping, side by side: ``[H, W, 3]``.

    Args:
        points: ``[N, 2]``.
        groups: title, the groups' names, and each point's group; points of group -1 are grey.
        side: of each plot in pixels, without its title and names.
    """
    # Not by matplotlib: a picture a preview is drawn often, and this takes milliseconds.
    from PIL import Image, ImageDraw, ImageFont

    order = np.random.default_rng(0).permutation(len(points))  # no group lies above the others
    low, high = points.min(0), points.max(0)
    places = (points - low) / np.maximum(high - low, 1e-9)
    places[:, 1] = 1 - places[:, 1]
    most = max(len(names) for _, names, _ in groups)
    foot = 24 + 18 * -(-min(most, SHOWN) // COLUMNS)
    head, gap, fine = 26, 20, 2
    width = len(groups) * side + (len(groups) - 1) * gap
    canvas = Image.new("RGB", (fine * width, fine * (head + side + foot)), "white")
    draw = ImageDraw.Draw(canvas)
    large, small = (ImageFont.load_default(size=fine * height) for height in (14, 12))
    for number, (title, names, group) in enumerate(groups):
        left = fine * number * (side + gap)
        colours = [tuple(colour) for colour in [*_colours(len(names)), (178, 178, 178)]]
        draw.text((left, 0), title, "#333333", font=large)
        frame = (left, fine * head, left + fine * side - 1, fine * (head + side) - 1)
        draw.rectangle(frame, outline="#d9d9d9", width=fine)
        for i in order:
            x = left + fine * (10 + places[i, 0] * (side - 20))
            y = fine * (head + 10 + places[i, 1] * (side - 20))
            r = fine * 2.2
            draw.ellipse((x - r, y - r, x + r, y + r), colours[group[i]])  # -1 is the last
        columns = max(1, min(COLUMNS, len(names)))
        letters = int((side / columns - 14) / 7)
        for i, name in enumerate(names[:SHOWN]):
            x = left + fine * (i % columns) * side / columns
            y = fine * (head + side + 8 + 18 * (i // columns))
            draw.ellipse((x, y + 4 * fine, x + 8 * fine, y + 12 * fine), colours[i])
            draw.text((x + 12 * fine, y), name[:letters], "#333333", font=small)
    return np.array(canvas.reduce(fine))


SHOWN = 20
"""So many names of groups are written."""

COLUMNS = 5

_BASIC = (
    *((31, 95, 191), (237, 115, 33), (44, 160, 44), (214, 39, 40), (148, 103, 189)),
    *((140, 86, 75), (227, 119, 194), (110, 110, 110), (188, 189, 34), (23, 190, 207)),
)


def _colours(count: int) -> list[tuple[int, int, int]]:
    """Colours far apart for few groups."""
    if count <= len(_BASIC):
        return list(_BASIC[:count])
    rainbow = [colorsys.hsv_to_rgb(i / count, 0.85, 0.55 + 0.4 * (i % 2)) for i in range(count)]
    return [(round(255 * r), round(255 * g), round(255 * b)) for r, g, b in rainbow]

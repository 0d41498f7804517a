import base64
import io
import math
import re

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from imgan.comparison.result import Arm, Comparison, Metric, Pane, Row, Spectra
from imgan.report import plane as planes
from imgan.report.arms import colours, written
from imgan.report.comparison_figure import write_comparison_figure
from imgan.report.comparison_page import write_comparison_page
from imgan.report.pixels import EXACT, data_uri
from tests.report import comparisons
from tests.report.pages import Page

LONG = "a_name_without_any_place_to_break_it_" * 6
EVIL = 'quo"te <b>&amp; $x_1$ {{ 7 }} ' + LONG


def read(comparison, folder):
    path = folder / "compare.html"
    assert write_comparison_page(comparison, path) == path
    page = Page(path.read_text(encoding="utf-8"))
    assert page.faults == []
    ids = page.ids()
    assert len(set(ids)) == len(ids)
    for element, attributes in page.elements:
        for key in ("aria-labelledby", "for"):
            assert set(attributes.get(key, "").split()) <= set(ids), element
    for address in page.addresses():
        assert address.startswith(("data:image/", "#")), address[:80]
    return page


def decoded(address):
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(address.partition(",")[2]))))


def test_a_comparison_in_full(tmp_path):
    comparison = comparisons.images()
    page = read(comparison, tmp_path)
    for arm in comparison.arms:
        for metric in comparison.metrics:
            text = written(metric, arm.mean(metric.key))
            if spread := arm.spread(metric.key):
                text += f" \u00b1 {written(metric, spread)}"
            assert text in page.text, (arm.name, metric.key)
    for words in (
        *comparison.verdict,
        *comparison.protocol,
        comparison.crop_rule,
        comparison.spectra.about,
        "The perception-distortion plane",
        "Blau & Michaeli 2018",
        "columns 8\u201332, rows 8\u201332",
        "PSNR by frames ahead",
        "adversary=null",
        "the critic is right every time",
        "4,000 steps, trained for 10 min, 10 min, 11 min (seed by seed)",
        "runs/mse-2",
        "train \u00b7 images 800",
        "PyTorch 2.11",
        "processor 2 cores",
        "Time in all 2 h 5 min",
    ):
        assert words in page.text, words
    assert len(page.all("img")) == 4 * 5
    chosen = [a["value"] for a in page.all("option") if "selected" in a]
    assert chosen == ["2", "3"] * 2  # MSE, adversarial


def test_nothing_is_fetched(tmp_path):
    write_comparison_page(comparisons.images(), tmp_path / "compare.html")
    text = (tmp_path / "compare.html").read_text()
    assert "http:" not in text and "https:" not in text
    assert "url(" not in text and "@import" not in text


def test_the_best_trained_arm_is_marked_and_no_baseline(tmp_path):
    comparison = comparisons.images()
    comparison.arms[0].figures["psnr"] = [99.0]
    write_comparison_page(comparison, tmp_path / "compare.html")
    text = (tmp_path / "compare.html").read_text()
    table = re.search(r"<tbody>.*</table>", text, re.DOTALL)[0]
    marked = re.findall(r'<td class="best">\s*\u2007*([\d.]+)', table)
    mse, adversarial = comparison.arms[1:]
    psnr, _, lpips, *_ = comparison.metrics
    assert marked[0] == written(psnr, mse.mean("psnr"))
    assert written(lpips, adversarial.mean("lpips")) in marked
    assert len(marked) == len(comparison.metrics)


def test_what_is_not_there_is_left_out(tmp_path):
    bare = Comparison("n", "w", "p", "d", "t", [], [Arm("mse", "MSE", "mse")], [], [])
    page = read(bare, tmp_path)
    for words in ("figures", "plane", "Look", "differ", "average", "ahead", "recipe", "seeds"):
        assert words not in page.text, words
    write_comparison_figure(bare, tmp_path / "f.png")


def test_features_need_no_images(tmp_path):
    page = read(comparisons.domains(), tmp_path)
    assert "Two aims at once" in page.text and "Blau" not in page.text
    assert "What was learned" in page.text and "Look for yourself" not in page.text
    assert len(page.all("img")) == 3


def test_names_cannot_break_the_page(tmp_path):
    comparison = comparisons.images(rows=1)
    for arm in comparison.arms:
        arm.title, arm.about, arm.changes, arm.runs = EVIL, EVIL, (EVIL,), [EVIL]
        arm.warnings = [EVIL]
    comparison.name = comparison.what = comparison.test = comparison.crop_rule = EVIL
    comparison.verdict, comparison.recipe = [EVIL], {EVIL: {EVIL: EVIL}}
    for row in [*comparison.rows, *comparison.crops]:
        row.name = row.note = EVIL
        for pane in row.panes:
            pane.title = EVIL
    page = read(comparison, tmp_path)
    assert 'quo"te <b>&amp; $x_1$ {{ 7 }} a_name' in page.text
    write_comparison_figure(comparison, tmp_path / "figure.png")


def test_runs_are_linked_where_they_have_a_page(tmp_path):
    comparison = comparisons.images(rows=0)
    (tmp_path / "runs" / "mse-1").mkdir(parents=True)
    (tmp_path / "runs" / "mse-1" / "index.html").touch()
    write_comparison_page(comparison, tmp_path / "compare.html")
    links = Page((tmp_path / "compare.html").read_text()).all("a")
    assert [link["href"] for link in links] == ["runs/mse-1/index.html"]


def test_figures_that_are_not_finite(tmp_path):
    comparison = comparisons.images(rows=0)
    comparison.arms[1].figures["psnr"] = [math.inf, 30.0, 31.0]
    comparison.arms[2].figures["psnr"] = [math.nan] * 3
    lines = {"mse": [math.nan, -math.inf, -3.0], "adversarial": [math.inf, math.nan, math.inf]}
    comparison.spectra = Spectra([0.1, 0.2, 0.3], lines, {}, "")
    page = read(comparison, tmp_path)
    assert "\u221e" in page.text and "nan" not in page.text
    assert "deeper than \u221240 dB" in page.text
    write_comparison_figure(comparison, tmp_path / "figure.png")


# -- pictures ------------------------------------------------------------------------------------


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1), st.booleans())
def test_small_pictures_are_kept_bit_for_bit(height, width, seed, noisy):
    pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), np.uint8)
    pixels = pixels if noisy else np.broadcast_to(pixels[:1], pixels.shape)
    assert np.array_equal(decoded(data_uri(pixels)), pixels)


def test_large_pictures_are_nearly_so_and_small_files():
    picture = comparisons.pixels(comparisons.scene(0, 512, 512))
    assert picture.size > 3 * EXACT
    address = data_uri(picture)
    assert len(address) < 400_000
    assert np.abs(decoded(address).astype(int) - picture).mean() < 3


# -- the plane -----------------------------------------------------------------------------------


def means(laid):
    return {dot.about.partition(":")[0]: dot for dot in laid.dots if dot.large}


def test_left_and_down_are_better():
    comparison = comparisons.images()
    laid = planes.plane(comparison)
    dots = means(laid)
    assert dots["MSE"].x < dots["adversarial"].x  # the higher PSNR
    assert dots["MSE"].y < dots["adversarial"].y  # the higher LPIPS; y runs downward
    assert dots["bicubic"].hollow and not dots["MSE"].hollow
    assert sum(not dot.large for dot in laid.dots) == 2 * 3
    values = [float(label.replace("\u2212", "-")) for _, label in laid.x.ticks]
    assert values == sorted(values, reverse=True) and len(values) >= 2
    assert [at for at, _ in laid.x.ticks] == sorted(at for at, _ in laid.x.ticks)
    comparison.plane = None
    assert planes.plane(comparison) is None


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    points=st.lists(
        st.tuples(st.floats(-1e6, 1e6), st.floats(0, 1) | st.just(math.inf)), min_size=1, max_size=8
    ),
    ways=st.tuples(*[st.sampled_from(["higher", "lower", "one"])] * 2),
)
def test_any_figures_have_a_place(points, ways):
    metrics = [Metric(key, key, "task", way) for key, way in zip("xy", ways, strict=True)]
    arms = [
        Arm(f"{i}", f"arm number {i}", "other", figures={"x": [x], "y": [y]})
        for i, (x, y) in enumerate(points)
    ]
    laid = planes.plane(Comparison("", "", "", "", "", [0], arms, metrics, [], plane=("x", "y")))
    known = [point for point in points if math.isfinite(point[1])]
    if not known:
        assert laid is None
        return
    assert len(laid.names) == len(laid.dots) == len(known)
    for dot in laid.dots:
        assert planes.LEFT < dot.x < planes.RIGHT and planes.TOP < dot.y < planes.BOTTOM


@pytest.mark.parametrize("others", [0, 2, 4])
def test_names_do_not_cover_each_other(others):
    names = planes.plane(comparisons.images(others, baselines=2)).names
    assert len(names) == others + 4
    boxes = []
    for name in names:
        width = 0.6 * planes.TEXT * len(name.text)
        left = name.x - {"start": 0, "middle": width / 2, "end": width}[name.anchor]
        assert left > planes.LEFT - 5 and left + width < planes.WIDTH + 5
        boxes.append((left, name.y - 6, left + width, name.y + 6))
    for i, one in enumerate(boxes):
        for other in boxes[:i]:
            apart = one[0] >= other[2] or other[0] >= one[2]
            assert apart or one[1] >= other[3] or other[1] >= one[3], (one, other)


def test_each_arm_has_a_colour_of_its_own():
    found = colours(comparisons.images(others=5, baselines=2))
    assert found["mse"] == 2 and found["adversarial"] == 1 and found["bicubic"] == 8
    assert len(set(found.values())) == len(found)


# -- the figure ----------------------------------------------------------------------------------


def figure(comparison, path):
    assert write_comparison_figure(comparison, path) == path
    image = Image.open(path)
    assert image.format == "PNG" and image.width == 2000 and 600 < image.height < 4000
    return np.asarray(image.convert("RGB"))


def test_the_figure_shows_the_data(tmp_path):
    comparison = comparisons.images()
    first = figure(comparison, tmp_path / "a.png")
    assert tuple(first[0, 0]) == (255, 255, 255)
    assert np.array_equal(first, figure(comparison, tmp_path / "b.png"))
    comparison.arms[1].figures["lpips"] = [0.9] * 3
    changed = figure(comparison, tmp_path / "c.png")
    assert changed.shape == first.shape and (changed != first).any()


def test_the_figure_of_many_arms_and_of_features(tmp_path):
    figure(comparisons.images(others=4, rows=4), tmp_path / "many.png")
    bars = comparisons.domains()
    bars.plane = None
    bars.pictures = [Row("r", [Pane("x", "x", np.zeros((30, 90, 3), np.uint8))])]
    figure(bars, tmp_path / "bars.png")

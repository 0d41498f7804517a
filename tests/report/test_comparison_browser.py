"""The comparison in a real browser, where one is installed: slider, zoom, both schemes, phones."""

import re

import pytest

from imgan.report.comparison_page import write_comparison_page
from tests.report import comparisons
from tests.report.test_browser import BROWSER, looked_at

pytestmark = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")

LONG = "a_name_without_any_place_to_break_it_" * 6
ERRORS = """<script>window.faults = [];
addEventListener("error", (e) => faults.push(e.message || e.target.src), true);
for (const kind of ["error", "warn"]) console[kind] = (...what) => faults.push(what.join(" "));
</script>"""
# Runs inside the page: plays with slider, choice, zoom and keys, and tells its parent.
LOOK = """<script>addEventListener("load", async () => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const wide = [...document.querySelectorAll("body *")].filter((e) =>
    e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, .view, svg"));
  const style = (e) => getComputedStyle(typeof e === "string" ? document.querySelector(e) : e);
  const told = {
    width: innerWidth,
    page: document.documentElement.scrollWidth,
    wide: wide.map((e) => e.tagName + "." + e.className),
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    paper: style("body").backgroundColor,
    ink: style("h1").color,
    dots: [...document.querySelectorAll(".plane circle:not(.small)")].map((e) => style(e).fill),
    empty: [...document.images].filter((e) => !e.complete || !e.naturalWidth).length,
  };
  const [row, other] = document.querySelectorAll(".row");
  const stage = row.querySelector(".stage"), cut = stage.querySelector(".cut");
  const slider = row.querySelector("input[type=range]");
  const at = () => [style(cut).clipPath, style(row.querySelector(".divider")).left, slider.value];
  const zooms = (r) => [...r.querySelectorAll(".view img")].map((e) => e.style.transform);
  const send = (view, Kind, name, what) =>
    view.dispatchEvent(new Kind(name, { bubbles: true, cancelable: true, ...what }));
  const key = (view, name) => send(view, KeyboardEvent, "keydown", { key: name });
  const place = (view, x, y) => {
    const box = view.getBoundingClientRect();
    return { clientX: box.left + x * box.width, clientY: box.top + y * box.height };
  };
  const drag = (view, from, to) => {
    view.setPointerCapture = () => {};
    for (const [name, point] of [["down", from], ["move", to], ["up", to]])
      send(view, PointerEvent, "pointer" + name, { pointerId: 7, ...place(view, ...point) });
  };
  told.shown = row.querySelector(".over").offsetHeight > 50;
  told.tips = [...stage.querySelectorAll(".tip")].map((e) => e.textContent);
  told.half = at();
  slider.value = 20;
  slider.dispatchEvent(new Event("input"));
  told.fifth = at();
  drag(stage, [0.2, 0.5], [0.7, 0.5]);
  told.dragged = at();
  const select = row.querySelector("select.right");
  select.value = select.options.length - 1;
  select.dispatchEvent(new Event("change"));
  await wait(200);
  told.truth = stage.querySelector("img").src === [...row.querySelectorAll(".pane img")].pop().src;

  const [, pane] = row.querySelectorAll(".pane .view");
  const wheel = (ctrlKey) =>
    send(pane, WheelEvent, "wheel", { deltaY: -400, ctrlKey, ...place(pane, 1, 1) });
  told.scrolls = wheel(false) && zooms(row).join("") === "";
  told.taken = !wheel(true);
  told.wheeled = zooms(row);
  send(pane, MouseEvent, "dblclick", {});
  told.back = zooms(row).join("");
  for (let i = 0; i < 4; i++) row.querySelector(".in").click();
  told.zoomed = zooms(row);
  told.written = row.querySelector("output").textContent;
  told.apart = zooms(other).join("");
  told.pixels = style(pane.firstElementChild).imageRendering;
  drag(pane, [0.5, 0.5], [0.9, 0.6]);
  told.moved = zooms(row);
  key(pane, "ArrowLeft");
  told.arrow = zooms(row);
  key(pane, "0");
  told.key = zooms(row).join("");
  const names = performance.getEntriesByType("resource").map((e) => e.name);
  told.fetched = names.filter((name) => !name.startsWith("data:"));
  told.faults = faults;
  parent.postMessage(told, "*");
});</script>"""


@pytest.fixture
def page(tmp_path):
    comparison = comparisons.images(others=1)
    comparison.arms[-1].title = comparison.crops[0].name = comparison.test = LONG
    comparison.arms[-1].warnings = comparison.protocol = [LONG]
    comparison.recipe = {LONG: {LONG: LONG}}
    comparison.rows[1].panes[4].title = LONG
    write_comparison_page(comparison, tmp_path / "index.html")
    return tmp_path


@pytest.mark.parametrize(("scheme", "dark"), [(0, True), (1, False)])
def test_it_fits_and_moves(page, tmp_path, scheme, dark):
    told = looked_at(page, tmp_path, scheme, ERRORS, LOOK)
    assert sorted(seen["width"] for seen in told) == [360, 1280]
    for seen in told:
        assert seen["faults"] == [] and seen["fetched"] == [] and seen["empty"] == 0
        assert seen["wide"] == [] and seen["page"] <= seen["width"]
        assert seen["dark"] is dark
        paper, ink = (
            [int(n) for n in re.findall(r"\d+", seen[key])[:3]] for key in ("paper", "ink")
        )
        assert (sum(paper) < 200) is dark and abs(sum(ink) - sum(paper)) > 250
        assert ("rgb(255, 139, 88)" if dark else "rgb(212, 80, 28)") in seen["dots"]
        slider_moves(seen)
        zoom_is_shared(seen)


def slider_moves(seen):
    assert seen["shown"] and sorted(seen["tips"]) == ["MSE", "adversarial"]
    clips = [seen[key][0] for key in ("half", "fifth", "dragged")]
    hidden = [float(re.search(r"([\d.]+)%", clip)[1]) for clip in clips]  # of the left picture
    assert hidden == pytest.approx([50, 80, 30], abs=0.6)
    places = [float(seen[key][1].removesuffix("px")) for key in ("half", "fifth", "dragged")]
    assert places[1] < places[0] < places[2]
    assert float(seen["dragged"][2]) == pytest.approx(70, abs=0.6)
    assert seen["truth"]


def zoom_is_shared(seen):
    assert seen["scrolls"] and seen["taken"]
    for key in ("wheeled", "zoomed", "moved", "arrow"):
        assert len(set(seen[key])) == 1 and len(seen[key]) == 2 + 6, key
    number = r"scale\(([\d.]+)\) translate\(-([\d.]+)%, -([\d.]+)%\)"
    scale, left, top = (float(n) for n in re.search(number, seen["wheeled"][0]).groups())
    # The point under the pointer, the lower right corner, stays where it is.
    assert left == pytest.approx(100 - 100 / scale, abs=0.5) and top == pytest.approx(left, abs=0.5)
    scale, left, top = (float(n) for n in re.search(number, seen["zoomed"][0]).groups())
    assert scale == pytest.approx(1.5**4, abs=0.01) and seen["written"] == "5.1\u00d7"
    assert left == pytest.approx(50 - 50 / scale, abs=0.01)
    assert seen["pixels"] == "pixelated"
    _, moved, down = (float(n) for n in re.search(number, seen["moved"][0]).groups())
    assert moved == pytest.approx(left - 40 / scale, abs=0.3)
    assert down == pytest.approx(top - 10 / scale, abs=0.3)
    assert seen["arrow"] != seen["moved"]
    assert seen["back"] == seen["apart"] == seen["key"] == ""

"""The page in a real browser, where one is installed: it fits, it moves, nothing fails."""

import html
import json
import re
import shutil
import subprocess

import pytest

from imgan.report.run_page import write_run_page
from tests.report.pages import metrics

BROWSER = shutil.which("chromium") or shutil.which("chromium-browser")
pytestmark = pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")

ERRORS = """<script>window.faults = [];
addEventListener("error", (e) => faults.push(e.message || e.target.src), true);</script>"""
# Runs inside the page: looks at it, moves the slider, plays with the pointer, and tells its parent.
LOOK = """<script>addEventListener("load", async () => {
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const wide = [...document.querySelectorAll("body *")].filter((e) =>
    e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, .use, svg"));
  const numbers = () => [...document.querySelectorAll(".legend b")].map((b) => b.textContent);
  const told = {
    width: innerWidth,
    page: document.documentElement.scrollWidth,
    wide: wide.map((e) => e.tagName + "." + e.className),
    dark: matchMedia("(prefers-color-scheme: dark)").matches,
    paper: getComputedStyle(document.body).backgroundColor,
    ink: getComputedStyle(document.querySelector("figure.chart text")).fill,
    line: getComputedStyle(document.querySelector("figure.chart path[style*='--c1']")).stroke,
    latest: numbers(),
  };
  const slider = document.getElementById("at");
  slider.value = 0;
  slider.dispatchEvent(new Event("input"));
  await wait(300);
  const picture = document.getElementById("picture");
  told.first = [picture.getAttribute("src"), picture.naturalWidth, picture.alt];
  told.step = document.getElementById("step").textContent;
  told.then = numbers();
  document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowRight", bubbles: true }));
  await wait(300);
  told.next = picture.getAttribute("src");
  document.getElementById("play").click();
  await wait(1500);
  told.last = document.getElementById("step").textContent;
  told.faults = faults;
  parent.postMessage(told, "*");
});</script>"""
FRAMES = """<!doctype html><meta name="color-scheme" content="light dark"><body><script>
const told = [];
addEventListener("message", (event) => {
  told.push(event.data);
  if (told.length === 2) document.title = JSON.stringify(told);
});
</script><iframe src="probe.html" style="width:360px;height:800px;border:0"></iframe>
<iframe src="probe.html" style="width:1280px;height:800px;border:0"></iframe>"""


def looked_at(run, tmp_path, scheme, errors=ERRORS, look=LOOK):
    """What the page says of itself at 360 and at 1280 pixels."""
    page = (run / "index.html").read_text()
    probe = page.replace("<head>", "<head>" + errors, 1).replace("</body>", look + "</body>", 1)
    (run / "probe.html").write_text(probe)
    (run / "frames.html").write_text(FRAMES)  # a window of chromium's cannot be so narrow
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}"]
    command += [f"--blink-settings=preferredColorScheme={scheme}", "--virtual-time-budget=8000"]
    command += ["--window-size=1700,1000", "--dump-dom", f"file://{run / 'frames.html'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title, done.stderr[-2000:]
    return json.loads(html.unescape(title[1]))


@pytest.fixture
def run(make_run, add_results):
    long = "a_name_without_any_place_to_break_it_" * 4
    rows = metrics(200)
    rows[-1]["warnings"] = ["the critic has won: " + long]
    run = make_run(rows)
    add_results(run, [long, "short"], {long: {"psnr": 20.5}})
    (run / "data.json").write_text(json.dumps({"folder": f"/{long}", long: [long] * 3}))
    write_run_page(run)
    return run


@pytest.mark.parametrize(("scheme", "dark"), [(0, True), (1, False)])
def test_it_fits_and_moves(run, tmp_path, scheme, dark):
    told = looked_at(run, tmp_path, scheme)
    assert sorted(seen["width"] for seen in told) == [360, 1280]
    for seen in told:
        assert seen["faults"] == []
        assert seen["page"] <= seen["width"] and seen["wide"] == []
        assert seen["dark"] is dark
        paper, ink, line = (
            [int(n) for n in re.findall(r"\d+", seen[key])[:3]] for key in ("paper", "ink", "line")
        )
        assert (sum(paper) < 200) is dark
        assert abs(sum(ink) - sum(paper)) > 250
        assert line == ([255, 139, 88] if dark else [212, 80, 28])
        assert seen["first"] == [
            "previews/00000000.png",
            96,
            "input, output, target at step 0",
        ]
        assert seen["step"] == "step 0" and seen["then"] != seen["latest"]
        assert seen["next"] == "previews/00000100.png"
        assert seen["last"] == "step 200"

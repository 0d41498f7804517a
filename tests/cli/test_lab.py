"""`imgan lab` as a user runs it: the page, what is kept, and nonsense."""

import html
import json
import re
import signal
import subprocess
import sys
import time

import pytest
from typer.testing import CliRunner

from imgan.cli import app
from imgan.errors import ImganError, Stopped
from imgan.lab import run as lab
from tests.report.pages import Page
from tests.report.test_browser import BROWSER, ERRORS, FRAMES

# Runs inside the page: looks at it and tells its parent.
LOOK = """<script>addEventListener("load", () => {
  const style = (selector) => getComputedStyle(document.querySelector(selector));
  const wide = [...document.querySelectorAll("body *")].filter((e) =>
    e.getBoundingClientRect().right > innerWidth + 1 && !e.closest(".scroll, svg"));
  parent.postMessage({
    width: innerWidth,
    page: document.documentElement.scrollWidth,
    wide: wide.map((e) => e.tagName + "." + e.className),
    paper: style("body").backgroundColor,
    trail: style(".trail").stroke,
    dots: style(".dots").stroke,
    drawn: [...document.querySelectorAll(".pictures svg, figure.chart svg")].every(
      (svg) => svg.getBoundingClientRect().width > 60),
    faults,
  }, "*");
});</script>"""


def command(*arguments):
    done = CliRunner().invoke(app, ["lab", *map(str, arguments)])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    out = tmp_path_factory.mktemp("lab")
    done = command("--quick", "--seeds", 1, "-o", out, "--json", out / "copy.json")
    assert done.stdout.strip() == str(out / "index.html")
    return out


def test_the_page_is_sound_and_needs_nothing_else(out):
    text = (out / "index.html").read_text()
    page = Page(text)
    assert page.faults == []
    assert all(address.startswith("#") for address in page.addresses())
    assert "http:" not in text and "https:" not in text and "@import" not in text
    assert len(page.ids()) == len(set(page.ids()))
    assert {address[1:] for address in page.addresses()} <= set(page.ids())
    assert not re.search(r"\bnan\b|\binf\b", page.text)
    for said in ("To take along:", "from imgan.core import", "arXiv 1611.02163", "Quick"):
        assert said in page.text


@pytest.mark.skipif(BROWSER is None, reason="chromium is not installed")
def test_in_a_browser_it_fits_a_phone_and_nothing_fails(out, tmp_path):
    page = (out / "index.html").read_text()
    probe = page.replace("<head>", "<head>" + ERRORS, 1).replace("</body>", LOOK + "</body>", 1)
    (tmp_path / "probe.html").write_text(probe)
    (tmp_path / "frames.html").write_text(FRAMES)
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run"]
    command += ["--disable-background-networking", f"--user-data-dir={tmp_path / 'profile'}"]
    command += ["--blink-settings=preferredColorScheme=0", "--virtual-time-budget=8000"]
    command += ["--window-size=1700,1000", "--dump-dom", f"file://{tmp_path / 'frames.html'}"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout, re.DOTALL)
    assert title, done.stderr[-2000:]
    told = json.loads(html.unescape(title[1]))
    assert sorted(seen["width"] for seen in told) == [360, 1280]
    for seen in told:
        assert seen["faults"] == [] and seen["wide"] == []
        assert seen["page"] <= seen["width"] and seen["drawn"]
        assert sum(int(n) for n in re.findall(r"\d+", seen["paper"])[:3]) < 200
        assert seen["trail"] == seen["dots"] == "rgb(255, 139, 88)"


def test_everything_is_in_the_json_too(out):
    content = json.loads((out / "lab.json").read_text())
    assert list(content["experiments"]) == [e.name for e in lab.EXPERIMENTS]
    assert (content["seeds"], content["quick"]) == (1, True)
    assert content == json.loads((out / "copy.json").read_text())
    for experiment in lab.EXPERIMENTS:
        told = content["experiments"][experiment.name]
        assert told["result"] and told["take"] and told["seconds"] >= 0


def watched(monkeypatch):
    """The names of experiments that are run from now on; they are not really run."""
    ran = []

    def note(experiment):
        def run(seeds, quick, progress):
            ran.append(experiment.name)
            raise KeyboardInterrupt

        return lab.Experiment(
            experiment.name, experiment.finds, run, experiment.tell, experiment.cost
        )

    monkeypatch.setattr(lab, "EXPERIMENTS", tuple(map(note, lab.EXPERIMENTS)))
    return ran


def test_what_is_kept_is_not_run_again_unless_the_setting_changed(out, monkeypatch):
    ran = watched(monkeypatch)
    command("--quick", "--seeds", 1, "-o", out)
    assert ran == []
    with pytest.raises(Stopped, match="the same command goes on"):
        command("--quick", "--seeds", 2, "-o", out)
    with pytest.raises(Stopped):
        command("ring", "--seeds", 1, "-o", out)
    assert ran == ["costs", "ring"]


def test_a_file_that_is_no_result_is_made_anew(out, monkeypatch):
    ran = watched(monkeypatch)
    kept = out / "experiments" / "orbit.json"
    whole = kept.read_text()
    try:
        for text in (whole[:100], "[]", whole.replace('"places"', '"plates"')):
            kept.write_text(text)
            with pytest.raises(Stopped):
                command("--quick", "--seeds", 1, "-o", out)
    finally:
        kept.write_text(whole)
    assert ran == ["orbit"] * 3


def test_a_page_of_one_experiment_grows_by_the_next(tmp_path):
    command("costs", "-o", tmp_path)
    assert list(json.loads((tmp_path / "lab.json").read_text())["experiments"]) == ["costs"]
    command("orbit", "--quick", "-o", tmp_path)  # another setting
    assert list(json.loads((tmp_path / "lab.json").read_text())["experiments"]) == ["orbit"]
    command("costs", "--quick", "-o", tmp_path)
    found = json.loads((tmp_path / "lab.json").read_text())["experiments"]
    assert list(found) == ["costs", "orbit"]


def test_the_number_of_threads_is_as_before(tmp_path):
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        command("costs", "-o", tmp_path)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_an_unknown_experiment_is_one_sentence_naming_those_there_are(tmp_path):
    sentence = "there is no experiment orbits; there are costs, orbit, divergences, ring, tricks"
    with pytest.raises(ImganError, match=sentence):
        command("orbits", "-o", tmp_path / "lab")
    assert not (tmp_path / "lab").exists()


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ImganError, match="take another place"):
        command("costs", "-o", tmp_path / "file")


def test_stopped_it_keeps_what_is_finished(tmp_path):
    arguments = [sys.executable, "-m", "imgan", "lab", "costs", "ring", "-o", str(tmp_path)]
    process = subprocess.Popen(
        arguments,
        stderr=subprocess.PIPE,
        text=True,
        # A shell's background jobs, and so their children, ignore it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not (tmp_path / "lab.json").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=300)
    # A shell calls both 130: Python ends by the signal itself when it fell into an import's eval.
    assert process.returncode in (130, -signal.SIGINT)
    assert "the same command goes on" in errors and "Traceback" not in errors
    assert (tmp_path / "experiments" / "costs.json").exists()

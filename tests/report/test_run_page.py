import html
import json
import re
import shlex
import time
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from imgan.errors import ImganError
from imgan.model_file import Card
from imgan.report.run_page import MOST_PREVIEWS, _about_model, write_run_page
from tests.report.pages import Page, metrics


def read(run):
    path = write_run_page(run)
    assert path == run / "index.html"
    page = Page(path.read_text(encoding="utf-8"))
    assert page.faults == []
    ids = page.ids()
    assert len(set(ids)) == len(ids)
    for element, attributes in page.elements:
        for key in ("aria-labelledby", "for"):
            assert set(attributes.get(key, "").split()) <= set(ids), element
    for address in page.addresses():
        assert not re.match(r"[a-z]+:|//", address), address
        if address.startswith("#"):
            assert address[1:] in ids
        else:
            assert (run / unquote(address)).is_file(), address
    return page


def test_a_run_in_full(make_run, add_results):
    run = make_run()
    add_results(run, ["one", "two"], {"one": {"psnr": 21.5}, "all 2 images": {"psnr": 22.25}})
    (run / "data.json").write_text(json.dumps({"layout": "joined", "train": {"pairs": 12}}))
    page = read(run)
    for words in (
        "small",
        "Super-resolution ×2",
        "Adversarial twin",
        "Step 200 of 400 , 50 %",
        "Trained for 2 min, about 2 min left",
        "What the generator pays",
        "adversary × 0.5",
        "How often the critic is right",
        "psnr 21.5",
        "psnr 22.25",
        "train · pairs",
    ):
        assert words in page.text, words
    assert len(page.all("svg")) >= 8 + 1
    assert all("aria-labelledby" in svg or "aria-hidden" in svg for svg in page.all("svg"))
    shown = [image["src"] for image in page.all("img")]
    assert shown[0] == "previews/00000200.png"
    assert sum(image.get("loading") == "lazy" for image in page.all("img")) == 6
    links = [a.get("href") for a in page.all("a")]
    assert {f"previews/{step:08d}.png" for step in (0, 100, 200)} <= set(links)


def test_nothing_is_fetched(make_run):
    text = write_run_page(make_run()).read_text()
    assert "http:" not in text and "https:" not in text
    assert "url(" not in text and "@import" not in text


def test_the_mse_twin_has_no_critic(make_run):
    rows = [{"step": s, "l1": 1 / s, "g_loss": 1 / s, "rate": 1e-4} for s in range(1, 60)]
    recipe = {"pipeline": "srgan", "name": "twin", "train": {"steps": 59}}
    page = read(make_run(rows, recipe=recipe, previews=(59,)))
    assert "MSE twin" in page.text and "finished" in page.text
    assert "critic" not in page.text and "all together" not in page.text


def test_settings_that_are_no_defaults_are_marked(make_run):
    text = write_run_page(make_run()).read_text()
    rows = re.findall(r'<tr class="changed"><th scope="row">([\w.]+)</th>', text)
    assert {"precision", "batch", "steps"} <= set(rows)
    assert not {"ema", "blocks", "keep"} & set(rows)


def test_local_folders_stay_out(make_run):
    recipe = yaml.safe_load((make_run() / "recipe.yaml").read_text())
    recipe |= {"init": "/home/somebody/model.safetensors"}
    run = make_run(recipe=recipe, name="other")
    text = write_run_page(run).read_text()
    assert "model.safetensors" in text
    assert "somebody" not in text and str(run.parent) not in text


NASTY = '</script><script>alert(1)</script><img src=x onerror="alert(2)">\'&amp;{{ 7 * 7 }}'


def test_the_command_is_seen_from_where_it_was_trained(make_run, monkeypatch):
    run = make_run()
    (run / "model.safetensors").write_bytes(b"")
    assert f"--model {run.name}/model.safetensors" in write_run_page(run).read_text()
    monkeypatch.chdir(run.parent.parent)
    place = f"{run.parent.name}/{run.name}"
    assert f"--model {place}/model.safetensors" in write_run_page(run).read_text()
    odd = run.rename(run.with_name('a name\'s "\u00fc"'))
    shown = html.unescape(write_run_page(odd).read_text())
    assert f"--model {shlex.quote(f'{run.parent.name}/{odd.name}/model.safetensors')} " in shown


def test_what_users_name_is_text(make_run, add_results):
    rows = metrics(50)
    rows[-1] |= {NASTY: 0.5, "warnings": [NASTY]}
    recipe = {"pipeline": "other", "name": NASTY, NASTY: {NASTY: [NASTY]}}
    run = make_run(rows, recipe=recipe)
    add_results(run, [NASTY], {NASTY: {NASTY: NASTY}, "b": {NASTY: 1.0}})
    (run / "data.json").write_text(json.dumps({NASTY: NASTY}))
    page = read(run)
    assert len(page.all("script")) == 1 + 1 + len(page.all("desc"))  # code, previews, points
    assert not any(name.startswith("on") for _, a in page.elements for name in a)
    assert page.text.count("{{ 7 * 7 }}") >= 8


def test_a_name_that_is_no_text(make_run):
    run = make_run()
    (run / "data.json").write_text(json.dumps({"skipped": ["caf\udce9.png"]}))
    assert "caf?.png" in read(run).text


@pytest.mark.parametrize("missing", ["rows", "previews", "recipe"])
def test_any_part_may_be_missing(make_run, missing):
    read(make_run(**{missing: None if missing == "recipe" else ()}))


def test_an_empty_run(tmp_path):
    page = read(tmp_path)
    assert tmp_path.name in page.text and "Nothing is trained yet" in page.text
    assert "img" not in {tag for tag, _ in page.elements}


def test_no_run(tmp_path):
    with pytest.raises(ImganError, match="there is no run"):
        write_run_page(tmp_path / "nowhere")


def test_damaged_files_are_left_out(make_run):
    run = make_run()
    with open(run / "metrics.jsonl", "a") as file:
        file.write('{"step": 210, "l1": NaN}\nnull\n{"step": null}\n{"step": 220, "l1"')
    for name in ("data.json", "model.safetensors", "results/results.json"):
        (run / name).parent.mkdir(exist_ok=True)
        (run / name).write_bytes(b"\xff{")
    (run / "previews" / "00000200.png").write_bytes(b"")
    (run / "previews" / ".00000300-12.png").write_bytes(b"")
    (run / "recipe.yaml").write_text("pipeline: [")
    page = read(run)
    assert "Step 210" in page.text
    assert "00000300" not in (run / "index.html").read_text()


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=8,
)


@pytest.mark.parametrize("value", [5e-324, 1e-31, 1.7e308, -1.7e308, 10**400])
@pytest.mark.parametrize("before", [0.0, -1.7e308])
def test_numbers_at_the_ends_of_their_range_make_a_page(tmp_path, value, before):
    rows = [{"step": 1, "g_loss": before}, {"step": 2, "g_loss": value, "alone": value}]
    (tmp_path / "metrics.jsonl").write_text("\n".join(map(json.dumps, rows)))
    read(tmp_path)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=ANY, results=ANY, row=st.dictionaries(st.text(max_size=8), ANY))
def test_any_content_makes_a_page(tmp_path, data, results, row):
    (tmp_path / "results").mkdir(exist_ok=True)
    (tmp_path / "data.json").write_text(json.dumps(data))
    (tmp_path / "metrics.jsonl").write_text(json.dumps({"step": 1} | row))
    content = {"columns": results, "rows": [{"name": data, "images": results}], "scores": data}
    (tmp_path / "results" / "results.json").write_text(json.dumps(content))
    read(tmp_path)


def test_a_picture_that_is_gone_and_one_that_browsers_do_not_show(make_run, add_results):
    run = make_run()
    add_results(run, ["a", "b"])
    (run / "results" / "pictures" / "0 a.png").unlink()
    content = json.loads((run / "results" / "results.json").read_text())
    tiff = run / "results" / "deep.tiff"
    tiff.write_bytes(b"II*\0")
    content["rows"][1]["images"][0] = str(tiff)
    (run / "results" / "results.json").write_text(json.dumps(content))
    page = read(run)
    assert "not there" in page.text
    assert "results/deep.tiff" in page.addresses()
    assert "results/deep.tiff" not in [image["src"] for image in page.all("img")]


def test_a_huge_run_is_thinned(make_run):
    run = make_run(metrics(30_000, every=3), previews=())
    (run / "previews").mkdir()
    for step in range(0, 30_000, 50):
        (run / "previews" / f"{step:08d}.png").touch()
    write_run_page(run)  # imports
    before = time.process_time()
    page = read(run)
    assert time.process_time() - before < 3  # a tenth of it on a machine of one's own
    steps = [a["href"] for a in page.all("a") if "data-at" in a]
    assert len(steps) == MOST_PREVIEWS
    assert (steps[0], steps[-1]) == ("previews/00000000.png", "previews/00029950.png")
    assert "200 more lie in previews/" in page.text
    assert "Step 30,000" in page.text
    assert (run / "index.html").stat().st_size < 600_000


def test_the_page_is_replaced_in_one_go(make_run, monkeypatch):
    run = make_run()
    before = write_run_page(run).read_text()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(OSError):
        write_run_page(run)
    monkeypatch.undo()
    assert (run / "index.html").read_text() == before
    assert not list(run.glob(".*"))


def test_warnings_stand_once_with_their_latest_step(make_run):
    rows = metrics(60)
    for row, share in zip(rows[2:], (96, 97, 98), strict=False):
        row["warnings"] = [f"the critic has won: right on {share}% of both kinds."]
    page = read(make_run(rows))
    assert page.text.count("the critic has won") == 1
    assert "Step 50: the critic has won: right on 98%" in page.text


def test_a_run_that_began_from_a_mean_names_its_parts():
    mean = Card(pipeline="srgan", name="mean", networks={}, mean_of={"one": 0.5, "other": 0.5})
    card = mean.model_copy(update={"name": "mine", "mean_of": {}, "parent": mean})
    assert _about_model(card) == {"began from": "the mean of one and other"}
    card.parent = mean.model_copy(update={"name": "one", "mean_of": {}})
    assert _about_model(card) == {"began from": "one"}

"""A run's folder as training leaves it, with numbers and pictures that are made up."""

import json

import pytest
import yaml
from PIL import Image

from tests.report.pages import RECIPE, metrics


@pytest.fixture
def make_run(tmp_path):
    def make(rows=None, previews=(0, 100, 200), recipe=RECIPE, name="run"):
        rows = metrics(200) if rows is None else rows
        run = tmp_path / name
        run.mkdir()
        if recipe is not None:
            (run / "recipe.yaml").write_text(yaml.safe_dump(recipe))
        if rows:
            (run / "metrics.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        for step in previews:
            (run / "previews").mkdir(exist_ok=True)
            picture = Image.new("RGB", (96, 128), (step % 256, 90, 160))
            picture.save(run / "previews" / f"{step:08d}.png")
        return run

    return make


@pytest.fixture
def add_results():
    """A gallery as ``imgan translate`` leaves it; the rows' names are the user's."""

    def add(run, names, scores=None):
        folder = run / "results"
        (folder / "pictures").mkdir(parents=True)
        rows = []
        for i, name in enumerate(names):
            images = [f"pictures/{i} {side}.png" for side in "abc"]
            for image in images:
                Image.new("RGB", (40, 30), (200, 120, 20 * i % 256)).save(folder / image)
            rows.append({"name": name, "images": images})
        content = {"columns": ["input", "output", "target"], "rows": rows, "scores": scores or {}}
        (folder / "results.json").write_text(json.dumps(content))

    return add

import math
import re

import pytest

from imgan.report import feature_curves, write_run_page
from imgan.report.curves import Row
from tests.report.pages import Page

SHARED = {
    "images_per_second": 90.0, "accuracy": 0.9, "class": 0.3, "g_loss": 1.2, "grad_norm_g": 2.0,
    "information": 0.6, "entropy": 0.7, "source": 0.95, "accuracy sketches": 0.8, "rate": 1e-3,
}  # fmt: skip
REVERSAL = SHARED | {"domain": 0.68, "domain_accuracy": 0.55, "confusion": 0.9, "sure": 0.4,
                     "consistency": 0.1, "target_diversity": -0.2}  # fmt: skip
MOVES = SHARED | {
    f"{name}_{i}": 0.5
    for name in ("d", "g", "accuracy_real", "accuracy_fake", "logits_real", "diversity")
    for i in (0, 1)
} | {"d_loss": 1.0, "g_adversarial": 1.0, "grad_norm_d": 0.1}  # fmt: skip


def charts(row: Row, domains=("photos", "sketches"), even=True):
    rows = [{"step": step} | row for step in (50, 100)]
    return {chart.title: chart for chart in feature_curves.charts(rows, domains, even)}


def names(chart):
    return [series.name for series in chart.series]


def test_reversal_shows_both_players_and_what_guessing_would_be():
    made = charts(REVERSAL)
    paid = names(made["What features and classifier pay"])
    assert paid[0] == "wrong classes" and "all together" not in paid and len(paid) == 3
    assert made["What the critic pays"].level == (math.log(2), "guessing")
    assert made["How often the critic knows the domain"].level == (0.5, "guessing")
    assert names(made["How often the class is right"])[-1] == "sketches"
    assert len(made["What checkpoints are chosen by"].series) == 4
    attribute = charts(REVERSAL, even=False)
    assert attribute["What the critic pays"].level is None


def test_moves_name_the_domains():
    made = charts(MOVES)
    assert names(made["What the critic pays"]) == [
        "all together",
        "telling photos",
        "telling sketches",
    ]
    assert "to be taken for sketches" in names(made["What features and classifier pay"])
    assert "others, not taken for photos" in names(made["How often the critic knows the domain"])
    assert names(charts(MOVES, domains=())["What the critic pays"])[1] == "telling domain 0"


@pytest.mark.parametrize("row", [REVERSAL, MOVES, SHARED])
def test_the_page_of_features_speaks_of_no_generator(tmp_path, row):
    (tmp_path / "recipe.yaml").write_text(
        "{pipeline: dann, name: a, adversary: {}, train: {steps: 100}}"
    )
    (tmp_path / "data.json").write_text('{"domains": ["photos", "<sketches>"]}')
    lines = [str({"step": step} | row).replace("'", '"') for step in (50, 100)]
    (tmp_path / "metrics.jsonl").write_text("\n".join(lines) + "\n")
    text = write_run_page(tmp_path).read_text()
    assert Page(text).faults == []
    shown = re.sub(r"(?s)<(script|style).*?</\1>", "", text).lower()
    assert "features and classifier" in shown
    assert "generat" not in shown and "diversity</" not in shown and "real images" not in shown

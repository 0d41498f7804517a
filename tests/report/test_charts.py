import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from imgan.report import curves
from imgan.report.charts import POINTS, Chart, Series, drawn
from tests.report.pages import Page, metrics


def titles(rows, **settings):
    return {chart.title: chart for chart in curves.charts(rows, **settings)}


VALUES = st.floats(-1e12, 1e12) | st.floats(1e-12, 1) | st.sampled_from([0.0, 1.0])


@settings(max_examples=30, deadline=None)
@given(
    y=st.lists(VALUES, min_size=1, max_size=50),
    log=st.booleans(),
    zero=st.booleans(),
    level=st.none() | st.just((0.5, "<half>")),
)
def test_any_line_becomes_sound_svg(y, log, zero, level):
    x = list(range(len(y)))
    chart = Chart("<&>", "it's", (Series("a<b", x, y, 9),), log=log, zero=zero, level=level)
    made = drawn(chart, "k", (0, len(y)))
    page = Page(made["svg"])
    assert page.faults == []
    assert not any(bad in made["svg"] for bad in ("nan", "inf,", "<style", "http", "#00"))
    assert all(i.startswith("k-") for i in page.ids())


def test_thinned_lines_keep_their_end_and_their_mean():
    y = [math.sin(i / 50) for i in range(10_001)]
    chart = Chart("t", "", (Series("a", list(range(10_001)), y, 1),))
    points = drawn(chart, "k", (0, 10_000))["points"]
    assert len(points["x"][0]) <= POINTS
    assert points["x"][0][-1] == 10_000
    assert sum(points["y"][0]) / len(points["y"][0]) == pytest.approx(sum(y) / len(y), abs=0.01)


def test_charts_of_several_critics_and_their_colours():
    rows = []
    for row in metrics(50):
        shared = {"step": row["step"], "rate": row["rate"], "d_loss": 3.0, "g_loss": 9.0}
        twice = {f"{k}_{c}": v for k, v in row.items() for c in "ab" if k.startswith(("l", "a"))}
        rows.append(shared | twice | {"d_adversarial": 2.5, "d_a": 1.0, "d_b": 1.5, "r1_a": 0.5})
    made = titles(rows)
    critic = [series.name for series in made["What the critic pays"].series]
    assert critic == ["all together", "critic a", "critic b", "R1 penalty, a"]
    right = made["How often the critic is right"].series
    assert [s.name for s in right][:2] == ["real images, a", "real images, b"]
    assert right[0].colour % 8 == right[1].colour % 8 != right[2].colour % 8


def test_batches_of_one_have_no_diversity_to_show():
    rows = [row | {"diversity": 1.0} for row in metrics(50)]
    assert "Diversity" not in titles(rows)
    assert "Diversity" in titles(metrics(50))


def test_the_adversarial_cost_is_shown_with_its_weight():
    (line,) = (
        s
        for s in titles(metrics(50), weight=0.1)["What the generator pays"].series
        if "adversary" in s.name
    )
    assert line.name == "adversary \u00d7 0.1"
    assert line.y == pytest.approx([0.07] * 5)


def test_rows_are_sorted_and_a_step_stands_once(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 3, "l1": 1}\n{"step": 1}\n\xff\n{"step": 3, "l1": 2}\n{"st')
    assert curves.read_rows(path) == [{"step": 1}, {"step": 3, "l1": 2}]
    assert curves.read_rows(tmp_path / "none") == []


def test_of_a_long_log_the_rows_that_warn_and_the_last_stay(tmp_path):
    path = tmp_path / "metrics.jsonl"
    lines = [f'{{"step": {i}}}' for i in range(20_000)]
    lines[777] = '{"step": 777, "warnings": ["w"]}'
    path.write_text("\n".join(lines))
    rows = curves.read_rows(path)
    assert len(rows) <= curves.MOST_ROWS + 2
    assert rows[-1]["step"] == 19_999 and curves.warnings(rows) == [(777, "w")]

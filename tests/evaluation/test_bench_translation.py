from imgan.evaluation.bench_translation import bench_cyclegan


def test_both_steps_are_measured():
    rows = bench_cyclegan(size=64, batch=1, steps=1, device="cpu")
    assert [row["name"] for row in rows] == ["imgan", "plain"]
    for row in rows:
        assert row["seconds"] > 0
        assert row["peak_mb"] > 100

from imgan.training import progress
from imgan.training.progress import Display, clock, steps_done


def test_lines_tell_the_time_left_of_this_run_and_of_all(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    display = Display(True, 10, "mse, seed 0 (1 of 2), step", later=30)
    with display.running():
        for step in (1, 2):
            now[0] += 60.0
            display.advance(step)
    first, second = capsys.readouterr().err.splitlines()
    assert first == "mse, seed 0 (1 of 2), step 1/10, 9:00 left, 39:00 in all"
    assert second == "mse, seed 0 (1 of 2), step 2/10, 8:00 left, 38:00 in all"
    alone = Display(True, 10)
    with alone.running():
        now[0] += 60.0
        alone.advance(5)
    assert capsys.readouterr().err.splitlines() == ["step 5/10, 1:00 left"]


def test_steps_done_are_those_that_were_logged(tmp_path):
    assert steps_done(tmp_path) == 0
    (tmp_path / "metrics.jsonl").write_text('{"step": 50}\n{"step": 100}\n{"step": 1')
    assert steps_done(tmp_path) == 100
    assert clock(3725) == "1:02:05" and clock(65) == "1:05"

"""Checkpoints survive what happens to files."""

import pytest
import torch

from imgan.errors import ImganError
from imgan.training import checkpoint


def test_the_newest_few_stay(tmp_path):
    for step in (1, 2, 10, 11):
        checkpoint.save(tmp_path, step, {"step": step}, keep=2)
    assert [checkpoint.step_of(p) for p in checkpoint.found(tmp_path)] == [11, 10]
    assert checkpoint.load(tmp_path) == ({"step": 11}, [])


def test_a_damaged_one_falls_back_to_the_one_before(tmp_path):
    checkpoint.save(tmp_path, 1, {"step": 1, "x": torch.arange(3)}, keep=2)
    checkpoint.save(tmp_path, 2, {"step": 2, "x": torch.arange(3)}, keep=2)
    newest = checkpoint.found(tmp_path)[0]
    newest.write_bytes(newest.read_bytes()[:100])
    state, warnings = checkpoint.load(tmp_path)
    assert state is not None
    assert state["step"] == 1
    assert len(warnings) == 1
    assert str(newest) in warnings[0]


def test_changed_numbers_are_not_loaded(tmp_path):
    for step in (1, 2):
        checkpoint.save(tmp_path, step, {"step": step, "x": torch.ones(1000)}, keep=2)
    newest = checkpoint.found(tmp_path)[0]
    data = newest.read_bytes()
    middle = data.index(torch.ones(16).numpy().tobytes())
    newest.write_bytes(data[:middle] + bytes(64) + data[middle + 64 :])
    state, warnings = checkpoint.load(tmp_path)
    assert state is not None and state["step"] == 1
    assert "is damaged" in warnings[0]


def test_nothing_that_can_be_read_is_one_sentence(tmp_path):
    checkpoint.save(tmp_path, 1, {}, keep=2)
    checkpoint.found(tmp_path)[0].write_bytes(b"")
    with pytest.raises(ImganError, match="no checkpoint"):
        checkpoint.load(tmp_path)


def test_a_failed_save_leaves_the_last_good_one_alone(tmp_path, monkeypatch):
    checkpoint.save(tmp_path, 1, {"step": 1}, keep=2)

    def full(state, file):
        file.write_bytes(b"half")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(tmp_path, 2, {"step": 2}, keep=2)
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001.pt"]


def test_what_a_killed_save_left_is_removed_on_resume(tmp_path):
    checkpoint.save(tmp_path, 1, {"step": 1}, keep=2)
    (tmp_path / ".step-00000002-0123456789abcdef.pt").write_bytes(b"half")
    assert checkpoint.load(tmp_path) == ({"step": 1}, [])
    assert [p.name for p in tmp_path.iterdir()] == ["step-00000001.pt"]


def test_no_code_runs_from_a_checkpoint(tmp_path):
    class Evil:
        def __reduce__(self):
            return (open, (str(tmp_path / "owned"), "w"))

    torch.save({"step": Evil()}, tmp_path / "step-00000001.pt")
    with pytest.raises(ImganError):
        checkpoint.load(tmp_path)
    assert not (tmp_path / "owned").exists()

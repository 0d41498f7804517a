"""What may change when a run goes on, and what follows from it."""

import json

import pytest
import torch

from imgan.errors import ImganError
from imgan.training import checkpoint
from tests.training.runs import trainer


def test_a_lower_rate_is_taken_up(tmp_path):
    trainer(tmp_path, steps=4, train__schedule={"decay": 0}).run()
    trainer(
        tmp_path, 6, train__schedule={"decay": 0}, train__optimizer={"rate": 1e-5, "name": "muon"}
    ).run()
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [row["rate"] for row in rows] == [1e-3, 1e-3, 1e-5]


def test_history_goes_on_whatever_device_it_was_saved_from(tmp_path):
    trainer(tmp_path, steps=3).run()
    state, _ = checkpoint.load(tmp_path / "checkpoints")
    images = state["processes"][0]["history"]["images"]
    assert images.shape[0] == 4
    assert images.device == torch.device("cpu")


def test_the_average_moves_with_the_generator_alone(tmp_path):
    run = trainer(tmp_path, steps=4, adversary__critic_moves=2)
    run.run()
    assert run.ema.updates == 2


def test_a_full_disk_is_one_sentence(tmp_path, monkeypatch):
    run = trainer(tmp_path / "run", steps=6)

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save", full)
    with pytest.raises(ImganError, match=r"cannot be written .*No space left"):
        run.run()


def test_a_missing_tracker_is_one_sentence(tmp_path, monkeypatch):
    monkeypatch.setattr("imgan.training.runtime.find_spec", lambda name: None)
    with pytest.raises(ImganError, match="pip install tensorboard"):
        trainer(tmp_path, train__tracker="tensorboard")

"""What may change when a run goes on, and what follows from it."""

import json

import pytest
import torch

from imgan.errors import ImganError
from imgan.model_file import read_card
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


def test_a_run_outlives_the_weights_that_it_began_from(tmp_path):
    parent = trainer(tmp_path / "parent", steps=1, adversary=None).run()
    run = {"init": str(parent)}
    trainer(tmp_path / "run", 2, **run).run()
    parent.unlink()
    card = read_card(trainer(tmp_path / "run", 4, **run).run())
    assert card.parent is not None
    assert (card.steps, card.parent.steps, card.recipe["init"]) == (4, 1, "model.safetensors")


def test_a_run_of_before_keeps_its_parent(tmp_path):
    """Whose checkpoints did not hold the parent's card."""
    parent = trainer(tmp_path / "parent", steps=1, adversary=None).run()
    trainer(tmp_path / "run", 2, init=str(parent)).run()
    state, _ = checkpoint.load(tmp_path / "run" / "checkpoints")
    del state["parent"], state["precision"]
    checkpoint.save(tmp_path / "run" / "checkpoints", 2, state, 2)
    card = read_card(trainer(tmp_path / "run", 4, init=str(parent)).run())
    assert card.parent is not None


def test_precision_is_chosen_once(tmp_path, monkeypatch):
    """By the processor that the run began on; the card says which it was."""
    for fast in (True, False):
        monkeypatch.setattr("imgan.inference.device.fast_bf16", lambda device, fast=fast: fast)
        run = trainer(tmp_path, 2 if fast else 4, train__precision="auto")
        assert run.accelerator.mixed_precision == "bf16"
        assert read_card(run.run()).recipe["train"]["precision"] == "bf16"


def test_parts_may_be_smaller_when_memory_was_too_short(tmp_path):
    trainer(tmp_path, 2).run()
    run = trainer(tmp_path, 4, train__accumulate=2)
    assert run.step_number == 2
    run.run()


def test_slow_steps_are_saved_by_the_clock(tmp_path, monkeypatch):
    monkeypatch.setattr("imgan.training.loop.LONGEST", -1)
    trainer(tmp_path, 3, train__checkpoint_every=1000).run()
    assert [p.name for p in checkpoint.found(tmp_path / "checkpoints")] == [
        "step-00000003.pt",
        "step-00000002.pt",
    ]


def test_the_critic_that_compares_images_is_not_shown_one(tmp_path, monkeypatch):
    critic = {"name": "patch", "width": 4, "layers": 1, "minibatch_stddev": True, "norm": "none"}
    processes = property(lambda self: 4)
    monkeypatch.setattr("accelerate.Accelerator.num_processes", processes)
    with pytest.raises(ImganError, match="the critic sees one at a time; raise train.batch"):
        trainer(tmp_path, 2, adversary__critic=critic)

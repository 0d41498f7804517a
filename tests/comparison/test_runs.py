"""The trainings of a comparison, on one device and on several."""

import os
import signal

import pytest
import torch

from imgan.comparison import runs as runs_module
from imgan.comparison.arms import plan
from imgan.comparison.runs import Run, train_all
from imgan.errors import ImganError, Stopped
from imgan.model_file import load_model
from imgan.recipe import load_recipe
from tests.comparison import comparisons


def test_a_fault_names_its_arm(tmp_path):
    recipe, _ = comparisons.pairs(tmp_path)
    runs = [Run("mse", 0, load_recipe(recipe), tmp_path / "o")]
    with pytest.raises(ImganError, match=r"arm mse, seed 0: .*no folder"):
        train_all(runs, [tmp_path / "nothing"], ["cpu"], print)


def test_runs_go_side_by_side_on_several_devices(tmp_path, monkeypatch):
    # As here: sums of more threads differ in their last bits.
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    recipe, data = comparisons.pairs(tmp_path)
    arms = plan(recipe)
    # Points in names are no suffixes.
    runs = [Run(a.name, 0, a.recipe(0), tmp_path / "side" / f"0.{a.name}") for a in arms]
    said = []
    train_all(runs, data, ["cpu", "cpu"], said.append)
    alone = [Run(a.name, 0, a.recipe(0), tmp_path / "turn" / a.name) for a in arms]
    train_all(alone, data, ["cpu"], said.append)
    for one, other in zip(runs, alone, strict=True):
        own, its = (load_model(run.model).networks["generator"] for run in (one, other))
        pairs = zip(own.parameters(), its.parameters(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
    assert {"mse, seed 0: done", "adversarial, seed 0: done"} <= set(said)


def test_sigterm_ends_the_runs_on_all_devices(tmp_path, monkeypatch):
    recipe, data = comparisons.pairs(tmp_path)
    arms = plan(recipe, ["train.steps=100000"])
    runs = [Run(a.name, 0, a.recipe(0), tmp_path / "side" / a.name) for a in arms]
    started = []
    monkeypatch.setattr(
        runs_module, "_standing", lambda *of: os.kill(os.getpid(), signal.SIGTERM) or "asked"
    )
    monkeypatch.setattr(runs_module, "LINE_EVERY", 0.0)
    start = runs_module._start
    monkeypatch.setattr(
        runs_module, "_start", lambda *of: started.append(start(*of)) or started[-1]
    )
    with pytest.raises(Stopped, match="goes on"):
        train_all(runs, data, ["cpu", "cpu"], lambda text: None)
    assert len(started) == 2
    assert all(worker.process.poll() is not None for worker in started)


def test_a_run_on_another_device_that_fails_is_told_with_its_last_words(tmp_path):
    recipe, data = comparisons.pairs(tmp_path)
    runs = [Run(a.name, 0, a.recipe(0), tmp_path / "side" / a.name) for a in plan(recipe)]
    with pytest.raises(ImganError, match=r"arm \w+, seed 0 on cpu: there is no .*nothing"):
        train_all(runs, [tmp_path / "nothing"], ["cpu", "cpu"], lambda text: None)

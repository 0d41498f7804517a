"""A run from end to end: exact resume, what it leaves behind, and how it ends badly."""

import json
import shutil
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from PIL import Image

from imgan.errors import ImganError, Stopped
from imgan.model_file import load_model, read_card
from imgan.training import checkpoint
from imgan.training.loop import Trainer
from imgan.training.runtime import explained
from tests.training.runs import recipe, trainer


def final_state(out):
    state, warnings = checkpoint.load(out / "checkpoints")
    assert not warnings
    return state


def assert_same(a, b):
    """Equal bit for bit, all the way down."""
    assert type(a) is type(b)
    if isinstance(a, dict):
        assert a.keys() == b.keys()
        for key in a:
            assert_same(a[key], b[key])
    elif isinstance(a, list | tuple):
        assert len(a) == len(b)
        for x, y in zip(a, b, strict=True):
            assert_same(x, y)
    elif isinstance(a, torch.Tensor):
        assert torch.equal(a, b)
    else:
        assert a == b


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("precision", ["float32", "bf16"])
def test_five_resume_five_equal_ten_bit_for_bit(tmp_path, workers, precision):
    changes = {"train__workers": workers, "train__precision": precision}
    trainer(tmp_path / "ten", **changes).run()
    interrupted = trainer(tmp_path / "five", **changes)
    report = interrupted.display.advance
    interrupted.display.advance = lambda n: (report(n), n == 5 and interrupted.ask_to_stop())
    with pytest.raises(Stopped, match="stopped at step 5"):
        interrupted.run()
    assert final_state(tmp_path / "five")["step"] == 5
    trainer(tmp_path / "five", **changes).run()
    assert_same(final_state(tmp_path / "five"), final_state(tmp_path / "ten"))
    ten, five = (
        [json.loads(line) for line in (tmp_path / name / "metrics.jsonl").read_text().splitlines()]
        for name in ("ten", "five")
    )
    # A row in which two runs meet is a mean over fewer steps; all others agree.
    assert [row["step"] for row in five] == [row["step"] for row in ten] == [2, 4, 6, 8, 10]
    assert five[-1]["g_loss"] == ten[-1]["g_loss"]


def test_what_a_run_leaves_behind(tmp_path):
    assert trainer(tmp_path / "run").run() == tmp_path / "run" / "model.safetensors"
    model = load_model(tmp_path / "run" / "model.safetensors")
    assert model.card.steps == 10
    assert model.card.scale == 2
    assert model.card.cost == "adversarial"
    assert model.card.data["photos"] == 4
    assert model.card.log[-1]["step"] == 10
    assert model.card.recipe["train"]["steps"] == 10
    names = sorted(p.name for p in (tmp_path / "run" / "previews").iterdir())
    assert names == ["00000000.png", "00000005.png", "00000010.png"]
    assert Image.open(tmp_path / "run" / "previews" / names[0]).size == (3 * 16, 4 * 16)
    average = final_state(tmp_path / "run")["ema"]["average"]
    own = model.generator.state_dict()
    assert all(torch.equal(v, average[f"generator.{k}"]) for k, v in own.items())


def test_the_adversarial_twin_starts_from_the_mse_twin(tmp_path):
    first = trainer(tmp_path / "mse", steps=4, adversary=None).run()
    second = trainer(tmp_path / "adversarial", steps=2, init=str(first))
    mse, own = load_model(first).generator.state_dict(), second.pipeline.networks["generator"]
    assert all(torch.equal(v, mse[k]) for k, v in own.state_dict().items())
    card = load_model(second.run()).card
    assert card.parent is not None
    assert (card.parent.cost, card.parent.steps) == ("l1", 4)
    assert card.parent.log[-1]["step"] == 4
    assert card.recipe["init"] == "model.safetensors"


def test_several_models_give_their_mean(tmp_path):
    files = [
        trainer(tmp_path / str(seed), steps=1, adversary=None, seed=seed).run() for seed in (1, 2)
    ]
    run = trainer(tmp_path / "mean", steps=1, init=[str(file) for file in files])
    first, second = (load_model(file).generator.state_dict() for file in files)
    for key, value in run.pipeline.networks["generator"].state_dict().items():
        torch.testing.assert_close(value, (first[key] + second[key]) / 2)
    assert load_model(run.run()).card.recipe["init"] == ["model.safetensors"] * 2
    other = trainer(tmp_path / "wide", steps=1, adversary=None, generator__width=12).run()
    with pytest.raises(ImganError, match="init: .* have no mean, as their networks differ"):
        trainer(tmp_path / "bad", steps=1, init=[str(files[0]), str(other)])


def test_another_scale_keeps_the_trunk_and_a_foreign_network_is_refused(tmp_path):
    first = trainer(tmp_path / "x2", steps=1, adversary=None).run()
    other = trainer(tmp_path / "x4", steps=1, adversary=None, scale=4, init=str(first))
    mse, own = load_model(first).generator.state_dict(), other.pipeline.networks["generator"]
    agreeing = {k for k, v in own.state_dict().items() if torch.equal(v[:1], mse[k][:1])}
    assert {k for k in mse if not k.startswith("up.")} <= agreeing
    with pytest.raises(ImganError, match="weights of .* fit none of the networks"):
        trainer(tmp_path / "bad", steps=1, init=str(first), generator__width=16)
    with pytest.raises(ImganError, match="is 1 blocks deep .* is 2; set generator.blocks=1"):
        trainer(tmp_path / "bad", steps=1, init=str(first), generator__blocks=2)


def test_without_a_depth_the_network_is_as_deep_as_the_one_it_starts_from(tmp_path):
    deep = trainer(tmp_path / "deep", steps=1, adversary=None, generator__blocks=3).run()
    unsaid = {"name": "plainsr", "width": 8}
    for init in (str(deep), [str(deep), str(deep)]):
        run = trainer(tmp_path / "on", steps=1, init=init, generator=unsaid)
        own = run.pipeline.networks["generator"].state_dict()
        for key, value in load_model(deep).generator.state_dict().items():
            torch.testing.assert_close(own[key], value)
        assert run.recipe.generator.blocks == 3  # written out, as every default
    assert recipe(generator=unsaid).generator.blocks == 10
    other = {"name": "srresnet", "width": 8}
    assert recipe(generator=other, init=str(deep)).generator.blocks == 16


def test_a_run_with_a_depth_goes_on_under_a_recipe_that_leaves_it_to_init(tmp_path):
    parent = trainer(tmp_path / "parent", steps=1, adversary=None, generator__blocks=3).run()
    trainer(tmp_path / "run", 2, init=str(parent), generator__blocks=3).run()
    unsaid = {"name": "plainsr", "width": 8}
    assert trainer(tmp_path / "run", 3, init=str(parent), generator=unsaid).step_number == 2


def test_the_mse_twin_learns(tmp_path):
    trainer(tmp_path / "run", steps=60, adversary=None, train__log_every=20).run()
    rows = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").open()]
    assert rows[-1]["l1"] < 0.8 * rows[0]["l1"]
    assert "d_loss" not in rows[-1]


def test_accumulated_parts_make_the_step_of_the_whole_batch(tmp_path):
    changes = {"adversary__history": 0, "adversary__noise": 0.0, "steps": 1}
    trainer(tmp_path / "whole", **changes).run()
    trainer(tmp_path / "parts", **changes, train__accumulate=2).run()
    whole, parts = final_state(tmp_path / "whole"), final_state(tmp_path / "parts")
    for one, two in zip(whole["optimizers"], parts["optimizers"], strict=True):
        for key, state in one["state"].items():
            for name in ("exp_avg", "momentum_buffer"):  # after one step: the gradient, scaled
                if name in state:
                    torch.testing.assert_close(state[name], two["state"][key][name])


def test_a_finished_run_goes_on_when_steps_are_raised(tmp_path):
    trainer(tmp_path / "run", steps=4).run()
    trainer(tmp_path / "run", steps=4).run()
    assert final_state(tmp_path / "run")["step"] == 4
    trainer(tmp_path / "run", steps=6).run()
    assert final_state(tmp_path / "run")["step"] == 6


def test_another_recipe_in_the_same_folder_is_one_sentence(tmp_path):
    trainer(tmp_path / "run", steps=2).run()
    with pytest.raises(ImganError, match=r"another recipe.*seed.*another --out"):
        trainer(tmp_path / "run", steps=2, seed=1)


def test_other_data_in_the_same_folder_is_one_sentence(tmp_path, photos):
    trainer(tmp_path / "run", steps=2).run()
    one = sorted(photos.glob("*.jpg"))[0]
    with pytest.raises(ImganError, match="the data is not what the run"):
        Trainer(recipe(2), [one], tmp_path / "run", device="cpu", quiet=True)


def test_resume_insists(tmp_path, photos):
    with pytest.raises(ImganError, match="no checkpoint .* to resume"):
        Trainer(recipe(2), [photos], tmp_path / "run", resume=True, device="cpu", quiet=True)


def test_a_number_that_is_not_finite_stops_before_the_checkpoint(tmp_path):
    run = trainer(tmp_path / "run", train__log_every=100)
    before = run.step

    def poisoned(batches):
        if run.step_number == 7:
            with torch.no_grad():
                run.pipeline.networks["generator"].head.weight[0, 0, 0, 0] = torch.nan
        before(batches)

    run.step = poisoned
    with pytest.raises(ImganError, match=r"not finite.*The last checkpoint is that of step 5"):
        run.run()
    good = final_state(tmp_path / "run")
    assert good["step"] == 5
    assert all(v.isfinite().all() for v in good["networks"]["generator"].values())


def test_tensorboard(tmp_path):
    pytest.importorskip("tensorboard")
    trainer(tmp_path / "run", steps=2, train__tracker="tensorboard").run()
    assert list((tmp_path / "run").rglob("events.out.tfevents*"))


def test_two_runs_in_one_folder_are_refused(tmp_path):
    first, second = trainer(tmp_path / "run"), trainer(tmp_path / "run")
    with first.folder.held(), pytest.raises(ImganError, match="another process is training in"):
        second.run()
    assert not (tmp_path / "run" / "metrics.jsonl").exists()
    first.run()  # the folder is free again
    with pytest.raises(ImganError, match="has trained on in .* meanwhile"):
        second.run()


def test_a_run_that_cannot_be_kept_is_one_sentence(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(ImganError, match="a run cannot be kept in .*file/run"):
        trainer(tmp_path / "file" / "run").run()


def test_a_run_killed_between_its_last_checkpoint_and_its_model_is_made_whole(
    tmp_path, monkeypatch
):
    run = trainer(tmp_path, steps=4)
    monkeypatch.setattr(run.outputs, "model", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        run.run()
    monkeypatch.undo()
    model = trainer(tmp_path, steps=4).run()
    assert read_card(model).steps == 4 and len(read_card(model).log) == 2


def test_skipped_files_are_counted(tmp_path, photos, capsys):
    shutil.copytree(photos, tmp_path / "photos")
    for name in ("a.png", "b.png"):
        (tmp_path / "photos" / name).write_bytes(b"none")
    Trainer(recipe(1), [tmp_path / "photos"], tmp_path / "run", device="cpu")
    said = capsys.readouterr()
    assert "2 files in all are skipped" in said.out + said.err


def test_what_the_system_says_is_not_called_a_fault_of_the_runs_folder(tmp_path):
    def said(error, processes=1):
        return str(explained(error, processes, tmp_path, "None yet."))

    reading = OSError(24, "Too many open files", "/data/photo.npy")
    assert "cannot be written" not in said(reading) and "photo.npy" in said(reading)
    writing = PermissionError(13, "Permission denied", str(tmp_path / "metrics.jsonl"))
    assert "take another --out" in said(writing)
    beside = PermissionError(13, "Permission denied", f"{tmp_path}-photos/a.npy")
    assert "take another --out" not in said(beside)
    full = OSError(28, "No space left on device")
    assert "make room" in said(full)
    memory = RuntimeError("[enforce fail at alloc_cpu.cpp:1] DefaultCPUAllocator: can't allocate")
    assert "has not the memory" in said(memory)
    own = ValueError("/home/peer/x.txt")
    assert explained(own, 2, tmp_path, "") is own
    assert "another process" in said(RuntimeError("Connection closed by peer"), 2)


def test_a_device_of_a_run_before_is_forgotten(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_TORCH_DEVICE", "meta")
    assert trainer(tmp_path / "run", steps=1).accelerator.device.type == "cpu"


def test_weights_that_are_not_finite_reach_no_model(tmp_path):
    run = trainer(tmp_path / "run", steps=1)
    step = run.step

    def spoil(batches):
        step(batches)
        with torch.no_grad():
            run.pipeline.networks["generator"].head.weight[0, 0, 0, 0] = torch.inf

    run.step = spoil
    with pytest.raises(ImganError, match="weights of generator are no longer finite"):
        run.run()
    assert not run.folder.model.exists()


def test_training_in_a_thread(tmp_path):
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(trainer(tmp_path / "run", steps=1).run).result().is_file()


def test_accumulation_is_the_recipes_whatever_the_environment_says(tmp_path, monkeypatch):
    monkeypatch.setenv("ACCELERATE_GRADIENT_ACCUMULATION_STEPS", "4")
    run = trainer(tmp_path / "run")
    assert run.accelerator.gradient_accumulation_steps == run.recipe.train.accumulate == 1

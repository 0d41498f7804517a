"""Means of models: the weights, the card, and what has no mean."""

from __future__ import annotations

import os
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from typer.testing import CliRunner

from imgan.averaging import average, load_mean, mean_of
from imgan.cli import app
from imgan.errors import ImganError
from imgan.evaluation.trained_clips import CardClips
from imgan.inference import models
from imgan.model_file import Card, NetworkCard, load_model, load_weights, read_card, save_model
from imgan.networks import build
from imgan.pipelines.init import start_from

ARGUMENTS = {"scale": 2, "width": 8, "blocks": 1}


def state(seed):
    """Of a network with weights, statistics and a counter that no two share."""
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    for _ in range(seed + 1):
        made(torch.rand(2, 2, 5, 5))
    return {key: value.clone() for key, value in made.state_dict().items()}


def write(path, seed=0, arguments=ARGUMENTS, roles=("generator",), dtype=torch.float32, **more):
    torch.manual_seed(seed)
    card = {
        "pipeline": "srgan",
        "name": path.stem,
        "networks": {role: NetworkCard(name="plainsr", arguments=arguments) for role in roles},
        "scale": 2,
    }
    path.parent.mkdir(exist_ok=True)
    states = {role: build("plainsr", arguments).to(dtype).state_dict() for role in roles}
    save_model(path, Card(**card | more), states)
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["average", *map(str, arguments)])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(1e-3, 9), min_size=1, max_size=5))
def test_the_mean_is_that_of_weights_and_statistics(shares):
    states = [state(seed) for seed in range(len(shares))]
    before = [{k: v.clone() for k, v in one.items()} for one in states]
    for key, value in mean_of(iter(states), shares).items():
        if value.is_floating_point():
            terms = [s * one[key].double() for s, one in zip(shares, before, strict=True)]
            torch.testing.assert_close(value.double(), sum(terms) / sum(shares), atol=1e-6, rtol=0)
        else:
            assert torch.equal(value, before[0][key])
    for one, was in zip(states, before, strict=True):
        assert all(torch.equal(value, was[key]) for key, value in one.items())


def test_the_shipped_twins_at_a_realism(tmp_path):
    out = tmp_path / "mine.safetensors"
    done = run("x4-mse", "x4-adversarial", "-o", out, "--shares", "7,3")
    assert done.exit_code == 0, done.output
    assert done.output == f"{out}: 0.7 of x4-mse and 0.3 of x4-adversarial\n"
    plain, vivid, made, blend = (
        network.state_dict()
        for network in (
            models.load("x4-mse").network,
            models.load("x4-adversarial").network,
            load_model(out).generator,
            models.load_twins(4, 0.3).network,
        )
    )
    for key, value in made.items():
        torch.testing.assert_close(value, 0.7 * plain[key] + 0.3 * vivid[key])
        torch.testing.assert_close(value, blend[key])
    assert models.load(out).reach == models.load("x4-mse").reach


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16])
def test_every_role_is_averaged_in_float32(tmp_path, dtype):
    roles = "a_to_b", "b_to_a"
    files = [
        write(tmp_path / f"{seed}.safetensors", seed, roles=roles, dtype=dtype) for seed in (0, 1)
    ]
    average(files, tmp_path / "mean.safetensors")
    first, second = map(load_weights, files)
    mean = load_weights(tmp_path / "mean.safetensors")
    assert {key.split(".")[0] for key in mean} == set(roles)
    for key, value in mean.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, (first[key].float() + second[key].float()) / 2)


def test_a_mean_is_no_training_and_its_card_says_so(tmp_path):
    cards = [
        {"cost": "mse", "licence": "CC0-1.0", "data": {"folders": ["a", "b"], "photos": 3}},
        {"cost": "l1", "licence": "CC-BY-4.0", "data": {"folders": ["b", "c"], "photos": 9}},
    ]
    files = [
        write(
            tmp_path / name / "model.safetensors",
            seed,
            notes=f"Of {name}.",
            steps=seed + 5,
            scores={"Set5 x2": {"psnr": 30.0}},
            recipe={"name": name},
            log=[{"step": 1}],
            **card,
        )
        for seed, (name, card) in enumerate(zip("pq", cards, strict=True))
    ]
    card = average(files, tmp_path / "new" / "mean.safetensors", shares=[1, 3])
    assert card == read_card(tmp_path / "new" / "mean.safetensors")
    assert card.parent == read_card(files[1])  # of the largest share
    assert (card.name, card.mean_of) == ("mean", {"p": 0.25, "q": 0.75})
    assert (card.steps, card.scores, card.log, card.notes) == (0, {}, [], "")
    assert (card.cost, card.licence) == ("mse and l1", "CC0-1.0 and CC-BY-4.0")
    assert card.data == {"folders": ["a", "b", "c"], "photos": 9}
    assert card.recipe == {"name": "q"}
    shown = CliRunner().invoke(app, ["card", str(tmp_path / "new" / "mean.safetensors")])
    assert "mean_of:\n  p: 0.25\n" in shown.output

    unknown = write(tmp_path / "unknown.safetensors", cost="adversarial")
    again = average(
        [tmp_path / "new" / "mean.safetensors", files[0], unknown], tmp_path / "2.safetensors"
    )
    assert (again.cost, again.licence) == ("adversarial", "")
    third = average([tmp_path / "new" / "mean.safetensors", files[0]], tmp_path / "3.safetensors")
    assert (third.cost, third.licence) == ("mse and l1", "CC0-1.0 and CC-BY-4.0")


def test_a_clip_that_one_training_saw_is_not_held_out_of_the_mean(tmp_path):
    one, other = (
        {"folders": ["clips"], "trained": [seen], "held_out": [kept, "c.mp4"]}
        for seen, kept in (("a.mp4", "b.mp4"), ("b.mp4", "a.mp4"))
    )
    files = [write(tmp_path / f"{n}.safetensors", n, data=d) for n, d in enumerate((one, other))]
    card = average(files, tmp_path / "mean.safetensors")
    assert card.data["held_out"] == ["c.mp4"]
    clips = {name: {f"/clips/{name}"} for name in ("a.mp4", "b.mp4", "c.mp4")}
    assert CardClips.of(read_card(files[0]), clips).usable == ["b.mp4", "c.mp4"]
    assert CardClips.of(card, clips).usable == ["c.mp4"]


def test_a_module_that_imgan_cannot_build_has_a_mean(tmp_path):
    own = {"features": NetworkCard(name="own", arguments={"class": "Mine"})}
    files = [
        write(tmp_path / f"{n}.safetensors", n, roles=("features",), networks=own, pipeline="dann")
        for n in (0, 1)
    ]
    average(files, tmp_path / "mean.safetensors")
    first, second = map(load_weights, files)
    for key, value in load_weights(tmp_path / "mean.safetensors").items():
        torch.testing.assert_close(value, (first[key] + second[key]) / 2)


def test_stages_on_folders_of_other_names_have_a_mean(tmp_path):
    files = [
        write(tmp_path / f"{n}.safetensors", n, task=f"AtoB of {n}", data={"folders": [str(n)]})
        for n in (0, 1)
    ]
    assert average(files, tmp_path / "mean.safetensors").data["folders"] == ["0", "1"]


def test_a_training_that_begins_from_a_mean_has_it_as_parent(tmp_path):
    files = [
        write(tmp_path / f"{cost}.safetensors", n, cost=cost)
        for n, cost in enumerate(("mse", "adversarial"))
    ]
    card = start_from({"generator": build("plainsr", ARGUMENTS)}, list(map(str, files)), "srgan")
    written = average(files, tmp_path / "mean.safetensors")
    assert card == written
    assert (card.mean_of, card.cost) == ({"mse": 0.5, "adversarial": 0.5}, "adversarial")
    one = start_from({"generator": build("plainsr", ARGUMENTS)}, str(files[0]), "srgan")
    assert one == read_card(files[0])
    with pytest.raises(ImganError, match="^init: there is no model none((?!nextframe).)*$"):
        start_from({"generator": build("plainsr", ARGUMENTS)}, [str(files[0]), "none"], "srgan")


@pytest.mark.skipif(sys.platform == "win32", reason="names are text, and links privileged there")
def test_names_of_any_bytes_and_links(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    odd, other = write(tmp_path / os.fsdecode(b"\xff.safetensors")), write(tmp_path / "b", 1)
    other.rename("model.safetensors")
    (tmp_path / "link.safetensors").symlink_to("there.safetensors")
    card = average([odd, "model.safetensors"], "link.safetensors")
    assert list(card.mean_of) == [os.fsdecode(b"\xff"), tmp_path.name]
    assert (tmp_path / "link.safetensors").is_symlink()
    assert load_model(tmp_path / "there.safetensors").card == card


def test_models_whose_names_are_numbers(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for seed in (1, 2):
        write(tmp_path / f"{seed}.safetensors", seed).rename(str(seed))
    assert run("1", "2", "-o", "n.safetensors", "--shares", "7,3").exit_code == 0


def test_a_mean_that_is_too_large_for_numbers(tmp_path):
    files = [write(tmp_path / f"{n}.safetensors", n) for n in range(2)]
    for file, value in zip(files, (3e38, -3e38), strict=True):
        model = load_model(file)
        next(model.generator.parameters()).data[0] = value
        save_model(file, model.card, {"generator": model.generator.state_dict()})
    with pytest.raises(ImganError, match="the mean: its weights are not finite"):
        average(files, tmp_path / "mean.safetensors")
    assert not (tmp_path / "mean.safetensors").exists()


def test_arguments_that_only_one_card_names(tmp_path):
    one, other = (write(tmp_path / f"{n}.safetensors", n) for n in range(2))
    card = read_card(other)
    card.networks["generator"].arguments["later"] = None
    save_model(other, card, {"generator": load_model(one).generator.state_dict()})
    with pytest.raises(ImganError, match="no mean, as their networks differ; take"):
        average([one, other], tmp_path / "mean.safetensors")


def test_what_has_no_mean_is_one_sentence_and_writes_nothing(tmp_path):
    first, second = (write(tmp_path / f"{seed}.safetensors", seed) for seed in (0, 1))

    def other(name, **changes):
        return write(tmp_path / f"{name}.safetensors", **changes)

    damaged = other("damaged", seed=2)
    sick = load_model(damaged)
    next(sick.generator.parameters()).data[0] = float("nan")
    save_model(damaged, sick.card, {"generator": sick.generator.state_dict()})
    short = other("short", seed=3)
    weights = load_model(short).generator.state_dict()
    weights.popitem()
    save_model(short, read_card(short), {"generator": weights})
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "m.pth").write_bytes(b"x")
    write(tmp_path / "run" / "model.safetensors")
    out = tmp_path / "out.safetensors"
    before = {path: path.read_bytes() for path in tmp_path.iterdir() if path.is_file()}
    for arguments, said in (
        ([first, "-o", out], "two models or more, each of them once"),
        ([first, second, first, "-o", out], "two models or more, each of them once"),
        (
            [first, other("w", arguments=ARGUMENTS | {"width": 12}), "-o", out],
            "networks differ (generator, width: 8 and 12); take",
        ),
        ([first, other("r", roles=("a_to_b",)), "-o", out], "networks differ; take"),
        (["x4-mse", "x2-mse", "-o", out], "x4-mse and x2-mse have no mean, as their scales differ"),
        ([first, other("p", pipeline="pix2pix"), "-o", out], "differ (srgan and pix2pix); take"),
        ([first, other("s", scale=3), "-o", out], "scales differ (2 and 3); take"),
        ([first, other("i", input="grey"), "-o", out], "images differ (input: rgb and grey); take"),
        ([first, other("v", value_range=(-1.0, 1.0)), "-o", out], "images differ; take"),
        ([first, other("d", recipe={"direction": "BtoA"}), "-o", out], "directions differ; take"),
        ([first, other("c", data={"classes": ["cat"]}), "-o", out], "classes differ; take"),
        ([first, short, "-o", out], "their weights differ in name or shape"),
        ([first, damaged, "-o", out], "not finite numbers"),
        ([first, "none", "-o", out], "there is no model none"),
        ([first, tmp_path / "run", "-o", out], "is a folder; its model is"),
        ([first, tmp_path / "m.pth", "-o", out], "m.pth is not an imgan model"),
        ([first, second, "-o", tmp_path / "v1.5"], "v1.5: a model file is named NAME.safetensors"),
        ([first, second, "-o", tmp_path / "folder.safetensors"], "take another name"),
        ([first, second, "-o", first / "in.safetensors"], "cannot be written"),
        ([first, second, "-o", first], "take --overwrite"),
        ([first, second, "-o", out, "--shares", "1"], "there are 2 models; give a share of each"),
        ([first, second, "-o", out, "--shares", "1,x"], "'x' is no number"),
        ([first, second, "-o", out, "--shares", ".7", ".3"], "without spaces: --shares .7,.3"),
        ([first, second, "-o", out, "--shares", "7,", "3."], "without spaces: --shares 7,3."),
        ([first, second, "-o", out, "--shares", "1,0"], "leave a model out"),
        ([first, second, "-o", out, "--shares", "2,-1"], "leave a model out"),
        ([first, second, "-o", out, "--shares", "nan,1"], "leave a model out"),
    ):
        done = run(*arguments)
        assert isinstance(done.exception, ImganError), (arguments, done.output)
        assert said in str(done.exception)
    assert not out.exists()
    assert all(path.read_bytes() == content for path, content in before.items())
    assert average([first, second], out, shares=[1e308, 1e308]).mean_of == {"0": 0.5, "1": 0.5}
    was = load_mean([first, second]).generator.state_dict()
    assert run(first, second, "-o", first, "--overwrite").exit_code == 0
    for key, value in load_model(first).generator.state_dict().items():
        assert torch.equal(value, was[key])

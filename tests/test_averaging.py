"""Means of models: the weights, the card, and what has no mean."""

from __future__ import annotations

import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from typer.testing import CliRunner

from imgan.averaging import average, average_networks
from imgan.cli import app
from imgan.errors import ImganError
from imgan.inference import models
from imgan.model_file import Card, NetworkCard, load_model, read_card, save_model
from imgan.networks import build

ARGUMENTS = {"scale": 2, "width": 8, "blocks": 1}


def network(seed):
    torch.manual_seed(seed)
    made = nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3))
    made(torch.rand(2, 2, 5, 5))
    return made


def write(path, seed=0, arguments=ARGUMENTS, **more):
    torch.manual_seed(seed)
    card = Card(
        pipeline="srgan",
        name=path.stem,
        networks={"generator": NetworkCard(name="plainsr", arguments=arguments)},
        scale=2,
        **more,
    )
    path.parent.mkdir(exist_ok=True)
    save_model(path, card, {"generator": build("plainsr", arguments).state_dict()})
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["average", *map(str, arguments)])


@settings(deadline=None, max_examples=30)
@given(st.lists(st.floats(0, 9), min_size=1, max_size=5).filter(lambda s: sum(s) > 1e-3))
def test_the_mean_is_that_of_weights_and_statistics_and_changes_the_first_alone(shares):
    networks = [network(seed) for seed in range(len(shares))]
    before = [{k: v.clone() for k, v in one.state_dict().items()} for one in networks]
    average_networks(networks, shares)
    for key, value in networks[0].state_dict().items():
        if value.is_floating_point():
            terms = [s * one[key].double() for s, one in zip(shares, before, strict=True)]
            torch.testing.assert_close(value.double(), sum(terms) / sum(shares), atol=1e-6, rtol=0)
        else:
            assert torch.equal(value, before[0][key])
    for one, was in zip(networks[1:], before[1:], strict=True):
        assert all(torch.equal(value, was[key]) for key, value in one.state_dict().items())


def test_the_mean_of_the_shipped_twins_is_what_realism_blends(tmp_path):
    out = tmp_path / "mine.safetensors"
    done = run("x4-mse", "x4-adversarial", "-o", out, "--shares", "7,3")
    assert done.exit_code == 0, done.output
    blend = models.load_twins(4, 0.3).network.state_dict()
    for key, value in load_model(out).generator.state_dict().items():
        torch.testing.assert_close(value, blend[key])
    card = read_card(out)
    assert (card.name, card.scale, card.cost, card.scores) == ("mine", 4, "adversarial", {})
    assert card.notes.endswith("The mean of weights: 0.7 of x4-mse and 0.3 of x4-adversarial.")
    assert models.load(out).reach == models.load("x4-mse").reach


def test_the_card_names_all_costs_and_licences(tmp_path):
    files = [
        write(tmp_path / name / "model.safetensors", seed, cost=cost, licence=licence, notes="A.")
        for seed, (name, cost, licence) in enumerate(
            [("a", "mse", "CC0-1.0"), ("b", "l1", "CC-BY-SA-4.0"), ("c", "mse", "")]
        )
    ]
    card = average(files, tmp_path / "new" / "mean.safetensors")
    assert card == read_card(tmp_path / "new" / "mean.safetensors")
    assert (card.cost, card.licence) == ("mse and l1", "CC0-1.0 and CC-BY-SA-4.0")
    third = "0.333 of {}/model.safetensors"
    names = " and ".join(third.format(name) for name in "abc")
    assert card.notes == f"A. The mean of weights: {names}."


def test_what_has_no_mean_is_one_sentence_and_writes_nothing(tmp_path):
    first, second = (write(tmp_path / f"{seed}.safetensors", seed) for seed in (0, 1))
    wide = write(tmp_path / "wide.safetensors", arguments=ARGUMENTS | {"width": 12})
    grey = write(tmp_path / "grey.safetensors", value_range=(-1.0, 1.0))
    out = tmp_path / "out.safetensors"
    (tmp_path / "folder.safetensors").mkdir()
    for arguments, said in (
        ([first, "-o", out], "needs two models or more"),
        ([first, wide, "-o", out], "not of one architecture"),
        ([first, grey, "-o", out], "not of one architecture"),
        ([first, "none", "-o", out], "there is no model none"),
        ([first, second, "-o", tmp_path / "out.pth"], "name it out.safetensors"),
        ([first, second, "-o", tmp_path / "folder.safetensors"], "take another name"),
        ([first, second, "-o", first], "take --overwrite"),
        ([first, second, "-o", out, "--shares", "1"], "1 shares do not fit 2 models"),
        ([first, second, "-o", out, "--shares", "1,x"], "'x' is no number"),
        ([first, second, "-o", out, "--shares", "0,0"], "not all of them 0"),
        ([first, second, "-o", out, "--shares", "2,-1"], "from 0 up"),
        ([first, second, "-o", out, "--shares", "nan,1"], "from 0 up"),
    ):
        done = run(*arguments)
        assert isinstance(done.exception, ImganError), arguments
        assert said in str(done.exception)
    assert not out.exists()
    was = first.read_bytes()
    assert run(first, second, "-o", first, "--overwrite").exit_code == 0
    assert first.read_bytes() != was

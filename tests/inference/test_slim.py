"""Networks without the blocks that do nothing: the same answers, and still twins."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from imgan.cli import app
from imgan.errors import ImganError
from imgan.inference.models import load
from imgan.inference.slim import slim, without
from imgan.model_file import Card, NetworkCard, load_model, read_card, save_model
from imgan.networks import build
from imgan.networks.plainsr import PlainSR

ARGUMENTS = {"scale": 2, "width": 8, "blocks": 4}


def make_network(seed, silent):
    """A network that is strong in every block but the silent ones, whose units never fire."""
    torch.manual_seed(seed)
    network = PlainSR(**ARGUMENTS)
    with torch.no_grad():
        for index, block in enumerate(network.body[:-1]):
            block.body[0].bias.fill_(-100.0 if index in silent else 0.5)
            block.body[-1].bias.normal_()
    return network.eval()


def write(path, network, name="plainsr", arguments=ARGUMENTS, **more):
    card = Card(
        pipeline="srgan",
        name=path.stem,
        networks={"generator": NetworkCard(name=name, arguments=arguments)},
        scale=2,
        reach=getattr(network, "reach", None),
        **more,
    )
    save_model(path, card, {"generator": network.state_dict()})
    return path


def constants(network, silent):
    return {index: network.body[index].body[-1].bias for index in silent}


@settings(deadline=None, max_examples=30)
@given(st.sets(st.integers(0, 3), max_size=3), st.integers(0, 99), st.integers(1, 9))
def test_without_silent_blocks_the_answer_is_the_same_up_to_the_border(silent, seed, side):
    network = make_network(seed, silent)
    image = torch.rand(1, 3, side, side + 2)
    with torch.no_grad():
        expected = network(image)
        slimmed = without(network, constants(network, silent))
        assert len(slimmed.body) == 5 - len(silent)
        torch.testing.assert_close(slimmed(image), expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(network(image), expected)  # stays as it is


def test_twins_lose_the_same_blocks_and_still_blend(tmp_path, photos):
    plain, vivid = make_network(0, {0, 2}), make_network(1, {0, 2, 3})
    paths = [write(tmp_path / f"{name}.safetensors", net) for name, net in
             (("plain", plain), ("vivid", vivid))]  # fmt: skip
    told = []
    found = slim(paths, [photos], tmp_path / "out", progress=lambda *of: told.append(of))
    assert found.blocks == 4
    assert found.removed == (0, 2)
    assert found.photos == 4
    assert all(done < most for done, most in told)
    image = torch.rand(1, 3, 12, 10)
    for network, one in zip((plain, vivid), found.models, strict=True):
        assert one.mean < 0.001
        assert one.most < 0.1
        model = load_model(one.path)
        assert model.card.networks["generator"].arguments == ARGUMENTS | {"blocks": 2}
        assert model.card.reach == model.generator.reach < network.reach
        torch.testing.assert_close(model.generator(image), network(image), atol=1e-4, rtol=1e-4)
    between = load(found.models[0].path).network
    other = load(found.models[1].path).network
    halves = zip(between.state_dict().values(), other.state_dict().values(), strict=True)
    assert all(one.shape == two.shape for one, two in halves)


def test_the_card_says_what_was_done_and_its_old_scores_are_gone(tmp_path, photos):
    path = write(
        tmp_path / "x2.safetensors",
        make_network(0, {1}),
        notes="Two stages.",
        scores={"Set5 x2": {"psnr": 37.0}},
        licence="Apache-2.0",
    )
    card = read_card(slim([path], [photos], tmp_path / "out").models[0].path)
    assert card.notes.startswith("Two stages. Slimmed from 4 to 3 blocks")
    assert card.scores == {}
    assert card.licence == "Apache-2.0"


def test_a_higher_limit_takes_more_and_always_leaves_one(tmp_path, photos):
    path = write(tmp_path / "x2.safetensors", make_network(0, {1}))
    found = slim([path], [photos], tmp_path / "out", limit=1e9)
    assert len(found.removed) == 3
    assert found.models[0].mean > 0.01
    assert len(load_model(found.models[0].path).generator.body) == 2


def test_nothing_is_written_where_every_block_does_something(tmp_path, photos):
    path = write(tmp_path / "x2.safetensors", make_network(0, set()))
    result = run(path, photos, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "each of the 4 blocks does something" in result.output
    assert not (tmp_path / "out").exists()


def run(*arguments):
    return CliRunner().invoke(app, ["slim", *map(str, arguments)])


def test_command(tmp_path, photos):
    path = write(tmp_path / "x2.safetensors", make_network(0, {1}))
    result = run(path, photos, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "4 -> 3 blocks, judged on 4 photos" in result.output
    assert "grey levels in the mean" in result.output
    again = run(path, photos, "--out", tmp_path / "out").exception
    assert "x2.safetensors exists; take --overwrite" in str(again)
    assert run(path, photos, "--out", tmp_path / "out", "--overwrite").exit_code == 0


@pytest.mark.parametrize("given", [["x4-mse"], []])
def test_command_without_photos(given, tmp_path):
    result = run(*given, "-o", tmp_path)
    assert result.exit_code == 2 or "give models and photos" in str(result.exception)


def test_what_is_refused(tmp_path, photos):
    out = tmp_path / "out"
    ours = write(tmp_path / "a.safetensors", make_network(0, {1}))
    deeper = write(
        tmp_path / "b.safetensors", PlainSR(2, 8, 5), arguments=ARGUMENTS | {"blocks": 5}
    )
    (tmp_path / "other").mkdir()
    namesake = write(tmp_path / "other" / "a.safetensors", make_network(2, {1}))
    arguments = {"scale": 2, "width": 8, "blocks": 1, "norm": False}
    paper = write(
        tmp_path / "p.safetensors", build("srresnet", arguments), "srresnet", arguments
    )  # fmt: skip
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no photo")
    (tmp_path / "empty").mkdir()
    for models, data, message in (
        ([ours, deeper], photos, "a and b are no twins"),
        ([ours, namesake], photos, "two models are named a"),
        ([paper], photos, "p is made of srresnet"),
        ([tmp_path / "none.safetensors"], photos, "there is no model"),
        ([tmp_path / "broken" / "a.png"], photos, "is not an imgan model"),
        ([ours], tmp_path / "broken", "none of the 1 photos can be read"),
        ([ours], tmp_path / "empty", "there is no image"),
    ):
        with pytest.raises(ImganError, match=message):
            slim(models, [data], out)
    assert not out.exists()

"""Networks without the blocks that do nothing: the same answers, and still twins."""

from __future__ import annotations

import os
import shutil

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from imgan.cli import app
from imgan.errors import ImganError
from imgan.inference import slim as module
from imgan.inference.slim import slim, without
from imgan.model_file import Card, NetworkCard, load_model, read_card, save_model
from imgan.networks import build
from imgan.networks.plainsr import PlainSR

ARGUMENTS = {"scale": 2, "width": 8, "blocks": 4}


def make_network(seed, silent, **other):
    """A network that is strong in every block but the silent ones, whose units never fire."""
    torch.manual_seed(seed)
    network = PlainSR(**ARGUMENTS | other)
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
    path.parent.mkdir(exist_ok=True)
    save_model(path, card, {"generator": network.state_dict()})
    return path


def run(*arguments):
    return CliRunner().invoke(app, ["slim", *map(str, arguments)])


@settings(deadline=None, max_examples=30)
@given(st.sets(st.integers(0, 3), max_size=3), st.integers(0, 99), st.integers(1, 9))
def test_without_silent_blocks_the_answer_is_the_same_up_to_the_border(silent, seed, side):
    network = make_network(seed, silent)
    image = torch.rand(1, 3, side, side + 2)
    constants = {index: network.body[index].body[-1].bias for index in silent}
    with torch.no_grad():
        expected = network(image)
        slimmed = without(network, constants)
        assert len(slimmed.body) == 5 - len(silent)
        torch.testing.assert_close(slimmed(image), expected, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(network(image), expected)  # stays as it is


def test_twins_lose_the_same_blocks_and_still_blend(tmp_path, photos):
    plain, vivid = make_network(0, {0, 2}), make_network(1, {0, 2, 3})
    paths = [write(tmp_path / "plain.safetensors", plain)]
    paths.append(write(tmp_path / "vivid" / "model.safetensors", vivid))
    told = []
    found = slim(paths, [photos], tmp_path / "out", progress=lambda *of: told.append(of))
    assert found.blocks == 4
    assert found.removed == (0, 2)
    assert found.images == 2 * 4
    assert found.skipped == {}
    assert [done for done, most in told] == list(range(len(told)))
    assert all(done < most for done, most in told)
    assert [path.name for path in found.written] == ["plain.safetensors", "vivid.safetensors"]
    image = torch.rand(1, 3, 12, 10)
    slimmed = []
    for network, (path, difference) in zip((plain, vivid), found.written.items(), strict=True):
        assert difference.mean < 0.001
        assert difference.most < 0.1
        model = load_model(path)
        slimmed.append(model.generator)
        assert model.card.networks["generator"].arguments == ARGUMENTS | {"blocks": 2}
        assert model.card.reach == model.generator.reach < network.reach
        torch.testing.assert_close(model.generator(image), network(image), atol=1e-4, rtol=1e-4)
    assert found.between.mean < 0.001
    with torch.no_grad():
        for left, right in ((plain, vivid), slimmed):
            for one, two in zip(left.parameters(), right.parameters(), strict=True):
                one.lerp_(two, 0.5)
        torch.testing.assert_close(slimmed[0](image), plain(image), atol=1e-4, rtol=1e-4)


def test_a_block_that_fires_at_the_border_alone_leaves_the_inside_as_it_was(tmp_path, photos):
    """There the padding takes a negative sum away; the inside gets none of what it adds."""
    network = make_network(0, set())
    with torch.no_grad():
        network.body[0].body[-1].bias.fill_(50.0)  # the second block's input is positive
        first, last = network.body[1].body[0], network.body[1].body[-1]
        first.weight.fill_(-0.01)
        first.bias.fill_(30.0)  # 9 * 8 * 50 * 0.01 = 36 inside, 24 at a side
        last.weight.mul_(0.01)
    path = write(tmp_path / "x2.safetensors", network)
    image = torch.rand(1, 3, 30, 30)
    before = network(image)
    found = slim([path], [photos], tmp_path / "out", limit=0.02)
    assert found.removed == (1,)
    slimmed = load_model(tmp_path / "out" / "x2.safetensors").generator
    off = (slimmed(image) - before).abs()
    assert off.max() > 1e-3
    inside = 2 * 14  # what the border reaches through the other blocks
    assert off[..., inside:-inside, inside:-inside].max() < 1e-4


def test_the_card_says_what_was_done_and_its_old_scores_are_gone(tmp_path, photos):
    path = write(
        tmp_path / "x2.safetensors",
        make_network(0, {1}),
        notes="Two stages.",
        scores={"Set5 x2": {"psnr": 37.0}},
        licence="Apache-2.0",
    )
    (written,) = slim([path], [photos], tmp_path / "out").written
    card = read_card(written)
    assert card.notes.startswith("Two stages. Slimmed from 4 to 3 blocks")
    assert card.scores == {}
    assert card.licence == "Apache-2.0"


def test_a_higher_limit_takes_more_and_always_leaves_one(tmp_path, photos):
    path = write(tmp_path / "x2.safetensors", make_network(0, {1}))
    found = slim([path], [photos], tmp_path / "out", limit=1e9)
    assert len(found.removed) == 3
    ((written, difference),) = found.written.items()
    assert difference.mean > 0.01
    assert len(load_model(written).generator.body) == 2


def test_nothing_is_written_where_every_block_does_something(tmp_path, photos):
    path = write(tmp_path / "x2.safetensors", make_network(0, set()))
    result = run(path, photos, "-o", tmp_path / "out")
    assert result.exit_code == 0
    assert "none of the 4 blocks can go" in result.output
    assert not (tmp_path / "out").exists()


def test_command(tmp_path, photos):
    path = write(tmp_path / "x2.safetensors", make_network(0, {1}))
    data = tmp_path / "photos"
    shutil.copytree(photos, data)
    (data / "broken.png").write_bytes(b"no photo")
    (data / "test").mkdir()  # what models are scored on is not looked at
    (data / "train").mkdir()
    for photo in sorted(data.glob("*.*"))[:3]:
        shutil.move(photo, data / "train")
    result = run(path, data, "--out", tmp_path / "out")
    assert result.exit_code == 0, result.output
    assert "blocks: 4 -> 3, judged on 4 parts of photos" in result.output
    assert "broken.png" in result.output
    assert "grey levels in the mean" in result.output
    again = run(path, data, "--out", tmp_path / "out").exception
    assert "x2.safetensors exists; take --overwrite" in str(again)
    assert run(path, data, "--out", tmp_path / "out", "--overwrite").exit_code == 0
    twins = run(path, path, data, "--out", tmp_path / "two")
    assert "blended in equal parts: answers differ by" in twins.output


def test_command_without_photos(tmp_path):
    assert "give models and photos" in str(run("x4-mse", "-o", tmp_path).exception)


def test_the_photos_are_spread_over_all(tmp_path, photos, monkeypatch):
    seen = []
    real, one = module.decode, sorted(photos.iterdir())[0]
    monkeypatch.setattr(module, "find_photos", lambda *_: list(range(50)))
    monkeypatch.setattr(module, "decode", lambda path: seen.append(path) or real(one))
    module._images([], 2, {})
    assert len(seen) == module.PHOTOS
    assert seen[0] == 0
    assert seen[-1] > 45


def test_what_is_refused(tmp_path, photos):
    out = tmp_path / "out"
    ours = write(tmp_path / "a.safetensors", make_network(0, {1}))
    deeper = write(
        tmp_path / "b.safetensors", PlainSR(2, 8, 5), arguments=ARGUMENTS | {"blocks": 5}
    )
    broken = make_network(0, {1})
    with torch.no_grad():
        broken.up.weight[0, 0, 0, 0] = float("nan")
    broken = write(tmp_path / "n.safetensors", broken)
    huge = make_network(0, {1})
    with torch.no_grad():
        for parameter in huge.parameters():
            parameter.mul_(1e25)
    huge = write(tmp_path / "h.safetensors", huge)
    grey = write(
        tmp_path / "g.safetensors",
        make_network(0, {1}, channels=1),
        arguments=ARGUMENTS | {"channels": 1},
    )
    arguments = {"scale": 2, "width": 8, "blocks": 1, "norm": False}
    paper = write(tmp_path / "p.safetensors", build("srresnet", arguments), "srresnet", arguments)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "a.png").write_bytes(b"no photo")
    (tmp_path / "empty").mkdir()
    for models, data, message in (
        ([ours, deeper], photos, "a.safetensors and .*b.safetensors are no twins"),
        ([paper], photos, "p.safetensors is made of srresnet"),
        ([grey], photos, "g.safetensors takes 1 channels"),
        ([broken], photos, "n.safetensors: its weights are not finite"),
        ([ours, broken], photos, "n.safetensors: its weights are not finite"),
        ([huge], photos, "h.safetensors: its answers are not finite"),
        ([tmp_path / "none.safetensors"], photos, "there is no model"),
        ([tmp_path / "broken" / "a.png"], photos, "is not an imgan model"),
        ([ours], tmp_path / "broken", "no photo can be read"),
        ([ours], tmp_path / "empty", "there is no image"),
    ):
        with pytest.raises(ImganError, match=message):
            slim(models, [data], out)
    assert not out.exists()
    with pytest.raises(ImganError, match="a.safetensors is a file"):
        slim([ours], [photos], ours)


def test_a_folder_that_cannot_be_written_is_found_before_the_work(tmp_path, photos, monkeypatch):
    ours = write(tmp_path / "a.safetensors", make_network(0, {1}))
    (tmp_path / "private").mkdir()
    private = tmp_path / "private"  # to others than an administrator
    (tmp_path / "link").symlink_to(private / "new")
    shut = private, os.W_OK
    monkeypatch.setattr("imgan.files.os.access", lambda *asked: asked != shut)
    for folder in (ours / "in", private, private / "new" / "one", tmp_path / "link"):
        with pytest.raises(ImganError, match=f"the folder {folder} cannot be written"):
            slim([ours], [photos], folder, progress=lambda *_: pytest.fail("it began"))

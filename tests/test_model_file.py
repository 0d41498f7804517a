"""Model files: what goes in comes out, no code runs, damage is one sentence."""

import json
import os
import struct

import pytest
import torch

from imgan.errors import ImganError
from imgan.model_file import Card, NetworkCard, load_model, read_card, save_model
from imgan.networks import build


@pytest.fixture
def saved(tmp_path):
    arguments = {"scale": 2, "width": 8, "blocks": 1}
    network = build("plainsr", arguments)
    card = Card(
        pipeline="srgan",
        name="tiny",
        networks={"generator": NetworkCard(name="plainsr", arguments=arguments)},
        scale=2,
        reach=network.reach,
        scores={"Set5 x2": {"psnr_y": 30.5}},
    )
    path = tmp_path / "tiny.safetensors"
    save_model(path, card, {"generator": network.state_dict()})
    return path, card, network


def test_what_goes_in_comes_out(saved):
    path, card, network = saved
    model = load_model(path)
    assert model.card == card == read_card(path)
    image = torch.rand(1, 3, 5, 7)
    assert torch.equal(model.generator(image), network(image))
    assert not any(p.requires_grad for p in model.generator.parameters())
    assert not model.generator.training


def test_names_of_any_bytes(saved, tmp_path):
    _, card, network = saved
    named = card.model_copy(update={"data": {"trained": [os.fsdecode(b"caf\xe9.mp4")]}})
    save_model(tmp_path / "b.safetensors", named, {"generator": network.state_dict()})
    assert read_card(tmp_path / "b.safetensors") == named


def test_others_may_read_the_file(saved):
    mask = os.umask(0)
    os.umask(mask)
    assert saved[0].stat().st_mode & 0o777 == 0o666 & ~mask


def test_channels_last_weights_are_saved_whole(saved, tmp_path):
    _, card, network = saved
    network.to(memory_format=torch.channels_last)
    save_model(tmp_path / "b.safetensors", card, {"generator": network.state_dict()})
    again = load_model(tmp_path / "b.safetensors").generator.state_dict()
    assert all(torch.equal(v, again[k]) for k, v in network.state_dict().items())


def test_the_states_must_be_those_of_the_card(saved, tmp_path):
    with pytest.raises(ValueError, match="critic"):
        save_model(tmp_path / "b.safetensors", saved[1], {"critic": {}})
    assert not (tmp_path / "b.safetensors").exists()


@pytest.mark.parametrize("keep", [0, 4, 20, 500, -10])
def test_a_cut_file_is_one_sentence(saved, keep):
    path = saved[0]
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ImganError, match=r"tiny\.safetensors"):
        load_model(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_one_sentence(saved, value):
    path, card, network = saved
    with torch.no_grad():
        network.head.bias[3] = value
    save_model(path, card, {"generator": network.state_dict()})
    with pytest.raises(
        ImganError, match=r"tiny.*not finite numbers \(generator\.head\.bias\); take another"
    ):
        load_model(path)


def test_a_missing_file_and_a_folder(tmp_path):
    with pytest.raises(ImganError, match="there is no model file"):
        load_model(tmp_path / "none.safetensors")
    with pytest.raises(ImganError, match="cannot be read"):
        load_model(tmp_path)


def test_a_file_of_others_is_one_sentence(tmp_path):
    from safetensors.torch import save_file

    save_file({"x": torch.ones(1)}, tmp_path / "other.safetensors", metadata={"format": "pt"})
    with pytest.raises(ImganError, match="not an imgan model"):
        load_model(tmp_path / "other.safetensors")


def with_card(path, change):
    """Rewrite the card in a file's header."""
    content = path.read_bytes()
    (length,) = struct.unpack("<Q", content[:8])
    header = json.loads(content[8 : 8 + length])
    card = json.loads(header["__metadata__"]["imgan"])
    change(card)
    header["__metadata__"]["imgan"] = json.dumps(card)
    encoded = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(encoded)) + encoded + content[8 + length :])


def test_a_card_can_name_only_networks_of_imgan(saved):
    path = saved[0]
    with_card(path, lambda c: c["networks"]["generator"].update(name="os.system"))
    with pytest.raises(ImganError, match=r"there is no network 'os\.system'"):
        load_model(path)


def test_arguments_that_do_not_fit(saved):
    path = saved[0]
    with_card(path, lambda c: c["networks"]["generator"]["arguments"].update(width=9))
    with pytest.raises(ImganError, match="the weights do not fit the card: .* size mismatch for "):
        load_model(path)


def test_a_card_of_a_later_version(saved):
    path = saved[0]
    with_card(path, lambda c: c.update(holograms=True))
    with pytest.raises(ImganError, match=r"holograms.*update imgan"):
        read_card(path)

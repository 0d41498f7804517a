"""Generators of pytorch-CycleGAN-and-pix2pix: found out from their weights, equal in their answers.

The networks here are built anew, in that project's order of modules, for its names of weights.
"""

import functools
import pickle

import pytest
import torch
from torch import nn

from imgan.errors import ImganError
from imgan.inference.reference import load_reference
from imgan.model_file import load_model, save_model

NORMS = {
    "batch": nn.BatchNorm2d,
    "instance": functools.partial(nn.InstanceNorm2d, affine=False, track_running_stats=False),
    "none": lambda channels: nn.Identity(),
}


class Level(nn.Module):
    """One level of their U-Net, with the deeper ones inside it, in the sequence `model`."""

    def __init__(self, takes, width, gives, inside, norm, dropout=False, outermost=False):
        super().__init__()
        self.outermost = outermost
        layer, bias = NORMS[norm], norm == "instance"
        down = nn.Conv2d(takes, width, 4, 2, 1, bias=bias)
        back = width if inside is None else 2 * width
        up = nn.ConvTranspose2d(back, gives, 4, 2, 1, bias=bias or outermost)
        if outermost:
            steps = [down, inside, nn.ReLU(True), up, nn.Tanh()]
        elif inside is None:
            steps = [nn.LeakyReLU(0.2, True), down, nn.ReLU(True), up, layer(gives)]
        else:
            steps = [nn.LeakyReLU(0.2, True), down, layer(width), inside]
            steps += [nn.ReLU(True), up, layer(gives)] + [nn.Dropout(0.5)] * dropout
        self.model = nn.Sequential(*steps)

    def forward(self, x):
        return self.model(x) if self.outermost else torch.cat([x, self.model(x)], 1)


class TheirUNet(nn.Module):
    def __init__(self, takes, gives, depth, width, norm, dropout):
        super().__init__()
        level = Level(8 * width, 8 * width, 8 * width, None, norm)
        for _ in range(depth - 5):
            level = Level(8 * width, 8 * width, 8 * width, level, norm, dropout)
        for i in (4, 2, 1):
            level = Level(i * width, 2 * i * width, i * width, level, norm)
        self.model = Level(takes, width, gives, level, norm, outermost=True)

    def forward(self, x):
        return self.model(x)


class Block(nn.Module):
    def __init__(self, channels, norm, dropout, padded=True):
        super().__init__()

        def conv():
            plain = nn.Conv2d(channels, channels, 3, 1, 0 if padded else 1, bias=norm == "instance")
            return [nn.ReflectionPad2d(1), plain] if padded else [plain]

        steps = [*conv(), NORMS[norm](channels), nn.ReLU(True)] + [nn.Dropout(0.5)] * dropout
        self.conv_block = nn.Sequential(*steps, *conv(), NORMS[norm](channels))

    def forward(self, x):
        return x + self.conv_block(x)


class TheirResNet(nn.Module):
    def __init__(self, takes, gives, blocks, width, norm, dropout, padded=True):
        super().__init__()
        bias = norm == "instance"
        steps = [nn.ReflectionPad2d(3), nn.Conv2d(takes, width, 7, bias=bias)]
        steps += [NORMS[norm](width), nn.ReLU(True)]
        for c in (width, 2 * width):
            steps += [nn.Conv2d(c, 2 * c, 3, 2, 1, bias=bias), NORMS[norm](2 * c), nn.ReLU(True)]
        steps += [Block(4 * width, norm, dropout, padded) for _ in range(blocks)]
        for c in (4 * width, 2 * width):
            up = nn.ConvTranspose2d(c, c // 2, 3, 2, 1, output_padding=1, bias=bias)
            steps += [up, NORMS[norm](c // 2), nn.ReLU(True)]
        steps += [nn.ReflectionPad2d(3), nn.Conv2d(width, gives, 7), nn.Tanh()]
        self.model = nn.Sequential(*steps)

    def forward(self, x):
        return self.model(x)


def trained(network):
    """With weights and running statistics unlike those of a fresh network; in eval mode."""
    torch.manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
            module.running_mean.uniform_(-0.3, 0.3)
            module.running_var.uniform_(0.3, 2)
    return network.eval()


def same(path, theirs, channels, side):
    model = load_reference(path)
    image = torch.rand(2, channels, side, side + 2 * model.card.size_multiple) * 2 - 1
    image = image[..., : side + model.card.size_multiple]
    with torch.no_grad():
        expected, found = theirs(image), model.generator(image)
    assert (expected - found).abs().max() < 1e-5
    assert expected.std() > 1e-3
    return model


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("depth", [5, 7, 8])
def test_unets(tmp_path, depth, norm, dropout):
    theirs = trained(TheirUNet(3, 2, depth, 4, norm, dropout))
    torch.save(theirs.state_dict(), tmp_path / "latest_net_G.pth")
    card = same(tmp_path / "latest_net_G.pth", theirs, 3, 2**depth).card
    assert card.networks["generator"].name == "unet"
    arguments = card.networks["generator"].arguments
    assert (arguments["depth"], arguments["width"], arguments["norm"]) == (depth, 4, norm)
    assert (card.channels, card.out_channels, card.value_range) == (3, 2, (-1, 1))
    assert (card.pipeline, card.name, card.size_multiple) == ("pix2pix", "latest_net_G", 2**depth)


@pytest.mark.parametrize("dropout", [False, True])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("blocks", [6, 9])
def test_resnets(tmp_path, blocks, norm, dropout):
    theirs = trained(TheirResNet(1, 3, blocks, 4, norm, dropout))
    torch.save(theirs.state_dict(), tmp_path / "G.pth")
    card = same(tmp_path / "G.pth", theirs, 1, 24).card
    assert card.networks["generator"].name == "resnet"
    arguments = card.networks["generator"].arguments
    assert (arguments["blocks"], arguments["norm"], arguments["dropout"]) == (blocks, norm, dropout)
    assert (card.channels, card.out_channels, card.input) == (1, 3, "grey")
    assert (card.reach is None) == (norm == "instance")


def test_the_names_are_those_of_that_project():
    unet = set(TheirUNet(3, 3, 8, 2, "batch", True).state_dict())
    assert "model.model.0.weight" in unet
    assert "model.model.1.model.3.model.5.weight" in unet
    assert f"model.model.1.{'model.3.' * 6}model.4.running_mean" in unet  # innermost
    assert {"model.model.3.weight", "model.model.3.bias"} < unet
    resnet = set(TheirResNet(3, 3, 9, 2, "instance", False).state_dict())
    assert {"model.1.bias", "model.10.conv_block.5.weight", "model.26.weight"} < resnet
    assert "model.18.conv_block.6.weight" in TheirResNet(3, 3, 9, 2, "batch", True).state_dict()


@pytest.mark.parametrize("make", [TheirUNet, TheirResNet])
def test_older_files(tmp_path, make):
    """Running statistics at instance norms, a ``module.`` prefix, the format before zip, half."""
    theirs = trained(make(3, 3, 6, 4, "instance", False))
    with torch.no_grad():
        for p in theirs.parameters():
            p.copy_(p.half())
    state = {f"module.{key}": value.half() for key, value in theirs.state_dict().items()}
    for name, module in theirs.named_modules():
        if isinstance(module, nn.Sequential):
            for before, norm in zip(module, list(module)[1:], strict=False):
                if isinstance(norm, nn.InstanceNorm2d):
                    at = f"module.{name}.{list(module).index(norm)}"
                    width = before.bias.shape
                    state[f"{at}.running_mean"] = torch.rand(width)
                    state[f"{at}.running_var"] = torch.rand(width)
                    state[f"{at}.num_batches_tracked"] = torch.tensor(5)
    assert sum(key.endswith("running_mean") for key in state) >= 9
    path = tmp_path / "G.pth"
    torch.save(state, path, _use_new_zipfile_serialization=False)
    same(path, theirs, 3, 64)


@pytest.mark.parametrize("make", [TheirUNet, TheirResNet])
def test_batch_norm_of_the_first_versions(tmp_path, make):
    theirs = trained(make(3, 3, 6, 4, "batch", True))
    state = {k: v for k, v in theirs.state_dict().items() if "num_batches" not in k}
    torch.save(state, tmp_path / "G.pth")
    same(tmp_path / "G.pth", theirs, 3, 64)


def test_it_can_be_saved_as_a_model_of_ours(tmp_path):
    torch.save(trained(TheirUNet(3, 3, 5, 4, "batch", True)).state_dict(), tmp_path / "G.pth")
    model = load_reference(tmp_path / "G.pth")
    path = tmp_path / "own.safetensors"
    save_model(path, model.card, {"generator": model.generator.state_dict()})
    image = torch.rand(1, 3, 32, 64)
    assert torch.equal(load_model(path).generator(image), model.generator(image))


def test_the_result_is_the_same_each_time(tmp_path):
    torch.save(TheirUNet(3, 3, 6, 4, "batch", True).state_dict(), tmp_path / "G.pth")
    model = load_reference(tmp_path / "G.pth")
    image = torch.rand(1, 3, 64, 64)
    assert torch.equal(model.generator(image), model.generator(image))
    assert not model.generator.training


def refused(path):
    with pytest.raises(ImganError) as caught:
        load_reference(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


@pytest.mark.parametrize("share", [0, 0.1, 0.5, 0.99])
def test_a_cut_file(tmp_path, share):
    path = tmp_path / "G.pth"
    torch.save(TheirUNet(3, 3, 5, 2, "batch", True).state_dict(), path)
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    refused(path)


def test_no_code_of_the_file_runs(tmp_path):
    class Hostile:
        def __reduce__(self):
            return (open, (str(tmp_path / "was-here"), "w"))

    path = tmp_path / "G.pth"
    for dump in (torch.save, lambda what, to: to.write_bytes(pickle.dumps(what))):
        dump({"model.model.0.weight": Hostile()}, path)
        assert "plain weights" in refused(path)
        assert not (tmp_path / "was-here").exists()


def without(state, part):
    return {key: value for key, value in state.items() if part not in key}


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda s: s | {"model.model.0.weight": "text"}, "it holds 'model.model.0.weight'"),
        (lambda s: s | {"optimizer": 1}, "it holds 'optimizer'"),
        (lambda s: s | {3: torch.ones(1)}, "it holds 3"),
        (lambda s: {}, "neither those of the U-Net"),
        (lambda s: without(s, "model.model.0"), "neither those of the U-Net"),
        (lambda s: without(s, "model.model.3.weight"), "neither those of the U-Net"),
        (lambda s: without(s, "running_mean"), "do not fit the unet"),
        (lambda s: s | {"model.model.0.weight": torch.ones(2, 3, 3, 3)}, "do not fit the unet"),
        (lambda s: s | {"model.model.0.weight": torch.ones(4, 3, 4, 4)}, "do not fit the unet"),
        (lambda s: s | {"model.model.0.weight": torch.ones(0, 3, 4, 4)}, "neither those"),
        (lambda s: s | {"model.model.9.weight": torch.ones(2)}, "neither those"),
        (lambda s: {k: v * torch.inf for k, v in s.items()}, "are not finite numbers"),
    ],
)
def test_other_files_are_one_sentence(tmp_path, spoil, message):
    path = tmp_path / "G.pth"
    torch.save(spoil(dict(TheirUNet(3, 3, 5, 2, "batch", True).state_dict())), path)
    assert message in refused(path)


def test_blocks_with_zero_padding_are_refused(tmp_path):
    path = tmp_path / "G.pth"
    torch.save(TheirResNet(3, 3, 6, 2, "instance", False, padded=False).state_dict(), path)
    assert "reflection padding" in refused(path)


def test_files_that_are_not_there(tmp_path):
    assert "there is no model file" in refused(tmp_path / "none.pth")
    assert "there is no model file" in refused(tmp_path)

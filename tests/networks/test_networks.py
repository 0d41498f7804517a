"""Shapes, sizes and promises of the networks."""

import pytest
import torch
from torch import nn

from imgan.networks import NETWORKS, PatchCritic, PlainSR, SRGANCritic, SRResNet, UNetCritic, build
from imgan.networks.vgg import LAYERS, VGG19Features


def count(network):
    return sum(p.numel() for p in network.parameters())


def test_sizes_are_the_published_ones():
    # SRResNet without batch norm is usually counted as 1.52 million with two 9x9 convolutions.
    assert count(SRResNet(scale=4, norm=True)) == pytest.approx(1.55e6, rel=0.02)
    assert 0.2e6 < count(PlainSR(scale=4)) < 0.9e6
    assert count(VGG19Features(["relu5_4"])) == 20_024_384
    assert count(PatchCritic(channels=6)) == 2_768_705  # pix2pix's, without biases before norms


@pytest.mark.parametrize("scale", [2, 3, 4, 8])
@pytest.mark.parametrize("kind", [PlainSR, SRResNet])
def test_generators_enlarge_any_size(kind, scale):
    network = kind(scale=scale, width=8, blocks=1).eval()
    for height, width in [(1, 1), (5, 3), (8, 8)]:
        out = network(torch.rand(2, 3, height, width))
        assert out.shape == (2, 3, height * scale, width * scale)


@pytest.mark.parametrize("network", [PlainSR(2, 4, 2), SRResNet(2, 4, 2), SRResNet(4, 4, 1)])
def test_reach_is_the_true_receptive_field(network):
    network.eval()
    side = 2 * network.reach + 5
    image = torch.rand(1, 3, side, side, requires_grad=True)
    middle = (side // 2) * network.scale
    network(image)[
        ..., middle : middle + network.scale, middle : middle + network.scale
    ].sum().backward()
    rows = torch.nonzero(image.grad.abs().sum((0, 1, 3)))
    assert side // 2 - rows.min() <= network.reach
    assert rows.max() - side // 2 <= network.reach


def test_a_fresh_plainsr_has_no_checkerboard_and_starts_at_its_input():
    torch.manual_seed(0)
    network = PlainSR(scale=4, width=16, blocks=1)
    flat = torch.full((1, 3, 16, 16), 0.25)
    out = network(flat)[..., 28:36, 28:36]  # where no border is seen
    assert out.std((2, 3)).max() < 1e-6  # the 16 pixels of one input pixel are alike
    network.up.weight.data.zero_()
    network.up.bias.data.zero_()
    assert torch.allclose(network(flat), torch.tensor(0.25))


def test_critics_give_logits_of_any_reasonable_size():
    image = torch.rand(2, 3, 40, 48)
    assert SRGANCritic(width=8)(image).shape == (2, 1)
    assert SRGANCritic(width=8)(image[..., :16, :16]).shape == (2, 1)
    assert UNetCritic(width=8)(image).shape == (2, 1, 40, 48)
    assert PatchCritic(width=8, layers=2)(image).shape[:2] == (2, 1)
    assert PatchCritic(width=8, layers=0)(image).shape == (2, 1, 40, 48)


@pytest.mark.parametrize(("layers", "field"), [(0, 1), (1, 16), (3, 70), (5, 286)])
def test_patches_are_those_of_the_paper(layers, field):
    seen, jump = 1, 1
    for module in PatchCritic(layers=layers, width=4).modules():
        if isinstance(module, nn.Conv2d):
            seen += (module.kernel_size[0] - 1) * jump
            jump *= module.stride[0]
    assert seen == field


def test_vgg_layers_come_by_name():
    network = VGG19Features(["conv1_1", "relu1_1", "relu2_2"])
    found = network(torch.rand(1, 3, 8, 8))
    assert set(found) == {"conv1_1", "relu1_1", "relu2_2"}
    assert torch.equal(found["conv1_1"].relu(), found["relu1_1"])
    assert found["relu2_2"].shape == (1, 128, 4, 4)
    assert len(LAYERS) == 32
    with pytest.raises(ValueError, match="no layer conv9_1"):
        VGG19Features(["conv9_1"])


def test_build_knows_names_and_arguments():
    assert isinstance(build("plainsr", {"width": 8}), PlainSR)
    with pytest.raises(ValueError, match="there is no network 'patch'; known are plainsr"):
        build("patch", {})
    with pytest.raises(ValueError, match="'plainsr': .*depth"):
        build("plainsr", {"depth": 3})
    assert all(issubclass(kind, nn.Module) for kind in NETWORKS.values())

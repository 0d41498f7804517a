"""Critics: what a logit sees, features beside logits, several scales."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from imgan.core import MinibatchStdDev
from imgan.networks import CRITICS, MultiscaleCritic, PatchCritic, build_critic
from imgan.networks.blocks import InstanceNorm
from imgan.networks.critics import receptive_field


@pytest.mark.parametrize(("layers", "field"), [(0, 1), (1, 16), (2, 34), (3, 70), (5, 286)])
def test_a_logit_sees_the_patch_of_the_paper(layers, field):
    critic = PatchCritic(layers=layers, width=2, channels=1, norm="none").double()
    for p in critic.parameters():
        nn.init.uniform_(p, 0.1, 1.0)
    side = 2 * field + 2 ** (layers + 1)
    image = torch.rand(1, 1, side, side, dtype=torch.float64, requires_grad=True)
    logits = critic(image)
    middle = logits.shape[2] // 2
    logits[0, 0, middle, middle].backward()
    rows = image.grad[0, 0].any(1).nonzero()
    assert rows.max() - rows.min() + 1 == field == receptive_field(critic)


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("layers", [0, 1, 2, 3])
def test_the_smallest_image(layers, norm):
    for critic in (
        PatchCritic(4, 4, layers, norm),
        MultiscaleCritic(4, 4, layers, scales=2, norm=norm),
    ):
        side = critic.minimum
        critic(torch.rand(2, 4, side, side))
        if layers:
            with pytest.raises((RuntimeError, ValueError)):
                PatchCritic(4, 4, layers, norm)(torch.rand(2, 4, 3 * 2**layers - 1, 3 * 2**layers))


def test_norm_is_a_word_or_a_bool():
    def norms(critic):
        return {type(m) for m in critic.modules()} & {nn.BatchNorm2d, InstanceNorm}

    assert norms(PatchCritic(norm=True)) == norms(PatchCritic()) == {nn.BatchNorm2d}
    assert norms(PatchCritic(norm=False)) == norms(PatchCritic(norm="none")) == set()
    assert norms(PatchCritic(norm="instance")) == norms(MultiscaleCritic()) == {InstanceNorm}
    with pytest.raises(ValueError, match="batch, instance or none"):
        PatchCritic(norm="group")


@pytest.mark.parametrize("kind", [PatchCritic, MultiscaleCritic])
@settings(max_examples=8, deadline=None)
@given(height=st.integers(48, 80), width=st.integers(48, 80), channels=st.integers(1, 6))
def test_features_of_real_and_fake_pair(kind, height, width, channels):
    critic = kind(channels, 4, 2, norm="instance")
    real, fake = torch.rand(2, channels, height, width), torch.rand(2, channels, height, width)
    logits, features = critic(fake, features=True)
    _, others = critic(real, features=True)
    assert [f.shape for f in features] == [f.shape for f in others]
    plain = critic(fake)
    if kind is PatchCritic:
        assert torch.equal(plain, logits)
        assert len(features) == 3
    else:
        assert all(torch.equal(a, b) for a, b in zip(plain, logits, strict=True))
        assert len(features) == 9


def test_scales_come_largest_first_and_see_the_pooled_image():
    critic = MultiscaleCritic(3, 4, 1, scales=3, norm="none")
    image = torch.rand(1, 3, 64, 96)
    maps = critic(image)
    assert [tuple(m.shape[2:]) for m in maps] == [(30, 46), (14, 22), (6, 10)]
    assert torch.equal(maps[0], critic.critics[0](image))
    assert torch.equal(maps[1], critic.critics[1](critic.pool(image)))
    flat = torch.full((1, 3, 8, 8), 0.5)
    assert torch.equal(critic.pool(flat), flat[..., :4, :4])  # no dark rim


def test_features_carry_gradients_to_the_image():
    image = torch.rand(1, 3, 48, 48, requires_grad=True)
    _, features = MultiscaleCritic(3, 4, 2)(image, features=True)
    sum(f.square().mean() for f in features).backward()
    assert image.grad.abs().sum() > 0


def test_critics_are_built_by_name():
    assert set(CRITICS) == {"srgan", "patch", "multiscale", "unet", "domain"}
    assert isinstance(build_critic("multiscale", {"channels": 6, "width": 4}), MultiscaleCritic)
    with pytest.raises(ValueError, match="there is no critic 'resnet'; known are srgan"):
        build_critic("resnet", {})
    with pytest.raises(ValueError, match="'patch': .*depth"):
        build_critic("patch", {"depth": 3})


@pytest.mark.parametrize("name", ["srgan", "patch", "multiscale"])
def test_statistics_tell_a_batch_of_one_picture_from_one_of_several(name):
    """The same picture is scored otherwise among its like than among others."""
    torch.manual_seed(0)
    arguments = {"width": 4, "norm": False}
    images = torch.rand(4, 3, 96, 96, dtype=torch.float64)
    alike = images[:1].repeat(4, 1, 1, 1)
    for wanted in (True, False):
        layer = {"statistics": MinibatchStdDev if wanted else None}
        critic = build_critic(name, arguments | layer).double()
        among, alone = critic(images), critic(alike)
        if name == "multiscale":
            among, alone = among[0], alone[0]
        assert torch.allclose(among[0], alone[0], rtol=1e-9) != wanted
        assert among.shape == alone.shape

"""The generators of pix2pix, CycleGAN and pix2pixHD: sizes, reach, norms, dropout."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from imgan.networks import CoarseToFine, ResNet, UNet
from imgan.networks.blocks import InstanceNorm, ReflectConv, ResidualBlock

NORMS = ["batch", "instance", "none"]


def count(network):
    return sum(p.numel() for p in network.parameters())


def small(kind, norm="instance", **more):
    torch.manual_seed(0)
    arguments = {UNet: {"depth": 3}, ResNet: {"blocks": 1}, CoarseToFine: {"blocks": 1}}[kind]
    if kind is CoarseToFine:
        arguments = arguments | {"enhancer_blocks": 1}
    return kind(**(arguments | {"width": 4, "norm": norm} | more))


def test_sizes_are_the_published_ones(monkeypatch):
    for draw in ("kaiming_uniform_", "uniform_", "normal_"):  # only the shapes matter
        monkeypatch.setattr(nn.init, draw, lambda tensor, *_, **__: tensor)
    # Usually counted without the biases of the two convolutions that have no norm after them.
    assert count(UNet()) == 54_413_955 + 64 + 512
    assert count(UNet(depth=7)) == pytest.approx(41.83e6, rel=1e-3)
    assert count(ResNet()) == 11_378_179
    assert count(ResNet(blocks=6)) == pytest.approx(7.84e6, rel=1e-3)
    assert count(CoarseToFine()) == pytest.approx(182.5e6, rel=2e-3)


@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("kind", [UNet, ResNet, CoarseToFine])
@settings(max_examples=5, deadline=None)
@given(
    tall=st.integers(0, 3), wide=st.integers(0, 3), takes=st.integers(1, 4), gives=st.integers(1, 4)
)
def test_any_legal_size_and_channels(kind, norm, tall, wide, takes, gives):
    network = small(kind, norm, channels=takes, out_channels=gives)
    multiple = network.size_multiple
    assert network.minimum % multiple == 0
    height, width = network.minimum + tall * multiple, network.minimum + wide * multiple
    for mode in (network.train(), network.eval()):
        out = mode(torch.rand(2, takes, height, width) * 2 - 1)
        assert out.shape == (2, gives, height, width)
        assert out.abs().max() <= 1
        assert out.isfinite().all()


@pytest.mark.parametrize("enhancers", [0, 1, 2])
def test_each_enhancer_doubles_the_size(enhancers):
    network = small(CoarseToFine, enhancers=enhancers, width=8)
    assert network.size_multiple == 16 * 2**enhancers
    side = network.minimum
    assert network(torch.rand(1, 3, side, side)).shape == (1, 3, side, side)


def seen(network, side, at):
    """How far to either side the output at row and column `at` sees the image."""
    image = torch.rand(1, 3, side, side, dtype=torch.float64, requires_grad=True)
    network(image)[..., at, at].sum().backward()
    felt = image.grad[0].any(0)  # [H, W]
    rows, columns = felt.any(1).nonzero(), felt.any(0).nonzero()
    return max(at - rows.min(), rows.max() - at, at - columns.min(), columns.max() - at)


@pytest.mark.parametrize(
    ("network", "side"),
    [
        (small(ResNet, "none", width=2), 64),
        (small(ResNet, "batch", width=2), 64),
        (small(ResNet, "none", width=2, blocks=3), 96),
        (small(ResNet, "none", width=2, upsample="resize"), 64),
        (small(CoarseToFine, "none", width=1, enhancers=0), 144),
        (small(CoarseToFine, "batch", width=2, enhancers=1, blocks=0), 192),
    ],
)
def test_reach_is_true_and_tight(network, side):
    for p in network.parameters():
        if p.ndim == 4:  # positive, so that nothing cancels and no ReLU is shut
            nn.init.uniform_(p, 0.5 / p[0].numel(), 1 / p[0].numel())
    network.eval().double()
    assert network.reach < side // 2
    multiple = network.size_multiple
    found = [seen(network, side, side // 2 + k) for k in (0, 1, multiple // 2, multiple - 1)]
    assert 0.9 * network.reach < max(found) <= network.reach


@pytest.mark.parametrize("kind", [UNet, ResNet, CoarseToFine])
def test_with_instance_norm_a_pixel_moves_the_whole_image(kind):
    network = small(kind).eval()
    image = torch.rand(1, 3, 128, 128)
    other = image.clone()
    other[..., 0, 0] += 2
    with torch.no_grad():
        changed = (network(image) != network(other)).any(1)  # [1, H, W]
    assert network.reach is None
    assert changed.float().mean() > 0.9
    assert changed[0, 120:, 120:].any()


@pytest.mark.parametrize("kind", [UNet, ResNet, CoarseToFine])
def test_instance_norm_keeps_samples_apart(kind):
    network = small(kind, dropout=False) if kind is not CoarseToFine else small(kind)
    images = torch.rand(3, 3, network.minimum, 2 * network.minimum)
    together = network.train()(images)
    alone = torch.cat([network(image[None]) for image in images])
    assert torch.allclose(together, alone, atol=1e-5)
    assert torch.allclose(together, network.eval()(images), atol=1e-5)  # no running statistics


def test_batch_norm_does_not():
    network = small(ResNet, "batch").train()
    images = torch.rand(2, 3, 16, 16)
    assert not torch.allclose(network(images)[:1], network(images[:1]), atol=1e-5)


@pytest.mark.parametrize("network", [small(UNet, dropout=True), small(ResNet, dropout=True)])
def test_dropout_is_active_in_training_only(network):
    image = torch.rand(1, 3, 16, 16)
    network.train()
    assert not torch.equal(network(image), network(image))
    network.eval()
    assert torch.equal(network(image), network(image))


def test_dropout_is_where_the_papers_have_it():
    inner = [any(isinstance(m, nn.Dropout) for m in up) for up in UNet(width=2).up]
    assert inner == [True, True, True, False, False, False, False, False]
    assert not any(isinstance(m, nn.Dropout) for m in UNet(width=2, dropout=False).modules())
    drops = [
        m for m in ResNet(width=2, blocks=6, dropout=True).modules() if isinstance(m, nn.Dropout)
    ]
    assert len(drops) == 6


def test_the_ends_of_a_unet_have_no_norm():
    network = UNet(width=2)
    norms = [any(isinstance(m, nn.BatchNorm2d) for m in part) for part in network.down]
    assert norms == [False, *[True] * 6, False]
    assert [any(isinstance(m, nn.BatchNorm2d) for m in part) for part in network.up] == [
        *[True] * 7,
        False,
    ]


@pytest.mark.parametrize("norm", ["batch", "instance"])
def test_a_unet_takes_its_smallest_image_alone(norm):
    network = UNet(width=2, depth=5, norm=norm)
    assert network.train()(torch.rand(1, 3, 32, 32)).std() > 0


@pytest.mark.parametrize("kind", [UNet, ResNet, CoarseToFine])
def test_weights_begin_as_the_papers_say(kind):
    network = small(kind, "batch", width=16).requires_grad_(False)
    weights = torch.cat([p.flatten() for p in network.parameters() if p.ndim == 4])
    assert weights.std() == pytest.approx(0.02, rel=0.05)
    scales = torch.cat([m.weight for m in network.modules() if isinstance(m, nn.BatchNorm2d)])
    assert scales.mean() == pytest.approx(1, abs=0.01)
    assert scales.std() == pytest.approx(0.02, rel=0.3)
    assert all(
        (m.bias == 0).all() for m in network.modules() if getattr(m, "bias", None) is not None
    )


def test_resize_starts_without_a_checkerboard():
    torch.manual_seed(0)
    flat = torch.full((1, 3, 64, 64), 0.25)

    def ripple(upsample):
        network = ResNet(width=8, blocks=1, norm="none", upsample=upsample).double()
        for p in network.parameters():
            if p.ndim == 4:
                nn.init.normal_(p, 0, 0.2)
        inside = network(flat.double())[..., 24:40, 24:40]  # where no border is seen
        return inside.std((2, 3)).max().item()

    assert ripple("resize") < 1e-9
    assert ripple("transposed") > 1e-4


def test_the_old_block_is_what_it_was():
    keys = set(ResidualBlock(4, True, prelu=True).state_dict())
    assert {"body.0.weight", "body.1.running_mean", "body.2.weight", "body.3.weight"} < keys
    assert set(ResidualBlock(4).state_dict()) == {
        "body.0.weight",
        "body.0.bias",
        "body.2.weight",
        "body.2.bias",
    }


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: UNet(norm="layer"), "batch, instance or none, not 'layer'"),
        (lambda: UNet(depth=1), "depth of 2 or more"),
        (lambda: ResNet(upsample="shuffle"), "transposed or resize, not 'shuffle'"),
        (lambda: CoarseToFine(width=6, enhancers=2), "multiple of 4"),
    ],
)
def test_wrong_arguments_are_sentences(make, message):
    with pytest.raises(ValueError, match=message):
        make()


@settings(max_examples=10, deadline=None)
@given(samples=st.integers(1, 3), height=st.integers(2, 9), width=st.integers(2, 9))
def test_instance_norm_is_the_same_in_every_memory_format(samples, height, width):
    x = torch.randn(samples, 5, height, width, dtype=torch.float64)
    norm, plain = InstanceNorm(5), nn.InstanceNorm2d(5)
    ours = x.to(memory_format=torch.channels_last).requires_grad_()
    theirs = x.clone().requires_grad_()
    out, expected = norm(ours), plain(theirs)
    assert torch.allclose(out, expected)
    weights = torch.randn_like(x)
    (out * weights).sum().backward()
    (expected * weights).sum().backward()
    assert torch.allclose(ours.grad, theirs.grad)


def test_maps_stay_channels_last_and_in_bf16():
    conv, norm = ReflectConv(16, 16, 3, 1), InstanceNorm(16)
    x = torch.randn(2, 16, 8, 8, dtype=torch.bfloat16).to(memory_format=torch.channels_last)
    pad, padded = conv._pad, []
    with torch.autocast("cpu", torch.bfloat16):
        conv._pad = lambda x: padded.append(pad(x)) or padded[0]
        out = norm(conv(x))
    assert padded[0].dtype == out.dtype == torch.bfloat16
    assert padded[0].is_contiguous(memory_format=torch.channels_last)
    assert out.is_contiguous(memory_format=torch.channels_last)


def test_reflect_conv_is_the_library_s():
    torch.manual_seed(0)
    conv = ReflectConv(3, 4, 7, 3)
    plain = nn.Conv2d(3, 4, 7, 1, 3, padding_mode="reflect")
    plain.load_state_dict(conv.state_dict())
    x = torch.randn(2, 3, 9, 11)
    assert torch.allclose(conv(x), plain(x), atol=1e-6)

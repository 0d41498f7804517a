import pytest
import torch

from imgan.networks import build, build_critic


@pytest.mark.parametrize(
    ("name", "arguments", "features"),
    [
        ("digits", {"width": 4}, 32),
        ("digits", {"width": 4, "size": 16, "standardise": False}, 32),
        ("paper-digits", {"size": 32}, 100),
        ("paper-digits", {"size": 16, "kind": "svhn"}, 2048),
        ("torchvision", {"model": "resnet18"}, 512),
        ("torchvision", {"model": "squeezenet1_1"}, None),
    ],
)
def test_features_have_the_width_that_is_told(name, arguments, features):
    if features is None:  # its last layer is a convolution
        with pytest.raises(ValueError, match="no last linear layer"):
            build(name, arguments)
        return
    network = build(name, arguments).eval()
    assert network.features == features
    size = arguments.get("size", 32)
    assert network(torch.zeros(2, 3, size, size)).shape == (2, features)


def test_brightness_and_contrast_tell_nothing_of_standardised_images():
    network = build("digits", {"width": 4}).eval()
    images = torch.rand(2, 3, 32, 32)
    torch.testing.assert_close(network(images), network(images * 0.5 - 0.2), rtol=1e-3, atol=1e-3)


def test_a_critic_of_domains_has_a_logit_a_domain():
    critic = build_critic("domain", {"features": 6, "domains": 4, "width": 8, "layers": 2})
    assert critic(torch.zeros(3, 6)).shape == (3, 4)
    flat = build_critic("domain", {"features": 6, "domains": 2, "layers": 0})
    assert sum(p.numel() for p in flat.parameters()) == 14


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("paper-digits", {"kind": "x"}),
        ("torchvision", {"model": "x"}),
    ],
)
def test_wrong_names_are_told(name, arguments):
    with pytest.raises(ValueError, match="'x'"):
        build(name, arguments)

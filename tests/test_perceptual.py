"""Perceptual distances with random backbones, saved by the test: loading, exactness, gradients."""

import warnings

import numpy as np
import pytest
import torch
import torchvision
from safetensors.torch import save_file
from torch.nn import functional

from imgan.errors import ImganError
from imgan.networks.vgg import VGG19Features
from imgan.perceptual import LpipsDistance, PerceptualLoss, _direction, _relative, vgg19_features

MEAN = torch.tensor([0.485, 0.456, 0.406]).view(1, 3, 1, 1)
STD = torch.tensor([0.229, 0.224, 0.225]).view(1, 3, 1, 1)
CAFFE_MEAN_BGR = torch.tensor([103.939, 116.779, 123.68]).view(1, 3, 1, 1)


@pytest.fixture
def images():
    generator = torch.Generator().manual_seed(0)
    return torch.rand(2, 3, 48, 40, generator=generator), torch.rand(
        2, 3, 48, 40, generator=generator
    )


@pytest.fixture(scope="module")
def vgg(tmp_path_factory):
    """A file with VGG-19 up to conv2_2 under torchvision's names, and the network it is of."""
    torch.manual_seed(0)
    network = VGG19Features(["conv2_2"])
    path = tmp_path_factory.mktemp("vgg") / "vgg19.safetensors"
    save_file(network.state_dict(), path)
    return path, network


@pytest.fixture(scope="module")
def quantised(tmp_path_factory):
    """The first two layers in the 8-bit format, and the layers as Caffe has them (BGR, 0-255)."""
    rng = np.random.default_rng(0)
    content, layers = {}, []
    for name, inputs in (("block1_conv1", 3), ("block1_conv2", 64)):
        layer = []
        for part, shape in (("kernel", (3, 3, inputs, 64)), ("bias", (64,))):
            q = rng.integers(0, 256, shape, np.uint8)
            scale, least = 0.4 / 255 / inputs, -0.2 / inputs
            key = f"{name}/{part}"
            content |= {f"{key}|q": q, f"{key}|scale": scale, f"{key}|min": least}
            layer.append(torch.tensor(q * np.float32(scale) + np.float32(least)))
        layers.append((layer[0].permute(3, 2, 0, 1), layer[1]))
    path = tmp_path_factory.mktemp("npz") / "vgg19.npz"
    np.savez(path, **content)
    return path, layers


def test_features_normalise_as_torchvision(vgg, images):
    path, network = vgg
    ours = vgg19_features(["conv2_2"], path)(images[0])["conv2_2"]
    with torch.no_grad():
        expected = network((images[0] - MEAN) / STD)["conv2_2"]
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)


def test_state_dict_of_the_whole_classifier_loads(tmp_path, vgg, images):
    path, network = vgg
    whole = network.state_dict() | {"classifier.0.weight": torch.zeros(3)}
    torch.save(whole, tmp_path / "vgg19.pth")
    one = vgg19_features(["relu2_1"], tmp_path / "vgg19.pth")(images[0])
    other = vgg19_features(["relu2_1"], path)(images[0])
    assert torch.equal(one["relu2_1"], other["relu2_1"])


def test_quantised_weights_see_what_caffe_saw(quantised, images):
    """Exact at the borders too: the padding is zero after the weights' own normalisation."""
    path, ((kernel1, bias1), (kernel2, bias2)) = quantised
    found = vgg19_features(["conv1_1", "conv1_2"], path)(images[0])
    caffe = images[0].flip(1) * 255 - CAFFE_MEAN_BGR
    first = functional.conv2d(caffe, kernel1, bias1, padding=1)
    torch.testing.assert_close(found["conv1_1"], first, atol=1e-3, rtol=1e-5)
    second = functional.conv2d(first.relu(), kernel2, bias2, padding=1)
    torch.testing.assert_close(found["conv1_2"], second, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("criterion", ["l1", "mse"])
def test_loss_is_the_weighted_sum(vgg, images, criterion):
    output, target = images
    layers = {"relu1_1": 0.5, "conv2_2": 2.0}
    features = vgg19_features(layers, vgg[0])
    distance = {"l1": functional.l1_loss, "mse": functional.mse_loss}[criterion]
    a, b = features(output), features(target)
    expected = sum(weight * distance(a[name], b[name]) for name, weight in layers.items())
    loss = PerceptualLoss(layers, vgg[0], criterion)
    torch.testing.assert_close(loss(output, target), expected)
    assert loss(target, target) == 0


def test_the_relative_distance_knows_no_scale(vgg, tmp_path, images):
    """l1 over the mean size of the target's features, and so the same for larger features."""
    output, target = images
    features = vgg19_features(["conv1_1", "conv2_2"], vgg[0])
    a, b = features(output), features(target)
    expected = sum((a[name] - b[name]).abs().mean() / b[name].abs().mean() for name in a)
    loss = PerceptualLoss(dict.fromkeys(a, 1.0), vgg[0], "relative")
    torch.testing.assert_close(loss(output, target), expected)

    larger = {name: 100 * value for name, value in vgg[1].state_dict().items()}
    save_file(larger, tmp_path / "larger.safetensors")  # the first layer's features, 100 times
    other = PerceptualLoss({"conv1_1": 1.0}, tmp_path / "larger.safetensors", "relative")
    one = PerceptualLoss({"conv1_1": 1.0}, vgg[0], "relative")
    torch.testing.assert_close(other(output, target), one(output, target))


def test_the_distance_of_directions_knows_no_strength():
    wanted = torch.rand(2, 5, 4, 4)
    strength = 0.1 + torch.rand(2, 1, 4, 4)
    assert _direction(wanted * strength, wanted) < 1e-9
    across = torch.zeros(1, 2, 1, 1)
    across[:, 0] = 3
    assert _direction(across, across.flip(1)) == 2  # at a right angle
    nothing = torch.zeros(1, 5, 2, 2, requires_grad=True)
    _direction(nothing.relu(), torch.rand(1, 5, 2, 2)).backward()
    assert nothing.grad.isfinite().all()


def test_the_relative_distance_to_nothing_is_finite():
    dark = torch.zeros(1, 4, 4)
    assert _relative(dark, dark) == 0
    assert _relative(dark + 1, dark).isfinite()


def test_loss_moves_the_output_alone(vgg, images):
    output, target = (image.clone().requires_grad_() for image in images)
    loss = PerceptualLoss({"conv2_2": 1}, vgg[0])
    loss(output, target).backward()
    assert output.grad is not None
    assert output.grad.abs().sum() > 0
    assert target.grad is None
    assert not any(p.requires_grad for p in loss.parameters())


def test_loss_under_autocast_and_channels_last(vgg, images):
    """Features in bf16, the distance in float32."""
    loss = PerceptualLoss({"conv2_2": 1}, vgg[0])
    expected = loss(*images)
    seen = []
    loss.features.register_forward_hook(lambda *a: seen.append(a[2]["conv2_2"].dtype))
    output, target = (image.contiguous(memory_format=torch.channels_last) for image in images)
    with torch.autocast("cpu", torch.bfloat16):
        found = loss(output, target)
    assert seen == [torch.bfloat16] * 2
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, expected, rtol=0.02, atol=0)


@pytest.fixture(scope="module")
def squeezenet(tmp_path_factory):
    torch.manual_seed(0)
    network = torchvision.models.squeezenet1_1(weights=None)
    path = tmp_path_factory.mktemp("squeeze") / "squeeze.pth"
    torch.save(network.state_dict(), path)
    return path, network.eval()


@pytest.fixture(scope="module")
def lpips(squeezenet):
    return LpipsDistance("squeeze", squeezenet[0])


def test_lpips_takes_every_layer_from_the_file(lpips, squeezenet):
    own = lpips.lpips.net.state_dict()
    given = squeezenet[1].state_dict()
    assert len(own) == sum(key.startswith("features.") for key in given)
    for key, value in own.items():
        assert torch.equal(value, given["features." + key.split(".", 1)[1]])


def test_lpips_by_hand(lpips, squeezenet, images):
    """Zhang et al. 2018, equation 1, on torchvision's own network."""
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)
    taps, maps = [1, 4, 7, 9, 10, 11, 12], []
    for image in images:
        x, found = (2 * image - 1 - shift) / scale, []
        for index, layer in enumerate(squeezenet[1].features):
            x = layer(x)
            if index in taps:
                found.append(x / (x.square().sum(1, keepdim=True).sqrt() + 1e-10))
        maps.append(found)
    expected = torch.zeros(2)
    for index, (a, b) in enumerate(zip(*maps, strict=True)):
        weight = getattr(lpips.lpips, f"lin{index}").model[-1].weight
        expected += ((a - b).square() * weight).sum(1).mean((1, 2))
    torch.testing.assert_close(lpips(*images), expected.detach())


def test_lpips_of_equal_images_is_zero_and_else_positive(lpips, images):
    assert torch.equal(lpips(images[0], images[0]), torch.zeros(2))
    assert (lpips(*images) > 0).all()


def test_lpips_is_a_loss(lpips, images):
    output = images[0].clone().requires_grad_()
    lpips.train()  # as the module that holds it would be
    assert not any(module.training for module in lpips.modules())
    lpips(output, images[1]).mean().backward()
    assert output.grad is not None
    assert output.grad.abs().sum() > 0
    assert not any(p.requires_grad for p in lpips.parameters())


def test_lpips_says_what_it_is_and_nothing_else(squeezenet, capfd):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        distance = LpipsDistance("squeeze", squeezenet[0])
    assert distance.protocol == "LPIPS (squeeze, local backbone squeeze.pth)"
    assert capfd.readouterr() == ("", "")


def test_small_images(lpips):
    with pytest.raises(ImganError, match="31x40"):
        lpips(torch.zeros(1, 3, 40, 31), torch.zeros(1, 3, 40, 31))


def test_bad_files(tmp_path, squeezenet):
    broken = tmp_path / "broken.pth"
    broken.write_bytes(b"nothing")
    (tmp_path / "broken.npz").write_bytes(b"nothing")
    (tmp_path / "broken.safetensors").write_bytes(b"nothing")
    for make, message in [
        (lambda: vgg19_features(["conv1_1"], tmp_path / "none.pth"), "no file"),
        (lambda: vgg19_features(["conv1_1"], tmp_path / "none.npz"), "no file"),
        (lambda: vgg19_features(["conv1_1"], tmp_path / "none.safetensors"), "no file"),
        (lambda: vgg19_features(["conv1_1"], broken), "cannot be read"),
        (lambda: vgg19_features(["conv1_1"], tmp_path / "broken.npz"), "cannot be read"),
        (lambda: vgg19_features(["conv1_1"], tmp_path / "broken.safetensors"), "cannot be read"),
        (lambda: vgg19_features(["conv1_2"], squeezenet[0]), "does not hold"),
        (lambda: vgg19_features(["conv9_9"], squeezenet[0]), "conv9_9"),
        (lambda: LpipsDistance("alex", squeezenet[0]), "AlexNet"),
        (lambda: LpipsDistance("squeeze", broken), "cannot be read"),
    ]:
        with pytest.raises(ImganError, match=message):
            make()


def test_no_network_is_one_sentence(monkeypatch, tmp_path):
    from urllib.error import URLError

    def refuse(*_args, **_kwargs):
        raise URLError("no route to host")

    monkeypatch.setattr(torch.hub, "download_url_to_file", refuse)
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    with pytest.raises(ImganError, match=r"VGG-19 .*no route to host.*perceptual.weights"):
        vgg19_features(["conv1_1"])
    with pytest.raises(ImganError, match=r"AlexNet .*no route to host.*lpips-weights"):
        LpipsDistance("alex")

"""What remembers: the history of fakes and the average of weights."""

import io
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from imgan.core import EMA, ImageHistory


def numbered(start: int, n: int) -> Tensor:
    """Images [n, 1, 2, 2] that show their own number."""
    return torch.arange(start, start + n).float().view(n, 1, 1, 1).expand(n, 1, 2, 2).clone()


def through_a_file(state: dict[str, Any]) -> Any:
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    return torch.load(file, weights_only=True)


@settings(max_examples=25, deadline=None)
@given(size=st.integers(0, 6), batches=st.lists(st.integers(1, 4), min_size=1, max_size=8))
def test_the_pool_passes_images_through_until_it_is_full(size: int, batches: list[int]) -> None:
    history, seen = ImageHistory(size), 0
    for n in batches:
        images = numbered(seen, n)
        answer = history.query(images)
        assert answer.shape == images.shape and not answer.requires_grad
        fresh = max(0, min(n, size - seen)) if size else n
        assert torch.equal(answer[:fresh], images[:fresh])
        assert set(answer[:, 0, 0, 0].tolist()) <= set(range(seen + n))
        seen += n
    assert len(history) == min(size, seen)


def test_half_of_the_images_come_from_the_pool() -> None:
    history = ImageHistory(50)
    history.query(numbered(0, 50))
    images = numbered(50, 4000)
    new = (history.query(images) == images)[:, 0, 0, 0].float().mean().item()
    assert new == pytest.approx(0.5, abs=0.04)


def test_the_pool_keeps_its_own_copies() -> None:
    history, images = ImageHistory(1), numbered(7, 1)
    history.query(images)
    images.zero_()
    answers = torch.cat([history.query(numbered(9, 1)) for _ in range(20)])
    assert 7 in answers[:, 0, 0, 0].tolist()


def test_history_resumes_exactly_and_leaves_the_global_random_state() -> None:
    before = torch.get_rng_state()
    one, other = ImageHistory(5, seed=1), ImageHistory(5, seed=2)
    one.query(numbered(0, 12))
    other.load_state_dict(through_a_file(one.state_dict()))
    for start in range(20, 60, 4):
        assert torch.equal(one.query(numbered(start, 4)), other.query(numbered(start, 4)))
    assert torch.equal(before, torch.get_rng_state())
    with pytest.raises(ValueError, match="do not fit"):
        ImageHistory(2).load_state_dict(one.state_dict())


def test_history_follows_type_and_refuses_another_shape() -> None:
    history = ImageHistory(2)
    history.query(numbered(0, 2))
    assert history.query(numbered(2, 4).double()).dtype == torch.float64
    with pytest.raises(ValueError, match="shape"):
        history.query(torch.zeros(1, 1, 3, 3))
    with pytest.raises(ValueError, match="size"):
        ImageHistory(-1)


def network() -> nn.Sequential:
    return nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))


def state(module: nn.Module) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in module.state_dict().items()}


def train(module: nn.Module) -> None:
    weight = next(module.parameters())
    module(torch.randn(8, 2, dtype=weight.dtype))
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(torch.randn_like(parameter))


@settings(max_examples=15, deadline=None)
@given(decay=st.floats(0, 0.999), warmup=st.booleans())
def test_ema_averages_weights_and_buffers(decay: float, warmup: bool) -> None:
    module = network().double()
    ema, expected = EMA(module, decay, warmup), state(module)
    for t in range(1, 5):
        train(module)
        ema.update()
        d = min(decay, (1 + t) / (10 + t)) if warmup else decay
        for name, value in module.state_dict().items():
            floating = value.is_floating_point()
            expected[name] = d * expected[name] + (1 - d) * value if floating else value.clone()
    assert expected["1.num_batches_tracked"] == 4
    with ema.averaged() as averaged:
        torch.testing.assert_close(state(averaged), expected)


def test_averaged_restores_exactly_after_an_error() -> None:
    module = network()
    ema = EMA(module)
    train(module)
    own, parameter = state(module), module[0].weight
    with pytest.raises(KeyError), ema.averaged() as averaged:
        assert averaged is module and not torch.equal(module[0].weight, own["0.weight"])
        module(torch.randn(8, 2))  # moves the running statistics
        raise KeyError
    assert module[0].weight is parameter
    assert all(torch.equal(value, own[name]) for name, value in module.state_dict().items())


def test_ema_resumes_exactly() -> None:
    module = network()
    one = EMA(module)
    train(module)
    one.update()
    other = EMA(network())
    other.module = module
    other.load_state_dict(through_a_file(one.state_dict()))
    for ema in (one, other):
        ema.update()
    torch.testing.assert_close(one.state_dict(), other.state_dict(), rtol=0, atol=0)
    with pytest.raises(ValueError, match="another network"):
        EMA(nn.Linear(1, 1)).load_state_dict(one.state_dict())
    wider = nn.Sequential(nn.Linear(3, 3), nn.BatchNorm1d(3))
    with pytest.raises(ValueError, match=r"differing: \['0.weight'\]"):
        EMA(wider).load_state_dict(one.state_dict())


def test_half_precision_weights_are_averaged_in_float32() -> None:
    module = nn.Linear(1, 1, bias=False).bfloat16()
    nn.init.zeros_(module.weight)
    ema = EMA(module, decay=0.999, warmup=False)
    nn.init.ones_(module.weight)
    for _ in range(100):
        ema.update()
    average = ema.state_dict()["average"]["weight"]
    assert average.item() == pytest.approx(1 - 0.999**100, rel=1e-4)
    with ema.averaged():
        assert module.weight.dtype == torch.bfloat16


@pytest.mark.parametrize("old", [False, True])
def test_the_vectors_of_spectral_norm_stay_unit_vectors(old: bool) -> None:
    torch.manual_seed(0)
    norm = nn.utils.spectral_norm if old else nn.utils.parametrizations.spectral_norm
    module = nn.Sequential(norm(nn.Linear(8, 16)), nn.Tanh(), norm(nn.Linear(16, 4)))
    ema = EMA(module, 0.9)
    for _ in range(60):  # a walk that turns the vectors
        with torch.no_grad():
            for parameter in module.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
        module(torch.randn(4, 8))
        ema.update()
    with ema.averaged() as averaged:
        vectors = [v for name, v in averaged.named_buffers() if name.endswith(("_u", "_v"))]
        assert len(vectors) == 4
        for vector in vectors:
            assert vector.norm().item() == pytest.approx(1, abs=1e-4)

"""Frames taken apart into layers, their paths, and what is made of them ahead."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn.functional import pad

from imgan.networks import MovingLayers
from imgan.networks.layered_motion import (
    FASTEST,
    agreement,
    follow,
    lowest,
    shifted,
    steady,
    take_apart,
)
from imgan.networks.moving_layers import smear

BENT = [(12, 20), (14, 18), (16, 16), (18, 14), (20, 12), (22, 12), (24, 14), (26, 16)]
"""(left, top) of a thing that bounces half-way."""

STRAIGHT = [(36 - 3 * t, 14 + t) for t in range(8)]
"""Its way leads over the other's."""


def thing(seed, side=10):
    """Bright strokes, ``[side, side]``."""
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(side, side, generator=generator) > 0.5).float()


def laid(*moving, size=(48, 56), channels=1):
    """Frames ``[1, P, C, H, W]`` of (thing, path) pairs; the brighter pixel counts."""
    frames = torch.zeros(len(moving[0][1]), *size)
    for image, path in moving:
        for frame, (left, top) in zip(frames, path, strict=True):
            part = frame[top : top + image.shape[0], left : left + image.shape[1]]
            part.copy_(torch.maximum(part, image))
    return frames[None, :, None].expand(-1, -1, channels, -1, -1)


def relative(path):
    """Places from that of the last frame."""
    return [[left - path[-1][0], top - path[-1][1]] for left, top in path]


@pytest.mark.parametrize("channels", [1, 3])
def test_two_things_that_cross_and_bounce_are_told_apart(channels):
    one, other = thing(0), thing(1)
    frames = laid((one, BENT), (other, STRAIGHT), channels=channels)
    found = take_apart(frames, rounds=2)
    order = [0, 1] if found.place[0, 0].tolist() == relative(BENT) else [1, 0]
    assert found.place[0, order].tolist() == [relative(BENT), relative(STRAIGHT)]
    for i, (image, path) in zip(order, ((one, BENT), (other, STRAIGHT)), strict=True):
        alone = laid((image, path), channels=channels)[0, -1]
        assert (found.content[0, i] - alone).abs().mean() < 0.01
    assert found.misfit.item() < 0.02 * frames[:, -1].square().sum().item()


def test_a_batch_is_its_samples_one_by_one():
    frames = torch.cat(
        [laid((thing(i), BENT), (thing(i + 5), STRAIGHT)) for i in range(3)]
        + [laid((thing(9), BENT[::-1]), (thing(8), STRAIGHT))]
    )
    together = take_apart(frames)
    for i in range(len(frames)):
        alone = take_apart(frames[i : i + 1])
        assert torch.equal(alone.place[0], together.place[i])
        assert torch.allclose(alone.content[0], together.content[i], atol=1e-6)


@pytest.mark.parametrize("layers", [1, 3])
@pytest.mark.parametrize("past", [1, 2, 5])
def test_dark_frames_and_few_of_them_are_no_trouble(layers, past):
    found = take_apart(torch.zeros(2, past, 1, 16, 24), layers)
    assert found.content.shape == (2, layers, 1, 16, 24) and not found.content.any()
    assert found.place.shape == (2, layers, past, 2)
    assert not found.place[:, :, -1].any() and not found.misfit.any()


@given(right=st.integers(-20, 20), down=st.integers(-20, 20))
def test_shifted_is_a_shift_with_dark_outside(right, down):
    image = torch.rand(2, 3, 16, 8)
    wanted = pad(image, (20, 20, 20, 20)).roll((-down, -right), (2, 3))[..., 20:-20, 20:-20]
    place = torch.tensor([right, down]).expand(2, 2)
    assert torch.equal(shifted(image, place), wanted)


def test_agreement_is_its_sum_and_best_where_the_thing_is():
    image = torch.zeros(1, 2, 16, 16)
    image[..., 5:9, 6:10] = torch.rand(4, 4)
    frames = image.roll((2, -3), (2, 3)).unsqueeze(1) + 0.05 * torch.rand(1, 3, 2, 16, 16)
    fit = agreement(image, frames)
    assert fit.shape == (1, 3, 16, 16)
    assert (fit.flatten(2).argmax(2) == (8 + 2) * 16 + (8 - 3)).all()
    energy = image.square().sum()
    alone = agreement(image, image.unsqueeze(1))[0, 0]
    assert alone.max() == alone[8, 8] and 0.5 < alone[8, 8] < energy / (energy + 1) * 2
    crowded = image.unsqueeze(1) + 0.5 * image.roll(5, 3).unsqueeze(1)
    assert agreement(image, crowded)[0, 0, 8, 8] < alone[8, 8]  # bright beside it


def test_a_path_goes_step_by_step():
    fit = torch.zeros(1, 4, 32, 32)
    fit[0, 3, 0, 0] = 9  # the last frame is where it is
    fit[0, 2, 16 + FASTEST, 16 - 2] = 1
    fit[0, 1, 16 + FASTEST + 1, 16 - 2 - FASTEST] = 1
    fit[0, 1, 16, 16 + FASTEST] = 2  # too far from where it was
    fit[0, 0, 16 + 2 * FASTEST, 16 - 2 - FASTEST] = 1
    assert follow(fit)[0].tolist() == [
        [-2 - FASTEST, 2 * FASTEST],
        [-2 - FASTEST, FASTEST + 1],
        [-2, FASTEST],
        [0, 0],
    ]


def test_a_path_never_leaves_the_shifts_there_are():
    path = follow(torch.randn(8, 10, 16, 24))
    across, down = path.unbind(2)
    assert across.min() >= -12 and across.max() < 12
    assert down.min() >= -8 and down.max() < 8


@given(frames=st.integers(1, 8), count=st.integers(1, 5))
def test_the_lowest_are_the_first_when_sorted(frames, count):
    stack = torch.rand(2, frames, 3, 4)
    wanted = stack.sort(1).values[:, :count]
    assert torch.equal(torch.stack(lowest(stack, count), 1), wanted)


def test_one_slip_and_passers_by_leave_what_is_steady():
    frames = torch.full((1, 8, 1, 4, 4), 0.5)
    frames[0, 2] = 0
    frames[0, 3:6] = 1
    assert torch.equal(steady(frames), torch.full((1, 1, 4, 4), 0.5))


@given(right=st.integers(-12, 12))
def test_a_sure_place_is_an_exact_shift(right):
    line = torch.rand(16)
    wanted = pad(line, (12, 12)).roll(right)[12:-12]
    moved = smear(16, torch.tensor(float(right)), torch.tensor(0.02)) @ line
    assert torch.allclose(moved, wanted)


@given(shift=st.floats(-9, 9), spread=st.floats(0.8, 4))
@settings(max_examples=30, deadline=None)
def test_an_unsure_place_has_its_mean_and_its_spread(shift, spread):
    column = smear(64, torch.tensor(shift), torch.tensor(spread))[:, 32]
    place = torch.arange(64) - 32.0
    assert math.isclose(column.sum(), 1, abs_tol=1e-4)
    mean = (column * place).sum()
    assert math.isclose(mean, shift, abs_tol=1e-2)
    assert math.isclose((column * (place - mean).square()).sum().sqrt(), spread, rel_tol=1e-2)


def test_place_and_spread_are_learnt_from_afar():
    shift = torch.tensor(0.0, requires_grad=True)
    spread = torch.tensor(2.0, requires_grad=True)
    line, wanted = torch.zeros(32), torch.zeros(32)
    line[16], wanted[21] = 1, 1
    (smear(32, shift, spread) @ line - wanted).square().sum().backward()
    assert shift.grad < 0  # further right
    assert spread.grad < 0  # wider


def test_what_is_learnt_of_one_side_holds_for_the_others():
    torch.manual_seed(0)
    network = MovingLayers(past=4, future=2, width=8, hidden=16, depth=1)
    torch.nn.init.normal_(network.last.weight)
    image = torch.zeros(3, 1, 32, 40)
    image[..., 4:9, 6:12] = torch.rand(3, 1, 5, 6)
    path, gone, misfit = torch.randn(3, 4, 2), torch.rand(3, 4), torch.rand(3)
    with torch.no_grad():
        shift, spread = network._ahead(image, path, gone, misfit)
        mirror = torch.tensor([-1, 1])
        other = network._ahead(image.flip(-1), path * mirror, gone, misfit)
        assert torch.allclose(other[0], shift * mirror, atol=1e-4)
        assert torch.allclose(other[1], spread, atol=1e-4)
        turned = network._ahead(image.mT, path.flip(-1), gone, misfit)
        assert torch.allclose(turned[0], shift.flip(-1), atol=1e-4)


def test_it_starts_at_rest_and_unsure_and_learns_from_every_part():
    frames = laid((thing(0), BENT), (thing(1), STRAIGHT))
    torch.manual_seed(0)
    network = MovingLayers(past=8, future=3, width=8, hidden=16, depth=1)
    out = network(frames)
    assert out.shape == (1, 3, 1, 48, 56)
    assert (out[:, 0] - out[:, 2]).abs().max() < 0.05  # nothing is known of ways yet
    middle = (out[0, 0, 0] * torch.arange(56)).sum() / out[0, 0, 0].sum()
    last = frames[0, -1, 0]
    assert abs(middle - (last * torch.arange(56)).sum() / last.sum()) < 1
    (out - frames[:, -3:]).square().mean().backward()
    for name, parameter in network.named_parameters():
        if name.startswith(("leave", "last")):
            assert parameter.grad.abs().sum() > 0, name


def test_a_few_steps_teach_it_where_a_thing_goes():
    frames = laid((thing(0, 6), [(3 + 2 * t, 17 - t) for t in range(8)]), size=(24, 32))
    torch.manual_seed(0)
    network = MovingLayers(past=5, future=3, width=8, hidden=16, depth=1, layers=1)
    optimizer = torch.optim.Adam(network.parameters(), 0.02)
    past, future = frames[:, :5], frames[:, 5:]
    costs = []
    for _ in range(60):
        costs.append((network(past) - future).square().mean())
        optimizer.zero_grad()
        costs[-1].backward()
        optimizer.step()
    assert costs[-1] < 0.5 * costs[0]

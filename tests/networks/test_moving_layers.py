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
    _search,
    agreement,
    follow,
    lowest,
    shifted,
    spectra,
    steady,
    take_apart,
)
from imgan.networks.moving_layers import SHARPEST, smear

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
    found = take_apart(frames)
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
    assert not found.place.any() and not found.misfit.any()


@given(right=st.integers(-20, 20), down=st.integers(-20, 20))
def test_shifted_is_a_shift_with_dark_outside(right, down):
    image = torch.rand(2, 3, 16, 8)
    wanted = pad(image, (20, 20, 20, 20)).roll((-down, -right), (2, 3))[..., 20:-20, 20:-20]
    place = torch.tensor([right, down]).expand(2, 2)
    assert torch.equal(shifted(image, place), wanted)


def test_a_thing_is_followed_through_more_than_half_the_frame():
    for path in (
        [(33 - 4 * t, 8) for t in range(9)],
        [(4 * t, 8 + t) for t in range(9)],
        [(45 - 5 * t, 8) for t in range(10)],
    ):
        found = take_apart(laid((thing(0, 14), path), size=(60, 60)), layers=1)
        assert found.place[0, 0].tolist() == relative(path)
        assert found.misfit.item() < 1e-6


def test_of_two_beginnings_the_better_counts():
    one = [(10, 26), (7, 23), (4, 20), (1, 17), (0, 15), (2, 12), (5, 9), (8, 7)]  # it bounces
    rows = (34, 33, 33, 32, 32, 31, 31, 31)
    other = [(15 + 4 * t, row) for t, row in enumerate(rows)]
    frames = laid((thing(0), one), (thing(1), other))
    misfits = [_search(clip, spectra(clip), 2).misfit.item() for clip in (frames, frames.flip(1))]
    assert misfits[0] > 10 and misfits[1] < 1  # the last frames lead astray
    found = take_apart(frames)
    assert sorted(found.place[0].tolist()) == sorted([relative(one), relative(other)])


@pytest.mark.parametrize(("height", "width"), [(12, 16), (15, 10)])
def test_agreement_is_its_sum(height, width):
    things, frames = torch.rand(2, 3, height, width), torch.rand(2, 4, 3, height, width)
    fit = agreement(things, spectra(frames))
    assert fit.shape == (2, 4, height, width)
    y = torch.arange(-60, 61)
    bell = torch.exp(-0.5 * (y / 3.0).square())
    bell = bell / bell.sum()
    blurred = sum(b * things.roll(int(i), 2) for i, b in zip(y, bell, strict=True))
    blurred = sum(b * blurred.roll(int(i), 3) for i, b in zip(y, bell, strict=True))
    about = (things + blurred) / 2
    for down, right in ((0, 0), (2, -3), (-5, 4)):
        there = frames.roll((-down, -right), (3, 4))
        own = things.unsqueeze(1)
        total = (2 * own * there - about.unsqueeze(1) * there.square()).sum((2, 3, 4))
        wanted = total / (1 + things.square().sum((1, 2, 3))).unsqueeze(1)
        assert torch.allclose(fit[:, :, down, right], wanted, atol=1e-4)


def test_a_path_goes_step_by_step():
    fit = torch.zeros(1, 4, 32, 32)
    fit[0, 3, 9, 9] = 9  # the last frame is where it is
    fit[0, 2, FASTEST, -2] = 1
    fit[0, 1, FASTEST + 1, -2 - FASTEST] = 1
    fit[0, 1, 0, FASTEST] = 2  # too far from where it was
    fit[0, 0, 2 * FASTEST, -2 - FASTEST] = 1
    assert follow(fit)[0].tolist() == [
        [-2 - FASTEST, 2 * FASTEST],
        [-2 - FASTEST, FASTEST + 1],
        [-2, FASTEST],
        [0, 0],
    ]


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


@given(shift=st.floats(-9, 9), spread=st.floats(0.8, 20))
@settings(max_examples=30, deadline=None)
def test_an_unsure_place_has_its_mean_and_its_spread(shift, spread):
    column = smear(256, torch.tensor(shift), torch.tensor(spread))[:, 128]
    place = torch.arange(256) - 128.0
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
        for there, here in zip(turned, (shift, spread), strict=True):
            assert torch.allclose(there, here.flip(-1), atol=1e-4)


def untaught(**more):
    """A network whose last layers are not at rest."""
    torch.manual_seed(0)
    network = MovingLayers(**{"width": 8, "hidden": 16, "depth": 1} | more)
    torch.nn.init.normal_(network.last.weight, std=0.1)
    torch.nn.init.normal_(network.leave.weight, std=0.1)
    return network


def test_a_batch_goes_ahead_as_its_samples_do():
    clips = [laid((thing(i), BENT), (thing(i + 5), STRAIGHT), channels=3) for i in range(2)]
    clips.append(laid((thing(9), BENT[::-1]), (thing(8), BENT), channels=3))
    network = untaught(past=8, future=2, channels=3)
    with torch.no_grad():
        alone = torch.cat([network(clip) for clip in clips])
        assert torch.allclose(network(torch.cat(clips)), alone, atol=1e-5)
        assert (alone[0] - alone[1]).abs().max() > 0.1


def test_a_frame_is_seen_at_its_size_whatever_it_is():
    frames = laid((thing(0), BENT), (thing(1), STRAIGHT), size=(47, 53))
    network = untaught(past=8, future=2).double()
    with torch.no_grad():
        out = network(frames.double())
        assert out.shape == (1, 2, 1, 47, 53) and out.dtype == torch.float64
        dark = pad(frames, (0, 3, 0, 1)).double()  # the sides are farther, and nothing else
        network.last.weight.zero_()
        assert torch.allclose(network(dark)[..., :20, :20], network(frames.double())[..., :20, :20])


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
    with torch.no_grad():
        path = torch.zeros(1, 8, 2)
        _, spread = network._ahead(last[None, None], path, torch.zeros(1, 8), torch.zeros(1))
    assert (spread - SHARPEST - math.log(1 + math.e)).abs().max() < 0.1
    network = untaught(past=8, future=3)
    (network(frames) - frames[:, -3:]).square().mean().backward()
    for name, parameter in network.named_parameters():
        if not (name.startswith("between") and "first" in name):  # whose second starts at zero
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

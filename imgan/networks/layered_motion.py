"""Frames taken apart into layers that move, each as a whole: no weights, nothing to train.

Layers as in Wang & Adelson 1994 ("Representing moving images with layers"): a thing is what stays
where it is once the frames are laid over one another along its path, and its path is where it is
found in each frame. Either follows from the other, so the two are improved in turn. Paths are
whole pixels, things are bright on a dark ground and may lie over one another.
"""

from __future__ import annotations

import math
from functools import reduce
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn.functional import pad

FASTEST = 5
"""Pixels that a layer moves at most from frame to frame, in each direction."""

STEPS = 3
"""Speeds are first looked for in steps of a pixel divided by this."""

LAGS = (2, 3)
"""They are those that lead from the last frame back to the ones so many before it."""

ABOUT = 3.0
"""About so many pixels around a layer should be dark where it is found."""

LOWEST = 4
"""So many of the darkest values along a path tell what stays on it."""

STILLEST = 1e-6
"""What each squared pixel of a step counts against it: where nothing is to be found, all rests."""


class Layers(NamedTuple):
    """What the frames were taken apart into.

    Attributes:
        content: ``[N, L, C, H, W]``, where the layers are in the last frame.
        place: ``[N, L, P, 2]``, whole pixels to the right and down from there to each frame.
        misfit: ``[N]``, squared error a frame of the layers put together again.
    """

    content: Tensor
    place: Tensor
    misfit: Tensor


class Spectra(NamedTuple):
    """Fourier transforms ``[N, P, C, H, W/2+1]`` of frames and of their squares."""

    frames: Tensor
    squares: Tensor


@torch.no_grad()
def take_apart(frames: Tensor, layers: int = 2) -> Layers:
    """The layers of frames: of two beginnings the one that fits better.

    Bounces and things that hide one another lead a beginning astray; one that looks for the things
    in the first frame and one that does in the last seldom fail in the same clip.

    Args:
        frames: ``[N, P, C, H, W]`` in [0, 1], float32 or float64.
        layers: how many; those that find nothing are dark and rest.
    """
    waves = spectra(frames)
    last = _search(frames, waves, layers)
    content, place, misfit = _search(
        frames.flip(1), Spectra(waves.frames.flip(1), waves.squares.flip(1)), layers
    )
    to_last = place[:, :, :1]
    content = shifted(content.unsqueeze(2), -to_last).squeeze(2)
    first = Layers(content, place.flip(2) - to_last, misfit)
    better = first.misfit < last.misfit
    picked = (
        torch.where(better.reshape(-1, *(1,) * (one.dim() - 1)), one, other)
        for one, other in zip(first, last, strict=True)
    )
    return _improved(frames, Layers(*picked))


def _search(frames: Tensor, waves: Spectra, layers: int) -> Layers:
    """One thing after the other, each in what those before it leave, by its speed at the end."""
    count = frames.shape[1]
    back = torch.arange(count - 1, -1, -1, device=frames.device)[:, None]
    lags = sorted({min(lag, count - 1) for lag in LAGS})
    before = [count - 1 - lag for lag in lags]
    recent = slice(-1 - max(LAGS), None)
    left = frames
    content: list[Tensor] = []
    place: list[Tensor] = []
    for _ in range(layers):
        if content:
            left = (left - _laid(content[-1], place[-1])).clamp_(0)
            waves = spectra(left)
        few = Spectra(waves.frames[:, before], waves.squares[:, before])
        speed = _speed(agreement(left[:, -1], few), lags)
        path = (-back * speed[:, None]).round().long()  # [N, P, 2]
        seed = shifted(left[:, recent], path[:, recent]).amin(1)
        place.append(follow(agreement(seed, waves)))
        content.append(steady(shifted(left, place[-1])))
    found = Layers(torch.stack(content, 1), torch.stack(place, 1), frames.new_zeros(len(frames)))
    return _improved(frames, found)


def _improved(frames: Tensor, found: Layers) -> Layers:
    """Each layer in turn is followed through what the others leave, and seen anew on its path."""
    content, place = list(found.content.unbind(1)), list(found.place.unbind(1))
    laid = [_laid(one, path) for one, path in zip(content, place, strict=True)]
    for i in range(len(content)):
        others = laid[:i] + laid[i + 1 :]
        left = (frames - reduce(torch.maximum, others)).clamp_(0) if others else frames
        place[i] = follow(agreement(content[i], spectra(left)))
        content[i] = steady(shifted(frames, place[i]))
        laid[i] = _laid(content[i], place[i])
    misfit = (frames - reduce(torch.maximum, laid)).square_().sum((2, 3, 4)).mean(1)
    return Layers(torch.stack(content, 1), torch.stack(place, 1), misfit)


def spectra(frames: Tensor) -> Spectra:
    """Of ``[N, P, C, H, W]``, as `agreement` wants them."""
    return Spectra(torch.fft.rfft2(frames), torch.fft.rfft2(frames.square()))


def agreement(thing: Tensor, waves: Spectra) -> Tensor:
    """How well a thing fits each frame at every shift.

    ``(2 sum(t f) - sum(a f^2)) / (1 + sum(t^2))``, where a is the mean of the thing t and of t
    blurred: of things that are black and white it is squared error, over the thing and what lies
    about it. By Fourier transforms, so the frame goes round from one side to the other.

    Args:
        thing: ``[N, C, H, W]``.
        waves: of P frames.

    Shape: ``-> [N, P, H, W]``, row and column by how far down and right, and from the end by how
    far up and left.
    """
    height, width = thing.shape[-2:]
    down = 2 * math.pi * torch.fft.fftfreq(height, device=thing.device)
    right = 2 * math.pi * torch.fft.rfftfreq(width, device=thing.device)
    blur = torch.exp(-0.5 * ABOUT**2 * (down[:, None].square() + right.square()))
    own = torch.fft.rfft2(thing).conj().unsqueeze(1)  # [N, 1, C, H, W/2+1]
    summed = (2 * own * waves.frames - own * ((1 + blur) / 2) * waves.squares).sum(2)
    fit: Tensor = torch.fft.irfft2(summed, s=(height, width))
    return fit / (1 + thing.square().sum((1, 2, 3)).reshape(-1, 1, 1, 1))


def _speed(fit: Tensor, lags: list[int]) -> Tensor:
    """The speed ``[N, 2]``, right and down, that fits frames ``[N, len(lags), H, W]`` best."""
    height, width = fit.shape[2:]
    speeds = torch.arange(-FASTEST * STEPS, FASTEST * STEPS + 1, device=fit.device) / STEPS
    total = -STILLEST * (speeds.square()[:, None] + speeds.square())
    for before, lag in zip(fit.unbind(1), lags, strict=True):
        back = (-lag * speeds).round().long()
        total = total + before[:, (back % height)[:, None], back % width]
    best = total.flatten(1).argmax(1)
    return torch.stack([speeds[best % len(speeds)], speeds[best // len(speeds)]], 1)


def follow(fit: Tensor) -> Tensor:
    """The path ``[N, P, 2]`` from the last frame backwards, by steps of at most `FASTEST` pixels.

    Args:
        fit: ``[N, P, H, W]`` of `agreement`.
    """
    n, frames, height, width = fit.shape
    steps = torch.arange(-FASTEST, FASTEST + 1, device=fit.device)
    still = STILLEST * (steps.square()[:, None] + steps.square())
    each = torch.arange(n, device=fit.device)[:, None, None]
    here = torch.zeros(n, 2, dtype=torch.long, device=fit.device)
    path = [here]
    for frame in range(frames - 2, -1, -1):
        rows = (here[:, 1, None] + steps) % height
        columns = (here[:, 0, None] + steps) % width
        window = fit[each, frame, rows[:, :, None], columns[:, None]] - still
        best = window.flatten(1).argmax(1)
        step = torch.stack([best % len(steps), best // len(steps)], 1) - FASTEST
        here = here + step
        path.append(here)
    return torch.stack(path[::-1], 1)


def shifted(frames: Tensor, place: Tensor) -> Tensor:
    """What each of ``[..., C, H, W]`` shows at `place` from where it is looked at; 0 outside.

    Args:
        place: ``[..., 2]``, whole pixels to the right and down.
    """
    height, width = frames.shape[-2:]
    wide = pad(frames, (1, 1, 1, 1))
    x = torch.arange(1, width + 1, device=frames.device) + place[..., :1]
    y = torch.arange(1, height + 1, device=frames.device) + place[..., 1:]
    x, y = x.clamp(0, width + 1), y.clamp(0, height + 1)
    pixel = (y[..., :, None] * (width + 2) + x[..., None, :]).flatten(-2)  # [..., H*W]
    pixel = pixel.unsqueeze(-2).expand(*frames.shape[:-2], -1)
    return wide.flatten(-2).gather(-1, pixel).reshape(frames.shape)


def lowest(frames: Tensor, count: int) -> list[Tensor]:
    """The darkest `count` values of ``[N, P, ...]`` in each place, in their order: ``[N, ...]``."""
    low: list[Tensor] = []
    for frame in frames.unbind(1):
        for i, value in enumerate(low):
            low[i], frame = torch.minimum(value, frame), torch.maximum(value, frame)
        if len(low) < count:
            low.append(frame)
    return low


def steady(frames: Tensor) -> Tensor:
    """What stays in ``[N, P, ...]``: all else is brighter. The very darkest may be a slip."""
    low = lowest(frames, LOWEST)
    return torch.stack(low[1:] if len(low) == LOWEST else low).mean(0)


def _laid(thing: Tensor, path: Tensor) -> Tensor:
    """A thing ``[N, C, H, W]`` in all frames of its path ``[N, P, 2]``."""
    return shifted(thing.unsqueeze(1).expand(-1, path.shape[1], -1, -1, -1), -path)

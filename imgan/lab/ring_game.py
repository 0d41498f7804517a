"""The game on a ring of eight Gaussians: how it is played, and what is measured."""

from __future__ import annotations

import math
import multiprocessing
import operator
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from statistics import mean
from typing import Any

import torch
from torch import Tensor, nn

from ..core import (
    AdversarialStep,
    GanLoss,
    ImageHistory,
    MinibatchStdDev,
    NonSaturating,
    Penalty,
    Unroll,
)
from ..machine import cores

MODES, RADIUS, SIGMA = 8, 2.0, 0.02
NEAR = 3 * SIGMA
"""A sample within so much of a mode is a good one."""

SAMPLES = 2000
"""So many samples are measured."""

STEPS, QUICK_STEPS = 1000, 24
MEASURES, SNAPSHOTS = 24, 6
"""How often a game is measured, and how many of these times its samples are kept."""

_EVERY = MEASURES // SNAPSHOTS

SHOWN = 300
"""Of the kept samples so many are drawn."""

BATCH, WIDTH, NOISE = 128, 128, 2
RATE, CRITIC_RATE = 1e-3, 4e-4
"""The critic is the slower player, as in the unrolled paper: this is where the plain game fails."""

BETAS = (0.5, 0.999)

_angles = torch.arange(MODES) * (2 * math.pi / MODES)
CENTRES = RADIUS * torch.stack([_angles.cos(), _angles.sin()], dim=1)


@dataclass(frozen=True)
class Arm:
    """One way to play; whatever is not said here is the same for all.

    ``cost`` is the time of a step beside that of the plain game, to tell the time left.
    """

    name: str
    about: str
    batch_statistics: bool = False
    loss: GanLoss = NonSaturating()  # noqa: RUF009 - frozen
    penalties: tuple[Penalty, ...] = ()
    unroll: Unroll | None = None
    history: int = 0
    critic_moves: int = 1
    critic_layers: int = 1
    critic_rate: float = CRITIC_RATE
    cost: float = 1.0


@dataclass(frozen=True)
class Play:
    """One game, measured at ``steps``.

    Args:
        steps: after so many steps each measure was taken.
        modes: modes with at least one good sample.
        good: the share of good samples.
        surest: the critic's largest logit on real samples.
        moved: how far a sample of the same noise has moved since the measure before; the first is
            measured from the untrained generator.
        samples: points ``[x, y]`` at `SNAPSHOTS` of the steps, the last included.
    """

    steps: list[int]
    modes: list[int]
    good: list[float]
    surest: list[float]
    moved: list[float]
    samples: list[list[list[float]]]

    def shown_steps(self) -> list[int]:
        """The steps of ``samples``."""
        return self.steps[_EVERY - 1 :: _EVERY]


class _Critic(nn.Module):
    """With ``batch_statistics`` its last layer sees how alike the batch is."""

    def __init__(self, layers: int, batch_statistics: bool) -> None:
        super().__init__()
        widths = [2] + [WIDTH] * layers
        hidden = [[nn.Linear(a, b), nn.ReLU()] for a, b in pairwise(widths)]
        self.hidden = nn.Sequential(*chain(*hidden))
        self.statistics = MinibatchStdDev(group_size=BATCH) if batch_statistics else None
        self.last = nn.Linear(WIDTH + batch_statistics, 1)

    def forward(self, samples: Tensor) -> Tensor:
        """``[N, 2] -> [N, 1]``."""
        features = self.hidden(samples)
        if self.statistics:
            features = self.statistics(features[:, :, None, None]).flatten(1)  # [N, WIDTH + 1]
        logits: Tensor = self.last(features)
        return logits


def real_samples(count: int) -> Tensor:
    """Points of the ring ``[count, 2]``."""
    return CENTRES[torch.randint(MODES, (count,))] + SIGMA * torch.randn(count, 2)


def coverage(samples: Tensor) -> tuple[int, float]:
    """Of points ``[N, 2]``: how many modes have a good one, and the share of good ones."""
    distance, nearest = torch.cdist(samples, CENTRES.to(samples)).min(dim=1)
    good = distance <= NEAR
    return len(set(nearest[good].tolist())), good.float().mean().item()


def play_all(
    arms: Sequence[Arm], seeds: int, steps: int, progress: Callable[[float], None]
) -> dict[str, list[Play]]:
    """The games of each arm by its name, one a seed; long ones side by side, a core each."""
    games = [(arm, seed) for seed in range(seeds) for arm in arms]
    shares = [0.0] * len(games)
    costs = [arm.cost for arm, _ in games]

    def along(game: int, share: float) -> None:
        shares[game] = share
        progress(sum(map(operator.mul, shares, costs)) / sum(costs))

    workers = min(cores(), len(games)) if steps > QUICK_STEPS else 1
    if workers == 1:
        plays = [play(*game, steps, partial(along, i)) for i, game in enumerate(games)]
    else:
        plays = _side_by_side(games, steps, workers, along)
    found: dict[str, list[Play]] = {arm.name: [] for arm in arms}
    for (arm, _), one in zip(games, plays, strict=True):
        found[arm.name].append(one)
    return found


def _side_by_side(
    games: Sequence[tuple[Arm, int]], steps: int, workers: int, along: Callable[[int, float], None]
) -> list[Play]:
    context = multiprocessing.get_context("spawn")  # torch's threads do not survive a fork
    told: Any = context.SimpleQueue()
    # The costly ones first: at the end no core waits for another.
    order = sorted(range(len(games)), key=lambda i: -games[i][0].cost)
    others = set(multiprocessing.active_children())
    pool = ProcessPoolExecutor(workers, context, _alone, (told,))
    try:
        with _undisturbed():
            jobs = {i: pool.submit(_told, i, *games[i], steps) for i in order}
        waiting = set(jobs.values())
        while waiting:
            done, waiting = wait(waiting, timeout=0.2, return_when=FIRST_EXCEPTION)
            for job in done:
                job.result()  # which raises what it raised
            while not told.empty():
                along(*told.get())
        return [jobs[i].result() for i in range(len(games))]
    finally:  # on Ctrl-C at once
        pool.shutdown(wait=False, cancel_futures=True)
        for child in set(multiprocessing.active_children()) - others:
            child.terminate()


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C waits: a process in the midst of whose start it came would print a traceback."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signals go to the main thread alone
        return
    asked: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: asked.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
    if asked:
        signal.raise_signal(signal.SIGINT)


_told_to: Any = None


def _alone(told: Any) -> None:
    """In a process of its own: one thread; Ctrl-C is the other's affair."""
    global _told_to
    _told_to = told
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    torch.set_num_threads(1)


def _told(game: int, arm: Arm, seed: int, steps: int) -> Play:
    return play(arm, seed, steps, lambda share: _told_to.put((game, share)))


def play(arm: Arm, seed: int, steps: int, progress: Callable[[float], None]) -> Play:
    """One game. The same arm and seed give the same game; the caller's random state stays."""
    found = Play([], [], [], [], [], [])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        generator = nn.Sequential(
            nn.Linear(NOISE, WIDTH), nn.ReLU(), nn.Linear(WIDTH, WIDTH), nn.ReLU(),
            nn.Linear(WIDTH, 2),
        )  # fmt: skip
        critic = _Critic(arm.critic_layers, arm.batch_statistics)
        step = AdversarialStep(
            generator,
            critic,
            torch.optim.Adam(generator.parameters(), RATE, BETAS, fused=True),
            torch.optim.Adam(critic.parameters(), arm.critic_rate, BETAS, fused=True),
            loss=arm.loss,
            penalties=arm.penalties,
            unroll=arm.unroll,
        )
        history = ImageHistory(arm.history, seed)
        noise = torch.randn(SAMPLES, NOISE)
        before = _made(generator, noise)
        due = {round(steps * (i + 1) / MEASURES) for i in range(MEASURES)}
        for at in range(1, steps + 1):
            for _ in range(arm.critic_moves):
                real, fake = real_samples(BATCH), generator(torch.randn(BATCH, NOISE))
                step.discriminator(critic, real=real, fake=history.query(fake))
            step.generator(critic, fake=fake, real=real)
            if at in due:
                before = _measure(found, at, critic, _made(generator, noise), before)
                progress(at / steps)
    return found


@torch.no_grad()
def _made(generator: nn.Module, noise: Tensor) -> Tensor:
    samples: Tensor = generator(noise)
    return samples


@torch.no_grad()
def _measure(found: Play, at: int, critic: nn.Module, made: Tensor, before: Tensor) -> Tensor:
    """Append what is measured after `at` steps; returns `made`."""
    modes, good = coverage(made)
    # In batches as in training: the critic may look at all of one.
    real = real_samples(8 * BATCH).view(8, BATCH, 2)
    found.steps.append(at)
    found.modes.append(modes)
    found.good.append(good)
    found.surest.append(max(critic(batch).max().item() for batch in real))
    found.moved.append((made - before).norm(dim=1).mean().item())
    if len(found.steps) % _EVERY == 0:
        points = made[:SHOWN].tolist()
        found.samples.append([[round(x, 3), round(y, 3)] for x, y in points])
    return made


def late(values: Sequence[float]) -> float:
    """The mean over the last quarter of a game, in which a single measure is much chance."""
    return mean(values[-math.ceil(len(values) / 4) :])

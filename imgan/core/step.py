"""The adversarial step: one move of the discriminator, one move of the generator."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor, nn
from torch.nn.utils import clip_grad_norm_, get_total_norm

from imgan.core.freeze import frozen
from imgan.core.game import Critics, Game, Samples, games
from imgan.core.health import diversity, verdicts
from imgan.core.logits import Critic, Logits, scales
from imgan.core.losses import GanLoss, NonSaturating
from imgan.core.noise import InstanceNoise
from imgan.core.penalties import Penalty
from imgan.core.unroll import Unroll

Log: TypeAlias = dict[str, Tensor]
"""Detached scalars by name, still on their device."""

Modules: TypeAlias = nn.Module | Sequence[nn.Module] | Mapping[str, nn.Module]


class AdversarialStep:
    """Both players' moves on your own modules, with your own optimizers::

        log = step.discriminator(critic, real=target, fake=fake)      # fake is detached, D moves
        log |= step.generator(critic, fake=fake, extra={"l1": l1})    # D is frozen, G moves

    Args:
        generator: the module or modules that ``optimizer_g`` trains.
        critic: the module or modules that ``optimizer_d`` trains; None when ``loss`` is None.
        optimizer_g: steps the generator; ``optimizer_d`` the critic.
        loss: the two costs. None is the MSE twin: no adversary, only ``extra`` is paid.
        weight: factor of the adversarial cost in the generator's total.
        penalties: paid by the critic in the same backward pass as its cost, each when it is due.
        backward: ``accelerator.backward``, or anything that takes the scalar.
        clip_g, clip_d: largest gradient norm of each player; None does not clip. The norms are true
            ones only without a loss scaler: prefer bf16 to fp16.
        noise: blurs what the critic sees, in both moves (not in the penalties).
        unroll: lets the generator look ahead; its move then needs ``real`` too.
        generator_every: moves of the discriminator for each one of the generator, see
            ``generator_due``.
        sync: False on a micro-batch whose gradients are only accumulated, e.g.
            ``lambda: accelerator.sync_gradients``. Clip, step and zero_grad then wait.

    During a move, forward and backward, the other player is frozen: no gradient is left in it.
    With several critics (CycleGAN) pass mappings with equal keys for ``critic``, ``real`` and
    ``fake``: there is still one move, which pays the sum.
    """

    def __init__(
        self,
        generator: Modules,
        critic: Modules | None,
        optimizer_g: torch.optim.Optimizer,
        optimizer_d: torch.optim.Optimizer | None = None,
        *,
        loss: GanLoss | None = NonSaturating(),  # noqa: B008 - frozen
        weight: float = 1.0,
        penalties: Sequence[Penalty] = (),
        backward: Callable[[Tensor], object] = torch.Tensor.backward,
        clip_g: float | None = None,
        clip_d: float | None = None,
        noise: InstanceNoise | None = None,
        unroll: Unroll | None = None,
        generator_every: int = 1,
        sync: Callable[[], bool] = lambda: True,
    ) -> None:
        if loss is not None and (critic is None or optimizer_d is None):
            raise ValueError("an adversarial loss needs a critic and its optimizer")
        if generator_every < 1 or any(penalty.every < 1 for penalty in penalties):
            raise ValueError("generator_every and each penalty's every must be 1 or more")
        if len({penalty.name for penalty in penalties}) < len(penalties):
            raise ValueError("two penalties have the same name")
        self.optimizer_g, self.optimizer_d = optimizer_g, optimizer_d
        self.loss, self.weight, self.penalties = loss, weight, tuple(penalties)
        self.clip_g, self.clip_d = clip_g, clip_d
        self.noise, self.unroll, self.generator_every = noise, unroll, generator_every
        self.moves = 0  # finished moves of the discriminator
        self._move = 0  # the one that the last call belonged to, counted from 1
        self._generators, self._critics = _modules(generator), _modules(critic)
        self._backward, self._sync = backward, sync

    @property
    def generator_due(self) -> bool:
        """Ask after `discriminator` whether the generator moves in this round too."""
        return self.loss is None or self._move % self.generator_every == 0

    def discriminator(
        self,
        critic: Critics | None,
        *,
        real: Samples,
        fake: Samples,
        penalty_critic: Critics | None = None,
    ) -> Log:
        """Move the critic; real and fake ``[N, ...]`` are detached. The MSE twin returns {}.

        Args:
            critic: maps samples to logits; a condition goes in by closure, detached.
            real: samples of the data.
            fake: generated samples, for example out of an `ImageHistory`.
            penalty_critic: the float32 critic for the penalties, where autocast is baked into the
                forward of ``critic``.

        Returns:
            ``d_loss`` (all that was paid), ``d_adversarial``, ``grad_norm_d`` (before clipping),
            and for each critic ``logits_real``, ``logits_fake`` (means), ``accuracy_real``,
            ``accuracy_fake`` (see `verdicts`), `diversity`, and each penalty under its name when it
            was paid (without its factor ``every``). Of several critics, these end in ``_key``, and
            ``d_key`` is the adversarial cost of each.

        Raises:
            ValueError: the keys differ.
        """
        if self.loss is None or self.optimizer_d is None:
            return {}
        rounds = games(critic, fake, real)
        penalized = rounds if penalty_critic is None else games(penalty_critic, fake, real)
        self._move = self.moves + 1
        log: Log = {}
        with frozen(*self._generators):
            costs = [self._judge(self.loss, game, log) for game in rounds]
            log["d_adversarial"] = torch.stack(costs).sum()
            dues = [self._pay(game, log) for game in penalized]
            log["d_loss"] = torch.stack([log["d_adversarial"], *dues]).sum()
            self._backward(log["d_loss"])
        if self._sync():
            log["grad_norm_d"] = _descend(self.optimizer_d, self.clip_d)
            self.moves += 1
        return _detached(log)

    def generator(
        self,
        critic: Critics | None = None,
        *,
        fake: Samples,
        real: Samples | None = None,
        extra: Mapping[str, Tensor] | None = None,
    ) -> Log:
        """Move the generator against a frozen critic.

        Args:
            critic: as in `discriminator`; the MSE twin does not call it, and with an empty mapping
                only ``extra`` is paid in this round.
            fake: generated samples with their graph.
            real: samples of the data, where the loss is relativistic or the critic unrolled.
            extra: further costs by name, already weighted. One that runs through the critic, such
                as feature matching, is best computed inside ``with frozen(critic_module):``, which
                saves the gradients that the step would throw away.

        Returns:
            ``g_loss`` (all that was paid), ``g_adversarial`` (before ``weight``; of several critics
            also ``g_key`` for each), every extra by its name, ``grad_norm_g`` (before clipping).

        Raises:
            ValueError: ``real`` is missing, ``fake`` has no graph, keys differ, an extra takes a
                name of the step's own, or there is nothing to pay.
        """
        log = dict(extra or {})
        costs = list(log.values())
        rounds = [] if self.loss is None else games(critic, fake, real)
        own = {"g_loss", "g_adversarial", "grad_norm_g"} | {f"g{game.suffix}" for game in rounds}
        if taken := log.keys() & own:
            raise ValueError(f"extra losses may not be called {sorted(taken)}")
        rounds = [self._opponent(game) for game in rounds]
        with frozen(*self._critics):
            if self.loss is not None and rounds:
                log["g_adversarial"] = self._fool(self.loss, rounds, log)
                costs.append(self.weight * log["g_adversarial"])
            if not costs:
                raise ValueError("loss=None and no extra: the generator has nothing to pay")
            log["g_loss"] = torch.stack(costs).sum()
            self._backward(log["g_loss"])
        if self._sync():
            log["grad_norm_g"] = _descend(self.optimizer_g, self.clip_g)
        return _detached(log)

    def state_dict(self) -> dict[str, Any]:
        """The count of moves, on which lazy penalties, noise and ``generator_due`` depend."""
        return {"moves": self.moves}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on exactly where `state_dict` was taken."""
        self.moves = self._move = state["moves"]

    def _judge(self, loss: GanLoss, game: Game, log: Log) -> Tensor:
        """The critic's cost of one game; writes its health numbers to ``log``."""
        suffix, critic, real, fake = game
        assert real is not None  # `discriminator` always has real samples
        real, fake = real.detach(), fake.detach()
        noisy = self._noisy(critic)
        on_real, on_fake = noisy(real), noisy(fake)
        cost = loss.discriminator(on_real, on_fake)
        if suffix:
            log[f"d{suffix}"] = cost
        log[f"logits_real{suffix}"], log[f"logits_fake{suffix}"] = _mean(on_real), _mean(on_fake)
        shares = verdicts(on_real, on_fake, loss.boundary)
        log[f"accuracy_real{suffix}"], log[f"accuracy_fake{suffix}"] = shares
        log[f"diversity{suffix}"] = diversity(fake, real)
        return cost

    def _pay(self, game: Game, log: Log) -> Tensor:
        """The penalties due in this move; the first move pays all of them."""
        assert game.real is not None  # as above
        due = game.fake.new_zeros((), dtype=torch.float32)
        for penalty in self.penalties:
            if (self._move - 1) % penalty.every == 0:
                value = penalty(game.critic, game.real.detach(), game.fake.detach())
                log[f"{penalty.name}{game.suffix}"] = value
                due = due + penalty.every * value
        return due

    def _opponent(self, game: Game) -> Game:
        """The game with the critic as the generator meets it: noisy, and looked ahead of."""
        if not game.fake.requires_grad:
            raise ValueError("fake has no graph: the adversarial cost cannot reach the generator")
        if self.loss is not None and self.loss.needs_real and game.real is None:
            raise ValueError("this loss needs real= in the generator's move too")
        critic = self._noisy(game.critic)
        if self.loss is not None and self.unroll is not None:
            if game.real is None:
                raise ValueError("an unrolled critic needs real= in the generator's move too")
            critic = self.unroll(
                critic, self._critics, loss=self.loss, real=game.real, fake=game.fake
            )
        return game._replace(critic=critic)

    def _fool(self, loss: GanLoss, rounds: list[Game], log: Log) -> Tensor:
        """The generator's adversarial cost, summed over the games."""
        costs = []
        for suffix, critic, real, fake in rounds:
            on_real = critic(real) if loss.needs_real and real is not None else None
            costs.append(loss.generator(critic(fake), on_real))
            if suffix:
                log[f"g{suffix}"] = costs[-1]
        return torch.stack(costs).sum()

    def _noisy(self, critic: Critic) -> Critic:
        noise, move = self.noise, max(0, self._move - 1)
        return critic if noise is None else lambda samples: critic(noise(samples, move))


def _descend(optimizer: torch.optim.Optimizer, clip: float | None) -> Tensor:
    """Clip, step and clear what the optimizer holds; returns the gradient norm before clipping.

    Gradients are cleared here and not before backward, where earlier micro-batches would be lost.
    """
    parameters = [p for group in optimizer.param_groups for p in group["params"]]
    if clip is None:
        norm = get_total_norm([p.grad for p in parameters if p.grad is not None])
    else:
        norm = clip_grad_norm_(parameters, clip)
    optimizer.step()
    optimizer.zero_grad(set_to_none=True)
    return norm


def _modules(modules: Modules | None) -> list[nn.Module]:
    if modules is None:
        return []
    if isinstance(modules, Mapping):
        return list(modules.values())
    return [modules] if isinstance(modules, nn.Module) else list(modules)


def _mean(logits: Logits) -> Tensor:
    return torch.stack([values.mean() for values in scales(logits)]).mean()


def _detached(log: Log) -> Log:
    return {name: value.detach() for name, value in log.items()}

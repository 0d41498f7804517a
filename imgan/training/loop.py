"""The training loop: one for all pipelines. It knows players, steps and files, and no pipeline."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from accelerate.utils import gather_object, set_seed
from torch import nn

from ..core import EMA, AdversarialStep, Log, NotFinite
from ..errors import ImganError, Stopped
from ..files import write_json
from ..model_file import Card
from ..pipelines import make_pipeline
from ..pipelines.costs import gan_loss, health, noise, penalty
from ..pipelines.pipeline import Batch, Choosing, Pipeline
from ..recipe import Recipe
from . import checkpoint
from .best import Best
from .optimizers import make_optimizer
from .outputs import Outputs
from .progress import Display, Metrics
from .run_folder import RunFolder
from .runtime import LostProcess, explained, make_accelerator, on_interrupt
from .schedule import rate_factor
from .stream import Portions, stream

AGREE_EVERY = 8
"""Steps between two looks of several GPUs at whether one was asked to stop; a look makes them wait.
Processors look at every step: beside theirs it is nothing, and a launcher waits for seconds only.
"""

LONGEST = 600
"""Seconds of work that a power cut may cost: where steps are slow checkpoints come oftener."""


class Trainer:
    """A run: everything from the recipe to the model file.

    Args:
        recipe: what to train.
        folders: the data.
        out: the run's folder; a run that lies there goes on.
        resume: insist that there is one.
        device: as in `imgan.inference.device.choose`.
        quiet: show nothing on the terminal.
        make: the pipeline of a recipe, where it is made with modules of the caller's own.
        task, later: see `Display`.

    Raises:
        ImganError: the data or the folder cannot be used.
    """

    def __init__(
        self,
        recipe: Recipe,
        folders: Sequence[Path],
        out: Path,
        resume: bool = False,
        device: str | None = None,
        quiet: bool = False,
        make: Callable[[Recipe], Pipeline] = make_pipeline,
        task: str = "step",
        later: int = 0,
    ) -> None:
        self.recipe, self.folder = recipe, RunFolder(out)
        self.folder.check(recipe, resume)
        state, warnings = checkpoint.load(self.folder.checkpoints)
        began = state.get("precision") if state else None
        self.accelerator = make_accelerator(recipe, out, device, began)
        main = self.accelerator.is_main_process
        set_seed(recipe.seed)
        # A run that goes on has its weights, and may have outlived those that it began from.
        begun = state is not None and "parent" in state
        self.pipeline = make(recipe.model_copy(update={"init": None}) if begun else recipe)
        self.best = Best()
        self.step_number = 0
        self._stopping = False
        self._portions()  # before the work: can the batch be shared out?
        try:
            recipe.check_batches(self.accelerator.num_processes)
        except ValueError as error:
            raise ImganError(str(error)) from None
        self.display = Display(main and not quiet, recipe.train.steps, task, later)
        for warning in warnings:
            self.display.say(warning)
        try:
            with self.accelerator.main_process_first():  # it fills the cache, the others read it
                self.dataset = self.pipeline.dataset(folders, self._decoding)
        except RuntimeError as error:
            processes = self.accelerator.num_processes
            meant = explained(error, processes, out, self._last())
            if isinstance(meant, LostProcess):  # the first one, while the others waited for it
                raise meant from error
            raise
        skipped = self.pipeline.data_card()["skipped"]
        for file, reason in skipped.items():
            self.display.say(f"skipped {file}: {reason}")
        if skipped:
            self.display.say(f"{len(skipped)} files in all are skipped")
        self.health = health(recipe)
        self._prepare()
        self._parent = self.pipeline.card().parent
        if state:
            self._resume(state)
        self.outputs = Outputs(
            recipe, self.folder, self.pipeline, self.ema, self.best, self._parent, self.precision
        )

    # -- setting up ------------------------------------------------------------------------------

    def _prepare(self) -> None:
        """Networks and optimizers onto the device, wrapped for precision and processes."""
        train, own = self.recipe.train, self.pipeline.networks
        # A critic whose gradient is reversed plays on the generator's side, without its own moves.
        adversary = self.recipe.adversary if self.pipeline.critics else None
        layout = torch.channels_last if train.channels_last else torch.contiguous_format
        for network in own.values():
            network.to(self.accelerator.device, memory_format=layout)  # type: ignore[call-overload]
            network.train()
        self.exact = {role: network.forward for role, network in own.items()}
        if train.compile:
            for network in own.values():
                network.compile()
        players = [n for role, n in own.items() if role not in self.pipeline.critics]
        critics = [own[role] for role in self.pipeline.critics]
        optimizers = [make_optimizer(train.optimizer, players)]
        if adversary:
            optimizers.append(make_optimizer(adversary.optimizer, critics))
        prepare = self.accelerator.prepare
        self.players = {role: prepare(network) for role, network in own.items()}
        self.optimizers = [prepare(optimizer) for optimizer in optimizers]
        self.rates = [[g["lr"] for g in o.param_groups] for o in self.optimizers]
        for module in self.pipeline.frozen:
            module.to(memory_format=layout)
            self.accelerator.prepare_model(module, evaluation_mode=True)
        self.ema = EMA(
            nn.ModuleDict({r: n for r, n in own.items() if r not in self.pipeline.critics}),
            train.ema,
        )
        self.game = AdversarialStep(
            players,
            critics or None,
            self.optimizers[0],
            self.optimizers[1] if adversary else None,
            loss=gan_loss(adversary) if adversary else None,
            weight=adversary.weight if adversary else 1.0,
            penalties=[penalty(p) for p in adversary.penalties] if adversary else (),
            noise=noise(adversary) if adversary else None,
            generator_every=adversary.critic_moves if adversary else 1,
            clip_g=train.optimizer.clip,
            clip_d=adversary.optimizer.clip if adversary else None,
            backward=self.accelerator.backward,
            sync=lambda: bool(self.accelerator.sync_gradients),
        )

    def _decoding(self, done: int, total: int) -> None:
        if done == total or done % 20 == 0:
            self.display.say(f"read: {done} of {total}")

    @property
    def precision(self) -> str:
        """What is computed in: ``bf16`` or ``float32``."""
        return "bf16" if self.accelerator.mixed_precision == "bf16" else "float32"

    def _resume(self, state: dict[str, Any]) -> None:
        """Go on from a checkpoint."""
        if state["data"] != self.dataset.fingerprint:
            raise ImganError(
                f"the data is not what the run in {self.folder.path} was started on; give the same "
                "files, or another --out"
            )
        for role, network in self.pipeline.networks.items():
            network.load_state_dict(state["networks"][role])
        for optimizer, saved in zip(self.optimizers, state["optimizers"], strict=True):
            optimizer.load_state_dict(saved)
        self.ema.load_state_dict(state["ema"])
        self.game.load_state_dict(state["game"])
        self.best.load_state_dict(state.get("best", {}))
        own = state["processes"]
        self.pipeline.load_state_dict(own[self.accelerator.process_index % len(own)])
        if parent := state.get("parent"):
            self._parent = Card.model_validate(parent)
        self.step_number = state["step"]
        self.display.start = self.step_number
        self.display.say(f"goes on at step {self.step_number}, in {self.precision}")

    # -- one step --------------------------------------------------------------------------------

    def batches(self) -> Iterator[Batch]:
        """This process's micro-batches from the present step on, on the device."""
        device = self.accelerator.device
        for batch in stream(self.dataset, self._portions(), self.recipe.train.workers):
            yield {k: v.to(device) for k, v in batch.items()}

    def _portions(self) -> Portions:
        train, accelerator = self.recipe.train, self.accelerator
        return Portions(
            self.step_number,
            train.steps,
            train.batch,
            train.accumulate,
            accelerator.process_index,
            accelerator.num_processes,
        )

    def step(self, batches: Iterator[Batch]) -> None:
        """Take a batch and make one move of each player: random state and rate follow the step."""
        train = self.recipe.train
        factor = rate_factor(train.schedule, self.step_number, train.steps)
        for optimizer, rates in zip(self.optimizers, self.rates, strict=True):
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["lr"] = rate * factor
        process = self.accelerator.process_index
        torch.manual_seed(hash((self.recipe.seed, self.step_number, process)) % 2**63)
        for _ in range(train.accumulate):
            batch = next(batches)
            with self.accelerator.accumulate(*self.players.values()):
                log: Log = self.pipeline.move(self.players, self.exact, batch, self.game)
            self.health.add(log)
        if self.game.generator_due:
            self.ema.update()
        self.step_number += 1

    # -- the run ---------------------------------------------------------------------------------

    def run(self) -> Path:
        """Train to the last step and return the model file.

        Raises:
            Stopped: Ctrl-C or SIGTERM; a checkpoint is saved.
            ImganError: a number is not finite, a process died, or the disk is full; the last
                checkpoint stays.
        """
        train = self.recipe.train
        if self.step_number >= train.steps:
            if self.accelerator.is_main_process and not self.outputs.model_is_of(self.step_number):
                self.metrics = Metrics(self.folder.metrics, self.step_number)
                # A run that was killed between its two last files.
                self.outputs.model(self.step_number, self.metrics.rows)
                self.metrics.close()
            self.display.say(f"the run in {self.folder.path} is finished; more: train.steps")
            return self.folder.model
        if train.tracker:
            self.accelerator.init_trackers(self.recipe.name)
        alone = self.folder.held() if self.accelerator.is_main_process else nullcontext()
        with on_interrupt(self.ask_to_stop), alone:
            try:
                if self.accelerator.is_main_process:
                    self.folder.write_recipe(self.recipe)
                    write_json(self.folder.data, self.pipeline.data_card())
                    self.metrics = Metrics(self.folder.metrics, self.step_number)
                with self.display.running():
                    self._loop()
            except NotFinite as error:
                critic = " (adversary.optimizer for the critic's)" if self.pipeline.critics else ""
                raise ImganError(
                    f"step {self.step_number}: {error} {self._last()} The same command goes on "
                    "from it, with --set train.optimizer.rate or train.optimizer.clip "
                    f"changed{critic}."
                ) from None
            except (RuntimeError, ValueError, OSError) as error:
                processes = self.accelerator.num_processes
                raise explained(error, processes, self.folder.path, self._last()) from error
            finally:
                self._finish()
        if self.best.states and isinstance(self.pipeline, Choosing):
            self.display.say(self.best.told(self.pipeline.rule))
        self.display.say(f"done: {self.folder.model}")
        return self.folder.model

    def ask_to_stop(self) -> None:
        """End the run after the present step, with a checkpoint."""
        self._stopping = True

    def _loop(self) -> None:
        train, batches = self.recipe.train, self.batches()
        self._clock, self._clock_step = time.monotonic(), self.step_number
        self._saved = time.monotonic()
        if self.step_number == 0:
            self._preview()
        while self.step_number < train.steps:
            self.step(batches)
            n, last = self.step_number, self.step_number == train.steps
            self.display.advance(n)
            stopping, due = self._agreed()
            if last or n % train.validate_every == 0:
                self._validate()
            if last or n % train.log_every == 0:
                self._report()
            if last or n % train.preview_every == 0:
                self._preview()
            if last or stopping or due or n % train.checkpoint_every == 0:
                self._save()
            if stopping and not last:
                raise Stopped(f"stopped at step {n}; the same command goes on from there")

    def _validate(self) -> None:
        """Where the pipeline chooses among checkpoints: score the averaged networks."""
        if not isinstance(self.pipeline, Choosing) or not self.accelerator.is_main_process:
            return
        with self.ema.averaged() as players, torch.no_grad():
            assert isinstance(players, nn.ModuleDict)
            players.eval()
            score, known = self.pipeline.scores(dict(players.items()))
            players.train()
            self.best.offer(self.step_number, score, known, players)
        self.metrics.scores = known
        shown = ", ".join(f"{name} {value:.3f}" for name, value in known.items())
        self.display.say(f"step {self.step_number}: {shown}")

    def _agreed(self) -> tuple[bool, bool]:
        """Whether any process was asked to stop, and whether a checkpoint is due by the clock.

        All processes must do the same at the same step.
        """
        own = self._stopping, time.monotonic() - self._saved > LONGEST
        if self.accelerator.num_processes == 1:
            return own
        device = self.accelerator.device
        if device.type != "cpu" and self.step_number % AGREE_EVERY:
            return False, False
        anyone = self.accelerator.reduce(torch.tensor(own, dtype=torch.float, device=device), "sum")
        stopping, due = (anyone > 0).tolist()
        return stopping, due

    def _report(self) -> None:
        report = self.health.report()
        now, steps = time.monotonic(), self.step_number - self._clock_step
        rate = steps * self.recipe.train.batch / (now - self._clock)
        self._clock, self._clock_step = now, self.step_number
        if not self.accelerator.is_main_process:
            return
        row = {"step": self.step_number, "images_per_second": round(rate, 2)}
        row |= {name: float(f"{value:.6g}") for name, value in report.means.items()}
        row |= {name: float(f"{value:.6g}") for name, value in self.metrics.scores.items()}
        row["rate"] = self.optimizers[0].param_groups[0]["lr"]
        self.metrics.write(row | {"warnings": report.warnings} if report.warnings else row)
        self.accelerator.log(row, step=self.step_number)
        self.display.report(rate, report.means)
        for warning in report.warnings:
            self.display.say(f"step {self.step_number}: {warning}")

    def _preview(self) -> None:
        if self.accelerator.is_main_process:
            self.outputs.preview(self.step_number, self.dataset, self.accelerator.device)
            self.outputs.page(self.display.say)

    def _save(self) -> None:
        """Checkpoint and model file, by the main process alone, after a look at the numbers."""
        self.health.check()
        for role, network in self.pipeline.networks.items():
            if not all(bool(torch.isfinite(p).all()) for p in network.parameters()):
                raise NotFinite(f"The weights of {role} are no longer finite numbers.")
        processes = gather_object([self.pipeline.state_dict()])
        if self.accelerator.is_main_process:
            state = {
                "step": self.step_number,
                "data": self.dataset.fingerprint,
                "networks": {k: n.state_dict() for k, n in self.pipeline.networks.items()},
                "optimizers": [o.state_dict() for o in self.optimizers],
                "ema": self.ema.state_dict(),
                "game": self.game.state_dict(),
                "best": self.best.state_dict(),
                "processes": processes,
                "precision": self.precision,
                "parent": self._parent and self._parent.model_dump(mode="json"),
            }
            checkpoint.save(
                self.folder.checkpoints, self.step_number, state, self.recipe.train.keep
            )
            self.outputs.model(self.step_number, self.metrics.rows)
            self.outputs.page(self.display.say)
        self._saved = time.monotonic()
        self.accelerator.wait_for_everyone()

    # -- ending ----------------------------------------------------------------------------------

    def _last(self) -> str:
        files = checkpoint.found(self.folder.checkpoints)
        if not files:
            return "There is no checkpoint yet."
        return f"The last checkpoint is that of step {checkpoint.step_of(files[0])}."

    def _finish(self) -> None:
        if hasattr(self, "metrics"):
            self.metrics.close()
        # gloo can abort at exit while prepared objects are alive.
        self.accelerator.free_memory()
        self.accelerator.end_training()

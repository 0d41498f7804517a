"""Numbers that tell how the game stands, and a monitor that puts them in plain words."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from imgan.core.logits import Logits, full_precision, scales


class NotFinite(FloatingPointError):
    """A logged number became NaN or infinite; raised before the weights reach a checkpoint.

    The networks are then spoilt too: go on from the last checkpoint, with something changed.
    """


@torch.no_grad()
def verdicts(real: Logits, fake: Logits, boundary: float | None) -> tuple[Tensor, Tensor]:
    """Shares of real and of fake logits on the right side of ``boundary``: two scalars in [0, 1].

    Where a loss knows only differences (``boundary`` None: Wasserstein, relativistic), real logits
    are right above the mean fake one, and fake logits below the mean real one.
    """
    shares = []
    for x, y in zip(scales(real), scales(fake), strict=True):
        over, under = (y.mean(), x.mean()) if boundary is None else (boundary, boundary)
        shares.append(torch.stack([(x > over).float().mean(), (y < under).float().mean()]))
    on_real, on_fake = torch.stack(shares).mean(0).unbind()
    return on_real, on_fake


@torch.no_grad()
def diversity(fake: Tensor, real: Tensor) -> Tensor:
    """Spread of a batch of fakes relative to that of the reals: near 0 when they are all alike.

    The ratio of the mean standard deviations over the batch, a scalar. Samples are ``[N, ...]``;
    with N = 1 there is no spread to see, and the answer is 1.
    """
    if len(fake) < 2 or len(real) < 2:
        return torch.ones((), device=fake.device)
    spreads = [_deviation(full_precision(samples)) for samples in (fake, real)]
    return spreads[0] / spreads[1].clamp(min=1e-6)


def _deviation(samples: Tensor) -> Tensor:
    """``samples.std(0).mean()``, which on a CPU takes longer than a small network's step."""
    squares = (samples - samples.mean(0)).square().sum(0) / (len(samples) - 1)
    return squares.sqrt().mean()


@dataclass(frozen=True)
class Report:
    """The mean of each number since the last report, and what they warn of."""

    means: dict[str, float]
    warnings: list[str] = field(default_factory=list)


class Health:
    """Collects the step's logs without waiting for the device; `report` reads them at once.

    `add` sums on the device. Only `report` and `check` synchronize, and only they notice a number
    that is not finite: call `check` before each checkpoint. A warning needs ``patience`` reports in
    a row with the same symptom:

    - the critic has won: right on more than ``accuracy`` of both kinds, while the generator's cost
      does not fall. None turns this off, as for Wasserstein, whose critic is meant to be ahead;
    - the generator has collapsed: `diversity` under ``diversity``. ``statistics`` is what the
      warning calls the layer that lets a critic see it.
    """

    def __init__(
        self,
        patience: int = 3,
        accuracy: float | None = 0.95,
        diversity: float = 0.1,
        statistics: str = "MinibatchStdDev",
    ) -> None:
        self.patience = patience
        self.accuracy = accuracy
        self.diversity = diversity
        self.statistics = statistics
        self._sums: dict[str, Tensor] = {}
        self._counts: Counter[str] = Counter()
        self._ahead: dict[str, list[float]] = {}  # the generator's costs while the critic is ahead
        self._alike: Counter[str] = Counter()

    def add(self, log: Mapping[str, Tensor]) -> None:
        """Take in one step's log of scalars."""
        for name, value in log.items():
            value = value.detach().float()
            self._sums[name] = self._sums[name] + value if name in self._sums else value
            self._counts[name] += 1

    def check(self) -> None:
        """Synchronize and look at all that was added since the last report.

        Raises:
            NotFinite: a number is NaN or infinite.
        """
        self._means()

    def report(self) -> Report:
        """Synchronize, return the means and warnings, and start anew.

        Raises:
            NotFinite: a number is NaN or infinite.
        """
        means = self._means()
        self._sums.clear()
        self._counts.clear()
        keys = [
            name.removeprefix("logits_fake") for name in means if name.startswith("logits_fake")
        ]
        warnings = [
            text for key in keys for text in (self._won(means, key), self._collapsed(means, key))
        ]
        return Report(means, [text for text in warnings if text])

    def _means(self) -> dict[str, float]:
        if not self._sums:
            return {}
        device = next(iter(self._sums.values())).device
        sums = torch.stack([value.to(device) for value in self._sums.values()])
        counts = sums.new_tensor([self._counts[name] for name in self._sums])
        means = dict(zip(self._sums, (sums / counts).tolist(), strict=True))
        bad = [name for name, mean in means.items() if not abs(mean) < float("inf")]
        if bad:
            raise NotFinite(
                f"not finite: {', '.join(bad)}. Lower learning rates or clipped gradients prevent "
                "this, and bf16 or float32 instead of fp16."
            )
        return means

    def _won(self, means: dict[str, float], key: str) -> str | None:
        cost = means.get(f"g{key}", means.get("g_adversarial"))  # "g_a" for the critic "_a"
        right = min(means[f"accuracy_real{key}"], means[f"accuracy_fake{key}"])
        if self.accuracy is None or cost is None or right <= self.accuracy:
            self._ahead.pop(key, None)
            return None
        costs = self._ahead.setdefault(key, [])
        costs.append(cost)
        if len(costs) < self.patience or cost < costs[-self.patience]:
            return None
        return (
            f"the critic{_of(key)} has won: right on {right:.0%} of both kinds for {len(costs)} "
            "reports, and the generator's cost does not fall. Lower the critic's learning rate, "
            "raise its gradient penalty, or smooth its labels."
        )

    def _collapsed(self, means: dict[str, float], key: str) -> str | None:
        ratio = means.get(f"diversity{key}", 1.0)
        self._alike[key] = self._alike[key] + 1 if ratio < self.diversity else 0
        if self._alike[key] < self.patience:
            return None
        return (
            f"the generator{_of(key)} has collapsed: for {self._alike[key]} reports its samples "
            f"vary only {ratio:.1%} as much as the real ones. Go back to an earlier checkpoint, "
            f"lower its learning rate, or show the critic whole batches ({self.statistics})."
        )


def _of(key: str) -> str:
    return f" of {key.removeprefix('_')!r}" if key else ""

"""What the recipes of all pipelines say alike: the game, the optimizers, the training."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, model_validator

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Count = Annotated[int, Field(ge=1)]
Momentum = Annotated[float, Field(ge=0, lt=1)]


class Strict(BaseModel):
    """A section that takes no key it does not know.

    Where a section has a default and some of its keys are given, the others keep that default's
    values; another variant (of another `name` or `kind`) is what is given alone.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _over_defaults(cls, given: Any) -> Any:
        if not isinstance(given, dict):
            return given
        found = dict(given)
        for key, field in cls.model_fields.items():
            default = field.default
            if isinstance(given.get(key), dict) and isinstance(default, BaseModel):
                found[key] = _over(default, given[key])
        return found


def _over(default: Any, given: dict[str, Any]) -> dict[str, Any]:
    """What is given of a section, and the rest by its default."""
    fields = type(default).model_fields
    for tag in ("name", "kind"):
        variants = get_args(fields[tag].annotation) if tag in fields else ()
        if len(variants) == 1 and given.get(tag, variants[0]) != variants[0]:
            return given
    found: dict[str, Any] = default.model_dump()
    for key, value in given.items():
        inner = getattr(default, key, None)
        nested = isinstance(value, dict) and isinstance(inner, BaseModel)
        found[key] = _over(inner, value) if nested else value
    return found


Width = Annotated[int, Field(ge=4, le=512)]


def _norm(value: Any) -> Any:
    """True and False are what recipes said before instance norm could be chosen."""
    return {True: "batch", False: "none"}.get(value, value) if isinstance(value, bool) else value


Norm = Annotated[Literal["batch", "instance", "none"], BeforeValidator(_norm)]


class AnyCritic(Strict):
    """The base of all critics' sections: what the sides of their images must be, in pixels."""

    @property
    def least(self) -> int:
        """The smallest that leaves it more than a border."""
        return 16

    @property
    def size_multiple(self) -> int:
        """Sides are multiples of this."""
        return 1

    def check(self, side: int, setting: str) -> None:
        """Refuse images of `side` pixels, which come from `setting`.

        Raises:
            ValueError: they do not fit.
        """
        name: str = self.name  # type: ignore[attr-defined]  # each has its own literal
        if side % self.size_multiple:
            raise ValueError(
                f"the {name} critic takes sides in multiples of {self.size_multiple} and "
                f"{setting} is {side}; change one of them"
            )
        if side < self.least:
            raise ValueError(
                f"the {name} critic needs {self.least} pixels and {setting} is {side}; raise it, "
                "or take a smaller critic"
            )


class SRGANCriticSpec(AnyCritic):
    """`imgan.networks.SRGANCritic`.

    `minibatch_stddev`, here and below: the critic sees how much the images of a batch differ, which
    a generator that has collapsed gives away (Karras et al. 2018, section 3).
    """

    name: Literal["srgan"] = "srgan"
    width: Annotated[int, Field(ge=4, le=256)] = 64
    norm: bool = True
    minibatch_stddev: bool = False


class PatchCriticSpec(AnyCritic):
    """`imgan.networks.PatchCritic`; layers 0, 1, 3, 5 see 1, 16, 70, 286 pixels."""

    name: Literal["patch"] = "patch"
    width: Annotated[int, Field(ge=4, le=256)] = 64
    layers: Annotated[int, Field(ge=0, le=5)] = 3
    norm: Norm = "batch"
    minibatch_stddev: bool = False

    @property
    def least(self) -> int:
        """Some logits, of which not every one lies at the border."""
        return int(2 ** (self.layers + 2))


class MultiscaleCriticSpec(AnyCritic):
    """`imgan.networks.MultiscaleCritic`: patch critics on the image and on it made smaller."""

    name: Literal["multiscale"]
    width: Annotated[int, Field(ge=4, le=256)] = 64
    layers: Annotated[int, Field(ge=0, le=5)] = 3
    scales: Annotated[int, Field(ge=1, le=4)] = 3
    norm: Norm = "instance"
    minibatch_stddev: bool = False

    @property
    def least(self) -> int:
        """The last one sees the image halved so often."""
        return int(2 ** (self.layers + 2 + self.scales - 1))


class UNetCriticSpec(AnyCritic):
    """`imgan.networks.UNetCritic`."""

    name: Literal["unet"]
    width: Annotated[int, Field(ge=4, le=256)] = 64

    @property
    def size_multiple(self) -> int:
        """It halves its input three times."""
        return 8


class Optimizer(Strict):
    """A player's optimizer.

    `muon` moves the weights of inner layers by orthogonalised momentum (Jordan 2024) and the rest
    by Adam at `rate` * `adam_share`.
    """

    name: Literal["adam", "muon"] = "adam"
    rate: Positive = 2e-4
    betas: tuple[Momentum, Momentum] = (0.9, 0.99)
    momentum: Momentum = 0.95
    adam_share: Positive = 0.5
    clip: Positive | None = None


class Penalty(Strict):
    """A regulariser of the critic, paid every `every`-th move and scaled by it."""

    name: Literal["r1", "r2", "wgan-gp", "dragan"]
    weight: Positive
    every: Count = 1


CriticSpec = Annotated[
    SRGANCriticSpec | PatchCriticSpec | MultiscaleCriticSpec | UNetCriticSpec,
    Field(discriminator="name"),
]


class Adversary(Strict):
    """The game: which costs the two players pay.

    `weight` is that of the adversarial term in the generator's cost. `critic_moves` is how many
    moves the critic makes for one of the generator, `history` how many generated images are kept
    to be shown to it again, `noise` the instance noise that fades out over `noise_until` moves.
    """

    critic: CriticSpec = SRGANCriticSpec()
    loss: Literal[
        "minimax",
        "non-saturating",
        "maximum-likelihood",
        "least-squares",
        "wasserstein",
        "hinge",
        "relativistic",
    ] = "non-saturating"
    weight: Positive = 1e-3
    label_smoothing: Annotated[float, Field(ge=0, lt=0.5)] = 0.0
    penalties: tuple[Penalty, ...] = ()
    critic_moves: Count = 1
    optimizer: Optimizer = Optimizer(rate=1e-4)
    history: Annotated[int, Field(ge=0)] = 0
    noise: NotNegative = 0.0
    noise_until: Count = 1000

    @model_validator(mode="after")
    def _pairs(self) -> Adversary:
        if self.label_smoothing and self.loss != "non-saturating":
            raise ValueError(
                f"label_smoothing belongs to the non-saturating cost, not to {self.loss}; set it "
                "to 0 or take loss: non-saturating"
            )
        wgan_gp = any(p.name == "wgan-gp" for p in self.penalties)
        if self.loss == "wasserstein" and not wgan_gp:
            raise ValueError(
                "wasserstein needs a critic that is 1-Lipschitz; add "
                "penalties: [{name: wgan-gp, weight: 10}]"
            )
        if len({p.name for p in self.penalties}) < len(self.penalties):
            raise ValueError("a penalty stands twice in penalties; add their weights")
        if "noise_until" in self.model_fields_set and "noise" not in self.model_fields_set:
            raise ValueError(
                f"noise_until {self.noise_until} does nothing without noise; set noise"
            )
        batch_norm = getattr(self.critic, "norm", False) in (True, "batch")
        if self.penalties and batch_norm:
            raise ValueError(
                "a gradient penalty is per sample and batch norm mixes samples; set "
                "critic.norm: false or take no penalties"
            )
        return self


class Pixel(Strict):
    """The pixel cost."""

    kind: Literal["l1", "mse"] = "l1"
    weight: NotNegative = 1.0


class Perceptual(Strict):
    """Distance of VGG-19 features: `layers` maps a layer to its weight.

    `weights` is a local file; without it torchvision's cache or download is used.
    """

    layers: Annotated[dict[str, Positive], Field(min_length=1)] = {"conv5_4": 1.0}
    criterion: Literal["l1", "mse", "relative", "direction"] = "relative"
    weight: Positive = 1.0
    weights: Path | None = None


class Lpips(Strict):
    """LPIPS as a cost."""

    backbone: Literal["squeeze", "alex", "vgg"] = "vgg"
    weight: Positive = 1.0
    weights: Path | None = None


class Schedule(Strict):
    """The rate's factor by step: up over `warmup` steps, flat, down over the last `decay` share.

    `shape` is that of the way down: ``linear`` or ``cosine``; it ends at `floor` of the rate.
    """

    warmup: Annotated[int, Field(ge=0)] = 0
    decay: Annotated[float, Field(ge=0, le=1)] = 1.0
    shape: Literal["linear", "cosine"] = "cosine"
    floor: Annotated[float, Field(ge=0, le=1)] = 0.0


class Train(Strict):
    """How long, in what portions, in what precision; all counts are in steps.

    Every `validate_every` steps a pipeline that chooses among its checkpoints scores them.
    """

    steps: Count
    batch: Count = 16
    accumulate: Count = 1
    optimizer: Optimizer = Optimizer()
    schedule: Schedule = Schedule()
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    precision: Literal["auto", "bf16", "float32"] = "auto"
    channels_last: bool = True
    compile: bool = False
    workers: Annotated[int, Field(ge=0, le=64)] = 1
    log_every: Count = 50
    preview_every: Count = 1000
    checkpoint_every: Count = 500
    validate_every: Count = 100
    keep: Annotated[int, Field(ge=2)] = 2
    tracker: Literal["tensorboard"] | None = None

    @model_validator(mode="after")
    def _pairs(self) -> Train:
        if self.batch % self.accumulate:
            raise ValueError(
                f"batch {self.batch} cannot be accumulated in {self.accumulate} equal parts; "
                "take a divisor of the batch"
            )
        return self


class Arm(Strict):
    """A way to train in `imgan compare`: what it is in words, and its settings as for ``--set``."""

    about: str
    set: tuple[str, ...] = ()


class Base(Strict):
    """What every recipe has beside its pipeline's own settings.

    `arms` are the ways to train that `imgan compare` knows beside the pipeline's and the core's
    costs; one of the same name takes the place of the pipeline's.

    `init` is a model file (or the name of a shipped model) whose weights the generators start from;
    tensors of another shape, as those of the last layer at another scale, start fresh. Of several,
    the mean of their weights: stages of one training average to a better start than any of them
    (Wortsman et al. 2022, model soups).
    """

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    init: str | tuple[str, ...] | None = None
    arms: dict[str, Arm] = {}
    train: Train
    licence: str = ""
    notes: str = ""

    @model_validator(mode="after")
    def _batches(self) -> Base:
        self.check_batches(1)
        return self

    def seen(self, processes: int) -> int:
        """How many images a network sees at a time in each of so many processes."""
        return self.train.batch // (self.train.accumulate * processes)

    def check_batches(self, processes: int) -> None:
        """Refuse batches that are too small for a critic that compares their images.

        Raises:
            ValueError: each of so many processes would show it one at a time.
        """
        critic = getattr(getattr(self, "adversary", None), "critic", None)
        if getattr(critic, "minibatch_stddev", False) and self.seen(processes) < 2:
            raise ValueError(
                "critic.minibatch_stddev compares the images of a batch and the critic sees one at "
                "a time; raise train.batch, or set it to false"
            )

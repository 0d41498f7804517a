"""The recipe of features that hold in another domain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import Adversary, Base, Count, NotNegative, Optimizer, Positive, Strict, Width

Share = Annotated[float, Field(ge=0, le=1)]


class DigitsSpec(Strict):
    """`imgan.networks.classifiers.Digits`; `standardise` evens out each image's colours first."""

    name: Literal["digits"] = "digits"
    width: Width = 16
    standardise: bool = True


class PaperDigitsSpec(Strict):
    """`imgan.networks.classifiers.PaperDigits`: the nets of Ganin et al. 2016."""

    name: Literal["paper-digits"]
    kind: Literal["mnist", "svhn"] = "mnist"


class TorchvisionSpec(Strict):
    """A classifier of torchvision's by name.

    `weights` is a local file, or ``download`` for torchvision's own; null starts from random ones.
    """

    name: Literal["torchvision"]
    model: str = "resnet18"
    weights: Path | Literal["download"] | None = None


class OwnSpec(Strict):
    """A module of the caller's, given from Python."""

    name: Literal["own"]


class DomainCriticSpec(Strict):
    """`imgan.networks.classifiers.DomainCritic`."""

    name: Literal["domain"] = "domain"
    width: Annotated[int, Field(ge=4, le=4096)] = 100
    layers: Annotated[int, Field(ge=0, le=4)] = 1


class DomainAdversary(Adversary):
    """The game over features: the critic tells the domain, the features make that impossible.

    ``game: reversal`` is one backward pass with the gradient reversed (Ganin et al. 2016), cross-
    entropy alone, in which the critic moves by ``train.optimizer``; ``game: moves`` alternates
    moves, with every loss and penalty of the core, a game a domain. In both `weight` is reached
    along ``2 / (1 + exp(-steepness * progress)) - 1``; steepness null pays it in full from the
    start. A `conditional` critic sees features times class probabilities (CDAN, Long et al. 2018,
    without its weights by entropy).
    """

    game: Literal["reversal", "moves"] = "reversal"
    critic: DomainCriticSpec = DomainCriticSpec()  # type: ignore[assignment]
    weight: Positive = 1.0
    steepness: Positive | None = 10.0
    conditional: bool = False
    optimizer: Optimizer = Optimizer(rate=1e-3, betas=(0.9, 0.99))

    @model_validator(mode="after")
    def _one_pass(self) -> DomainAdversary:
        plain = self.loss == "non-saturating" and not self.penalties and self.critic_moves == 1
        if self.game == "reversal" and (not plain or self.noise or self.label_smoothing):
            raise ValueError(
                "gradient reversal is one pass with cross-entropy; for another loss, penalties, "
                "noise or more moves of the critic set game: moves"
            )
        rates = type(self).model_fields["optimizer"].default
        if self.game == "reversal" and self.optimizer != rates:
            raise ValueError(
                "in the one pass of gradient reversal the critic moves by train.optimizer; leave "
                "adversary.optimizer out, or set game: moves"
            )
        if self.history:
            raise ValueError("features of earlier steps are of another network; set history to 0")
        return self


class Moments(Strict):
    """The MSE twin's cost: squared errors between the domains' means and covariances."""

    means: NotNegative = 1.0
    covariances: NotNegative = 1.0
    steepness: Positive | None = 10.0

    @model_validator(mode="after")
    def _something(self) -> Moments:
        if not (self.means or self.covariances):
            raise ValueError("nothing is matched; give means or covariances, or set moments: null")
        return self


class Target(Strict):
    """What is learned from images without classes.

    `consistency`: where the network is sure of an image, it is to say the same of the image changed
    at random (Sohn et al. 2020, FixMatch). Sure is `threshold` times as sure as it is on average of
    the source's images (Berthelot et al. 2022, AdaMatch). With `teacher` the unchanged image is
    judged by an average of the networks that decays by it (French et al. 2018); 0 is the present
    network. `entropy` makes it sure of each image, `diversity` keeps the classes equally frequent
    over the batch: together they maximise information (Krause et al. 2010). All are paid `after`
    this share of the training.
    """

    consistency: NotNegative = 0.0
    threshold: Share = 0.9
    teacher: Annotated[float, Field(ge=0, lt=1)] = 0.0
    entropy: NotNegative = 0.0
    diversity: NotNegative = 0.0
    after: Annotated[float, Field(ge=0, lt=1)] = 0.0

    @model_validator(mode="after")
    def _something(self) -> Target:
        if not (self.consistency or self.entropy or self.diversity):
            raise ValueError(
                "nothing is learned; give consistency, entropy or diversity, or set target: null"
            )
        if self.teacher and not self.consistency:
            raise ValueError(
                "a teacher judges for consistency alone; give that a weight, or set teacher: 0"
            )
        return self


class JitterSpec(Strict):
    """Random changes of every image, of source and target alike; see `imgan.data.jitter.Jitter`."""

    rotate: Annotated[float, Field(ge=0, le=180)] = 0.0
    scale: NotNegative = 0.0
    shear: NotNegative = 0.0
    shift: Share = 0.0
    flip: bool = False
    invert: Share = 0.0
    invert_channels: Share = 0.0
    contrast: Share = 0.0
    brightness: Share = 0.0
    texture: Share = 0.0
    noise: Share = 0.0


class DomainData(Strict):
    """The first `sources` folders have classes and are the sources; the others are targets.

    `held_out` is the share of a source that is kept for choosing, where it has no ``val`` split.
    With `attribute` (a column of the table) the critic tells that attribute instead of the folder,
    and the features become invariant to it (Xie et al. 2017, whose features are also told it; these
    are not). Classes of a target are never used in training; with ``target_labels: false`` they are
    not counted for its accuracy either.
    """

    size: Annotated[int, Field(ge=8, le=1024)] = 32
    sources: Count = 1
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.1
    attribute: str | None = None
    target_labels: bool = True


class DannRecipe(Base):
    """Features that hold in another domain (Ganin et al. 2016).

    The twins: ``adversary: null`` and ``moments: null`` is trained on the source only, `moments`
    without `adversary` is the MSE twin. `choose` picks the checkpoint that becomes the model by a
    score that needs no classes of the target.
    """

    pipeline: Literal["dann"]
    channels: Literal[1, 3] = 3
    features: Annotated[
        DigitsSpec | PaperDigitsSpec | TorchvisionSpec | OwnSpec, Field(discriminator="name")
    ] = DigitsSpec()
    adversary: DomainAdversary | None = None
    moments: Moments | None = None
    target: Target | None = None
    smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    jitter: JitterSpec = JitterSpec()
    choose: Literal["information", "entropy", "source", "confusion", "last"] = "information"
    data: DomainData = DomainData()

    @model_validator(mode="after")
    def _pairs(self) -> DannRecipe:
        spec, size = self.features, self.data.size
        if isinstance(spec, DigitsSpec | PaperDigitsSpec) and size % 8:
            raise ValueError(f"the nets for digits take sides in multiples of 8, not {size}")
        if isinstance(spec, TorchvisionSpec) and self.channels != 3:
            raise ValueError("torchvision's classifiers take RGB; set channels: 3")
        if self.choose == "confusion" and self.adversary is None:
            raise ValueError("without an adversary there is no critic to confuse; choose otherwise")
        return self

    def check_batches(self, processes: int) -> None:
        """Refuse batches of one image: nothing is normalised or matched over it.

        Raises:
            ValueError: each of so many processes would see so few.
        """
        if self.seen(processes) < 2:
            each = "each process" if processes > 1 else "a step"
            raise ValueError(
                f"{each} is to see two images of each folder or more; set train.batch to "
                f"{2 * processes} times train.accumulate at least"
            )

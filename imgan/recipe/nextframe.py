"""The recipe of next-frame prediction."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import (
    Adversary,
    Base,
    MultiscaleCriticSpec,
    NotNegative,
    Optimizer,
    PatchCriticSpec,
    Pixel,
    Positive,
    Strict,
    Width,
)


class SimVPSpec(Strict):
    """`imgan.networks.SimVP`."""

    name: Literal["simvp"] = "simvp"
    width: Width = 32
    hidden: Width = 128
    blocks: Annotated[int, Field(ge=1, le=16)] = 3
    residual: bool = True
    motion: bool = False

    @property
    def size_multiple(self) -> int:
        """Sides are multiples of this."""
        return 8


class MovingLayersSpec(Strict):
    """`imgan.networks.MovingLayers`."""

    name: Literal["moving-layers"]
    width: Width = 64
    hidden: Width = 256
    depth: Annotated[int, Field(ge=0, le=16)] = 4
    layers: Annotated[int, Field(ge=1, le=8)] = 2

    @property
    def size_multiple(self) -> int:
        """Any side will do."""
        return 1


class MultiscalePredictorSpec(Strict):
    """`imgan.networks.MultiscalePredictor`, Mathieu et al. 2016."""

    name: Literal["multiscale-predictor"]
    width: Width = 128
    scales: Annotated[int, Field(ge=1, le=5)] = 4

    @property
    def size_multiple(self) -> int:
        """Sides are multiples of this."""
        return int(2 ** (self.scales - 1))


class GradientDifference(Strict):
    """The gradient difference loss of Mathieu et al. 2016, equation 6, with its exponent."""

    weight: Positive = 1.0
    alpha: Annotated[float, Field(ge=1)] = 1.0


class FrameAdversary(Adversary):
    """The game over next frames: the critic sees the past frames with the ones that follow."""

    critic: Annotated[PatchCriticSpec | MultiscaleCriticSpec, Field(discriminator="name")] = (
        PatchCriticSpec(norm="none")
    )
    weight: Positive = 0.05
    optimizer: Optimizer = Optimizer(rate=2e-4, betas=(0.5, 0.999))


class ClipData(Strict):
    """Clips: their shorter side is brought to `side` pixels, training sees squares of `crop`.

    Windows that move less than `min_motion` grey levels a pixel are left out. `flip` shows them
    mirrored at random, `reverse` backwards, `turn` by quarters of a circle: of few clips a network
    otherwise learns by heart which way things go. `held_out` is each clip's chance of being kept
    from training, where there are no folders train and test; at least one clip is.
    """

    kind: Literal["clips"] = "clips"
    side: Annotated[int, Field(ge=16, le=2160)] = 128
    crop: Annotated[int, Field(ge=16, le=1024)] = 64
    flip: bool = True
    reverse: bool = False
    turn: bool = False
    min_motion: NotNegative = 0.5
    held_out: Annotated[float, Field(gt=0, lt=1)] = 0.2


class DigitData(Strict):
    """Moving digits, made anew for each item from a file of digits; 64 pixels, grey."""

    kind: Literal["moving-digits"]

    @property
    def crop(self) -> int:
        """Side of the frames."""
        return 64


class NextFrameRecipe(Base):
    """Next-frame prediction: `past` frames to the `future` ones after them.

    With `rollout` over 1 the network is applied again on its own frames while it trains, so many
    times, and pays for all of them. Without `adversary` it is the MSE twin.
    """

    pipeline: Literal["nextframe"]
    past: Annotated[int, Field(ge=1, le=64)] = 4
    future: Annotated[int, Field(ge=1, le=64)] = 1
    rollout: Annotated[int, Field(ge=1, le=32)] = 1
    channels: Literal[1, 3] = 3
    generator: Annotated[
        SimVPSpec | MovingLayersSpec | MultiscalePredictorSpec, Field(discriminator="name")
    ] = SimVPSpec()
    pixel: Pixel = Pixel(kind="mse", weight=100.0)
    gdl: GradientDifference | None = None
    adversary: FrameAdversary | None = None
    data: Annotated[ClipData | DigitData, Field(discriminator="kind")] = ClipData()

    @property
    def horizon(self) -> int:
        """Frames that training is scored on."""
        return self.future * self.rollout

    @model_validator(mode="after")
    def _pairs(self) -> NextFrameRecipe:
        if not (self.pixel.weight or self.gdl or self.adversary):
            raise ValueError("nothing is to be minimised; give pixel.weight, gdl or adversary")
        crop, multiple = self.data.crop, self.generator.size_multiple
        if crop % multiple:
            raise ValueError(
                f"the generator takes sides in multiples of {multiple} and data.crop is {crop}; "
                "change one of them"
            )
        if isinstance(self.data, ClipData) and self.data.crop > self.data.side:
            raise ValueError(
                f"squares of {crop} pixels cannot be cut from clips whose shorter side is "
                f"{self.data.side}; make data.side at least data.crop"
            )
        if isinstance(self.data, DigitData) and self.channels != 1:
            raise ValueError("moving digits are grey: set channels: 1")
        if self.adversary:
            self.adversary.critic.check(crop, "data.crop")
            if self.adversary.history:
                raise ValueError(
                    "history keeps frames without the past that this critic sees; set it to 0"
                )
        return self

"""The recipes of image translation: Pix2Pix for pairs, CycleGAN for two unpaired sets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from .base import (
    Adversary,
    Base,
    Count,
    CriticSpec,
    Lpips,
    MultiscaleCriticSpec,
    Norm,
    NotNegative,
    Optimizer,
    PatchCriticSpec,
    Perceptual,
    Pixel,
    Positive,
    Strict,
    Width,
)

Direction = Literal["AtoB", "BtoA"]


class UNetSpec(Strict):
    """`imgan.networks.UNet`: depth 7 is the paper's for 128 pixels, 8 that for 256."""

    name: Literal["unet"] = "unet"
    width: Width = 64
    depth: Annotated[int, Field(ge=2, le=10)] = 8
    norm: Norm = "batch"
    dropout: bool = True

    @property
    def size_multiple(self) -> int:
        """Sides are multiples of this."""
        return int(2**self.depth)


class ResNetSpec(Strict):
    """`imgan.networks.ResNet`; ``upsample: resize`` leaves no checkerboard."""

    name: Literal["resnet"]
    width: Width = 64
    blocks: Annotated[int, Field(ge=1, le=32)] = 9
    norm: Norm = "instance"
    dropout: bool = False
    upsample: Literal["transposed", "resize"] = "transposed"

    @property
    def size_multiple(self) -> int:
        """Sides are multiples of this."""
        return 4


class CoarseToFineSpec(Strict):
    """`imgan.networks.CoarseToFine`, for 512 pixels and more."""

    name: Literal["coarse-to-fine"]
    width: Width = 64
    blocks: Annotated[int, Field(ge=1, le=32)] = 9
    enhancers: Annotated[int, Field(ge=0, le=3)] = 1
    enhancer_blocks: Annotated[int, Field(ge=1, le=32)] = 3
    norm: Norm = "instance"

    @property
    def size_multiple(self) -> int:
        """Sides are multiples of this."""
        return int(2 ** (4 + self.enhancers))

    @model_validator(mode="after")
    def _halves(self) -> CoarseToFineSpec:
        if self.width % 2**self.enhancers:
            raise ValueError(
                f"each enhancer has half of the width before it; make width {self.width} a "
                f"multiple of {2**self.enhancers}"
            )
        return self


class TranslationAdversary(Adversary):
    """The game over translated images.

    The critic of Pix2Pix sees input and output together. `feature_matching` is the weight of the
    distance of the critic's features (Wang et al. 2018); patch and multiscale critics have it.
    """

    critic: CriticSpec = PatchCriticSpec()
    weight: Positive = 1.0
    optimizer: Optimizer = Optimizer(rate=2e-4, betas=(0.5, 0.999))
    feature_matching: NotNegative = 0.0

    @model_validator(mode="after")
    def _features(self) -> TranslationAdversary:
        if self.feature_matching and not isinstance(
            self.critic, PatchCriticSpec | MultiscaleCriticSpec
        ):
            raise ValueError(
                f"feature_matching needs a patch or multiscale critic, not {self.critic.name}"
            )
        return self


class Jitter(Strict):
    """Images are resized to `load` pixels, cut to `size`, and flipped, alike for both of a pair.

    ``resize: stretch`` makes every image square as the papers do, ``shorter`` keeps proportions,
    ``none`` cuts crops from the images as they are. `layout` says what the data folder is where it
    cannot be told by looking, as of side-by-side pairs whose halves are no squares: ``joined``.
    """

    size: Annotated[int, Field(ge=16, le=2048)] = 256
    load: Annotated[int, Field(ge=16, le=4096)] = 286
    resize: Literal["stretch", "shorter", "none"] = "stretch"
    flip: bool = True
    layout: Literal["joined", "folders", "unpaired"] | None = None

    @model_validator(mode="after")
    def _pairs(self) -> Jitter:
        if self.resize != "none" and self.load < self.size:
            raise ValueError(
                f"images are resized to load {self.load} and cut to size {self.size}; make load at "
                "least size"
            )
        return self


class PairData(Jitter):
    """Pairs: side by side, two folders, or made from photos by `make`.

    `colourise` learns colour from grey, `sharpen` undoes blur, `denoise` undoes noise, `edges`
    draws photos from their edges.
    """

    make: Literal["colourise", "sharpen", "denoise", "edges"] | None = None


class Pix2PixRecipe(Base):
    """Paired translation (Isola et al. 2017). Without `adversary` it is the MSE twin.

    `channels` and `out_channels` are those of input and output.
    """

    pipeline: Literal["pix2pix"]
    direction: Direction = "AtoB"
    channels: Count = 3
    out_channels: Count = 3
    bits: Literal[8, 16] = 8
    generator: Annotated[UNetSpec | ResNetSpec | CoarseToFineSpec, Field(discriminator="name")] = (
        UNetSpec()
    )
    pixel: Pixel = Pixel(kind="l1", weight=100.0)
    perceptual: Perceptual | None = None
    lpips: Lpips | None = None
    adversary: TranslationAdversary | None = None
    data: PairData = PairData()

    @model_validator(mode="after")
    def _pairs(self) -> Pix2PixRecipe:
        if not (self.pixel.weight or self.perceptual or self.lpips or self.adversary):
            raise ValueError("nothing is to be minimised; give pixel.weight, perceptual or lpips")
        _check_size(self.data.size, self.generator)
        if self.adversary:
            self.adversary.critic.check(self.data.size, "data.size")
        made = {"colourise": (1, 3), "edges": (1, 3), "sharpen": (3, 3), "denoise": (3, 3)}
        if self.data.make and (self.channels, self.out_channels) != made[self.data.make]:
            given, wanted = made[self.data.make]
            raise ValueError(
                f"data.make {self.data.make} goes from {given} to {wanted} channels; set channels: "
                f"{given} and out_channels: {wanted}"
            )
        if self.data.make and self.direction != "AtoB":
            raise ValueError("with data.make the input is made from the photo: direction is AtoB")
        if self.adversary and self.adversary.history:
            raise ValueError(
                "history keeps images without the inputs that this critic sees; set it to 0"
            )
        if (self.perceptual or self.lpips) and self.out_channels != 3:
            raise ValueError("perceptual costs see RGB; set out_channels: 3 or leave them out")
        return self


class Cycle(Strict):
    """A cost for each set: `a` is paid on A's images, `b` on B's; 0 leaves it out."""

    kind: Literal["l1", "mse"] = "l1"
    a: NotNegative = 10.0
    b: NotNegative = 10.0


class CycleGANRecipe(Base):
    """Unpaired translation (Zhu et al. 2017), there and back.

    `cycle` is the cost of the way there and back, `identity` that of changing what is in the target
    set already. ``directions: AtoB`` plays one game only: B's critic, and the cycle of A. Without
    `adversary` it is the MSE twin: cycle and identity alone.
    """

    pipeline: Literal["cyclegan"]
    directions: Literal["both", "AtoB", "BtoA"] = "both"
    channels: Count = 3
    out_channels: Count = 3
    bits: Literal[8, 16] = 8
    generator: Annotated[UNetSpec | ResNetSpec, Field(discriminator="name")] = ResNetSpec(
        name="resnet"
    )
    cycle: Cycle = Cycle()
    identity: Cycle = Cycle(a=5.0, b=5.0)
    adversary: TranslationAdversary | None = None
    data: Jitter = Jitter()

    @model_validator(mode="after")
    def _pairs(self) -> CycleGANRecipe:
        _check_size(self.data.size, self.generator)
        if self.adversary:
            self.adversary.critic.check(self.data.size, "data.size")
        if self.channels != self.out_channels and (self.identity.a or self.identity.b):
            raise ValueError(
                "the identity cost compares images of A and of B, which have not the same number "
                "of channels; set identity: {a: 0, b: 0}"
            )
        if self.adversary and self.adversary.feature_matching:
            raise ValueError("feature_matching compares pairs, and CycleGAN has none; set it to 0")
        if (self.directions != "BtoA" and not self.cycle.a) or (
            self.directions != "AtoB" and not self.cycle.b
        ):
            raise ValueError(
                "without its cycle a translation may ignore its input, and the way back is not "
                "trained; give cycle.a and cycle.b a weight for each direction"
            )
        return self


def _check_size(size: int, generator: UNetSpec | ResNetSpec | CoarseToFineSpec) -> None:
    multiple = generator.size_multiple
    if size % multiple:
        raise ValueError(
            f"the generator takes sides in multiples of {multiple} and data.size is {size}; change "
            "one of them"
        )
    if isinstance(generator, CoarseToFineSpec) and size < 2 * multiple:
        raise ValueError(f"this generator takes {2 * multiple} pixels and more: raise data.size")

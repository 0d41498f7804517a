"""The recipe of super-resolution."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ..errors import ImganError
from ..model_file import read_card
from ..shipped import resolve
from .base import (
    Adversary,
    Base,
    Lpips,
    NotNegative,
    Perceptual,
    Pixel,
    Positive,
    SRGANCriticSpec,
    Strict,
    Width,
)

Blocks = Annotated[int, Field(ge=1, le=64)]


class PlainSRSpec(Strict):
    """`imgan.networks.PlainSR`."""

    name: Literal["plainsr"] = "plainsr"
    width: Width = 64
    blocks: Blocks = 10


class SRResNetSpec(Strict):
    """`imgan.networks.SRResNet`; ``norm: true`` is the paper's."""

    name: Literal["srresnet"]
    width: Width = 64
    blocks: Blocks = 16
    norm: bool = False


Range = tuple[NotNegative, NotNegative]
Share = Annotated[float, Field(ge=0, le=1)]


class Realistic(Strict):
    """Ranges to draw from, see `imgan.data.degrade.RealisticSettings`."""

    blur_sigma: Range = (0.2, 2.4)
    blur_probability: Share = 0.8
    detour: tuple[Positive, Positive] = (0.6, 1.6)
    gaussian_noise: tuple[Share, Share] = (0.004, 0.06)
    poisson_noise: tuple[Share, Share] = (0.005, 0.08)
    noise_probability: Share = 0.8
    jpeg_quality: tuple[
        Annotated[int, Field(ge=1, le=100)], Annotated[int, Field(ge=1, le=100)]
    ] = (
        40,
        95,
    )
    jpeg_probability: Share = 0.8
    jpeg_last: Share = 0.5

    @model_validator(mode="after")
    def _ordered(self) -> Realistic:
        for name, value in self:
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(f"{name} is a range from low to high, not {list(value)}")
        return self


class Photos(Strict):
    """Crops of photos: `crop` is their low-resolution side in pixels.

    Crops whose low-resolution detail (mean absolute step between neighbours, in grey levels,
    across and down added) is under `min_detail` are never drawn. `shrink` makes the photos smaller
    first, each by every factor: ``[2, 3]`` trains on halves and thirds, whose pixels are sharper.

    `collage` is the share of the crops that are cut along crisp shapes and laid over others, and
    `contrast` of those whose contrast is stretched: edges and surfaces as drawings and signs have
    them, which photos are short of (see `imgan.data.collage`). `drawings` is the share of the crops
    that are drawings in hard, stepped lines (see `imgan.data.drawing`), before those others.
    """

    crop: Annotated[int, Field(ge=8, le=512)] = 48
    degradation: Literal["bicubic", "realistic"] = "bicubic"
    realistic: Realistic = Realistic()
    min_detail: NotNegative = 4.0
    shrink: Annotated[tuple[Annotated[int, Field(ge=1, le=16)], ...], Field(min_length=1)] = (1,)
    collage: Share = 0.0
    contrast: Share = 0.0
    drawings: Share = 0.0

    @model_validator(mode="after")
    def _effective(self) -> Photos:
        if self.collage + self.contrast > 1:
            raise ValueError("collage and contrast are shares of the crops, together at most 1")
        if self.drawings and self.degradation != "bicubic":
            raise ValueError(
                "drawings are not degraded; set degradation to bicubic, or drawings to 0"
            )
        if self.degradation == "bicubic" and self.realistic != Realistic():
            raise ValueError(
                "realistic does nothing to bicubic crops; set degradation to realistic"
            )
        return self


class PhotoPixel(Pixel):
    """The pixel cost of photos. `chroma` weighs the same cost of the colours alone, without luma.

    The eye sees fine detail in luma, not in colour, and a critic's detail there is coloured grain:
    with it the game is over luma.
    """

    chroma: NotNegative = 0.0


class PhotoAdversary(Adversary):
    """The game over photos. With `detail` the critic sees what is fine in an image apart, too."""

    detail: bool = False


class SRGANRecipe(Base):
    """Super-resolution. Without `adversary` it is the MSE twin: pixel cost alone.

    Where `generator.blocks` is not set, the network is as deep as the one that it starts from.

    `init` is a model file (or the name of a shipped model) whose weights the generator starts
    from; tensors of another shape, as those of the last layer at another scale, start fresh.
    """

    pipeline: Literal["srgan"]
    scale: Literal[2, 3, 4, 8] = 4
    generator: Annotated[PlainSRSpec | SRResNetSpec, Field(discriminator="name")] = PlainSRSpec()
    pixel: PhotoPixel = PhotoPixel()
    perceptual: Perceptual | None = None
    lpips: Lpips | None = None
    adversary: PhotoAdversary | None = None
    data: Photos = Photos()

    @model_validator(mode="before")
    @classmethod
    def _depth(cls, content: Any) -> Any:
        """Write out how deep the network of `init` is; what is wrong with it is said elsewhere."""
        if not isinstance(content, dict) or not content.get("init"):
            return content
        generator = content.get("generator", {})
        if not isinstance(generator, dict) or generator.get("blocks"):
            return content
        init = content["init"]
        try:
            card = read_card(resolve(init if isinstance(init, str) else init[0]))
        except (ImganError, TypeError, KeyError):
            return content
        given = card.networks.get("generator")
        blocks = given.arguments.get("blocks") if given else None
        if not given or not blocks or given.name != generator.get("name", "plainsr"):
            return content
        return content | {"generator": generator | {"blocks": blocks}}

    @model_validator(mode="after")
    def _pairs(self) -> SRGANRecipe:
        if not (self.pixel.weight or self.perceptual or self.lpips or self.adversary):
            raise ValueError("nothing is to be minimised; give pixel.weight, perceptual or lpips")
        side = self.data.crop * self.scale
        if self.adversary:
            self.adversary.critic.check(side, "data.crop * scale")
        if (self.perceptual or self.lpips) and side < 32:
            raise ValueError(
                f"perceptual costs need crops of 32 pixels and more and data.crop * scale is "
                f"{side}; raise data.crop"
            )
        return self

    def check_batches(self, processes: int) -> None:
        """Refuse what batch norm cannot take, too: a single value of each channel.

        Raises:
            ValueError: each of so many processes would show the critic one crop, shrunk to a pixel.
        """
        super().check_batches(processes)
        critic = self.adversary.critic if self.adversary else None
        if not isinstance(critic, SRGANCriticSpec) or not critic.norm or self.seen(processes) > 1:
            return
        if self.data.crop * self.scale <= critic.least:
            raise ValueError(
                "the srgan critic normalises over a batch and sees one small crop at a time; "
                "raise data.crop or train.batch, or set adversary.critic.norm to false"
            )

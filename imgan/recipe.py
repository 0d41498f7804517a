"""The typed recipe: everything that a YAML file may say, and nothing else.

A recipe is data. An unknown key, a wrong type or an impossible pair of settings is one sentence
before any work starts. No torch here: reading a recipe takes milliseconds.
"""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

from .errors import ImganError

Positive = Annotated[float, Field(gt=0)]
NotNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Momentum = Annotated[float, Field(ge=0, lt=1)]


class Strict(BaseModel):
    """A section that takes no key it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class PlainSRSpec(Strict):
    """`imgan.networks.PlainSR`."""

    name: Literal["plainsr"] = "plainsr"
    width: Annotated[int, Field(ge=4, le=512)] = 64
    blocks: Annotated[int, Field(ge=1, le=64)] = 10


class SRResNetSpec(Strict):
    """`imgan.networks.SRResNet`; ``norm: true`` is the paper's."""

    name: Literal["srresnet"]
    width: Annotated[int, Field(ge=4, le=512)] = 64
    blocks: Annotated[int, Field(ge=1, le=64)] = 16
    norm: bool = False


class SRGANCriticSpec(Strict):
    """`imgan.networks.SRGANCritic`."""

    name: Literal["srgan"] = "srgan"
    width: Annotated[int, Field(ge=4, le=256)] = 64
    norm: bool = True


class PatchCriticSpec(Strict):
    """`imgan.networks.PatchCritic`."""

    name: Literal["patch"]
    width: Annotated[int, Field(ge=4, le=256)] = 64
    layers: Annotated[int, Field(ge=0, le=5)] = 3
    norm: bool = True


class UNetCriticSpec(Strict):
    """`imgan.networks.UNetCritic`."""

    name: Literal["unet"]
    width: Annotated[int, Field(ge=4, le=256)] = 64


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


class Adversary(Strict):
    """The game: which costs the two players pay.

    `weight` is that of the adversarial term in the generator's cost. `critic_moves` is how many
    moves the critic makes for one of the generator, `history` how many generated images are kept
    to be shown to it again, `noise` the instance noise that fades out over `noise_until` moves.
    """

    critic: Annotated[
        SRGANCriticSpec | PatchCriticSpec | UNetCriticSpec, Field(discriminator="name")
    ] = SRGANCriticSpec()
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
        batch_norm = getattr(self.critic, "norm", False)
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

    layers: dict[str, Positive] = {"conv5_4": 1.0}
    criterion: Literal["l1", "mse", "relative"] = "relative"
    weight: Positive = 1.0
    weights: Path | None = None


class Lpips(Strict):
    """LPIPS as a cost."""

    backbone: Literal["squeeze", "alex", "vgg"] = "vgg"
    weight: Positive = 1.0
    weights: Path | None = None


Range = tuple[NotNegative, NotNegative]
Share = Annotated[float, Field(ge=0, le=1)]


class Realistic(Strict):
    """Ranges to draw from, see `imgan.data.degrade.RealisticSettings`."""

    blur_sigma: Range = (0.2, 2.4)
    blur_probability: Share = 0.8
    detour: tuple[Positive, Positive] = (0.6, 1.6)
    gaussian_noise: tuple[Share, Share] = (0.004, 0.06)
    poisson_noise: Range = (0.005, 0.08)
    noise_probability: Share = 0.8
    jpeg_quality: tuple[
        Annotated[int, Field(ge=1, le=100)], Annotated[int, Field(ge=1, le=100)]
    ] = (
        40,
        95,
    )
    jpeg_probability: Share = 0.8

    @model_validator(mode="after")
    def _ordered(self) -> Realistic:
        for name, value in self:
            if isinstance(value, tuple) and value[0] > value[1]:
                raise ValueError(f"{name} is a range from low to high, not {list(value)}")
        return self


class Photos(Strict):
    """Crops of photos: `crop` is their low-resolution side in pixels.

    Crops whose low-resolution detail (mean absolute step between neighbours, in grey levels,
    across and down added) is under `min_detail` are never drawn.
    """

    crop: Annotated[int, Field(ge=8, le=512)] = 48
    degradation: Literal["bicubic", "realistic"] = "bicubic"
    realistic: Realistic = Realistic()
    min_detail: NotNegative = 4.0


class Schedule(Strict):
    """The rate's factor by step: up over `warmup` steps, flat, down over the last `decay` share.

    `shape` is that of the way down: ``linear`` or ``cosine``; it ends at `floor` of the rate.
    """

    warmup: Annotated[int, Field(ge=0)] = 0
    decay: Annotated[float, Field(ge=0, le=1)] = 1.0
    shape: Literal["linear", "cosine"] = "cosine"
    floor: Annotated[float, Field(ge=0, le=1)] = 0.0


class Train(Strict):
    """How long, in what portions, in what precision; all counts are in steps."""

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


class SRGANRecipe(Strict):
    """Super-resolution. Without `adversary` it is the MSE twin: pixel cost alone.

    `init` is a model file (or the name of a shipped model) whose weights the generator starts
    from; tensors of another shape, as those of the last layer at another scale, start fresh.
    """

    pipeline: Literal["srgan"]
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")]
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    scale: Literal[2, 3, 4, 8] = 4
    init: str | None = None
    generator: Annotated[PlainSRSpec | SRResNetSpec, Field(discriminator="name")] = PlainSRSpec()
    pixel: Pixel = Pixel()
    perceptual: Perceptual | None = None
    lpips: Lpips | None = None
    adversary: Adversary | None = None
    data: Photos = Photos()
    train: Train
    licence: str = ""
    notes: str = ""

    @model_validator(mode="after")
    def _pairs(self) -> SRGANRecipe:
        if not (self.pixel.weight or self.perceptual or self.lpips or self.adversary):
            raise ValueError("nothing is to be minimised; give pixel.weight, perceptual or lpips")
        side = self.data.crop * self.scale
        if self.adversary and isinstance(self.adversary.critic, UNetCriticSpec) and side % 8:
            raise ValueError(
                f"the unet critic halves its input three times and the crop is {side} pixels; "
                "make data.crop * scale a multiple of 8"
            )
        critic = self.adversary.critic if self.adversary else None
        least = 2 ** (critic.layers + 2) if isinstance(critic, PatchCriticSpec) else 16
        if critic and side < least:
            raise ValueError(
                f"the critic needs crops of {least} pixels and data.crop * scale is {side}; raise "
                "data.crop or take a critic of fewer layers"
            )
        if (self.perceptual or self.lpips) and side < 32:
            raise ValueError(
                f"perceptual costs need crops of 32 pixels and more and data.crop * scale is "
                f"{side}; raise data.crop"
            )
        return self


Recipe = SRGANRecipe
"""Any recipe: one class a pipeline."""

_ADAPTER: TypeAdapter[Recipe] = TypeAdapter(Recipe)


def recipe_names() -> dict[str, Path]:
    """The shipped recipes by name."""
    from . import __path__ as roots

    return {p.stem: p for root in roots for p in sorted(Path(root, "recipes").glob("*.yaml"))}


def load_recipe(source: str | Path, changes: Sequence[str] = ()) -> Recipe:
    """Read a recipe, by path or by the name of a shipped one, with ``key.key=value`` changes.

    Raises:
        ImganError: unknown recipe, broken YAML, unknown key, wrong type, impossible pair.
    """
    path = Path(source)
    if not path.is_file():
        names = recipe_names()
        if str(source) not in names:
            raise ImganError(
                f"there is no recipe {source}: give a YAML file or one of {', '.join(names)}"
            )
        path = names[str(source)]
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise ImganError(f"recipe {path} cannot be read: {error}") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" at line {mark.line + 1}" if mark else ""
        raise ImganError(f"recipe {path} is not valid YAML{where}") from None
    if not isinstance(content, dict):
        raise ImganError(f"recipe {path} is not a list of 'key: value' lines")
    for change in changes:
        _apply(content, change)
    return parse_recipe(content, str(path))


def parse_recipe(content: dict[str, Any], where: str) -> Recipe:
    """Check plain data against the types; `where` names its source in the error."""
    try:
        return _ADAPTER.validate_python(content)
    except ValidationError as error:
        raise ImganError(f"recipe {where}: {_sentence(error)}") from None


def published(recipe: Recipe) -> dict[str, Any]:
    """Every setting, as plain data for a model's card; of local files the name alone."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: bare(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [bare(inner) for inner in value]
        return value.name if isinstance(value, Path) else value

    plain: dict[str, Any] = bare(recipe.model_dump())
    if recipe.init:
        plain["init"] = Path(recipe.init).name
    return plain


def _apply(content: dict[str, Any], change: str) -> None:
    """Carry out one ``a.b=c`` on the plain data; the value is read as YAML."""
    key, equals, value = change.partition("=")
    if not equals or not key:
        raise ImganError(f"--set {change}: write it as key=value or section.key=value")
    *sections, last = key.strip().split(".")
    node = content
    for section in sections:
        below = node.setdefault(section, {})
        if below is None:  # a section that is switched off, as `adversary: null`
            below = node[section] = {}
        if not isinstance(below, dict):
            raise ImganError(f"--set {change}: {section} is a value, not a section")
        node = below
    try:
        node[last] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ImganError(f"--set {change}: the value is not valid YAML") from None
    # YAML 1.1 reads 1e-4 as text; numbers are numbers here.
    if isinstance(node[last], str):
        try:
            node[last] = float(node[last])
        except ValueError:
            return


def _sentence(error: ValidationError) -> str:
    """The first problem, for a person."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"]]
    name = ".".join(place)
    if first["type"] == "extra_forbidden":
        near = difflib.get_close_matches(place[-1], _known_keys(), 1)
        return f"there is no setting {name}" + (f"; did you mean {near[0]}?" if near else "")
    if first["type"] == "union_tag_not_found":
        return f"the setting {name}.name is missing"
    if first["type"] == "missing":
        return f"the setting {name} is missing"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return f"{name}: {message}" if name else message
    return f"{name}: {message[0].lower()}{message[1:]}, not {first['input']!r}"


def _known_keys() -> list[str]:
    def walk(schema: Any) -> list[str]:
        if isinstance(schema, dict):
            own = list(schema.get("properties", {}))
            return own + [key for value in schema.values() for key in walk(value)]
        if isinstance(schema, list):
            return [key for value in schema for key in walk(value)]
        return []

    return walk(_ADAPTER.json_schema())

"""One file, one model: a safetensors file whose header carries the model's card.

A file runs no code when it is loaded: the weights are plain tensors, and the networks that the
card names are looked up among imgan's own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from .errors import ImganError
from .files import replacing

if TYPE_CHECKING:
    from torch import Tensor, nn

KEY = "imgan"
"""The entry of the safetensors header that holds the card, as JSON."""


class NetworkCard(BaseModel):
    """Which network, and its arguments."""

    model_config = ConfigDict(extra="forbid")
    name: str
    arguments: dict[str, Any] = {}


class Card(BaseModel):
    """What stands in a model file beside its weights.

    `networks` maps the role ("generator") to a network; the tensors of a role are stored under
    ``role.key``. `scores` maps a data set to its metrics. `log` has a row a report of the training.
    """

    model_config = ConfigDict(extra="forbid")
    format: int = 1
    pipeline: str
    name: str
    networks: dict[str, NetworkCard]
    task: str = Field(default="", description="what becomes what, in a few words")
    input: str = Field(default="rgb", description="'rgb', 'grey' or 'edges': what it takes")
    channels: int = 3
    out_channels: int | None = Field(default=None, description="where not `channels`")
    value_range: tuple[float, float] = (0.0, 1.0)
    bit_depth: int = 8
    scale: int = 1
    size_multiple: int = 1
    reach: int | None = Field(
        default=None, description="input pixels to each side that an output pixel depends on"
    )
    cost: str = Field(default="", description="what it was trained on: 'mse', 'adversarial', ...")
    steps: int = 0
    mean_of: dict[str, float] = Field(
        default={}, description="models, and their shares of these weights; empty: trained itself"
    )
    scores: dict[str, dict[str, float]] = {}
    licence: str = ""
    notes: str = ""
    version: str = ""
    data: dict[str, Any] = {}
    recipe: dict[str, Any] = {}
    log: list[dict[str, float]] = []
    parent: Card | None = Field(default=None, description="of the model that training began from")

    @property
    def parts(self) -> str:
        """ "the mean of A and B", in words; empty for a model that is no mean."""
        return f"the mean of {' and '.join(self.mean_of)}" if self.mean_of else ""

    def to_json(self) -> str:
        """As it stands in files, in ASCII: names of files may be of bytes that are no UTF-8."""
        return json.dumps(self.model_dump(), default=str)


@dataclass
class Model:
    """A loaded model: the card, and its networks by role, in eval mode and float32."""

    card: Card
    networks: dict[str, nn.Module]

    @property
    def generator(self) -> nn.Module:
        """The network that makes images."""
        return self.networks["generator"]


def save_model(path: Path, card: Card, states: Mapping[str, Mapping[str, Tensor]]) -> None:
    """Write a model file; `states` maps each role of the card to its state dict."""
    from safetensors.torch import save

    if set(states) != set(card.networks):
        raise ValueError(f"states for {sorted(states)}, but the card names {sorted(card.networks)}")
    tensors = {
        f"{role}.{key}": value.detach().cpu().contiguous()
        for role, state in states.items()
        for key, value in state.items()
    }
    with replacing(path) as beside:
        # Not save_file: it puts a file of its own in place, which only its owner may read.
        beside.write_bytes(save(tensors, metadata={KEY: card.to_json()}))


def read_card(path: Path) -> Card:
    """Read the card alone: fast, needs no torch.

    Raises:
        ImganError: no such file, not a safetensors file, or not one of imgan's.
    """
    try:
        with open(path, "rb") as file:
            length = int.from_bytes(file.read(8), "little")
            if not 2 <= length <= 100_000_000:
                raise ValueError("no safetensors header")
            header = json.loads(file.read(length))
        card = json.loads(header["__metadata__"][KEY])
    except FileNotFoundError:
        raise ImganError(f"there is no model file {path}") from None
    except OSError as error:
        raise ImganError(f"{path} cannot be read: {error.strerror}") from None
    except (KeyError, TypeError, ValueError):
        raise ImganError(f"{path} is not an imgan model: its header has no card") from None
    try:
        return Card.model_validate(card)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ImganError(
            f"{path}: the model's card is not one this version of imgan reads ({where}: "
            f"{first['msg']}); update imgan, or save the model again"
        ) from None


def load_weights(path: Path) -> dict[str, Tensor]:
    """Read the tensors of a model file alone, under ``role.key``, as they are stored.

    Raises:
        ImganError: the file is damaged, or not all of its weights are finite numbers.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load, load_file

    # The library opens files by names of UTF-8 alone; other bytes are surrogates in Python.
    foreign = any("\ud800" <= sign <= "\udfff" for sign in str(path))
    try:
        weights = load(path.read_bytes()) if foreign else load_file(path)
    except (SafetensorError, OSError) as error:
        raise ImganError(f"{path} is damaged ({error}); get or save it again") from None
    check_finite(weights, path)
    return weights


def check_finite(weights: Mapping[str, Tensor], what: str | Path) -> None:
    """Refuse weights of which some are infinite or no numbers.

    Raises:
        ImganError: so it is; the sentence begins with `what`.
    """
    for key, value in weights.items():
        if not bool(value.isfinite().all()):
            raise ImganError(
                f"{what}: its weights are not finite numbers ({key}); take another model"
            )


def load_model(path: Path, modules: Mapping[str, nn.Module] | None = None) -> Model:
    """Load a model, ready for use: eval mode, float32, on the CPU.

    Args:
        path: the file.
        modules: by role, those that the caller made and imgan cannot build.

    Raises:
        ImganError: the file is missing, damaged or no model of imgan's, or its weights are not
            finite numbers.
    """
    from .networks import build

    card, tensors = read_card(path), load_weights(path)
    networks: dict[str, nn.Module] = {}
    for role, network in card.networks.items():
        own = {
            key.removeprefix(f"{role}."): value
            for key, value in tensors.items()
            if key.startswith(f"{role}.")
        }
        try:
            given = (modules or {}).get(role)
            module = build(network.name, network.arguments) if given is None else given
            module.load_state_dict(own)
        except (ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())  # torch names the tensors in lines of their own
            raise ImganError(f"{path}: the weights do not fit the card: {reason}") from None
        networks[role] = module.eval().requires_grad_(False)
    return Model(card, networks)

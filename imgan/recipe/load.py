"""From YAML and --set to a typed recipe, or to one sentence that says what is wrong."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import Field, TypeAdapter, ValidationError

from ..errors import ImganError
from .dann import DannRecipe
from .nextframe import NextFrameRecipe
from .srgan import SRGANRecipe
from .translation import CycleGANRecipe, Pix2PixRecipe

Recipe = Annotated[
    SRGANRecipe | Pix2PixRecipe | CycleGANRecipe | NextFrameRecipe | DannRecipe,
    Field(discriminator="pipeline"),
]
"""Any recipe: one class a pipeline."""

PIPELINES = ("srgan", "pix2pix", "cyclegan", "nextframe", "dann")

_ADAPTER: TypeAdapter[Any] = TypeAdapter(Recipe)


def recipe_names() -> dict[str, Path]:
    """The shipped recipes by name."""
    from .. import __path__ as roots

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
            near = difflib.get_close_matches(str(source), names, 1)
            meant = f"; did you mean {near[0]}? Else" if near else ":"
            raise ImganError(
                f"there is no recipe {source}{meant} give a YAML file or one of {', '.join(names)}"
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
    where = " ".join([str(source), *(f"--set {change}" for change in changes)])
    return parse_recipe(content, where)


def parse_recipe(content: dict[str, Any], where: str) -> Recipe:
    """Check plain data against the types; `where` names its source in the error."""
    try:
        recipe: Recipe = _ADAPTER.validate_python(content)
    except ValidationError as error:
        raise ImganError(f"recipe {where}: {_sentence(error)}") from None
    return recipe


def published(recipe: Recipe) -> dict[str, Any]:
    """Every setting, as plain data for a model's card; of local files the name alone."""

    def bare(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: bare(inner) for key, inner in value.items()}
        if isinstance(value, list | tuple):
            return [bare(inner) for inner in value]
        return value.name if isinstance(value, Path) else value

    plain: dict[str, Any] = bare(recipe.model_dump(exclude={"arms"}))
    if isinstance(recipe.init, str):
        plain["init"] = Path(recipe.init).name
    elif recipe.init:
        plain["init"] = [Path(one).name for one in recipe.init]
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
    if first["type"].startswith("union_tag") and not place:
        return f"pipeline is one of {', '.join(PIPELINES)}"
    pipeline, place = place[0], place[1:]
    name = ".".join(place)
    if first["type"] == "extra_forbidden":
        known = _known_keys(pipeline)
        section = name.rpartition(".")[0]
        variant = _keys_of(place[-2]) if len(place) > 1 else None
        if variant is not None:
            owner = ".".join(place[:-2])
            near = [f"{owner}.{key}" for key in difflib.get_close_matches(place[-1], variant, 1)]
            said = f"there is no setting {owner}.{place[-1]} of {place[-2]}"
            has = f", which has {', '.join(variant) or 'none'}"
            return said + (f"; did you mean {near[0]}?" if near else has)
        beside = [key for key in known if known[key].rpartition(".")[0] == section]
        near = [  # a word of the same section first
            known[key]
            for keys in (beside, known)
            for key in difflib.get_close_matches(place[-1], keys, 1)
        ]
        return f"there is no setting {name}" + (f"; did you mean {near[0]}?" if near else "")
    if first["type"] == "union_tag_not_found":
        tag = first["ctx"]["discriminator"].strip("'")
        return f"the setting {name}.{tag} is missing"
    if first["type"] == "missing":
        return f"the setting {name} is missing"
    kind = first["type"].split("_")[0]
    if first["type"].endswith(("_parsing", "_type", "_from_float")) and kind in _WANTED:
        return f"{name} is {_WANTED[kind]}, not {first['input']!r}"
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "value_error":
        return f"{name}: {message}" if name else message
    return f"{name}: {message[0].lower()}{message[1:]}, not {first['input']!r}"


_WANTED = {"int": "a whole number", "float": "a number", "bool": "true or false", "string": "text"}


def _keys_of(variant: str) -> list[str] | None:
    """The settings of what goes by a name, as a network or a kind of data; None if nothing does."""
    for section in _ADAPTER.json_schema()["$defs"].values():
        keys = section.get("properties", {})
        if any(keys.get(tag, {}).get("const") == variant for tag in ("name", "kind")):
            return [key for key in keys if key not in ("name", "kind")]
    return None


def _known_keys(pipeline: str) -> dict[str, str]:
    """Every setting of a pipeline by its last word, with the sections that it stands in."""
    schema = _ADAPTER.json_schema()
    found: dict[str, str] = {}

    def walk(node: Any, prefix: str) -> None:
        if "$ref" in node:
            walk(schema["$defs"][node["$ref"].rsplit("/", 1)[1]], prefix)
        for choice in (*node.get("anyOf", ()), *node.get("oneOf", ())):
            walk(choice, prefix)
        for key, value in node.get("properties", {}).items():
            found.setdefault(key, prefix + key)
            walk(value, f"{prefix}{key}.")

    walk({"$ref": schema["discriminator"]["mapping"][pipeline]}, "")
    return found

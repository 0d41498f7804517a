"""Pages are rendered here: templates, filters, and a file that is never half-written."""

from __future__ import annotations

import datetime
import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..files import replacing
from ..machine import versions
from . import words

if TYPE_CHECKING:
    from jinja2 import Environment

TEMPLATES = Path(__file__).parent / "templates"


def write_page(path: Path, template: str, **values: Any) -> Path:
    """Render a template into `path`; everything in `values` is escaped unless it is markup."""
    now = datetime.datetime.now().astimezone()
    text = _environment().get_template(template).render(now=now, versions=versions(), **values)
    with replacing(path) as beside:
        # A file's name may hold bytes that are no text.
        beside.write_text(text, encoding="utf-8", errors="replace")
    return path


@functools.cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "number": words.number,
        "duration": words.duration,
        "size": words.size,
        "spoken": words.spoken,
    }
    return environment

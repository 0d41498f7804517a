"""imgan: turn one image into another, and see what the adversary adds.

``imgan.core`` is the adversarial core, ``imgan.upscale`` runs the shipped super-resolution models,
``imgan.translate`` a trained model that turns images into others, ``imgan.predict`` one that tells
how a clip goes on. Heavy libraries are imported when something that needs them is used.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .inference.predict import predict as predict
    from .inference.translate import translate as translate
    from .inference.upscale import upscale as upscale

__all__ = ["__version__", "predict", "translate", "upscale"]
__version__ = "0.1.0"

# In a checkout, recipes/, cli/ and assets/ lie beside this package; installed, they lie inside it.
_root = Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file() and (_root / "cli").is_dir():
    __path__.append(str(_root))


def __getattr__(name: str) -> Any:
    if name == "upscale":
        from .inference.upscale import upscale

        return upscale
    if name == "translate":
        from .inference.translate import translate

        return translate
    if name == "predict":
        from .inference.predict import predict

        return predict
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

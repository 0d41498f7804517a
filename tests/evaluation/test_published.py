"""The standard test sets of super-resolution, where they are at hand: they may not be passed on.

With ``IMGAN_SR_SETS=FOLDER``, which holds Set5/x4/HR, Set5/x4/LR and so on, the low-resolution
files that papers use must be what imgan makes of the others, and bicubic's scores the published.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from imgan.data.degrade import imresize_uint8
from imgan.evaluation.evaluate import evaluate
from imgan.evaluation.pairs import find_pairs

SETS = os.environ.get("IMGAN_SR_SETS")
pytestmark = pytest.mark.skipif(not SETS, reason="IMGAN_SR_SETS does not say where the sets are")


@pytest.mark.parametrize("name", ["Set5", "Set14", "BSD100"])
@pytest.mark.parametrize("scale", [2, 4])
def test_low_resolution_files_are_what_is_made_here(name, scale) -> None:
    folder = Path(SETS or "", name, f"x{scale}")
    if not folder.is_dir():
        pytest.skip(f"there is no {folder}")
    for pair in find_pairs(folder, scale):
        high, low = pair.load()
        assert torch.equal(imresize_uint8(high, 1 / scale), low), pair.name


@pytest.mark.parametrize(
    ("name", "psnr", "ssim"), [("Set5", 28.42, 0.8104), ("Set14", 26.00, 0.7027)]
)
def test_bicubic_scores_as_published(name, psnr, ssim) -> None:
    mean = evaluate(["bicubic"], Path(SETS or "", name, "x4")).models[0].mean
    assert mean["psnr"] == pytest.approx(psnr, abs=0.02)
    assert mean["ssim"] == pytest.approx(ssim, abs=0.001)

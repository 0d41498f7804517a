"""The README's example runs as it stands, and learns."""

import re
import runpy
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).with_name("example_own_modules.py")


def test_the_example_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 25


def test_the_example_learns_the_data(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(EXAMPLE), run_name="__main__")
    mean, spread = re.findall(r"-?\d+\.\d+", capsys.readouterr().out)[2:]
    assert abs(float(mean) - 3.0) < 0.15
    assert abs(float(spread) - 0.5) < 0.15


def test_it_stands_in_the_readme_as_it_is() -> None:
    readme = Path(__file__).parents[2] / "README.md"
    assert EXAMPLE.read_text().strip() in readme.read_text()

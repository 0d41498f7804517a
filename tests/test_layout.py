"""The rooms of the house: who may import whom, and what `imgan --help` may load."""

import ast
import resource
import subprocess
import sys
from pathlib import Path

import pytest

import imgan

ROOT = Path(imgan.__file__).parent
# Each room and the rooms of imgan that it may import from.
ALLOWED = {
    "core": {"core"},
    "networks": {"networks"},
    "data": {"data", "errors", "files"},
    "inference": {
        "averaging",
        "inference",
        "data",
        "networks",
        "core",
        "errors",
        "files",
        "machine",
        "model_file",
        "shipped",
    },
    "evaluation": {
        "evaluation",
        "inference",
        "data",
        "networks",
        "core",
        "perceptual",
        "errors",
        "files",
        "model_file",
        "recipe",
        "shipped",
        "training",
        "__version__",
    },
    "comparison": {
        "machine",
        "comparison",
        "training",
        "report",
        "evaluation",
        "inference",
        "pipelines",
        "data",
        "perceptual",
        "errors",
        "files",
        "model_file",
        "recipe",
        "shipped",
        "__version__",
    },
    "pipelines": {
        "averaging",
        "pipelines",
        "core",
        "networks",
        "data",
        "perceptual",
        "errors",
        "model_file",
        "recipe",
        "__version__",
    },
    "lab": {"lab", "machine", "core", "report", "errors", "files", "__version__"},
    "report": {
        "machine",
        "report",
        "comparison",  # for its types alone
        "errors",
        "files",
        "model_file",
        "recipe",
        "__version__",
    },
    "training": {
        "training",
        "report",
        "pipelines",
        "core",
        "data",
        "inference",
        "errors",
        "files",
        "machine",
        "model_file",
        "recipe",
    },
}


def imported(file: Path) -> set[str]:
    """First component under imgan of each import in `file`."""
    package = ["imgan", *file.relative_to(ROOT).parts[:-1]]
    found = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name.split(".")[1] for a in node.names if a.name.startswith("imgan.")}
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            full = [*base, *(node.module or "").split(".")] if node.module else base
            if full[:1] != ["imgan"]:
                continue
            found |= {full[1]} if len(full) > 1 else {a.name for a in node.names}
    return found


@pytest.mark.parametrize("room", ALLOWED)
def test_imports_run_downward_only(room):
    for file in (ROOT / room).rglob("*.py"):
        assert imported(file) <= ALLOWED[room], file


def test_core_and_networks_need_torch_alone():
    code = (
        "import sys, torch; before = set(sys.modules); import imgan.core, imgan.networks; "
        "new = {m.split('.')[0] for m in set(sys.modules) - before} - {'imgan', 'torch'}; "
        "print(sorted(new - sys.stdlib_module_names))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_help_loads_nothing_heavy():
    code = (
        "import sys; sys.argv = ['imgan', '--help']\n"
        "import imgan.cli\n"
        "try: imgan.cli.main()\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'numpy', 'kornia', 'albumentations', 'lpips', 'accelerate', 'PIL'}\n"
        "print('loaded', sorted(heavy & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("loaded []")
    assert "upscale" in done.stdout


def test_help_answers_at_once():
    # Processor time and the best of five: another program on the machine is not our fault.
    times = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run([sys.executable, "-m", "imgan", "--help"], capture_output=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(times) < 0.5

"""Two processes: one step of the whole batch, one set of files, and a worker that is killed."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest
import torch

from imgan.training import checkpoint
from tests.training.runs import PHOTOS, trainer

WORKER = Path(__file__).with_name("runs.py")


def launch(out: Path, steps: int, **changes: object) -> subprocess.Popen[str]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "torch.distributed.run", "--nproc-per-node=2"]
    command += [f"--master-port={port}", str(WORKER), str(out), str(steps)]
    command.append(json.dumps(changes))
    return subprocess.Popen(
        command,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        start_new_session=True,
    )


def states(out: Path) -> list[dict]:
    return [torch.load(f"{out}-rank{rank}.pt", weights_only=True) for rank in (0, 1)]


@pytest.fixture(scope="module")
def two(tmp_path_factory) -> Path:
    """A run of one step by two processes."""
    out = tmp_path_factory.mktemp("two") / "run"
    process = launch(out, 1)
    assert process.wait(120) == 0, process.stderr.read()
    return out


def test_gradients_equal_one_process_with_the_whole_batch(two, tmp_path):
    trainer(tmp_path / "one", 1, adversary__history=0, adversary__noise=0.0).run()
    one, _ = checkpoint.load(tmp_path / "one" / "checkpoints")
    both, _ = checkpoint.load(two / "checkpoints")
    for player in (0, 1):
        alone, shared = (s["optimizers"][player]["state"] for s in (one, both))
        compared = 0
        for key, state in alone.items():
            for name in ("exp_avg", "momentum_buffer"):  # after one step: the gradient, scaled
                if name in state:
                    torch.testing.assert_close(shared[key][name], state[name], rtol=1e-4, atol=1e-7)
                    compared += 1
        assert compared == len(alone)


def test_both_players_are_in_sync_on_both_ranks(two):
    first, second = states(two)
    for role in ("generator", "critic"):
        assert all(torch.equal(v, second[role][k]) for k, v in first[role].items())


def test_batch_norm_in_the_critic_and_accumulation(tmp_path):
    critic = {"name": "patch", "width": 8, "layers": 1, "norm": True}
    changes = {"adversary__critic": critic, "adversary__penalties": [], "train__accumulate": 2}
    process = launch(tmp_path / "run", 3, **changes)
    assert process.wait(120) == 0, process.stderr.read()
    first, second = states(tmp_path / "run")
    for role in ("generator", "critic"):
        for key, value in first[role].items():
            # Running statistics are each process's own: no weight depends on them.
            assert "running" in key or torch.equal(value, second[role][key])


def test_accelerate_launches_it(tmp_path):
    """One process: on a CPU it starts several through MPI only."""
    command = [sys.executable, "-m", "accelerate.commands.launch", "--cpu", "--num_processes=1"]
    command += ["-m", "imgan", "train", "x4-mse", str(PHOTOS), "--out", str(tmp_path / "run")]
    for change in ("steps=2", "batch=1", "workers=0", "log_every=1"):
        command += ["--set", f"train.{change}"]
    command += ["--set", "generator.width=8", "--set", "generator.blocks=1"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stderr
    assert len((tmp_path / "run" / "metrics.jsonl").read_text().splitlines()) == 2
    assert (tmp_path / "run" / "model.safetensors").exists()


def test_files_are_written_once(two):
    files = sorted(str(p.relative_to(two)) for p in two.rglob("*") if p.is_file())
    assert files == [
        ".lock",
        "checkpoints/step-00000001.pt",
        "data.json",
        "index.html",
        "metrics.jsonl",
        "model.safetensors",
        "previews/00000000.png",
        "previews/00000001.png",
        "recipe.yaml",
    ]
    assert len((two / "metrics.jsonl").read_text().splitlines()) == 1


@pytest.mark.parametrize("fewer", [True, False])
def test_a_run_goes_on_with_another_number_of_processes(two, tmp_path, fewer):
    changes = {"adversary__history": 0, "adversary__noise": 0.0}
    trainer(tmp_path / "alone", 1, **changes).run()
    begun, _ = checkpoint.load(tmp_path / "alone" / "checkpoints")
    shutil.copytree(two if fewer else tmp_path / "alone", tmp_path / "run")
    if fewer:
        trainer(tmp_path / "run", 4, **changes).run()
    else:
        process = launch(tmp_path / "run", 4)
        assert process.wait(120) == 0, process.stderr.read()
    trainer(tmp_path / "alone", 4, **changes).run()
    went_on, _ = checkpoint.load(tmp_path / "run" / "checkpoints")
    alone, _ = checkpoint.load(tmp_path / "alone" / "checkpoints")
    for role, weights in alone["networks"].items():
        for key, value in weights.items():
            way = value - begun["networks"][role][key]
            gap = went_on["networks"][role][key] - value
            assert gap.norm() < 0.02 * way.norm(), f"{role} {key}"


def test_a_killed_worker_ends_the_run_with_a_sentence(tmp_path):
    process = launch(tmp_path / "run", 100_000)
    try:
        deadline = time.monotonic() + 90
        while not checkpoint.found(tmp_path / "run" / "checkpoints"):
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < deadline
            time.sleep(0.2)
        workers = [
            child
            for child in psutil.Process(process.pid).children(recursive=True)
            if str(WORKER) in child.cmdline() and "torch.distributed.run" not in child.cmdline()
        ]
        workers[-1].send_signal(signal.SIGKILL)
        _, errors = process.communicate(timeout=90)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode != 0
    assert "another process of this run has ended" in errors, errors
    state, _ = checkpoint.load(tmp_path / "run" / "checkpoints")
    assert state is not None

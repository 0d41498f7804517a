"""train.compile: the whole networks are compiled, and train as they would without it."""

import torch
from torch import nn

from imgan.training import checkpoint
from tests.training.runs import trainer


def test_a_compiled_run_is_the_same_run(tmp_path, monkeypatch):
    """Traced by torch.compile as ever, but run op by op: generating code takes over a minute."""
    compiled, graphs = [], []

    def backend(graph, inputs):
        graphs.append(graph)
        return graph.forward

    compile_ = nn.Module.compile

    def traced(self, *args, **kwargs):
        compiled.append(self)
        compile_(self, *args, backend=backend, **kwargs)

    monkeypatch.setattr(nn.Module, "compile", traced)
    changes = {"steps": 1, "train__preview_every": 100}  # R1 is paid in the first
    plain = trainer(tmp_path / "plain", **changes)
    run = trainer(tmp_path / "run", **changes, train__compile=True)
    assert compiled == list(run.pipeline.networks.values())
    plain.run()
    assert not graphs
    run.run()
    assert graphs
    (one, _), (other, _) = (checkpoint.load(tmp_path / n / "checkpoints") for n in ("plain", "run"))
    for role, state in one["networks"].items():
        for name, value in state.items():
            torch.testing.assert_close(other["networks"][role][name], value)

"""ONNX files: any size, the answers of PyTorch, the card inside, nothing half-written."""

import json
from types import SimpleNamespace

import pytest
import torch

from imgan.errors import ImganError
from imgan.inference import export
from imgan.inference.export import export_onnx
from imgan.model_file import Card, NetworkCard, save_model
from imgan.networks import build
from tests.inference.frame_models import make_model

onnxruntime = pytest.importorskip("onnxruntime")
pytest.importorskip("onnx")
pytest.importorskip("onnxscript")

NETWORKS = {
    "plainsr": {"scale": 2, "width": 4, "blocks": 1},
    "unet": {"depth": 2, "width": 2, "channels": 1, "out_channels": 2},
    "resnet": {"width": 2, "blocks": 1},
}


def saved(path, roles, **card):
    torch.manual_seed(0)
    networks = {role: build(name, NETWORKS[name]) for role, name in roles.items()}
    first = next(iter(networks.values()))
    card = Card(
        pipeline="test",
        name=path.stem,
        networks={
            role: NetworkCard(name=name, arguments=NETWORKS[name]) for role, name in roles.items()
        },
        scale=getattr(first, "scale", 1),
        size_multiple=getattr(first, "size_multiple", 1),
        **card,
    )
    save_model(path, card, {role: network.state_dict() for role, network in networks.items()})
    return networks


def run(path, image):
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    answer = session.run(None, {"input": image.numpy()})[0]
    return torch.from_numpy(answer), session.get_modelmeta().custom_metadata_map


@pytest.mark.parametrize(
    ("name", "channels", "sizes"),
    [
        ("plainsr", 3, [(5, 7), (40, 33)]),
        ("unet", 1, [(8, 8), (24, 72)]),
        ("resnet", 3, [(8, 12), (52, 20)]),
    ],
)
def test_any_size_and_batch(tmp_path, name, channels, sizes):
    low = 0.0 if name == "plainsr" else -1.0
    path, out = tmp_path / "m.safetensors", tmp_path / "new" / "m.onnx"
    network = saved(path, {"generator": name}, value_range=(low, 1), channels=channels)
    done = export_onnx(path, out)
    assert done.path == out
    assert done.difference < 1e-5
    assert [p.name for p in out.parent.iterdir()] == ["m.onnx"]
    for batch, size in enumerate(sizes, 1):
        image = low + (1 - low) * torch.rand(batch, channels, *size)
        answer, metadata = run(out, image)
        assert torch.allclose(answer, network["generator"].eval()(image), atol=1e-5)
    card = json.loads(metadata["imgan"])
    assert card == done.card.model_dump(mode="json")
    assert metadata["role"] == "generator"
    assert f"[N, {channels}, H, W] in [{low:g}, 1]" in metadata["input"]
    assert f"[N, {answer.shape[1]}, " in metadata["output"]
    assert ("multiples of" in metadata["input"]) == (name != "plainsr")


def test_both_directions_of_a_cyclegan(tmp_path, monkeypatch):
    chosen = []

    class Enough(Exception):
        pass

    def trace(network, *_):
        chosen.append(network)
        raise Enough

    path, out = tmp_path / "cycle.safetensors", tmp_path / "cycle.onnx"
    both = saved(path, {"a_to_b": "resnet", "b_to_a": "resnet"}, value_range=(-1, 1))
    monkeypatch.setattr(export, "_trace", trace)
    for role in (None, "a_to_b", "b_to_a"):
        with pytest.raises(Enough):
            export_onnx(path, out, role)
    image = torch.rand(1, 3, 16, 16)
    for network, role in zip(chosen, ("a_to_b", "a_to_b", "b_to_a"), strict=True):
        assert torch.equal(network(image), both[role].eval()(image))
    with pytest.raises(ImganError, match="no network 'generator'; it has a_to_b and b_to_a"):
        export_onnx(path, out, "generator")


@pytest.fixture
def model(tmp_path):
    saved(tmp_path / "m.safetensors", {"generator": "plainsr"})
    return tmp_path / "m.safetensors"


def test_a_wrong_answer_is_not_written(model, tmp_path, monkeypatch):
    out = tmp_path / "m.onnx"
    out.write_text("the one before")

    class Program:
        model = SimpleNamespace(metadata_props={})

        def save(self, path, **_):
            path.write_text("half")

    monkeypatch.setattr(export, "_trace", lambda *_: Program())
    monkeypatch.setattr(export, "_run", lambda file, image: torch.full((1, 3, 32, 64), torch.nan))
    with pytest.raises(ImganError, match="differs from PyTorch's by nan"):
        export_onnx(model, out, overwrite=True)
    assert out.read_text() == "the one before"
    assert len(list(tmp_path.iterdir())) == 2


def test_errors_are_sentences(model, tmp_path, monkeypatch):
    (tmp_path / "there.onnx").write_text("the one before")
    for source, out, role, message in [
        (tmp_path / "none.safetensors", "m.onnx", None, "there is no model"),
        (model, tmp_path / "m.pth", None, "m.pth is not the name of an ONNX file"),
        (model, tmp_path, None, "is not the name of an ONNX file"),
        (model, tmp_path / "m.onnx", "b_to_a", "works in one direction only"),
        (model, tmp_path / "there.onnx", None, "there.onnx exists; take --overwrite"),
    ]:
        with pytest.raises(ImganError, match=message):
            export_onnx(source, out, role)
    assert (tmp_path / "there.onnx").read_text() == "the one before"
    monkeypatch.setattr(export, "find_spec", lambda name: None if name == "onnxscript" else True)
    with pytest.raises(ImganError, match=r"needs onnxscript: pip install onnxscript"):
        export_onnx(model, tmp_path / "m.onnx")


@pytest.mark.parametrize(("pipeline", "command"), [("nextframe", "predict"), ("dann", "classify")])
def test_models_that_make_no_image_of_an_image_are_refused(tmp_path, pipeline, command):
    path = make_model(tmp_path / "m.safetensors", card={"pipeline": pipeline})
    with pytest.raises(ImganError) as error:
        export_onnx(path, tmp_path / "m.onnx")
    assert f"is a {pipeline} model" in str(error.value)
    assert f"use imgan {command} --model {path}" in str(error.value)
    assert not (tmp_path / "m.onnx").exists()

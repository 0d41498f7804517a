import hashlib
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
import torch

from imgan.errors import ImganError
from imgan.model_file import load_model
from imgan.pipelines.backbones import backbone
from imgan.recipe import parse_recipe
from tests.pipelines.domain_runs import content, make_domains, trainer


@pytest.fixture(scope="module")
def domains(tmp_path_factory) -> list[Path]:
    return make_domains(tmp_path_factory.mktemp("domains"))


def test_a_backbone_of_torchvision_with_weights_from_a_file(domains, tmp_path):
    from torchvision.models import get_model

    torch.manual_seed(1)
    weights = get_model("mobilenet_v3_small", weights=None).state_dict()
    torch.save(weights, tmp_path / "w.pth")
    spec = {
        "name": "torchvision",
        "model": "mobilenet_v3_small",
        "weights": str(tmp_path / "w.pth"),
    }
    run = trainer(tmp_path / "run", domains[:2], content(1, features=spec, data={"size": 32}))
    own = run.pipeline.networks["features"].model.state_dict()
    assert torch.equal(own["features.0.0.weight"], weights["features.0.0.weight"])
    model = load_model(run.run())
    assert model.networks["features"](torch.zeros(1, 3, 32, 32)).shape == (1, 1024)


def taken(recipe):
    return backbone(parse_recipe(content(1, **recipe), "test"), None)[0]


MOBILE = {"name": "torchvision", "model": "mobilenet_v3_small"}


def test_weights_for_other_classes_or_from_a_training_script_are_taken(tmp_path):
    from torchvision.models import get_model

    weights = get_model("mobilenet_v3_small", weights=None, num_classes=7).state_dict()
    torch.save({"state_dict": weights, "epoch": 3}, tmp_path / "w.pth")
    spec = MOBILE | {"weights": str(tmp_path / "w.pth")}
    own = taken({"features": spec, "data": {"size": 32}}).model.state_dict()
    assert own and all(torch.equal(value, weights[key]) for key, value in own.items())


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"model": "resnet18"}, r"holds no weights of resnet18 \(\d+ of 120 .* as conv1.weight\)"),
        ({"model": "resnet"}, "torchvision has no classifier 'resnet'"),
        ({"weights": "none.pth"}, "there is no file none.pth"),
        ({"weights": "junk.pth"}, "junk.pth cannot be read as weights"),
        ({"weights": "list.pth"}, "list.pth holds no weights of mobilenet_v3_small"),
        ({"model": "vit_b_16", "weights": None}, r"Expected 224 but got 32!\); another data.size"),
        ({"model": "alexnet", "weights": None}, r"made of images \[3, 32, 32\]"),
    ],
)
def test_backbones_that_cannot_be_had_are_one_sentence(tmp_path, monkeypatch, change, sentence):
    monkeypatch.chdir(tmp_path)
    torch.save({"a": torch.zeros(1)}, "w.pth")
    torch.save([1], "list.pth")
    Path("junk.pth").write_bytes(b"junk")
    spec = MOBILE | {"weights": "w.pth"} | change
    with pytest.raises(ImganError, match=sentence):
        taken({"features": spec, "data": {"size": 32}})


def test_weights_are_downloaded_checked_and_the_file_is_named_where_they_cannot_be(
    tmp_path, monkeypatch
):
    """From a server of this machine's own, that has one good file and one that was cut short."""
    from torchvision.models import MobileNet_V3_Small_Weights, get_model

    weights = get_model("mobilenet_v3_small", weights=None).state_dict()
    torch.save(weights, tmp_path / "w.pth")
    data = (tmp_path / "w.pth").read_bytes()
    good = f"w-{hashlib.sha256(data).hexdigest()[:8]}.pth"
    (tmp_path / good).write_bytes(data)
    (tmp_path / f"cut-{good[2:]}").write_bytes(data[:-9])
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "hub"))
    handler = partial(QuietHandler, directory=tmp_path)
    recipe = {"features": MOBILE | {"weights": "download"}, "data": {"size": 32}}
    newest = MobileNet_V3_Small_Weights.DEFAULT.value
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        place = f"http://127.0.0.1:{server.server_port}"
        monkeypatch.setattr(newest, "url", f"{place}/{good}")
        own = taken(recipe).model.state_dict()
        assert torch.equal(own["features.0.0.weight"], weights["features.0.0.weight"])
        for name, reason in (
            (f"cut-{good[2:]}", "invalid hash value"),
            ("none-0.pth", "not found"),
        ):
            monkeypatch.setattr(newest, "url", f"{place}/{name}")
            with pytest.raises(ImganError, match=f"{reason}.*set features.weights=FILE"):
                taken(recipe)
        server.shutdown()
    monkeypatch.setattr(newest, "url", f"{place}/gone-0.pth")
    with pytest.raises(ImganError, match=r"cannot be downloaded from http://127.*refused.*FILE"):
        taken(recipe)
    monkeypatch.setattr(newest, "url", f"{place}/{good}")
    taken(recipe)  # it lies in torch's cache
    assert [file.name for file in (tmp_path / "hub").rglob("*.*")] == [good]


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass

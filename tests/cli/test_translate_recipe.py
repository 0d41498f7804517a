"""The whole job: data by name from a server on this machine, training, translation, a page."""

import io
import threading
import zipfile
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from imgan.cli import app
from imgan.data import catalogue
from imgan.errors import ImganError
from tests.pipelines.translation_runs import content, make_pairs


@pytest.fixture
def server(tmp_path, monkeypatch):
    """Serves horse2zebra.zip, a small stand-in with trainA, trainB, testA and testB."""
    pairs = make_pairs(tmp_path / "pairs", train=3, val=2)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for split, name in (("train", "train"), ("val", "test")):
            for i, file in enumerate(sorted((pairs / split).iterdir())):
                archive.write(file, f"horse2zebra/{name}A/h{i}.png")
                archive.write(file, f"horse2zebra/{name}B/z{i}.png")
    (tmp_path / "served").mkdir()
    (tmp_path / "served" / "horse2zebra.zip").write_bytes(buffer.getvalue())

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "served")))
    threading.Thread(target=http.serve_forever, args=[0.01], daemon=True).start()
    monkeypatch.setenv("IMGAN_MIRROR", f"http://127.0.0.1:{http.server_address[1]}")
    monkeypatch.setenv("IMGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    entry = catalogue.Entry("horse2zebra", "unpaired", 0, "", "http://nowhere/horse2zebra.zip")
    monkeypatch.setattr(catalogue, "_entries", lambda: {"horse2zebra": entry})
    yield http
    http.shutdown()


def recipe(folder: Path, pipeline: str, **changes: object) -> str:
    file = folder / f"{pipeline}.yaml"
    file.write_text(yaml.safe_dump(content(pipeline, 2) | {"name": pipeline} | changes))
    return str(file)


def test_a_data_set_by_name_becomes_a_page(server, tmp_path):
    run = CliRunner()
    command = ["translate", "--recipe", recipe(tmp_path, "cyclegan"), "horse2zebra"]
    done = run.invoke(app, [*command, "--device", "cpu"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    folder = tmp_path / "runs" / "cyclegan-horse2zebra"
    page = (folder / "index.html").read_text()
    for direction in ("AtoB", "BtoA"):
        assert (folder / "results" / direction / "output").is_dir()
        assert f"results/{direction}/output/" in page
    server.shutdown()  # the data is kept, and the run is done
    again = run.invoke(app, [*command, "--device", "cpu"], catch_exceptions=False)
    assert again.exit_code == 0
    assert "finished" in again.output


def test_a_folder_of_pairs_is_scored(server, tmp_path):
    command = ["translate", "--recipe", recipe(tmp_path, "pix2pix"), "pairs", "-o", "here"]
    done = CliRunner().invoke(
        app, [*command, "--direction", "BtoA", "--device", "cpu"], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output
    assert "psnr" in (tmp_path / "here" / "index.html").read_text().lower()
    assert (tmp_path / "here" / "results" / "BtoA" / "output").is_dir()


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--recipe", "pix2pix", "x", "--model", "m"], "give one of them"),
        (["--recipe", "pix3pix", "x"], "there is no recipe pix3pix; did you mean pix2pix?"),
        (["--recipe", "pix2pix", "horse2zebr"], "horse2zebra"),
        (["a.png", "--set", "seed=1"], "--set changes a recipe"),
    ],
)
def test_what_cannot_be_is_one_sentence(server, arguments, sentence):
    done = CliRunner().invoke(app, ["translate", *arguments])
    assert isinstance(done.exception, ImganError)
    assert sentence in str(done.exception)

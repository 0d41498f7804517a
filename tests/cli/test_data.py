"""``imgan data`` from the command line."""

import hashlib
import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from imgan.cli import app
from imgan.data import catalogue
from imgan.data.video import write_video
from imgan.errors import ImganError


def run(*arguments):
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """A set called tiny whose archive is put in place by hand."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as packed:
        for number, name in enumerate(("trainA/h1.png", "trainB/z1.png")):
            image = io.BytesIO()
            Image.new("RGB", (8, 8), (number, 0, 0)).save(image, "PNG")
            packed.writestr(name, image.getvalue())
    table = tmp_path / "datasets.tsv"
    digest = hashlib.sha256(buffer.getvalue()).hexdigest()
    rows = [
        "name\tlayout\tbytes\tsha256\turl",
        f"tiny\tunpaired\t{len(buffer.getvalue())}\t{digest}\thttp://127.0.0.1:9/tiny.zip",
        "open\tjoined\t\t\thttp://127.0.0.1:9/open.zip",
    ]
    table.write_text("\n".join(rows))
    catalogue._read.cache_clear()
    monkeypatch.setattr(catalogue, "_table", lambda: table)
    monkeypatch.setenv("IMGAN_CACHE", str(tmp_path / "cache"))
    home = tmp_path / "cache" / "datasets"
    home.mkdir(parents=True)
    for name in ("tiny.zip", "open.zip"):
        (home / name).write_bytes(buffer.getvalue())
    yield home
    catalogue._read.cache_clear()


def test_list_get_path_and_check(archive):
    listed = run("data", "list")
    assert listed.exit_code == 0 and "tiny" in listed.stdout and "yes" not in listed.stdout
    assert isinstance(run("data", "path", "tiny").exception, ImganError)
    assert "imgan data get tiny" in str(run("data", "check", "tiny").exception)
    got = run("data", "get", "tiny")
    assert got.exit_code == 0 and f"tiny is now in {archive / 'tiny'}" in got.stdout
    assert "unpacking tiny" in got.stderr
    assert run("data", "path", "tiny").stdout == f"{archive / 'tiny'}\n"
    assert "is already in" in run("data", "get", "tiny").stdout
    assert "yes" in run("data", "list").stdout
    checked = run("data", "check", "tiny")
    assert checked.exit_code == 0 and "unpaired" in checked.stdout
    assert "fit to train on" in checked.stdout


def test_an_unpublished_checksum_is_printed(archive):
    got = run("data", "get", "open")
    found = catalogue.checksums("open")["open.zip"]
    assert f"SHA-256 {found}: none is published for open.zip" in got.stdout


def test_check_names_faults_and_exits_with_1(tmp_path):
    root = tmp_path / "set"
    for name in ("trainA", "trainB"):
        (root / name).mkdir(parents=True)
        for number in range(30):
            (root / name / f"{number}.png").write_bytes(b"damaged")
    result = run("data", "check", root, "--json", tmp_path / "out.json")
    assert result.exit_code == 1
    assert "folders (pairs in two folders" in result.stdout
    assert "and 40 more, all of them with --json FILE" in result.stdout
    assert "60 faults" in result.stdout
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["kind"] == "folders" and len(report["faults"]) == 60
    assert run("data", "check", root, "--layout", "joined").exit_code == 1
    both = run("data", "check", root / "trainA", root / "trainB", "--json", tmp_path / "both.json")
    assert both.exit_code == 1 and both.stdout.count("none can be read\n1 fault\n") == 2
    assert [Path(one["root"]).name for one in json.loads((tmp_path / "both.json").read_text())] == [
        "trainA",
        "trainB",
    ]
    assert "no data set of that name" in str(run("data", "check", "nowhere").exception)


def test_check_of_clips(tmp_path):
    frames = np.random.default_rng(0).integers(0, 256, (6, 24, 32, 3), dtype=np.uint8)
    for name in ("train/a.webm", "train/b.mkv", "test/c.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        write_video(tmp_path / name, iter(frames), 25)
    done = run("data", "check", tmp_path)
    assert done.exit_code == 0, done.output
    assert f"{tmp_path}: clips\n" in done.stdout and "fit to train on" in done.stdout
    rows = [line.replace("│", " ").split() for line in done.stdout.splitlines()]
    assert ["train", "2", "12", "32x24"] in rows and ["test", "1", "6", "32x24"] in rows
    (tmp_path / "train" / "b.mkv").write_bytes(b"damaged")
    done = run("data", "check", tmp_path, "--json", tmp_path / "out.json")
    assert done.exit_code == 1 and "1 fault" in done.stdout
    report = json.loads((tmp_path / "out.json").read_text())
    assert report["kind"] == "clips" and report["splits"][0]["frames"] == 6
    assert report["faults"][0]["files"] == [str(tmp_path / "train" / "b.mkv")]

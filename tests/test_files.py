"""Files that are whole or not there."""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from imgan import files
from imgan.files import replacing, sweep, write_json


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "a.txt"
    with replacing(path) as beside:
        assert beside.suffix == ".txt"
        beside.write_text("one")
    with pytest.raises(KeyboardInterrupt), replacing(path) as beside:
        beside.write_text("half")
        raise KeyboardInterrupt
    assert path.read_text() == "one"
    assert list(path.parent.iterdir()) == [path]


def test_rights_follow_the_umask_which_is_never_touched(tmp_path, monkeypatch):
    before = os.umask(0o027)
    try:
        with monkeypatch.context() as patch:
            patch.delattr(os, "umask")
            with replacing(tmp_path / "a") as beside:
                beside.write_text("one")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


WRITER = """
import sys
from pathlib import Path
from imgan.files import replacing
with replacing(Path(sys.argv[1])) as beside:
    beside.write_text("half")
    print(beside, flush=True)
    sys.stdin.read()
"""


@pytest.mark.skipif(files.fcntl is None, reason="no locks")
def test_only_what_a_dead_process_left_is_swept(tmp_path):
    path = tmp_path / "step-1.pt"
    command = [sys.executable, "-c", WRITER, str(path)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        half = process.stdout.readline().strip()
        assert sweep(tmp_path, "step-*.pt") == []  # it lives
        process.kill()
    others = [".step-1.pt", ".step-12.pt", ".other-0123456789abcdef.pt", "step-2.pt"]
    for name in others:
        (tmp_path / name).write_text("not ours")
    assert [str(p) for p in sweep(tmp_path, "step-*.pt")] == [half]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(others)
    assert sweep(tmp_path / "none", "step-*.pt") == []


def test_the_own_process_and_its_threads_are_writers_too(tmp_path):
    with replacing(tmp_path / "step-1.pt") as beside:
        beside.write_text("one")
        assert sweep(tmp_path, "step-*.pt") == []
    assert (tmp_path / "step-1.pt").read_text() == "one"


def test_without_locks_writing_works_and_nothing_is_swept(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "fcntl", None)
    with replacing(tmp_path / "a.txt") as beside:
        beside.write_text("one")
    (tmp_path / ".a-0123456789abcdef.txt").write_text("half")
    assert sweep(tmp_path, "*.txt") == []
    assert (tmp_path / "a.txt").read_text() == "one"


def test_links_devices_and_pipes_stay_what_they_are(tmp_path):
    (tmp_path / "far").mkdir()
    (tmp_path / "link.json").symlink_to(tmp_path / "far" / "real.json")
    for content in (1, 2):  # a link to nothing, and one to a file
        write_json(tmp_path / "link.json", content)
        assert (tmp_path / "link.json").is_symlink()
        assert (tmp_path / "far" / "real.json").read_text() == f"{content}\n"
    write_json(Path(os.devnull), {})
    assert not Path(os.devnull).is_file()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are none")
def test_who_reads_a_pipe_gets_what_is_written(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with ThreadPoolExecutor(1) as pool:
        read = pool.submit((tmp_path / "pipe").read_text)
        write_json(tmp_path / "pipe", [1])
        assert read.result(timeout=60) == "[\n 1\n]\n"
    assert (tmp_path / "pipe").is_fifo()

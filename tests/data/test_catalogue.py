"""Data sets by name, from a server on this machine."""

import hashlib
import io
import re
import stat
import struct
import tarfile
import threading
import zipfile
import zlib
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from PIL import Image

from imgan.data import catalogue, download
from imgan.data.layouts import find_layout
from imgan.data.rar import _PROGRAMS, Hindered
from imgan.data.unpack import unpack
from imgan.errors import ImganError


def png(level=0, size=(8, 8)):
    buffer = io.BytesIO()
    Image.effect_noise(size, 50 + level).save(buffer, "PNG")
    return buffer.getvalue()


def zipped(names, top="tiny/"):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i, name in enumerate(names):
            archive.writestr(top + name, png(i))
    return buffer.getvalue()


ARCHIVE = zipped(["trainA/h1.png", "trainA/h2.png", "trainB/z1.png", "trainB/z2.png"])
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


class Server:
    """Serves one file; may cut connections, know no ranges, or answer with an error.

    `others` are served under their paths in place of it.
    """

    def __init__(self):
        self.content, self.status, self.ranges, self.tag = ARCHIVE, 200, True, '"1"'
        self.others = {}
        self.cuts = []  # after so many bytes of one reply each
        self.asked = []  # the path and the range of each request
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self):
                outer.answer(self)

            def log_message(self, *_):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.http.server_address[1]}"
        threading.Thread(target=self.http.serve_forever, args=[0.01], daemon=True).start()

    def answer(self, request):
        wanted = request.headers.get("Range")
        self.asked.append((request.path, wanted))
        if self.status != 200:
            request.send_error(self.status)
            return
        content = self.others.get(request.path, self.content)
        start = 0
        if wanted and self.ranges and request.headers.get("If-Range") in (None, self.tag):
            start = int(re.fullmatch(r"bytes=(\d+)-", wanted)[1])
            if start >= len(content):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(content)}")
                request.end_headers()
                return
            request.send_response(206)
            end = len(content) - 1
            request.send_header("Content-Range", f"bytes {start}-{end}/{len(content)}")
        else:
            request.send_response(200)
        request.send_header("Content-Length", str(len(content) - start))
        request.send_header("ETag", self.tag)
        request.end_headers()
        rest = content[start:]
        request.wfile.write(rest[: self.cuts.pop(0)] if self.cuts else rest)


@pytest.fixture
def server():
    running = Server()
    yield running
    running.http.shutdown()
    running.http.server_close()


@pytest.fixture
def known(monkeypatch, tmp_path, server):
    """Make a catalogue of the sets tiny (zip) and loose (tar.gz, without a checksum).

    And of walks (two archives), digits (an array) and packed (RAR).
    """

    def make(sha256=SHA256, url=None):
        at = url or server.url
        rows = [
            ("name", "layout", "bytes", "sha256", "url"),
            ("tiny", "unpaired", str(len(ARCHIVE)), sha256, f"{at}/tiny.zip"),
            ("loose", "joined", "", "", f"{at}/loose.tar.gz"),
            ("walks", "clips", "", "", f"{at}/a/slow.zip {at}/a/fast.zip"),
            ("digits", "sequences", "", "", f"{at}/test_seq.npy"),
            ("packed", "clips", "", "", f"{at}/packed.rar"),
        ]
        table = tmp_path / "datasets.tsv"
        table.write_text("\n".join("\t".join(row) for row in rows))
        catalogue._read.cache_clear()
        monkeypatch.setattr(catalogue, "_table", lambda: table)
        return tmp_path / "cache" / "datasets"

    monkeypatch.setenv("IMGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("IMGAN_MIRROR", raising=False)
    monkeypatch.setattr(download, "WAITS", (0.0, 0.0, 0.0, 0.0))
    monkeypatch.setattr(download, "_CHUNK", 50)
    yield make
    catalogue._read.cache_clear()


def test_the_shipped_catalogue():
    names = catalogue.names()
    assert len(names) == 20
    assert {"horse2zebra", "maps", "maps-pix2pix", "moving-mnist", "kth", "ucf101"} <= set(names)
    for name in names:
        entry = catalogue.entry(name)
        assert entry.layout in ("unpaired", "joined", "clips", "sequences")
        assert entry.bytes > 0 or not entry.sha256
        for file in entry.files:
            assert file.url.startswith("http") and file.name.startswith(name)
            assert re.fullmatch(r"([0-9a-f]{64})?", file.sha256)
    assert [file.name for file in catalogue.entry("maps-pix2pix").files] == ["maps-pix2pix.tar.gz"]
    assert [file.name for file in catalogue.entry("moving-mnist").files] == ["moving-mnist.npy"]
    parts = catalogue.entry("kth").files
    assert parts[0].name == "kth-walking.zip" and parts[5].folder == "handclapping"


def test_download_check_unpack_and_keep(known, server):
    home, calls = known(), []
    assert catalogue.path("tiny") is None
    folder = catalogue.get("tiny", lambda *call: calls.append(call))
    assert folder == home / "tiny" == catalogue.path("tiny")
    layout = find_layout(folder)
    assert layout.kind == "unpaired" and layout.root == folder
    assert {call[0] for call in calls} == {"downloading", "checking", "unpacking"}
    assert ("downloading", len(ARCHIVE), len(ARCHIVE)) in calls
    assert catalogue.checksums("tiny") == {"tiny.zip": catalogue.entry("tiny").sha256}
    assert sorted(file.name for file in home.iterdir()) == [".tiny.lock", "tiny", "tiny.sha256"]
    assert catalogue.get("tiny") == folder == catalogue.locate("tiny")
    assert server.asked == [("/tiny.zip", None)]


def test_a_broken_checksum(known, server):
    home = known("0" * 64)
    with pytest.raises(ImganError, match=r"does not have the SHA-256 0000.*another mirror"):
        catalogue.get("tiny")
    assert not [file for file in home.iterdir() if file.name != ".tiny.lock"]


def test_a_cut_connection_is_resumed(known, server):
    known()
    server.cuts = [100, 0, 50]
    catalogue.get("tiny")
    ranges = [wanted for _, wanted in server.asked]
    assert ranges == [None, "bytes=100-", "bytes=100-", "bytes=150-"]


def test_a_stopped_download_goes_on_the_next_time(known, server):
    home = known()

    def stop(doing, done, total):
        if done:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        catalogue.get("tiny", stop)
    (home / ".tiny.new-123").mkdir()  # what a kill leaves
    part = home / "tiny.zip.part"
    part.write_bytes(ARCHIVE[:123])
    catalogue.get("tiny")
    assert server.asked[-1] == ("/tiny.zip", "bytes=123-")
    assert sorted(file.name for file in home.iterdir()) == [".tiny.lock", "tiny", "tiny.sha256"]


def test_a_complete_part_needs_no_bytes(known, server):
    home = known()
    home.mkdir(parents=True)
    (home / "tiny.zip.part").write_bytes(ARCHIVE)
    (home / "tiny.zip.part.from").write_text(f'{server.url}/tiny.zip\n"1"')
    catalogue.get("tiny")
    assert server.asked == [("/tiny.zip", f"bytes={len(ARCHIVE)}-")]


@pytest.mark.parametrize("origin", ['{url}/tiny.zip\n"0"', 'http://other/tiny.zip\n"1"', ""])
def test_a_part_of_another_file_is_begun_anew(known, server, origin):
    home = known()
    home.mkdir(parents=True)
    (home / "tiny.zip.part").write_bytes(b"x" * 99)
    (home / "tiny.zip.part.from").write_text(origin.format(url=server.url))
    assert find_layout(catalogue.get("tiny")).kind == "unpaired"


@pytest.mark.parametrize("length", [99, 10**5])
def test_a_part_that_does_not_fit_is_fetched_again(known, server, length):
    home = known()
    home.mkdir(parents=True)
    (home / "tiny.zip.part").write_bytes(b"x" * length)
    (home / "tiny.zip.part.from").write_text(f'{server.url}/tiny.zip\n"1"')
    assert find_layout(catalogue.get("tiny")).kind == "unpaired"


def test_a_server_without_ranges(known, server):
    known()
    server.ranges, server.cuts = False, [100]
    catalogue.get("tiny")
    assert [wanted for _, wanted in server.asked] == [None, "bytes=100-"]


@pytest.mark.parametrize(("status", "requests"), [(404, 1), (503, 3)])
def test_errors_of_the_server(known, server, status, requests):
    known()
    server.status = status
    with pytest.raises(ImganError, match=f"the server answered {status}"):
        catalogue.get("tiny")
    assert len(server.asked) == requests


def test_offline_and_by_hand(known, server):
    home = known(url="http://127.0.0.1:9")
    with pytest.raises(ImganError) as error:
        catalogue.get("tiny")
    for text in ("http://127.0.0.1:9/tiny.zip", "refused", str(home / "tiny.zip")):
        assert text in str(error.value)
    (home / "tiny.zip").write_bytes(ARCHIVE[:-1])
    with pytest.raises(ImganError, match=r"tiny\.zip does not have .*take it away"):
        catalogue.get("tiny")
    (home / "tiny.zip").write_bytes(ARCHIVE)
    assert find_layout(catalogue.get("tiny")).kind == "unpaired"
    assert (home / "tiny.zip").is_file()  # it is the user's


def test_mirror(known, server, monkeypatch):
    known(url="http://127.0.0.1:9")
    monkeypatch.setenv("IMGAN_MIRROR", server.url + "/sets/")
    catalogue.get("tiny")
    assert server.asked == [("/sets/tiny.zip", None)]
    monkeypatch.setenv("IMGAN_MIRROR", "/mnt/sets")
    with pytest.raises(ImganError, match="IMGAN_MIRROR is /mnt/sets"):
        catalogue.get("loose")


def tarred(*members):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in members:
            info = tarfile.TarInfo(name)
            if isinstance(content, bytes):
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
            else:
                info.type, info.linkname = content
                archive.addfile(info)
    return buffer.getvalue()


def test_without_a_published_checksum_the_first_one_is_kept(known, server):
    home = known()
    wide = png(size=(16, 8))
    server.content = tarred(("loose/train/1.png", wide), ("loose/val/2.png", wide))
    folder = catalogue.get("loose")
    assert find_layout(folder).kind == "joined"
    found = hashlib.sha256(server.content).hexdigest()
    assert catalogue.checksums("loose") == {"loose.tar.gz": found}
    folder.rename(home / "away")
    server.content = tarred(("loose/train/1.png", png(9)))
    with pytest.raises(ImganError, match=r"that of the first download \(in .*loose\.sha256\)"):
        catalogue.get("loose")


SLOW, FAST = zipped(["1.png", "2.png"], ""), zipped(["3.png"], "fast/")


def test_a_set_of_several_archives(known, server):
    home, calls = known(), []
    server.others = {"/a/slow.zip": SLOW, "/a/fast.zip": FAST}
    server.cuts = [60]
    folder = catalogue.get("walks", lambda *call: calls.append(call[0]))
    there = [str(path.relative_to(folder)) for path in folder.rglob("*.png")]
    assert sorted(there) == ["fast/3.png", "slow/1.png", "slow/2.png"]
    assert {"downloading slow of", "checking fast of", "unpacking fast of"} <= set(calls)
    assert [path for path, _ in server.asked] == ["/a/slow.zip", "/a/slow.zip", "/a/fast.zip"]
    assert sorted(path.name for path in home.iterdir()) == [".walks.lock", "walks", "walks.sha256"]
    assert set(catalogue.checksums("walks")) == {"walks-slow.zip", "walks-fast.zip"}
    folder.rename(home / "away")
    server.others["/a/fast.zip"] = SLOW
    with pytest.raises(ImganError, match="fast.zip does not have the SHA-256 .* first download"):
        catalogue.get("walks")
    assert not folder.exists()


def test_one_damaged_archive_of_several(known, server):
    home = known()
    server.others = {"/a/slow.zip": SLOW, "/a/fast.zip": FAST[:-30]}
    with pytest.raises(ImganError, match=r"walks-fast.zip is damaged"):
        catalogue.get("walks")
    assert sorted(path.name for path in home.iterdir()) == [".walks-slow.zip", ".walks.lock"]
    server.others["/a/fast.zip"] = FAST
    server.asked.clear()
    assert (catalogue.get("walks") / "slow" / "1.png").is_file()
    assert server.asked == [("/a/fast.zip", None)]  # the other one had come


def test_several_files_by_hand_and_from_a_mirror(known, server, monkeypatch):
    home = known(url="http://127.0.0.1:9")
    with pytest.raises(ImganError) as error:
        catalogue.get("walks")
    for text in ("/a/slow.zip, http", f"into {home} as walks-slow.zip, walks-fast.zip and run"):
        assert text in str(error.value)
    (home / "walks-slow.zip").write_bytes(SLOW)
    with pytest.raises(ImganError, match=rf"put it at {home}/walks-fast.zip"):
        catalogue.get("walks")
    server.others = {"/walks-fast.zip": FAST}
    monkeypatch.setenv("IMGAN_MIRROR", server.url)
    assert (catalogue.get("walks") / "fast" / "3.png").is_file()
    assert server.asked == [("/walks-fast.zip", None)]
    assert sorted(path.name for path in home.glob("*.zip")) == ["walks-slow.zip"]


def test_an_array_is_kept_as_it_is(known, server):
    home = known()
    server.content = bytes(range(200))
    folder = catalogue.get("digits")
    assert [path.name for path in folder.iterdir()] == ["test_seq.npy"]
    assert (folder / "test_seq.npy").read_bytes() == server.content
    folder.rename(home / "away")
    (home / "digits.npy").write_bytes(server.content)
    assert (catalogue.get("digits") / "test_seq.npy").read_bytes() == server.content
    assert (home / "digits.npy").is_file() and len(server.asked) == 1


def test_without_a_program_for_rar_nothing_is_fetched(known, server, monkeypatch, tmp_path):
    home = known()
    monkeypatch.setattr("imgan.data.rar.shutil.which", lambda _: None)
    with pytest.raises(ImganError) as error:
        catalogue.get("packed")
    for text in ("unrar, bsdtar, 7z, 7zz", f"as the folder {home / 'packed'}"):
        assert text in str(error.value)
    assert server.asked == []
    (tmp_path / "a.rar").write_bytes(b"Rar!\x1a\x07\x00")
    with pytest.raises(ImganError, match="no program that unpacks it"):
        unpack(tmp_path / "a.rar", tmp_path / "a")


def rar(*members):
    """A RAR archive (version 4) of stored files; a str is a link's target."""

    def block(kind, flags, body, data=b""):
        head = struct.pack("<BHH", kind, flags, 7 + len(body)) + body
        return struct.pack("<H", zlib.crc32(head) & 0xFFFF) + head + data

    made = [b"Rar!\x1a\x07\x00", block(0x73, 0, bytes(6))]
    for name, content in members:
        mode = 0o100644 if isinstance(content, bytes) else 0o120777
        content = content if isinstance(content, bytes) else content.encode()
        sizes = struct.pack("<IIBI", len(content), len(content), 3, zlib.crc32(content))
        rest = struct.pack("<IBBHI", 0x21, 20, 0x30, len(name), mode)
        made.append(block(0x74, 0x8000, sizes + rest + name.encode(), content))
    return b"".join([*made, block(0x7B, 0x4000, b"")])


@pytest.fixture
def program(tmp_path_factory):
    """Skips where no program is installed that unpacks RAR; some 7z do not."""
    home = tmp_path_factory.mktemp("rar")
    (home / "a.rar").write_bytes(rar(("a", b"a")))
    try:
        unpack(home / "a.rar", home / "a")
    except Hindered as error:
        pytest.skip(str(error))


def test_a_rar(program, known, server):
    known()
    server.content = rar(("UCF/jump/1.avi", b"one"), ("UCF/run/2.avi", b"two"))
    folder = catalogue.get("packed")
    there = [str(path.relative_to(folder)) for path in folder.rglob("*.avi")]
    assert sorted(there) == ["jump/1.avi", "run/2.avi"]
    assert (folder / "run" / "2.avi").read_bytes() == b"two"


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ([("../evil", b"x")], "leaves its folder"),
        ([("a", bytes(3000))], "refused as a bomb"),
        ([("a", b"x"), ("b", b"x"), ("c", b"x")], "holds more than 2 files"),
        (None, r"cannot be unpacked \("),
    ],
)
def test_hostile_rars(program, tmp_path, monkeypatch, members, message):
    monkeypatch.setattr("imgan.data.unpack.MOST_FILES", 2)
    (tmp_path / "a.rar").write_bytes(rar(*members) if members else rar(("a", bytes(99)))[:-50])
    with pytest.raises(ImganError, match=message):
        unpack(tmp_path / "a.rar", tmp_path / "a", most_bytes=2000)
    assert [path.name for path in tmp_path.iterdir()] == ["a.rar"]


def test_links_in_a_rar(program, tmp_path):
    (tmp_path / "a.rar").write_bytes(rar(("a", b"x"), ("b", "../evil")))
    with suppress(ImganError):  # some programs write a file that holds the target's name
        unpack(tmp_path / "a.rar", tmp_path / "a")
    assert not (tmp_path / "a" / "b").is_symlink()


def test_links_that_a_program_makes_are_refused(tmp_path, monkeypatch):
    def leaves(archive, folder, check, watch):
        (folder / "b").symlink_to("/etc/passwd")

    monkeypatch.setattr("imgan.data.rar.shutil.which", lambda name: name)
    monkeypatch.setattr("imgan.data.unpack.unpack_rar", leaves)
    (tmp_path / "a.rar").write_bytes(rar(("a", b"x")))
    with pytest.raises(ImganError, match="holds the link or device b: refused"):
        unpack(tmp_path / "a.rar", tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.rar"]


def test_the_next_program_is_tried_and_an_archive_is_kept(known, server, monkeypatch, tmp_path):
    home, programs = known(), tmp_path / "programs"
    programs.mkdir()
    for name, script in (
        ("unrar", "echo no such format >&2; exit 1"),
        ("bsdtar", "[ $1 = -tf ] && echo f/1.avi || { mkdir $4/f && echo 1 >$4/f/1.avi; }"),
    ):
        (programs / name).write_text(f"#!/bin/sh\n{script}\n")
        (programs / name).chmod(0o755)
    server.content = rar(("f/1.avi", b"1"))
    monkeypatch.setenv("PATH", f"{programs}:/usr/bin:/bin")
    (programs / "bsdtar").rename(programs / "later")
    monkeypatch.setattr("imgan.data.rar._PROGRAMS", dict(list(_PROGRAMS.items())[:2]))
    with pytest.raises(ImganError, match="unrar: no such format"):
        catalogue.get("packed")
    assert (home / ".packed.rar").is_file()  # it may be sound
    (programs / "later").rename(programs / "bsdtar")
    assert (catalogue.get("packed") / "1.avi").is_file()
    assert len(server.asked) == 1


def test_locate(known, tmp_path, monkeypatch):
    known()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tiny").mkdir()
    assert str(catalogue.locate("tiny")) == "tiny"  # an existing folder wins
    with pytest.raises(ImganError, match="no data set tinny; did you mean tiny?"):
        catalogue.locate("tinny")
    with pytest.raises(ImganError, match="imgan data list"):
        catalogue.locate("nothing/of/that/kind")
    with pytest.raises(ImganError, match="is a file"):
        catalogue.locate(tmp_path / "datasets.tsv")


def hostile_zip(name, content=b"x", mode=0):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        info = zipfile.ZipInfo(name)
        info.external_attr = mode << 16
        archive.writestr(info, content)
    return buffer.getvalue()


HOSTILE = {
    "absolute": (hostile_zip("/etc/evil"), "leaves its folder"),
    "parent": (hostile_zip("a/../../evil"), "leaves its folder"),
    "backslash": (hostile_zip("..\\evil"), "leaves its folder"),
    "drive": (hostile_zip("C:evil"), "leaves its folder"),
    "zip link": (hostile_zip("a", b"/etc/passwd", stat.S_IFLNK | 0o777), "leaves its folder"),
    "tar parent": (tarred(("../evil", b"x")), "leaves its folder"),
    "tar link": (tarred(("a", (tarfile.SYMTYPE, "../evil"))), "leaves its folder"),
    "hard link": (tarred(("a", (tarfile.LNKTYPE, "/etc/passwd"))), "leaves its folder"),
    "link to a folder": (
        tarred(("d/x", b"x"), ("a", (tarfile.SYMTYPE, "d")), ("a/y", b"y")),
        "is no file of it",
    ),
    "device": (tarred(("a", (tarfile.CHRTYPE, ""))), "holds the device"),
    "cut": (tarred(("a", bytes(range(256)) * 99))[:-99], "is damaged"),
    "no archive": (b"<html>not found</html>", "is damaged or no archive"),
    "empty": (b"", "is damaged or no archive"),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_archives(tmp_path, kind):
    content, message = HOSTILE[kind]
    home = tmp_path / "home"
    home.mkdir()
    (home / "archive").write_bytes(content)
    with pytest.raises(ImganError, match=message):
        unpack(home / "archive", home / "set")
    assert [file.name for file in tmp_path.rglob("*")] == ["home", "archive"]


def test_bombs(tmp_path, monkeypatch):
    (tmp_path / "bomb.tar.gz").write_bytes(tarred(("a", bytes(1 << 20)), ("b", bytes(1 << 20))))
    with pytest.raises(ImganError, match="refused as a bomb"):
        unpack(tmp_path / "bomb.tar.gz", tmp_path / "set", most_bytes=3 << 19)
    monkeypatch.setattr("imgan.data.unpack.MOST_FILES", 1)
    with pytest.raises(ImganError, match="holds more than 1 files"):
        unpack(tmp_path / "bomb.tar.gz", tmp_path / "set")
    assert [file.name for file in tmp_path.iterdir()] == ["bomb.tar.gz"]


def test_links_inside_become_copies(tmp_path):
    archive = tmp_path / "set.tar.gz"
    archive.write_bytes(
        tarred(
            ("d/x.png", b"x"),
            ("d/y.png", (tarfile.SYMTYPE, "x.png")),
            ("e/z.png", (tarfile.SYMTYPE, "../d/x.png")),
            ("e/w.png", (tarfile.LNKTYPE, "d/x.png")),
        )
    )
    unpack(archive, tmp_path / "set")
    for name in ("d/y.png", "e/z.png", "e/w.png"):
        assert (tmp_path / "set" / name).read_bytes() == b"x"
        assert not (tmp_path / "set" / name).is_symlink()


def test_no_room(known, monkeypatch):
    known()
    monkeypatch.setattr(catalogue.shutil, "disk_usage", lambda _: type("", (), {"free": 5}))
    with pytest.raises(ImganError, match="set IMGAN_CACHE to another folder"):
        catalogue.get("tiny")

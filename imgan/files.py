"""Writing that never leaves a half-written file."""

from __future__ import annotations

import json
import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import ImganError

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a fresh path beside `path`; on success it is renamed to `path`, on failure removed.

    The new name keeps the suffix, so that writers which choose a format by it still do. A link
    stays, and leads to the new file; a device or a pipe stays, and is itself what is given. What a
    killed process leaves behind, `sweep` removes where it is asked to.
    """
    if _is_stream(path):
        yield path
        return
    path = Path(os.path.realpath(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(8)}{path.suffix}")
    # Not by tempfile, whose files are private: here the kernel applies the umask, which a process
    # cannot even read without changing it for all its threads.
    descriptor = os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666)
    locked = _lock(descriptor)
    if not locked:
        os.close(descriptor)  # Windows renames no open file
    try:
        yield beside
        with open(beside, "rb+") as written:
            os.fsync(written.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
        if locked:
            os.close(descriptor)


def writable(folder: Path) -> bool:
    """Whether files can be put into a folder, or it can be made; before long work, not for sure."""
    whole = Path(os.path.realpath(folder))
    # Not Path.exists, which raises below a folder that may not be searched.
    there = next(one for one in (whole, *whole.parents) if os.path.exists(one))
    return os.path.isdir(there) and os.access(there, os.W_OK)


def _is_stream(path: Path) -> bool:
    if path.parent.as_posix() in ("/dev", "/dev/fd", "/proc/self/fd"):  # where links lead to files
        return True
    return path.exists() and not (path.is_file() or path.is_dir())


def write_json(path: Path, content: object) -> None:
    """Write plain data as JSON, whole or not at all.

    Raises:
        ImganError: the file cannot be written.
    """
    try:
        with replacing(path) as beside:
            beside.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    except OSError as error:
        raise ImganError(
            f"{path} cannot be written ({error.strerror or error}); take another place"
        ) from None


def sweep(folder: Path, names: str) -> list[Path]:
    """Remove what killed processes left in `folder` of files whose names match the glob `names`.

    `replacing` holds a lock on what it writes, which the kernel takes off when the process ends,
    however it ends: what can be locked has no writer any more. Where there are no locks, nothing
    is removed.

    Returns:
        What was removed.
    """
    swept = []
    for path in folder.glob(f".{names}"):
        name = _BESIDE.fullmatch(path.name)
        if not name or not Path(name[1] + name[2]).match(names):
            continue
        try:
            descriptor = os.open(path, os.O_RDWR)
        except OSError:  # another process was faster, or it is not ours to remove
            continue
        try:
            if _lock(descriptor):
                path.unlink(missing_ok=True)
                swept.append(path)
        finally:
            os.close(descriptor)
    return swept


_BESIDE = re.compile(r"\.(.{0,40})-[0-9a-f]{16}((?:\.\w+)?)")


def _lock(descriptor: int) -> bool:
    """Lock the file for this process; False where another one holds it, or there are no locks."""
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True

"""Writing that never leaves a half-written file."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a fresh path beside `path`; on success it is renamed to `path`, on failure removed.

    The new name keeps the suffix, so that writers which choose a format by it still do.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.stem[:40]}-{secrets.token_hex(8)}{path.suffix}")
    # Not by tempfile, whose files are private: here the kernel applies the umask, which a process
    # cannot even read without changing it for all its threads.
    os.close(os.open(beside, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o666))
    try:
        yield beside
        with open(beside, "rb+") as written:
            os.fsync(written.fileno())
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)

"""Downloads that go on where they stopped."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

Bytes = Callable[[int, int], None]
"""Called with the bytes that are done, and all of them; 0 where that is not known."""

WAITS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Seconds before each new attempt; bytes that arrive give all attempts back."""

FIRST_WAITS = 2
"""So many of them where nothing has ever arrived: there is likely no network at all."""

TIMEOUT = 30.0
"""Seconds of silence after which a connection counts as cut."""

_CHUNK = 1 << 14  # small, as the part of one that came before a cut is lost
_AGAIN = {408, 429, 500, 502, 503, 504}  # a server that may do better in a moment


class Unreachable(Exception):
    """An address that gives nothing; the text is the reason."""


class Changed(Exception):
    """What an address gives is not what its checksum says."""


class Resuming:
    """A downloader for pooch that keeps what has arrived in ``NAME.part`` and goes on from there.

    The part file outlives cut connections, Ctrl-C and kills. Beside it ``NAME.part.from`` tells
    which version of which address it is a part of; of another one it is begun anew.
    """

    def __init__(self, part: Path, progress: Bytes) -> None:
        self.part, self.progress = part, progress
        self.resumed = False
        self._origin = part.with_name(part.name + ".from")

    def __call__(self, url: str, output_file: str, pooch: object) -> None:
        """Fetch `url` and put it at `output_file`.

        Raises:
            Unreachable: it could not be fetched, after several attempts.
        """
        from requests import RequestException
        from urllib3.exceptions import HTTPError

        failures, arrived = 0, False
        while True:
            before = self._size()
            try:
                if self._fetch(url):
                    break
                reason = "the connection was cut"
            except (RequestException, HTTPError) as error:
                reason = _plain(error)
            arrived |= self._size() > before
            failures = 1 if self._size() > before else failures + 1
            if failures > (len(WAITS) if arrived else FIRST_WAITS):
                raise Unreachable(reason)
            time.sleep(WAITS[failures - 1])
        os.replace(self.part, output_file)
        self._origin.unlink(missing_ok=True)

    def discard(self) -> None:
        """Forget what has arrived."""
        self.part.unlink(missing_ok=True)
        self._origin.unlink(missing_ok=True)

    def _size(self) -> int:
        return self.part.stat().st_size if self.part.is_file() else 0

    def _fetch(self, url: str) -> bool:
        """One attempt, from the end of the part on; whether all has arrived."""
        import requests

        have, headers = self._size(), {"Accept-Encoding": "identity"}
        address, _, version = self._came_from().partition("\n")
        if have and address == url and version:
            # With If-Range a server sends all if the file has changed since.
            headers |= {"Range": f"bytes={have}-", "If-Range": version}
        elif have:
            self.discard()
            have = 0
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as reply:
            if reply.status_code == 416:  # nothing is left, or the part is longer than the file
                if reply.headers.get("Content-Range", "") == f"bytes */{have}":
                    return True
                self.discard()
                return False
            if reply.status_code in _AGAIN:
                reply.raise_for_status()
            if reply.status_code not in (200, 206):
                raise Unreachable(f"the server answered {reply.status_code} {reply.reason}")
            goes_on = reply.status_code == 206
            if goes_on and not reply.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
                self.discard()
                return False
            self.resumed |= goes_on
            have = have if goes_on else 0
            length = int(reply.headers.get("Content-Length", 0))
            total = have + length if length else 0
            version = reply.headers.get("ETag", "")
            if not version or version.startswith("W/"):  # weak ones are not for ranges
                version = reply.headers.get("Last-Modified", "")
            with open(self.part, "ab" if goes_on else "wb") as file:
                self._origin.write_text(f"{url}\n{version}", encoding="utf-8")
                self.progress(have, total)
                for chunk in reply.iter_content(_CHUNK):
                    file.write(chunk)
                    have += len(chunk)
                    self.progress(have, total)
            return have >= total

    def _came_from(self) -> str:
        try:
            return self._origin.read_text(encoding="utf-8")
        except (OSError, UnicodeError):
            return ""


def fetch(url: str, file: Path, name: str, checksum: str, progress: Bytes) -> None:
    """Download `url` as `file` and check it; a damaged download never gets the file's name.

    Args:
        url: http or https.
        file: where to; its folder must exist.
        name: what it is; a folder ``.NAME.new-*`` beside `file` is in use meanwhile.
        checksum: SHA-256 in hexadecimal, or "" where none is known.
        progress: called as bytes arrive.

    Raises:
        Unreachable: it could not be fetched.
        Changed: what arrives is not what the checksum says.
    """
    import pooch

    pooch.get_logger().setLevel("WARNING")  # its notes would break the progress bar
    known = f"sha256:{checksum}" if checksum else None
    downloader = Resuming(file.with_name(file.name + ".part"), progress)
    for last in (False, True):
        try:
            # pooch makes its temporary files beside the result, and a kill leaves them.
            with TemporaryDirectory(prefix=f".{name}.new-", dir=file.parent) as aside:
                pooch.retrieve(url, known, file.name, aside, downloader=downloader)
                os.replace(Path(aside, file.name), file)
            return
        except ValueError:
            if last or not downloader.resumed:
                raise Changed from None
            downloader.resumed = False  # the parts may not fit together: once more, from the start


def _plain(error: Exception) -> str:
    """The reason without the addresses of objects and pools that requests tells of."""
    from requests import ConnectionError as NoConnection
    from requests import HTTPError, Timeout

    if isinstance(error, HTTPError) and error.response is not None:
        return f"the server answered {error.response.status_code} {error.response.reason}"
    if isinstance(error, Timeout):
        return "the server did not answer in time"
    text = str(error)
    if "resolve" in text or "Name or service" in text or "getaddrinfo" in text:
        return "its address cannot be looked up, is there a network?"
    if "refused" in text:
        return "the connection was refused"
    if isinstance(error, NoConnection):
        return "there is no connection to it"
    return "the connection was cut"

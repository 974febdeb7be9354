"""Published files over HTTP: mirrors in turn, checksums, and little patience.

A machine without network has to learn it within ten seconds, so all attempts
of one command share one `Patience` until the first server has answered.
Looking up a name can hang for longer than any socket timeout, hence the thread.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import queue
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import NamedTuple

from data_scripts.errors import NoSource
from data_scripts.progress import progress_bar

MAX_FILE = 1 << 30  # bytes; the largest file published for these sets has 170 MB
CHUNK = 1 << 18


class Remote(NamedTuple):
    """A published file: where it can be had, its name and its MD5."""

    urls: tuple[str, ...]
    file_name: str
    md5: str


class Patience:
    """How long servers may take to answer.

    Args:
        total: seconds that all attempts together may take until one answers.
        attempt: seconds that one attempt may take.
        stall: seconds without a byte after which a running transfer is given up.
    """

    def __init__(self, *, total: float = 8.0, attempt: float = 4.0, stall: float = 10.0):
        self.left, self.attempt, self.stall = total, attempt, stall
        self.answered = False

    def open(self, url: str) -> http.client.HTTPResponse:
        """Open a URL.

        Raises:
            OSError: no answer in time, or an answer that is an error.
        """
        limit = self.stall if self.answered else min(self.attempt, self.left)
        if limit <= 0:
            raise TimeoutError("not tried: no server has answered so far")
        answers: queue.SimpleQueue = queue.SimpleQueue()

        def attempt() -> None:
            request = urllib.request.Request(url, headers={"User-Agent": "chalkbench"})
            try:
                answers.put(urllib.request.urlopen(request, timeout=self.stall))
            except Exception as error:  # handed to the caller, who waits
                answers.put(error)

        begun = time.monotonic()
        threading.Thread(target=attempt, daemon=True).start()
        try:
            answer = answers.get(timeout=limit)
        except queue.Empty:
            answer = TimeoutError(f"no answer within {limit:.0f} s")
        self.answered |= not isinstance(answer, Exception) or isinstance(answer, urllib.error.HTTPError)
        if not self.answered:
            self.left -= time.monotonic() - begun
        if isinstance(answer, OSError):
            raise answer
        if isinstance(answer, Exception):
            raise OSError(f"{type(answer).__name__}: {answer}")
        return answer


def download(remote: Remote, folder: Path, patience: Patience) -> Path:
    """Download a file unless a whole copy of it is in `folder` already.

    Args:
        remote: the file and its mirrors, tried in order.
        folder: where it goes, under a temporary name until its MD5 is right.
        patience: shared by all downloads of a command.

    Returns:
        the file's path.

    Raises:
        NoSource: no mirror gave the published file; says why for each.
    """
    target = folder / remote.file_name
    if target.is_file() and file_md5(target) == remote.md5:
        return target
    failures = []
    for url in remote.urls:
        try:
            found = transfer(url, target, remote.md5, patience)
        except (OSError, http.client.HTTPException) as error:
            found = f"{getattr(error, 'reason', None) or error}"
        if found is None:
            return target
        part_of(target).unlink(missing_ok=True)
        failures.append(f"{url}: {found}")
    raise NoSource(
        remote.file_name,
        expected=f"a download with MD5 {remote.md5}",
        found="; ".join(failures),
        mend="try again with a network, or name a folder that holds the data with --from DIR",
    )


def transfer(url: str, target: Path, md5: str, patience: Patience) -> str | None:
    """One attempt at one mirror; what is wrong with the file that came, or None."""
    part = part_of(target)
    digest, size = hashlib.md5(usedforsecurity=False), 0
    with patience.open(url) as response, part.open("wb") as file:
        with progress_bar(f"download {target.name}", total=response.length, in_bytes=True) as advance:
            while chunk := response.read(CHUNK):
                size += len(chunk)
                if size > MAX_FILE:
                    return f"more than {MAX_FILE:,} bytes"
                file.write(chunk)
                digest.update(chunk)
                advance(len(chunk))
    if digest.hexdigest() != md5:
        return f"{size:,} bytes with MD5 {digest.hexdigest()}"
    os.replace(part, target)
    return None


def part_of(target: Path) -> Path:
    """Where a file lies until it is whole."""
    return target.with_name(f"{target.name}.part")


def file_md5(path: Path) -> str:
    """MD5 of a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()

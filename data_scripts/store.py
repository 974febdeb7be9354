"""Data sets on disk: four .npy files that are memory-mapped, and meta.json.

`<root>/<name>/{train_images,train_labels,test_images,test_labels}.npy` are
written under temporary names and renamed; meta.json comes last and is removed
first, so a folder without it is never taken for a data set. Writers hold
`<root>/.<name>.lock`; readers need no lock and no write permission.

Opening checks the sizes, the headers, the labels and a checksum over pages
spread through each file (milliseconds); `verify_store` reads every byte.
"""

from __future__ import annotations

import hashlib
import os
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import filelock
import msgspec
import numpy as np

from data_scripts.dataset import Arrays, Dataset
from data_scripts.errors import DataError
from data_scripts.progress import notice, progress_bar

FORMAT = 1
PAGE = 4096  # bytes; what one touch of a memory map reads anyway
SAMPLED_PAGES = 64  # per file: some milliseconds on a cold disk, and a shifted or zeroed stretch is seen


class StoredArray(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """What meta.json says of one .npy file."""

    shape: tuple[int, ...]
    dtype: str
    file_bytes: int
    sampled_crc32: int
    sha256: str  # of the array's bytes, without the .npy header


class Meta(msgspec.Struct, forbid_unknown_fields=True, frozen=True):
    """meta.json: what the store holds."""

    format: int
    name: str
    kind: str
    source: str
    classes: tuple[str, ...]
    digest: str
    arrays: dict[str, StoredArray]


@contextmanager
def write_lock(root: Path, name: str) -> Iterator[None]:
    """Be the only process that writes store `name`; wait for another one to finish.

    Raises:
        DataError: the root cannot be written to.
    """
    try:
        root.mkdir(parents=True, exist_ok=True)
        lock = filelock.FileLock(root / f".{name}.lock")
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout:
            notice(f"another process is preparing {name} in {root}; waiting for it")
            lock.acquire()
    except OSError as error:
        raise DataError(
            root,
            expected="a folder that can be written to",
            found=error.strerror or str(error),
            mend="name another folder with --root DIR or CHALKBENCH_DATA=DIR",
        ) from error
    try:
        yield
    finally:
        lock.release()


def write_store(
    root: Path, name: str, arrays: Arrays, *, kind: str, source: str, classes: tuple[str, ...]
) -> Meta:
    """Write a data set so that it is whole or not there. Hold `write_lock`.

    Args:
        root: the data root.
        name: the folder below it.
        arrays: the images, uint8, and the labels.
        kind: "real" or "synthetic".
        source: one line for reports.
        classes: class names in label order.

    Returns:
        what was written to meta.json.

    Raises:
        DataError: the disk is full or may not be written to.
    """
    try:
        return written(root / name, arrays, kind=kind, source=source, classes=classes)
    except OSError as error:
        mend = "make room or name another folder with --root DIR or CHALKBENCH_DATA=DIR"
        expected = "room and permission to write the set"
        raise DataError(root / name, expected=expected, found=str(error), mend=mend) from error


def written(folder: Path, arrays: Arrays, *, kind: str, source: str, classes: tuple[str, ...]) -> Meta:
    """The body of `write_store`: the description goes first and comes back last."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "meta.json").unlink(missing_ok=True)
    for leftover in folder.glob(".*.tmp"):  # of a process that was killed
        leftover.unlink()
    stored = {}
    with progress_bar(f"write {folder.name}", total=len(Arrays._fields)) as advance:
        for field, array in arrays._asdict().items():
            array = np.ascontiguousarray(array, dtype=np.uint8)
            path = folder / f"{field}.npy"
            with replaced(path) as file:
                np.save(file, array, allow_pickle=False)
            stored[field] = StoredArray(
                shape=array.shape,
                dtype=str(array.dtype),
                file_bytes=path.stat().st_size,
                sampled_crc32=sampled_crc32(path),
                sha256=hashlib.sha256(array).hexdigest(),
            )
            advance(1)
    meta = Meta(
        format=FORMAT, name=folder.name, kind=kind, source=source, classes=classes,
        digest=content_digest(stored), arrays=stored,
    )
    with replaced(folder / "meta.json") as file:
        file.write(msgspec.json.format(msgspec.json.encode(meta)) + b"\n")
    return meta


def open_store(root: Path, name: str, *, mend: str) -> Dataset | None:
    """Memory-map a data set.

    Args:
        root: the data root.
        name: the folder below it.
        mend: the command that makes the store anew, for messages.

    Returns:
        the data set, or None if there is none (a store without meta.json was
        never finished).

    Raises:
        DataError: the store is truncated, changed or unreadable.
    """
    meta = read_meta(root, name, mend=mend)
    if meta is None:
        return None
    arrays = {}
    for field in Arrays._fields:
        arrays[field] = open_array(root / name / f"{field}.npy", meta.arrays[field], mend=mend)
        if field.endswith("labels"):
            arrays[field] = checked_labels(root / name / f"{field}.npy", arrays[field], len(meta.classes), mend)
    return Dataset(
        name=meta.name, kind=meta.kind, source=meta.source, classes=meta.classes, digest=meta.digest, **arrays
    )


def verify_store(root: Path, name: str, *, mend: str) -> Dataset | None:
    """`open_store`, and then compare the checksum of every byte.

    Raises:
        DataError: as `open_store`, or a checksum differs.
    """
    dataset = open_store(root, name, mend=mend)
    if dataset is None:
        return None
    meta = read_meta(root, name, mend=mend)
    for field, stored in meta.arrays.items():
        path = root / name / f"{field}.npy"
        found = hashlib.sha256(np.load(path, mmap_mode="r", allow_pickle=False)).hexdigest()
        if found != stored.sha256:
            raise DataError(path, expected=f"SHA-256 {stored.sha256}", found=f"SHA-256 {found}", mend=mend)
    return dataset


def read_meta(root: Path, name: str, *, mend: str) -> Meta | None:
    """Read and check meta.json; None if the store is not there."""
    path = root / name / "meta.json"
    expected = f"the description of a whole store (format {FORMAT})"
    try:
        meta = msgspec.json.decode(path.read_bytes(), type=Meta)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise DataError(path, expected="a readable file", found=error.strerror or str(error), mend=mend) from error
    except msgspec.DecodeError as error:
        raise DataError(path, expected=expected, found=str(error), mend=mend) from error
    if meta.format != FORMAT or set(meta.arrays) != set(Arrays._fields):
        found = f"format {meta.format} with {', '.join(sorted(meta.arrays))}"
        raise DataError(path, expected=expected, found=found, mend=mend)
    if meta.digest != content_digest(meta.arrays):
        expected = f"digest {content_digest(meta.arrays)}"
        raise DataError(path, expected=expected, found=f"digest {meta.digest}", mend=mend)
    return meta


def open_array(path: Path, stored: StoredArray, *, mend: str) -> np.ndarray:
    """Memory-map one .npy file after the checks that cost next to nothing."""

    def refuse(expected: object, found: object) -> DataError:
        return DataError(path, expected=str(expected), found=str(found), mend=mend)

    try:
        size = path.stat().st_size
        if size != stored.file_bytes:
            raise refuse(f"{stored.file_bytes:,} bytes", f"{size:,} bytes")
        crc = sampled_crc32(path)
        if crc != stored.sampled_crc32:
            raise refuse(f"sampled CRC-32 {stored.sampled_crc32:08x}", f"{crc:08x} (the content has changed)")
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    except FileNotFoundError as error:
        raise refuse(f"{stored.file_bytes:,} bytes", "no such file") from error
    except OSError as error:
        raise refuse("a readable file", error.strerror or error) from error
    except ValueError as error:
        raise refuse("a .npy file", error) from error
    if array.shape != stored.shape or str(array.dtype) != stored.dtype:
        raise refuse(f"{stored.dtype} {stored.shape}", f"{array.dtype} {array.shape}")
    return array


def checked_labels(path: Path, labels: np.ndarray, classes: int, mend: str) -> np.ndarray:
    """Labels as int64 in memory, which is what cross-entropy takes."""
    labels = labels.astype(np.int64)  # (N,)
    if labels.size and labels.max() >= classes:
        raise DataError(path, expected=f"labels 0 to {classes - 1}", found=f"label {labels.max()}", mend=mend)
    return labels


def content_digest(arrays: dict[str, StoredArray]) -> str:
    """One digest for the data: of the arrays' shapes and SHA-256s, in stored order."""
    lines = [f"{field} {arrays[field].dtype} {arrays[field].shape} {arrays[field].sha256}" for field in Arrays._fields]
    return "sha256:" + hashlib.sha256("\n".join(lines).encode()).hexdigest()


def sampled_crc32(path: Path) -> int:
    """CRC-32 over the first, the last and evenly spread pages of a file."""
    crc = 0
    with path.open("rb", buffering=0) as file:
        last = max(0, os.fstat(file.fileno()).st_size - PAGE)
        for page in range(SAMPLED_PAGES):
            file.seek(last * page // (SAMPLED_PAGES - 1))
            crc = zlib.crc32(file.read(PAGE), crc)
    return crc


@contextmanager
def replaced(path: Path) -> Iterator:
    """A file to write to that takes `path`'s place only when the block succeeds."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

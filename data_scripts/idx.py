"""MNIST from its own IDX files, plain or gzipped.

IDX: two zero bytes, a type byte (8: unsigned byte), the number of dimensions,
each dimension as a big-endian 32-bit integer, then the values in C order.

Reference: LeCun, Cortes, Burges, "The MNIST database of handwritten digits".
"""

from __future__ import annotations

import gzip
import hashlib
import math
import struct
import zlib
from pathlib import Path

import numpy as np

from data_scripts.dataset import Arrays, Dataset
from data_scripts.errors import DataError
from data_scripts.progress import progress_bar
from data_scripts.specs import Spec

FILES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
# As a mirror may hold them: by themselves, under the set's name, or as torchvision leaves them.
SUBFOLDERS = (".", "mnist", "MNIST/raw", "raw")


def read_mnist(spec: Spec, folder: Path) -> tuple[Arrays, str] | None:
    """Read MNIST from a mirror folder.

    Args:
        spec: the sizes and the MD5s of the decompressed files.
        folder: the mirror.

    Returns:
        the arrays and their one-line source, or None if no IDX file is there.

    Raises:
        DataError: a file is missing beside the others, unreadable or not the
            published one.
    """
    for subfolder in SUBFOLDERS:
        paths = {field: idx_path(folder / subfolder, stem) for field, stem in FILES.items()}
        if any(path.exists() for path in paths.values()):
            break
    else:
        return None
    arrays, shapes = {}, spec.shapes()
    with progress_bar(f"read {spec.title}", total=len(paths)) as advance:
        for field, path in paths.items():
            arrays[field] = read_idx(path, shapes[field], spec.md5.get(FILES[field]))
            advance(1)
    checked = "published checksums" if spec.md5 else "no checksums"
    return Arrays(**arrays), f"{spec.title} (IDX files, {checked})"


def idx_path(folder: Path, stem: str) -> Path:
    """The file's path: as it is, with a dot as some copies have it, or gzipped (also when absent)."""
    spellings = [stem, stem.replace("-idx", ".idx"), f"{stem}.gz"]
    return next((folder / name for name in spellings if (folder / name).is_file()), folder / spellings[-1])


def read_idx(path: Path, shape: tuple[int, ...], md5: str | None = None) -> np.ndarray:
    """Read one IDX file of unsigned bytes.

    Args:
        path: the file; gzipped if it ends in .gz.
        shape: the shape it must have.
        md5: the MD5 its decompressed content must have, if that is known.

    Returns:
        uint8 array of that shape.

    Raises:
        DataError: anything else is found.
    """

    def refuse(expected: str, found: str) -> DataError:
        return DataError(
            path, expected=expected, found=found,
            mend="delete it and run: python -m data_scripts.fetch mnist (or name a whole copy with --from DIR)",
        )

    header = struct.pack(f">BBBB{len(shape)}I", 0, 0, 8, len(shape), *shape)
    size = len(header) + math.prod(shape)
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            content = file.read(size + 1)  # one more than it may have; never a bomb's worth
    except FileNotFoundError as error:
        raise refuse("the file, beside the others of the set", "no such file") from error
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise refuse("a whole gzip file", f"{error} ({path.stat().st_size:,} bytes on disk)") from error
    except OSError as error:
        raise refuse("a readable file", error.strerror or str(error)) from error
    if content[: len(header)] != header:
        raise refuse(f"an IDX header for unsigned bytes of shape {shape}", described_header(content))
    if len(content) != size:
        found = f"{len(content):,} bytes" if len(content) < size else "more than that"
        raise refuse(f"{size:,} bytes of content", found)
    found_md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 is not None and found_md5 != md5:
        raise refuse(f"content with MD5 {md5}", f"MD5 {found_md5}")
    return np.frombuffer(content, np.uint8, offset=len(header)).reshape(shape)


def described_header(content: bytes) -> str:
    """An IDX header in words, for an error message."""
    if len(content) < 4 or content[:2] != b"\0\0" or len(content) < 4 + 4 * content[3]:
        return f"no IDX header (the content begins with {content[:8].hex(' ') or 'nothing'})"
    dimensions = struct.unpack_from(f">{content[3]}I", content, 4)
    return f"type {content[2]}, shape {tuple(dimensions)}"


def differing_idx(spec: Spec, dataset: Dataset) -> tuple[str, str, str] | None:
    """Compare stored arrays with the published MD5s of the IDX files they came from.

    Returns:
        (array's name, expected, found) of the first that differs, or None.
    """
    for field, stem in FILES.items():
        found = idx_md5(getattr(dataset, field))
        if stem in spec.md5 and found != spec.md5[stem]:
            return field, f"the published MD5 as IDX, {spec.md5[stem]}", found
    return None


def idx_md5(array: np.ndarray) -> str:
    """The MD5 that an array of unsigned bytes has as an IDX file."""
    digest = hashlib.md5(struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape), usedforsecurity=False)
    digest.update(np.ascontiguousarray(array, dtype=np.uint8))
    return digest.hexdigest()

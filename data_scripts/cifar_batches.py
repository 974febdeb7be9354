"""CIFAR-10 from the official python batches.

A batch is a pickled dict: `data`, uint8 (10000, 3072), each row a 3x32x32
image, and `labels`, a list of 10,000 integers. Pickles can run code when they
are loaded, so the published MD5 is compared first, and what unpickles may
build arrays of numbers and nothing else.

Reference: Krizhevsky, "Learning multiple layers of features from tiny images" (2009).
"""

from __future__ import annotations

import hashlib
import io
import pickle
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

import numpy as np

from data_scripts.archives import MEND, folder_members, tar_members
from data_scripts.dataset import Arrays
from data_scripts.errors import DataError
from data_scripts.progress import progress_bar
from data_scripts.specs import Spec

FOLDER = "cifar-10-batches-py"
ARCHIVES = ("cifar-10-python.tar.gz", "cifar-10-python.tar.xz", "cifar-10-python.tar")
SUBFOLDERS = (".", "cifar10", "cifar-10")
MAX_BATCH = 64 << 20  # bytes; a real one has 31 MB


def read_batches(spec: Spec, folder: Path) -> tuple[Arrays, str] | None:
    """Read CIFAR-10's python batches from a mirror folder, unpacked or in their tar.

    Args:
        spec: sizes, and the batches' names with their MD5s, the test batch last.
        folder: the mirror.

    Returns:
        the arrays and their one-line source, or None if no batch is there.

    Raises:
        DataError: a batch is missing, unreadable or not the published one.
    """
    for base in (folder / subfolder for subfolder in SUBFOLDERS):
        if (base / FOLDER).is_dir():
            origin = base / FOLDER
            return assembled(spec, origin, folder_members(origin, "*_batch*", MAX_BATCH))
        for name in ARCHIVES:
            if (base / name).is_file():
                return assembled(spec, base / name, tar_members(base / name, MAX_BATCH))
    return None


def assembled(
    spec: Spec, origin: Path, members: Iterable[tuple[PurePosixPath, bytes]]
) -> tuple[Arrays, str]:
    """The arrays from the batches among `members`; anything else there is passed over."""
    batches = {}
    with progress_bar(f"read {spec.title}", total=len(spec.md5)) as advance:
        for path, content in members:
            if path.name in spec.md5:
                batches[path.name] = read_batch(origin / path.name, content, spec)
                advance(1)
    missing = [name for name in spec.md5 if name not in batches]
    if missing:
        raise DataError(origin, expected=", ".join(spec.md5), found=f"no {', '.join(missing)}", mend=MEND)
    *train, test = (batches[name] for name in spec.md5)
    arrays = Arrays(
        np.concatenate([images for images, _ in train]), np.concatenate([labels for _, labels in train]), *test
    )
    for field, shape in spec.shapes().items():
        if getattr(arrays, field).shape != shape:
            raise DataError(origin, expected=f"{field} {shape}", found=str(getattr(arrays, field).shape), mend=MEND)
    return arrays, f"{spec.title} (official python batches, published checksums)"


def read_batch(path: Path, content: bytes, spec: Spec) -> tuple[np.ndarray, np.ndarray]:
    """One batch as images (N, H, W, 3) and labels (N,), both uint8."""
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest()
    if md5 != spec.md5[path.name]:
        raise DataError(
            path, expected=f"MD5 {spec.md5[path.name]}", found=f"MD5 {md5}, {len(content):,} bytes", mend=MEND
        )
    expected = "a dict with uint8 `data` and as many `labels`"
    try:
        batch = NumbersOnly(io.BytesIO(content), encoding="bytes").load()
        batch = {key.decode() if isinstance(key, bytes) else key: value for key, value in batch.items()}
        height, width, channels = spec.image_shape
        pixels = batch["data"].reshape(-1, channels, height, width)  # (N, 3, H, W)
        labels = np.array(batch["labels"], dtype=np.uint8)  # (N,)
    except Exception as error:  # unpickling damaged bytes can raise anything
        raise DataError(path, expected=expected, found=f"{type(error).__name__}: {error}", mend=MEND) from error
    if pixels.dtype != np.uint8 or labels.shape != pixels.shape[:1] or labels.max(initial=0) >= len(spec.classes):
        found = f"{pixels.dtype} {pixels.shape} with labels {labels.shape}, the largest {labels.max(initial=0)}"
        raise DataError(path, expected=expected, found=found, mend=MEND)
    return pixels.transpose(0, 2, 3, 1), labels  # (N, H, W, 3), (N,)


class NumbersOnly(pickle.Unpickler):
    """An unpickler that builds numpy arrays and plain containers, and refuses all else."""

    def find_class(self, module: str, name: str) -> object:
        """The few names that an array's pickle refers to, old and new spelling."""
        allowed = {
            ("numpy", "ndarray"): np.ndarray,
            ("numpy", "dtype"): np.dtype,
            ("numpy.core.multiarray", "_reconstruct"): empty_array,
            ("numpy._core.multiarray", "_reconstruct"): empty_array,
        }
        if (module, name) not in allowed:
            raise pickle.UnpicklingError(f"the pickle asks for {module}.{name}, which no batch needs")
        return allowed[module, name]


def empty_array(subtype: type, shape: tuple[int, ...], typecode: bytes) -> np.ndarray:
    """numpy's `_reconstruct`, for the one way that array pickles call it."""
    if subtype is not np.ndarray or shape != (0,):
        raise pickle.UnpicklingError(f"an array that begins as {subtype} of shape {shape}")
    return np.ndarray.__new__(np.ndarray, shape, np.int8)

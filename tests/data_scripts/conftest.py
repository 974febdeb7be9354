"""Small sets in the real formats, and no way out to the network or to the developer's own data."""

from __future__ import annotations

import gzip
import hashlib
import pickle
import struct
import urllib.request
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data_scripts import registry
from data_scripts.dataset import Arrays
from data_scripts.idx import FILES
from data_scripts.specs import CIFAR10, MNIST

TRAIN, TEST = 50, 20


@pytest.fixture(autouse=True)
def own_folder_without_network(tmp_path, monkeypatch):
    """Every test starts in an empty folder; a request to any server but this machine's fails at once."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("CHALKBENCH_DATA", raising=False)
    opened = urllib.request.urlopen

    def only_here(request, **options):
        if request.host.split(":")[0] != "127.0.0.1":
            raise OSError("no network in tests")
        return opened(request, **options)

    monkeypatch.setattr(urllib.request, "urlopen", only_here)


def small_arrays(image_shape: tuple[int, ...], train: int = TRAIN, test: int = TEST) -> Arrays:
    """Random images; labels 0 to 9 in turn."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (count, *image_shape), dtype=np.uint8) for count in (train, test)]
    labels = [(np.arange(count) % 10).astype(np.uint8) for count in (train, test)]
    return Arrays(images[0], labels[0], images[1], labels[1])


def idx_bytes(array: np.ndarray) -> bytes:
    """An array of bytes as an IDX file."""
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def write_idx(folder: Path, arrays: Arrays) -> Path:
    """A mirror of gzipped IDX files."""
    folder.mkdir(parents=True, exist_ok=True)
    for field, stem in FILES.items():
        (folder / f"{stem}.gz").write_bytes(gzip.compress(idx_bytes(getattr(arrays, field)), mtime=0))
    return folder


def write_batches(folder: Path, arrays: Arrays) -> dict[str, str]:
    """CIFAR-10's batches with few images; returns their MD5s."""
    folder.mkdir(parents=True, exist_ok=True)
    md5 = {}
    share = len(arrays.train_images) // 5
    parts = [(f"data_batch_{k + 1}", arrays.train_images[k * share :][:share], arrays.train_labels[k * share :][:share])
             for k in range(5)]  # fmt: skip
    for name, images, labels in [*parts, ("test_batch", arrays.test_images, arrays.test_labels)]:
        rows = images.transpose(0, 3, 1, 2).reshape(len(images), -1)
        content = pickle.dumps({b"data": rows, b"labels": labels.tolist()}, protocol=4)
        (folder / name).write_bytes(content)
        md5[name] = hashlib.md5(content).hexdigest()
    return md5


def write_images(folder: Path, arrays: Arrays, suffix: str = ".png") -> Path:
    """Class folders of images, numbered within their class."""
    for part, images, labels in (("train", *arrays[:2]), ("test", *arrays[2:])):
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = folder / part / CIFAR10.classes[label] / f"{index // 10:04d}{suffix}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)
    return folder


def assert_same(found, expected: Arrays) -> None:
    """All four arrays are equal, value by value."""
    for field in Arrays._fields:
        np.testing.assert_array_equal(getattr(found, field), getattr(expected, field), err_msg=field)


@pytest.fixture
def mnist_arrays() -> Arrays:
    """What the small MNIST holds."""
    return small_arrays((28, 28))


@pytest.fixture
def cifar_arrays() -> Arrays:
    """What the small CIFAR-10 holds."""
    return small_arrays((32, 32, 3))


@pytest.fixture
def small_mnist(monkeypatch, mnist_arrays):
    """The registry's MNIST, cut down to 50 + 20 images."""
    md5 = {stem: hashlib.md5(idx_bytes(getattr(mnist_arrays, field))).hexdigest() for field, stem in FILES.items()}
    spec = replace(MNIST, train_count=TRAIN, test_count=TEST, md5=md5)
    small = replace(registry.REAL["mnist"], spec=spec)
    monkeypatch.setitem(registry.REAL, "mnist", small)
    return small


@pytest.fixture
def small_cifar(monkeypatch):
    """The registry's CIFAR-10, cut down to 50 + 20 images."""
    spec = replace(CIFAR10, train_count=TRAIN, test_count=TEST)
    small = replace(registry.REAL["cifar10"], spec=spec)
    monkeypatch.setitem(registry.REAL, "cifar10", small)
    return small


@pytest.fixture
def small_digits(monkeypatch):
    """The registry's digits, cut down to 60 + 30 images."""
    small = replace(registry.SYNTHETIC["digits"], train_count=60, test_count=30)
    monkeypatch.setitem(registry.SYNTHETIC, "digits", small)
    return small

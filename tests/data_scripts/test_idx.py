"""MNIST's IDX files: read as they are, refused when they are not whole."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import numpy as np
import pytest

from data_scripts import DataError
from data_scripts.idx import read_idx, read_mnist

from .conftest import assert_same, idx_bytes, write_idx

LABELS = "t10k-labels-idx1-ubyte"


@pytest.mark.parametrize("subfolder", [".", "mnist", "MNIST/raw"])
def test_a_mirror_is_read_from_any_of_its_layouts(tmp_path, small_mnist, mnist_arrays, subfolder):
    write_idx(tmp_path / subfolder, mnist_arrays)
    arrays, source = read_mnist(small_mnist.spec, tmp_path)
    assert_same(arrays, mnist_arrays)
    assert source == "MNIST (IDX files, published checksums)"


def test_plain_files_are_read_like_gzipped_ones(tmp_path, small_mnist, mnist_arrays):
    write_idx(tmp_path, mnist_arrays)
    for packed in list(tmp_path.glob("*.gz")):
        packed.with_suffix("").write_bytes(gzip.decompress(packed.read_bytes()))
        packed.unlink()
    assert_same(read_mnist(small_mnist.spec, tmp_path)[0], mnist_arrays)


def test_the_gzip_stream_may_be_another_than_the_published_one(tmp_path, small_mnist, mnist_arrays):
    write_idx(tmp_path, mnist_arrays)
    for packed in tmp_path.glob("*.gz"):
        packed.write_bytes(gzip.compress(gzip.decompress(packed.read_bytes()), compresslevel=1, mtime=7))
    assert_same(read_mnist(small_mnist.spec, tmp_path)[0], mnist_arrays)


def test_a_folder_without_idx_files_is_no_copy(tmp_path, small_mnist):
    assert read_mnist(small_mnist.spec, tmp_path) is None


def test_a_missing_label_file_is_named(tmp_path, small_mnist, mnist_arrays):
    (write_idx(tmp_path, mnist_arrays) / f"{LABELS}.gz").unlink()
    with pytest.raises(DataError, match=rf"(?s){LABELS}.*no such file.*python -m data_scripts.fetch mnist"):
        read_mnist(small_mnist.spec, tmp_path)


def rewritten(path: Path, change) -> None:
    """Change a gzipped file's content."""
    path.write_bytes(gzip.compress(change(gzip.decompress(path.read_bytes()))))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda c: c[:-1], r"expected: 28 bytes of content\s+found:\s+27 bytes"),
        (lambda c: c + b"\0", r"expected: 28 bytes of content\s+found:\s+more than that"),
        (lambda c: c[:-1] + b"\7", r"content with MD5 \w{32}\s+found:\s+MD5 \w{32}"),
        (lambda c: idx_bytes(np.zeros(19, np.uint8)), r"shape \(20,\)\s+found:\s+type 8, shape \(19,\)"),
        (lambda c: b"<html>not here</html>", r"no IDX header \(the content begins with 3c 68"),
        (lambda c: b"", r"no IDX header \(the content begins with nothing\)"),
    ],
    ids=["truncated", "too-long", "changed", "wrong-count", "html", "empty"],
)
def test_content_that_is_not_the_published_is_refused(tmp_path, small_mnist, mnist_arrays, change, message):
    rewritten(write_idx(tmp_path, mnist_arrays) / f"{LABELS}.gz", change)
    with pytest.raises(DataError, match=message) as refused:
        read_mnist(small_mnist.spec, tmp_path)
    assert refused.value.file.endswith(f"{LABELS}.gz")


@pytest.mark.parametrize("keep", [0.5, 0.0])
def test_a_truncated_gzip_file_is_refused(tmp_path, small_mnist, mnist_arrays, keep):
    path = write_idx(tmp_path, mnist_arrays) / "train-images-idx3-ubyte.gz"
    path.write_bytes(path.read_bytes()[: int(keep * path.stat().st_size)])
    with pytest.raises(DataError, match="train-images-idx3-ubyte.gz"):
        read_mnist(small_mnist.spec, tmp_path)


def test_a_corrupt_gzip_file_is_refused(tmp_path, small_mnist, mnist_arrays):
    path = write_idx(tmp_path, mnist_arrays) / "train-images-idx3-ubyte.gz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    path.write_bytes(content)
    with pytest.raises(DataError, match="train-images-idx3-ubyte.gz"):
        read_mnist(small_mnist.spec, tmp_path)


def test_a_file_without_read_permission_is_named(tmp_path, monkeypatch):
    path = tmp_path / LABELS
    path.write_bytes(idx_bytes(np.zeros(3, np.uint8)))
    path.chmod(0)
    if os.access(path, os.R_OK):  # as root every file is readable, so the refusal is simulated

        def refused(*_, **__):
            raise PermissionError(13, "Permission denied")

        monkeypatch.setattr(Path, "open", refused)
    with pytest.raises(DataError, match=r"(?s)t10k-labels.*readable file.*Permission denied"):
        read_idx(path, (3,))


def test_a_gzip_bomb_is_not_unpacked(tmp_path):
    path = tmp_path / f"{LABELS}.gz"
    header = idx_bytes(np.zeros(4, np.uint8))[:8]
    path.write_bytes(gzip.compress(header + bytes(50_000_000)))
    with pytest.raises(DataError, match="more than that"):
        read_idx(path, (4,))

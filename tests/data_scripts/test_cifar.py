"""CIFAR-10: official batches and class folders, unpacked and in archives."""

from __future__ import annotations

import hashlib
import io
import os
import pickle
import tarfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from data_scripts import DataError, archives
from data_scripts.cifar_batches import NumbersOnly, read_batches
from data_scripts.image_folders import read_images

from .conftest import assert_same, write_batches, write_images


@pytest.fixture
def batches(tmp_path, small_cifar, cifar_arrays):
    """(spec with the MD5s of small batches, mirror folder that holds them)."""
    md5 = write_batches(tmp_path / "mirror" / "cifar-10-batches-py", cifar_arrays)
    return replace(small_cifar.spec, md5=md5), tmp_path / "mirror"


@pytest.fixture
def images(tmp_path, small_cifar, cifar_arrays):
    """(spec, mirror folder with the small set as PNG class folders)."""
    return small_cifar.spec, write_images(tmp_path / "mirror", cifar_arrays)


def packed(folder, archive, mode):
    """Pack a folder into an archive elsewhere, entries in reverse order; returns the archive's folder."""
    archive.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(archive, mode) as tar:
        for path in sorted(folder.rglob("*"), reverse=True):
            tar.add(path, path.relative_to(folder), recursive=False)
    return archive.parent


def test_official_batches_are_read(batches, cifar_arrays):
    arrays, source = read_batches(*batches)
    assert_same(arrays, cifar_arrays)
    assert source == "CIFAR-10 (official python batches, published checksums)"


def test_official_batches_are_read_from_their_archive(batches, cifar_arrays, tmp_path):
    spec, folder = batches
    arrays, _ = read_batches(spec, packed(folder, tmp_path / "packed" / "cifar-10-python.tar.gz", "w:gz"))
    assert_same(arrays, cifar_arrays)


def test_a_missing_batch_is_named(batches):
    spec, folder = batches
    (folder / "cifar-10-batches-py" / "data_batch_3").unlink()
    with pytest.raises(DataError, match="no data_batch_3"):
        read_batches(spec, folder)


def test_a_changed_batch_is_refused_before_it_is_unpickled(batches, monkeypatch):
    spec, folder = batches
    path = folder / "cifar-10-batches-py" / "data_batch_2"
    path.write_bytes(path.read_bytes()[:-5])
    with pytest.raises(DataError, match=r"data_batch_2\s+expected: MD5"):
        read_batches(spec, folder)


class Harmful:
    """Unpickles by making a folder."""

    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


def test_a_pickle_that_would_run_code_is_refused_even_with_the_right_checksum(batches, tmp_path):
    spec, folder = batches
    content = pickle.dumps({b"data": Harmful(), b"labels": []})
    (folder / "cifar-10-batches-py" / "test_batch").write_bytes(content)
    spec = replace(spec, md5={**spec.md5, "test_batch": hashlib.md5(content).hexdigest()})
    with pytest.raises(DataError, match=r"asks for (posix|nt).mkdir"):
        read_batches(spec, folder)
    assert not (tmp_path / "made-by-a-pickle").exists()


@pytest.mark.parametrize("protocol", [3, 4])
def test_the_restricted_unpickler_reads_what_numpy_writes(protocol):
    array = np.arange(12, dtype=np.uint8).reshape(3, 4)
    content = pickle.dumps({b"data": array}, protocol)
    np.testing.assert_array_equal(NumbersOnly(io.BytesIO(content), encoding="bytes").load()[b"data"], array)


def test_the_restricted_unpickler_reads_what_python_2_wrote():
    # As in the official files: byte strings, and the state of a numpy 1 array under its old names.
    old = (b"\x80\x02}q\x00U\x04dataq\x01cnumpy.core.multiarray\n_reconstruct\nq\x02cnumpy\nndarray\nq\x03K\x00\x85"
           b"U\x01b\x87R(K\x01K\x02K\x03\x86cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNNJ\xff\xff\xff\xff"
           b"J\xff\xff\xff\xffK\x00tb\x89U\x06abcdeftbs.")  # fmt: skip
    found = NumbersOnly(io.BytesIO(old), encoding="bytes").load()
    np.testing.assert_array_equal(found[b"data"], np.frombuffer(b"abcdef", np.uint8).reshape(2, 3))


def test_a_batch_of_another_shape_is_refused(batches):
    spec, folder = batches
    content = pickle.dumps({b"data": np.zeros((10, 100), np.uint8), b"labels": [0] * 10}, protocol=4)
    (folder / "cifar-10-batches-py" / "test_batch").write_bytes(content)
    spec = replace(spec, md5={**spec.md5, "test_batch": hashlib.md5(content).hexdigest()})
    with pytest.raises(DataError, match="test_batch"):
        read_batches(spec, folder)


def test_class_folders_are_read_class_by_class_in_turn(images, cifar_arrays):
    arrays, source = read_images(*images)
    assert_same(arrays, cifar_arrays)
    assert arrays.train_labels[:10].tolist() == list(range(10))
    assert source == "CIFAR-10 (PNG copy)"


@pytest.mark.parametrize(("suffix", "mode"), [(".tar", "w"), (".tar.gz", "w:gz"), (".tar.xz", "w:xz")])
def test_an_archive_of_class_folders_reads_like_the_folders(images, cifar_arrays, tmp_path, suffix, mode):
    spec, folder = images
    arrays, _ = read_images(spec, packed(folder, tmp_path / "packed" / f"cifar10-png{suffix}", mode))
    assert_same(arrays, cifar_arrays)


def test_a_jpeg_copy_says_that_it_is_one(tmp_path, small_cifar, cifar_arrays):
    write_images(tmp_path / "mirror", cifar_arrays, ".jpg")
    assert read_images(small_cifar.spec, tmp_path / "mirror")[1] == "CIFAR-10 (JPEG copy)"


def test_a_missing_image_is_counted(images):
    spec, folder = images
    (folder / "train" / "frog" / "0002.png").unlink()
    with pytest.raises(DataError, match=r"expected: 5 images in train/frog\s+found:\s+4 \(49 in train"):
        read_images(spec, folder)


def test_an_unknown_class_is_refused(images):
    spec, folder = images
    (folder / "train" / "frog").rename(folder / "train" / "toad")
    with pytest.raises(DataError, match=r"(?s)class folders airplane.*found:\s+train/toad"):
        read_images(spec, folder)


def test_an_image_of_another_size_is_refused(images):
    spec, folder = images
    Image.new("RGB", (33, 32)).save(folder / "test" / "ship" / "0001.png")
    with pytest.raises(DataError, match=r"(?s)ship/0001.png.*32x32 pixels\s+found:\s+32x33"):
        read_images(spec, folder)


def test_a_truncated_image_is_refused(images):
    spec, folder = images
    path = folder / "test" / "ship" / "0001.png"
    path.write_bytes(path.read_bytes()[:200])
    with pytest.raises(DataError, match="ship/0001.png"):
        read_images(spec, folder)


@pytest.mark.parametrize(("suffix", "mode"), [(".tar", "w"), (".tar.gz", "w:gz"), (".tar.xz", "w:xz")])
def test_a_truncated_archive_is_refused(images, tmp_path, suffix, mode):
    spec, folder = images
    archive = tmp_path / "packed" / f"cifar10{suffix}"
    packed(folder, archive, mode)
    archive.write_bytes(archive.read_bytes()[: archive.stat().st_size // 2])
    with pytest.raises(DataError, match=rf"cifar10{suffix}"):
        read_images(spec, archive.parent)


def test_links_and_paths_that_lead_out_of_an_archive_have_no_effect(images, cifar_arrays, tmp_path):
    spec, folder = images
    archive = tmp_path / "packed" / "cifar10.tar"
    packed(folder, archive, "w")
    with tarfile.open(archive, "a") as tar:
        link = tarfile.TarInfo("train/frog/0099.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        tar.addfile(link)
        for name in ("../outside.png", "/tmp/outside.txt"):
            tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    before = set(tmp_path.rglob("*"))
    assert_same(read_images(spec, archive.parent)[0], cifar_arrays)
    assert set(tmp_path.rglob("*")) == before


def test_a_giant_member_is_refused_unread(images, tmp_path):
    spec, _ = images
    archive = tmp_path / "packed" / "cifar10.tar.gz"
    archive.parent.mkdir()
    with tarfile.open(archive, "w:gz") as tar:
        giant = tarfile.TarInfo("train/frog/0000.png")
        giant.size = 1 << 20
        tar.addfile(giant, io.BytesIO(bytes(giant.size)))
    with pytest.raises(DataError, match="'train/frog/0000.png' of 1,048,576 bytes"):
        read_images(spec, archive.parent)


def test_an_archive_that_unpacks_to_too_much_is_refused(images, tmp_path, monkeypatch):
    spec, folder = images
    archive = tmp_path / "packed" / "cifar10.tar.xz"
    packed(folder, archive, "w:xz")
    monkeypatch.setattr(archives.Capped.__init__, "__defaults__", (50_000,))
    with pytest.raises(DataError, match=r"bytes unpacked\s+found:\s+more"):
        read_images(spec, archive.parent)

"""The store: whole or not there, opened without reading it, damage named."""

from __future__ import annotations

import json
import multiprocessing

import numpy as np
import pytest

from data_scripts import DataError, store
from data_scripts.registry import REAL

from .conftest import assert_same, small_arrays

MEND = "python -m data_scripts.fetch tiny"
CLASSES = tuple("0123456789")


@pytest.fixture
def stored(tmp_path, mnist_arrays):
    """The root of a small store called tiny."""
    store.write_store(tmp_path, "tiny", mnist_arrays, kind="real", source="made here", classes=CLASSES)
    return tmp_path


def test_what_was_written_is_opened(stored, mnist_arrays):
    dataset = store.open_store(stored, "tiny", mend=MEND)
    assert_same(dataset, mnist_arrays)
    assert (dataset.name, dataset.kind, dataset.source) == ("tiny", "real", "made here")
    assert dataset.classes == CLASSES
    assert dataset.digest.startswith("sha256:")


def test_images_are_memory_mapped_and_cannot_be_written_to(stored):
    dataset = store.open_store(stored, "tiny", mend=MEND)
    assert isinstance(dataset.train_images, np.memmap)
    assert dataset.train_images.dtype == np.uint8
    assert dataset.train_labels.dtype == np.int64
    with pytest.raises(ValueError, match="read-only"):
        dataset.train_images[0] = 0


def test_equal_content_has_an_equal_digest_wherever_it_lies(stored, tmp_path, mnist_arrays):
    other = tmp_path / "elsewhere"
    again = store.write_store(other, "copy", mnist_arrays, kind="real", source="another", classes=CLASSES)
    assert again.digest == store.open_store(stored, "tiny", mend=MEND).digest
    changed = mnist_arrays._replace(test_labels=(mnist_arrays.test_labels + 1) % 10)
    different = store.write_store(other, "copy", changed, kind="real", source="another", classes=CLASSES)
    assert different.digest != again.digest


def test_nothing_there_is_none(tmp_path):
    assert store.open_store(tmp_path, "tiny", mend=MEND) is None
    (tmp_path / "tiny").write_text("a file where the folder would be")
    assert store.open_store(tmp_path, "tiny", mend=MEND) is None


def test_a_store_whose_writer_died_is_not_there(stored, mnist_arrays, monkeypatch):
    def dies(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(np, "save", dies)
    with pytest.raises(KeyboardInterrupt):
        store.write_store(stored, "tiny", mnist_arrays, kind="real", source="made here", classes=CLASSES)
    assert store.open_store(stored, "tiny", mend=MEND) is None
    assert not list(stored.glob("tiny/.*.tmp"))


def test_leftovers_of_a_killed_writer_are_removed(stored, mnist_arrays):
    (stored / "tiny" / ".train_images.npy.123.tmp").write_bytes(b"half")
    store.write_store(stored, "tiny", mnist_arrays, kind="real", source="made here", classes=CLASSES)
    assert not list(stored.glob("tiny/.*.tmp"))


def damaged(stored, change):
    """Change the bytes of the training images' file."""
    path = stored / "tiny" / "train_images.npy"
    content = bytearray(path.read_bytes())
    path.write_bytes(change(content))


def flipped(content, index):
    """The content with one byte inverted."""
    content[index] ^= 0xFF
    return content


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda c: c[:-1], r"expected: 39,328 bytes\s+found:\s+39,327 bytes"),
        (lambda c: c[:40], r"found:\s+40 bytes"),
        (lambda c: b"", r"found:\s+0 bytes"),
        (lambda c: c + b"\0", r"found:\s+39,329 bytes"),
        (lambda c: flipped(c, 2), "the content has changed"),
        (lambda c: flipped(c, -1), "the content has changed"),
    ],
    ids=["truncated", "header-only", "empty", "longer", "header-changed", "end-changed"],
)
def test_damage_is_refused_when_opened(stored, change, found):
    damaged(stored, change)
    with pytest.raises(DataError, match=found) as refused:
        store.open_store(stored, "tiny", mend=MEND)
    assert refused.value.file.endswith("train_images.npy")
    assert MEND in str(refused.value)


def test_one_changed_byte_anywhere_is_found_by_verify(tmp_path):
    arrays = small_arrays((28, 28), train=2000)  # larger than all sampled pages together
    store.write_store(tmp_path, "tiny", arrays, kind="real", source="made here", classes=CLASSES)
    damaged(tmp_path, lambda c: flipped(c, 11_000))
    store.open_store(tmp_path, "tiny", mend=MEND)
    with pytest.raises(DataError, match=r"train_images.npy\s+expected: SHA-256"):
        store.verify_store(tmp_path, "tiny", mend=MEND)


@pytest.mark.parametrize("field", ["train_labels", "test_images"])
def test_a_missing_file_is_named(stored, field):
    (stored / "tiny" / f"{field}.npy").unlink()
    with pytest.raises(DataError, match=rf"{field}.npy\s+expected: [\d,]+ bytes\s+found:\s+no such file"):
        store.open_store(stored, "tiny", mend=MEND)


def test_a_file_that_may_not_be_read_is_named(stored, monkeypatch):
    def refused(path):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(store, "sampled_crc32", refused)  # root may read anything, so a mode bit would not do
    with pytest.raises(DataError, match=r"train_images.npy\s+expected: a readable file\s+found:\s+Permission denied"):
        store.open_store(stored, "tiny", mend=MEND)


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda text: text[:-20], "truncated"),
        (lambda text: "{}", "missing required field"),
        (lambda text: text.replace('"digest": "sha256:', '"digest": "sha256:0'), "digest sha256:0"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "format 2"),
        (lambda text: text.replace('"format": 1', '"format": 1, "extra": 0'), "extra"),
        (lambda text: text.replace('"test_labels"', '"test_marks"'), "test_marks"),
    ],
    ids=["truncated", "empty", "digest", "format", "unknown-key", "array-name"],
)
def test_a_damaged_description_is_refused(stored, change, found):
    path = stored / "tiny" / "meta.json"
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=found) as refused:
        store.open_store(stored, "tiny", mend=MEND)
    assert refused.value.file.endswith("meta.json")


def test_an_array_of_another_shape_than_described_is_refused(stored):
    path = stored / "tiny" / "meta.json"
    meta = json.loads(path.read_text())
    meta["arrays"]["train_labels"]["shape"] = [49]
    arrays = {name: store.StoredArray(**{**entry, "shape": tuple(entry["shape"])}) for name, entry in meta["arrays"].items()}
    path.write_text(json.dumps({**meta, "digest": store.content_digest(arrays)}))
    with pytest.raises(DataError, match=r"expected: uint8 \(49,\)\s+found:\s+uint8 \(50,\)"):
        store.open_store(stored, "tiny", mend=MEND)


def test_labels_beyond_the_classes_are_refused(tmp_path, mnist_arrays):
    store.write_store(tmp_path, "tiny", mnist_arrays, kind="real", source="made here", classes=CLASSES[:9])
    with pytest.raises(DataError, match=r"train_labels.npy\s+expected: labels 0 to 8\s+found:\s+label 9"):
        store.open_store(tmp_path, "tiny", mend=MEND)


def test_a_root_that_cannot_be_written_to_is_an_error_that_says_so(tmp_path):
    (tmp_path / "root").write_text("a file")
    with pytest.raises(DataError, match=r"(?s)folder that can be written to.*--root DIR"):
        with store.write_lock(tmp_path / "root", "tiny"):
            pass


def fetch_and_report(root, mirror, results):
    """Fetch the real set's small copy; what a second process does."""
    dataset = REAL["mnist"].fetch(root, [mirror], None)
    results.put((dataset.digest, int(dataset.train_images.sum())))


def test_processes_that_start_at_once_end_with_one_whole_store(tmp_path, small_mnist, mnist_arrays):
    from .conftest import write_idx

    mirror = write_idx(tmp_path / "mirror", mnist_arrays)
    context = multiprocessing.get_context("fork")  # inherits the registry's small set
    results = context.Queue()
    processes = [context.Process(target=fetch_and_report, args=(tmp_path / "root", mirror, results)) for _ in range(4)]
    for process in processes:
        process.start()
    found = {results.get(timeout=60) for _ in processes}
    for process in processes:
        process.join()
        assert process.exitcode == 0
    assert len(found) == 1
    assert_same(small_mnist.verify(tmp_path / "root"), mnist_arrays)

"""`load`: the order in which sources are tried, and what it refuses."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from data_scripts import DataError, image_set, load
from data_scripts.download import Patience
from data_scripts.registry import SYNTHETIC

from .conftest import assert_same, write_idx, write_images


@pytest.fixture
def mirror(tmp_path, mnist_arrays):
    """A mirror with the small MNIST."""
    return write_idx(tmp_path / "mirror", mnist_arrays)


def test_a_mirror_is_decoded_once_and_not_needed_after(small_mnist, mirror, mnist_arrays, tmp_path):
    first = load("mnist", root=tmp_path / "root", mirrors=[mirror], data="real")
    shutil.rmtree(mirror)
    second = load("mnist", root=tmp_path / "root", data="real")
    assert_same(second, mnist_arrays)
    assert (second.kind, second.digest) == ("real", first.digest)


def test_cifar_comes_the_same_way(small_cifar, cifar_arrays, tmp_path):
    write_images(tmp_path / "mirror", cifar_arrays)
    assert_same(load("cifar10", mirrors=[tmp_path / "mirror"], data="real"), cifar_arrays)


def test_the_environment_names_the_root(small_mnist, mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("CHALKBENCH_DATA", str(tmp_path / "shared"))
    load("mnist", mirrors=[mirror], data="real")
    assert (tmp_path / "shared" / "mnist" / "meta.json").is_file()


def test_an_explicit_root_goes_before_the_environment(small_mnist, mirror, tmp_path, monkeypatch):
    monkeypatch.setenv("CHALKBENCH_DATA", str(tmp_path / "shared"))
    load("mnist", root=tmp_path / "own", mirrors=[mirror], data="real")
    assert (tmp_path / "own" / "mnist").is_dir()
    assert not (tmp_path / "shared").exists()


def test_the_folder_data_is_looked_through_after_the_root(small_mnist, mirror, tmp_path):
    load("mnist", mirrors=[mirror], data="real")
    load("mnist", root=tmp_path / "own", data="real")
    assert (tmp_path / "data" / "mnist").is_dir()
    assert not (tmp_path / "own").exists()


def test_source_files_in_the_root_itself_are_found(small_mnist, mnist_arrays, tmp_path):
    write_idx(tmp_path / "data" / "MNIST" / "raw", mnist_arrays)
    assert_same(load("mnist", data="real"), mnist_arrays)


def test_the_first_mirror_that_has_a_copy_is_taken(small_mnist, mirror, mnist_arrays, tmp_path):
    assert_same(load("mnist", mirrors=[tmp_path / "absent", mirror], data="real"), mnist_arrays)


def test_without_any_source_the_stand_in_comes_with_a_banner(small_mnist, small_digits, capfd):
    dataset = load("mnist")
    assert (dataset.name, dataset.kind) == ("mnist", "synthetic")
    assert dataset.source == "synthetic digits, seed 0 (NOT MNIST)"
    shown = capfd.readouterr()
    assert "SYNTHETIC DATA INSTEAD OF MNIST" in shown.err
    assert "no network in tests" in " ".join(shown.err.replace("│", "").split())
    assert shown.out == ""


def test_the_banner_comes_every_time(small_mnist, small_digits, capfd):
    load("mnist", data="synthetic")
    capfd.readouterr()
    load("mnist", data="synthetic")
    assert "SYNTHETIC DATA INSTEAD OF MNIST" in capfd.readouterr().err


def test_real_refuses_the_stand_in(small_mnist, small_digits, tmp_path):
    load("mnist", data="synthetic")
    with pytest.raises(DataError, match="python -m data_scripts.fetch mnist"):
        load("mnist", data="real")


def test_synthetic_is_taken_though_the_real_set_is_there(small_mnist, small_digits, mirror):
    load("mnist", mirrors=[mirror], data="real")
    assert load("mnist", data="synthetic").kind == "synthetic"


def test_a_set_that_was_synthesized_by_hand_is_the_stand_in(small_mnist, small_digits):
    SYNTHETIC["digits"].synthesize(Path("data"), seed=5, train_count=30, test_count=20)
    dataset = load("mnist", data="synthetic")
    assert dataset.source == "synthetic digits, seed 5, 30 + 20 images (NOT MNIST)"


@pytest.mark.parametrize("data", ["auto", "real"])
def test_a_damaged_store_is_an_error_and_not_passed_over(small_mnist, small_digits, mirror, data):
    load("mnist", mirrors=[mirror], data="real")
    path = Path("data/mnist/train_images.npy")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(DataError, match=r"(?s)train_images.npy.*python -m data_scripts.fetch mnist"):
        load("mnist", mirrors=[mirror], data=data)


def test_a_damaged_mirror_is_an_error_and_not_passed_over(small_mnist, small_digits, mirror):
    (mirror / "train-labels-idx1-ubyte.gz").unlink()
    with pytest.raises(DataError, match="train-labels-idx1-ubyte.gz"):
        load("mnist", mirrors=[mirror])


def test_a_store_with_another_count_than_the_set_is_refused(small_mnist, mirror, monkeypatch):
    from dataclasses import replace

    from data_scripts import registry

    load("mnist", mirrors=[mirror], data="real")
    larger = replace(small_mnist, spec=replace(small_mnist.spec, train_count=51))
    monkeypatch.setitem(registry.REAL, "mnist", larger)
    with pytest.raises(DataError, match=r"(?s)expected: real .*\(51, 28, 28\).*found:\s+real .*\(50, 28, 28\)"):
        load("mnist", data="real")


def test_a_root_that_cannot_be_written_to_is_refused(small_mnist, mirror, tmp_path):
    (tmp_path / "root").write_text("a file")
    with pytest.raises(DataError, match="--root DIR or CHALKBENCH_DATA=DIR"):
        load("mnist", root=tmp_path / "root", mirrors=[mirror], data="real")


def test_a_whole_store_needs_no_permission_to_write(small_mnist, mirror, monkeypatch):
    def refused(*_):
        raise DataError("data", expected="a folder that can be written to", found="Permission denied", mend="")

    load("mnist", mirrors=[mirror], data="real")
    monkeypatch.setattr(image_set, "write_lock", refused)
    assert load("mnist", data="real").kind == "real"
    assert small_mnist.fetch(Path("data"), [], Patience()).kind == "real"


def test_a_full_disk_leaves_no_store_behind(small_mnist, mirror, monkeypatch):
    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(np, "save", full)
    with pytest.raises(DataError, match=r"(?s)No space left on device.*make room"):
        load("mnist", mirrors=[mirror], data="real")
    assert Path("data/mnist").is_dir()
    assert not Path("data/mnist/meta.json").exists()


@pytest.mark.parametrize(("name", "data"), [("imagenet", "auto"), ("mnist", "maybe")])
def test_unknown_names_and_choices_are_refused(name, data):
    with pytest.raises(ValueError, match="must be one of"):
        load(name, data=data)

"""The three commands: what they print, and the status they end with."""

from __future__ import annotations

from pathlib import Path

import pytest

from data_scripts import fetch, synthesize, verify

from .conftest import assert_same, write_idx


@pytest.fixture
def mirror(tmp_path, mnist_arrays):
    """A mirror with the small MNIST."""
    return write_idx(tmp_path / "mirror", mnist_arrays)


def test_fetch_then_verify(small_mnist, mirror, capsys):
    assert fetch.main(["mnist", "--root", "store", "--from", str(mirror)]) == 0
    fetched = capsys.readouterr().out
    assert "store/mnist: 50 + 20 images, MNIST (IDX files, published checksums), sha256:" in fetched
    assert verify.main(["--root", "store"]) == 0
    assert capsys.readouterr().out == fetched


def test_fetch_leaves_a_whole_store_alone(small_mnist, mirror):
    fetch.main(["mnist", "--from", str(mirror)])
    before = Path("data/mnist/meta.json").stat().st_mtime_ns
    assert fetch.main(["mnist"]) == 0
    assert Path("data/mnist/meta.json").stat().st_mtime_ns == before


def test_fetch_mends_a_damaged_store(small_mnist, mirror, mnist_arrays, capsys):
    fetch.main(["mnist", "--from", str(mirror)])
    path = Path("data/mnist/train_images.npy")
    path.write_bytes(path.read_bytes()[:100])
    assert verify.main(["mnist"]) == 1
    assert "python -m data_scripts.fetch mnist" in capsys.readouterr().err
    assert fetch.main(["mnist", "--from", str(mirror)]) == 0
    assert_same(small_mnist.verify(Path("data")), mnist_arrays)


def test_fetch_gets_the_other_sets_when_one_fails(small_mnist, small_cifar, mirror, capsys):
    assert fetch.main(["cifar10", "mnist", "--from", str(mirror)]) == 1
    shown = capsys.readouterr()
    assert shown.err.count("error: CIFAR-10") == 1
    assert "data/mnist: 50 + 20 images" in shown.out


def test_verify_compares_mnist_with_the_published_checksums(small_mnist, mnist_arrays, capsys):
    changed = mnist_arrays._replace(test_labels=(mnist_arrays.test_labels + 1) % 10)
    small_mnist.stored(Path("data"), changed, "MNIST (IDX files, published checksums)")
    assert verify.main(["mnist"]) == 1
    assert "test_labels.npy\n  expected: the published MD5 as IDX" in capsys.readouterr().err


def test_verify_of_nothing_is_an_error(capsys):
    assert verify.main([]) == 1
    assert "python -m data_scripts.fetch" in capsys.readouterr().err
    assert verify.main(["cifar10"]) == 1
    assert "data/cifar10\n  expected: a whole store\n  found:    none" in capsys.readouterr().err


def test_synthesize_then_verify(capsys):
    assert synthesize.main(["digits", "--train", "30", "--test", "20", "--seed", "3"]) == 0
    assert "30 + 20 images, synthetic digits, seed 3, 30 + 20 images (NOT MNIST)" in capsys.readouterr().out
    assert verify.main(["digits"]) == 0


def test_a_disk_error_is_a_message_and_not_a_traceback(monkeypatch, small_digits, capsys):
    Path("file").write_text("")
    assert synthesize.main(["digits", "--root", "file"]) == 1
    assert capsys.readouterr().err.startswith("error: ")


@pytest.mark.parametrize(
    ("command", "arguments"),
    [
        (fetch, []), (fetch, ["imagenet"]), (verify, ["imagenet"]), (synthesize, ["letters"]),
        (synthesize, ["digits", "--train", "0"]), (synthesize, ["digits", "--seed", "-1"]),
    ],
)  # fmt: skip
def test_wrong_arguments_end_with_status_2(command, arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        command.main(arguments)
    assert ended.value.code == 2
    assert "usage:" in capsys.readouterr().err


@pytest.mark.parametrize("command", [fetch, verify, synthesize])
def test_help_names_the_environment_variable(command, capsys):
    with pytest.raises(SystemExit):
        command.main(["--help"])
    assert "CHALKBENCH_DATA" in capsys.readouterr().out

"""The models that deliverable 6 attacks: the hand-out's from a mirror, else our own."""

from __future__ import annotations

import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save

from data_scripts import DataError, fetch, hw3_models, verify
from data_scripts.errors import NoSource
from data_scripts.hw3_models import OWN, SHAPES, HandOutModels, content_digest, load_models, own_models


def state(seed: int) -> dict[str, torch.Tensor]:
    """A state dict of the hand-out's shapes."""
    generator = torch.Generator().manual_seed(seed)
    return {key: torch.randn(shape, generator=generator) for key, shape in SHAPES.items()}


def saved(content: object) -> bytes:
    file = io.BytesIO()
    torch.save(content, file)
    return file.getvalue()


def publish(monkeypatch, folder: Path, contents: dict[str, bytes], values: dict[str, dict]) -> None:
    """Put files into a mirror, and take them for the hand-out's."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / f"model{name}.zip").write_bytes(content)
    sha256 = {name: hashlib.sha256(content).hexdigest() for name, content in contents.items()}
    monkeypatch.setattr(hw3_models, "PUBLISHED", sha256)
    digests = {name: content_digest({key: v.numpy() for key, v in values[name].items()}) for name in values}
    monkeypatch.setattr(hw3_models, "CONTENT", digests)


@pytest.fixture
def mirror(tmp_path, monkeypatch) -> Path:
    """A mirror whose hw3/ holds two models, as the hand-out does."""
    values = {"A": state(0), "B": state(1)}
    publish(monkeypatch, tmp_path / "mirror" / "hw3", {name: saved(v) for name, v in values.items()}, values)
    return tmp_path / "mirror"


def test_the_hand_outs_models_are_fetched_and_verified(mirror, capsys):
    assert fetch.main(["hw3-models", "--from", str(mirror)]) == 0
    fetched = capsys.readouterr().out
    assert "data/hw3-models: 2 models, HW3's own models A and B, sha256:" in fetched
    assert verify.main([]) == 0
    assert capsys.readouterr().out == fetched
    models = load_models()
    assert models.kind == "hand-out"
    for seed, name in enumerate("AB"):
        for key, value in state(seed).items():
            np.testing.assert_array_equal(models.models[name][key], value.numpy())


def test_a_whole_store_is_left_alone_and_needs_no_mirror(mirror):
    fetch.main(["hw3-models", "--from", str(mirror)])
    before = Path("data/hw3-models/modelA.safetensors").stat().st_mtime_ns
    assert fetch.main(["hw3-models"]) == 0
    assert Path("data/hw3-models/modelA.safetensors").stat().st_mtime_ns == before


def test_no_temporary_file_is_left(mirror):
    fetch.main(["hw3-models", "--from", str(mirror)])
    assert sorted(path.name for path in Path("data/hw3-models").iterdir()) == [
        "modelA.safetensors", "modelB.safetensors",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content[:-10], "safetensors file"),
        (lambda content: content[:-4] + b"\0\0\0\1", "SHA-256"),
        (lambda content: save({"conv1.weight": np.zeros(3, np.float32)}), "fc2.bias"),
        (lambda content: None, "readable file"),
    ],
)
def test_a_damaged_store_is_an_error_and_is_mended(mirror, capsys, damage, said):
    fetch.main(["hw3-models", "--from", str(mirror)])
    path = Path("data/hw3-models/modelB.safetensors")
    spoilt = damage(path.read_bytes())
    path.unlink() if spoilt is None else path.write_bytes(spoilt)
    assert verify.main(["hw3-models"]) == 1
    error = capsys.readouterr().err
    assert "modelB.safetensors" in error and said in error and "data_scripts.fetch hw3-models" in error
    assert fetch.main(["hw3-models", "--from", str(mirror)]) == 0
    assert verify.main(["hw3-models"]) == 0


def test_a_file_with_another_digest_is_not_even_opened(mirror, monkeypatch):
    path = mirror / "hw3" / "modelA.zip"
    path.write_bytes(path.read_bytes() + b" ")
    monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("opened"))
    with pytest.raises(DataError, match=r"modelA.zip\s+expected: SHA-256"):
        HandOutModels().fetch(Path("data"), [mirror])


class Harmful:
    """Unpickles by making a folder."""

    def __reduce__(self):
        return os.mkdir, ("made-by-a-pickle",)


def test_a_pickle_that_would_run_code_runs_none_even_with_the_right_digest(tmp_path, monkeypatch):
    contents = {"A": saved({"conv1.weight": Harmful()}), "B": saved(state(1))}
    publish(monkeypatch, tmp_path / "mirror", contents, {"A": state(0), "B": state(1)})
    with pytest.raises(DataError, match="a state dict of tensors, and nothing else"):
        HandOutModels().fetch(Path("data"), [tmp_path / "mirror"])
    assert not Path("made-by-a-pickle").exists()


def test_one_model_without_the_other_is_an_error(mirror):
    (mirror / "hw3" / "modelB.zip").unlink()
    with pytest.raises(DataError, match=r"modelB.zip\s+expected: the file, beside the other one"):
        HandOutModels().fetch(Path("data"), [mirror])


def test_without_a_copy_every_place_is_named(tmp_path, capsys):
    assert fetch.main(["hw3-models", "--from", str(tmp_path / "nowhere")]) == 1
    assert "nowhere (no such folder)" in capsys.readouterr().err


def test_without_a_copy_our_own_models_are_taken_unless_real_ones_are_asked_for():
    assert load_models().kind == "own"
    with pytest.raises(NoSource):
        load_models(data="real")


def test_synthetic_takes_our_own_models_at_once(mirror):
    assert load_models(mirrors=[mirror]).kind == "hand-out"
    assert load_models(data="synthetic").kind == "own"


def test_our_own_models_are_small_and_say_how_they_were_made():
    files = sorted(OWN.glob("*.safetensors"))
    assert [file.name for file in files] == ["modelA.safetensors", "modelB.safetensors"]
    assert sum(file.stat().st_size for file in files) <= 400_000
    for file in files:
        told = hw3_models.about(file)
        assert "% of 10,000 test images" in told["accuracy"]
        assert {"recipe", "data", "versions", "command"} <= set(told)


def test_our_own_models_differ_and_have_the_hand_outs_shapes():
    models = own_models().models
    assert content_digest(models["A"]) != content_digest(models["B"])
    for parameters in models.values():
        assert {key: value.shape for key, value in parameters.items()} == SHAPES

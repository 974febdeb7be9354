"""Checkpoints: what they bring back, and what they refuse. Killed runs are in test_interruption.py."""

import os
import random

import pytest
import torch
import torch.nn.functional as F

from reference.training.checkpoint import Checkpoint
from reference.training.history import Epoch, History

SETTINGS = {"epochs": 5, "images": 96, "compute": "cpu, float32", "max_lr": 3e-3}


@pytest.fixture
def parts(small_net):
    """What changes while a net trains, a few steps in."""
    optimizer = torch.optim.Adam(small_net.parameters(), lr=1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=1e-2, total_steps=20)
    parts = {"net": small_net, "optimizer": optimizer, "schedule": schedule, "history": History()}
    go_on(parts)
    return parts


def go_on(parts: dict, steps: int = 3) -> None:
    """A few steps on random images, and an entry in the history."""
    for _ in range(steps):
        parts["optimizer"].zero_grad()
        loss = F.cross_entropy(parts["net"](torch.randn(8, 3, 4, 4)), torch.randint(4, (8,)))
        loss.backward()
        parts["optimizer"].step()
        parts["schedule"].step()
    parts["history"].epochs.append(Epoch(loss.item(), 0.5, 1.0, 0.5, 2.0))


def everything(parts: dict) -> str:
    """All states in words, to the last bit."""
    torch.set_printoptions(precision=17, threshold=10**6)
    try:
        return repr({name: part.state_dict() for name, part in parts.items()})
    finally:
        torch.set_printoptions(profile="default")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "run" / "training.pt"


def test_without_a_file_nothing_is_done_and_nothing_changes(path, parts):
    before, drawn = everything(parts), torch.get_rng_state()
    assert Checkpoint(path, SETTINGS, **parts).resume() == 0
    assert everything(parts) == before
    assert torch.equal(torch.get_rng_state(), drawn)


def test_what_went_on_after_saving_is_repeated_exactly_after_resuming(path, parts):
    checkpoint = Checkpoint(path, SETTINGS, **parts)
    checkpoint.save(2)
    go_on(parts)
    expected = everything(parts)
    assert checkpoint.resume() == 2
    assert everything(parts) != expected
    go_on(parts)  # the same random images as before
    assert everything(parts) == expected


def test_random_numbers_of_the_device_go_on_too(path, parts, device):
    checkpoint = Checkpoint(path, SETTINGS, **parts)
    checkpoint.save(1)
    expected = torch.rand(4, device=device)
    assert checkpoint.resume() == 1
    assert torch.equal(torch.rand(4, device=device), expected)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"epochs": 6}, "epochs = 5 there, 6 here"),
        ({"compute": "cpu, bfloat16"}, "compute = 'cpu, float32' there, 'cpu, bfloat16' here"),
        ({"weight_decay": 0.1}, "weight_decay = None there, 0.1 here"),
    ],
)
def test_a_run_of_other_settings_is_refused_by_their_names_and_nothing_changes(path, parts, changed, words):
    Checkpoint(path, SETTINGS, **parts).save(2)
    go_on(parts)
    before, drawn = everything(parts), torch.get_rng_state()
    with pytest.raises(ValueError, match=f"training.pt is of another run .{words}"):
        Checkpoint(path, SETTINGS | changed, **parts).resume()
    assert everything(parts) == before
    assert torch.equal(torch.get_rng_state(), drawn)


@pytest.mark.parametrize("left_out", ["history", "schedule"])
def test_a_run_of_other_parts_is_refused_both_ways(path, parts, left_out):
    fewer = {name: part for name, part in parts.items() if name != left_out}
    for saved, resumed in ((fewer, parts), (parts, fewer)):
        Checkpoint(path, SETTINGS, **saved).save(2)
        before = everything(parts)
        with pytest.raises(ValueError, match="expected the state of net, optimizer"):
            Checkpoint(path, SETTINGS, **resumed).resume()
        assert everything(parts) == before


@pytest.mark.parametrize("content", [b"", b"no checkpoint", b"PK\x03\x04" + b"\0" * 500])
def test_a_file_of_something_else_is_refused_with_what_to_do(path, parts, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"training.pt: expected the checkpoint .* delete it to begin anew"):
        Checkpoint(path, SETTINGS, **parts).resume()


@pytest.mark.parametrize(
    "state", [[1, 2], {"epoch": 3}, {"settings": 5, "epoch": 1, "parts": {}}, {"settings": {}, "epoch": 1}]
)
def test_a_torch_file_of_something_else_is_refused_with_what_to_do(path, parts, state):
    path.parent.mkdir()
    torch.save(state, path)
    with pytest.raises(ValueError, match=r"training.pt: expected the checkpoint .* delete it to begin anew"):
        Checkpoint(path, SETTINGS, **parts).resume()


def test_a_file_cut_short_or_damaged_anywhere_is_refused_and_nothing_changes(path, parts):
    """Where a flipped bit lies in what nobody reads, such as a date, the state must be the right one."""
    checkpoint = Checkpoint(path, SETTINGS, **parts)
    checkpoint.save(2)
    whole, saved, chance = path.read_bytes(), everything(parts), random.Random(0)
    go_on(parts)
    later, refused = everything(parts), 0
    for attempt in range(200):
        content = bytearray(whole)
        if attempt % 4 == 0:
            del content[chance.randrange(len(content)) :]
        else:
            content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
        path.write_bytes(content)
        try:
            assert checkpoint.resume() == 2
            assert everything(parts) == saved
            go_on(parts)
            later = everything(parts)
        except ValueError as error:
            assert "delete it to begin anew" in str(error)
            assert everything(parts) == later
            refused += 1
    assert refused > 100


def test_code_in_a_file_is_not_run(path, parts, tmp_path):
    class Bad:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "was run"),)

    path.parent.mkdir()
    torch.save({"settings": SETTINGS, "epoch": 1, "parts": Bad()}, path)
    with pytest.raises(ValueError, match="expected the checkpoint of a training"):
        Checkpoint(path, SETTINGS, **parts).resume()
    assert not (tmp_path / "was run").exists()


def test_a_disk_that_is_full_leaves_the_old_file(path, parts, monkeypatch):
    checkpoint = Checkpoint(path, SETTINGS, **parts)
    checkpoint.save(1)
    before = path.read_bytes()

    def full(handle):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        checkpoint.save(2)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["training.pt"]

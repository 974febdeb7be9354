"""A network's numbers in half precision: written, read back, refused."""

import pytest
import torch
from torch import nn

from reference.training.weights import load_into, save_half


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "net.safetensors"


def another(net: nn.Module) -> nn.Module:
    """The same architecture with other numbers."""
    other = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1, bias=False), nn.BatchNorm2d(4), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 4),
    )  # fmt: skip
    assert not torch.equal(other[0].weight, net[0].weight)
    return other


def test_every_number_comes_back_rounded_to_half_precision(small_net, path):
    small_net(torch.randn(5, 3, 4, 4))  # running statistics and their counter move
    save_half(small_net, path)
    other = another(small_net)
    load_into(other, path)
    for name, value in small_net.state_dict().items():
        found = other.state_dict()[name]
        assert found.dtype == value.dtype
        assert torch.equal(found, value.half().to(value.dtype) if value.is_floating_point() else value)
    assert other[1].num_batches_tracked == 1


def test_the_network_itself_stays_in_its_precision(small_net, path):
    before = small_net[0].weight.clone()
    save_half(small_net, path)
    assert torch.equal(small_net[0].weight, before) and before.dtype == torch.float32


def test_a_network_laid_out_channels_last_gives_the_same_file(small_net, path, tmp_path):
    save_half(small_net, path)
    save_half(small_net.to(memory_format=torch.channels_last), tmp_path / "last.safetensors")
    assert path.read_bytes() == (tmp_path / "last.safetensors").read_bytes()


def test_the_file_is_half_as_large_as_the_parameters(path):
    net = nn.Linear(1000, 100)
    save_half(net, path)
    assert path.stat().st_size == pytest.approx(2 * 100_100, abs=500)


@pytest.mark.parametrize("number", [65520.0, -1e9, float("inf"), float("nan")])
def test_numbers_that_half_precision_cannot_hold_are_refused_and_the_old_file_stays(small_net, path, number):
    save_half(small_net, path)
    before = path.read_bytes()
    with torch.no_grad():
        small_net[5].bias[2] = number
    with pytest.raises(ValueError, match=r"5\.bias: expected finite numbers within ±65504"):
        save_half(small_net, path)
    assert path.read_bytes() == before


def test_the_largest_number_of_half_precision_is_not_refused(small_net, path):
    with torch.no_grad():
        small_net[5].bias[2] = 65504.0
    save_half(small_net, path)
    load_into(small_net, path)
    assert small_net[5].bias[2] == 65504


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (nn.Sequential(nn.Conv2d(3, 5, 3, bias=False)), "size mismatch"),
        (nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3)), "Missing key"),
    ],
)
def test_another_architecture_is_refused_by_the_names_that_differ(small_net, path, other, words):
    save_half(small_net, path)
    with pytest.raises(RuntimeError, match=words):
        load_into(other, path)


@pytest.mark.parametrize("damage", [lambda content: content[:-7], lambda content: content[:40], lambda content: b""])
def test_a_damaged_file_is_refused_with_its_name(small_net, path, damage):
    save_half(small_net, path)
    path.write_bytes(damage(path.read_bytes()))
    with pytest.raises(ValueError, match="net.safetensors: expected a network's numbers as safetensors"):
        load_into(small_net, path)

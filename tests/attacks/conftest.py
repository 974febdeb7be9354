"""Small networks and images, so that an attack takes milliseconds."""

import pytest
import torch
from torch import nn


@pytest.fixture
def net() -> nn.Module:
    """Raw pixels (N, 1, 6, 6) → 4 logits; the pixels decide between the classes."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(64, 4)).eval()
    with torch.no_grad():
        net[0].weight /= 64
    return net.requires_grad_(False)


@pytest.fixture
def images() -> torch.Tensor:
    """(24, 1, 6, 6), whole numbers from 0 to 255, both ends among them."""
    drawn = torch.randint(-60, 320, (24, 1, 6, 6), generator=torch.Generator().manual_seed(1))
    return drawn.clamp(0, 255).float()


@pytest.fixture(autouse=True)
def one_thread():
    """Images of 36 pixels gain nothing from threads, and wait for them on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

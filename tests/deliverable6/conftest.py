"""The submission's attacks."""

import pytest
import torch


@pytest.fixture(scope="session")
def attack(load_module):
    """Deliverable 6's module."""
    return load_module("attack", "deliverable6")


@pytest.fixture(autouse=True)
def one_thread():
    """Batches of a dozen images gain nothing from threads, and wait for them on a busy machine."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)

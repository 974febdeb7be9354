"""What every benchmark shares: denormal numbers are flushed, as they would slow either side at random."""

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def flush_denormals():
    torch.set_flush_denormal(True)
    yield
    torch.set_flush_denormal(False)

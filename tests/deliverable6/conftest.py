"""The submission's attacks."""

import pytest


@pytest.fixture(scope="session")
def attack(load_module):
    """Deliverable 6's module."""
    return load_module("attack", "deliverable6")

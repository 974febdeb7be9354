"""The submission of EEE7331's assignment 1 and its modules, in place of HW3's."""

import pytest

FOLDER = "question1"


@pytest.fixture(scope="session")
def submission(locate):
    from grader.assignments.eee7331_a1 import EEE7331_A1

    return locate(EEE7331_A1)


@pytest.fixture(scope="session")
def load_module(submission, modules):
    return modules(submission)


@pytest.fixture(scope="session")
def model(load_module):
    """The module of both networks."""
    return load_module("model", folder=FOLDER)


@pytest.fixture(scope="session")
def train(load_module, model):
    """The module of their training."""
    return load_module("train", folder=FOLDER)


@pytest.fixture(scope="session", params=["A", "B"])
def network(request):
    """What part A and part B must be like."""
    from grader.assignments.eee7331_a1.networks import PART_A, PART_B

    return {"A": PART_A, "B": PART_B}[request.param]


@pytest.fixture(scope="session")
def build(model, network):
    """The submission's network of that part, as a function."""
    return getattr(model, network.handle)

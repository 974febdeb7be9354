"""The reference's modules of deliverables 3 to 5, which import each other by their plain names."""

import importlib
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

FOLDER = Path(__file__).resolve().parents[2] / "reference/hw3/deliverable3_5"
NAMES = ("model", "train", "figures")


@pytest.fixture(scope="package")
def hw3():
    """`model`, `train` and `figures`; other modules of these names come back afterwards."""
    before = {name: sys.modules.pop(name, None) for name in NAMES}
    sys.path.insert(0, str(FOLDER))
    try:
        found = {name: importlib.import_module(name) for name in NAMES}
    finally:
        sys.path.remove(str(FOLDER))
        for name, module in before.items():
            sys.modules.pop(name, None)
            if module is not None:
                sys.modules[name] = module
    return SimpleNamespace(**found)

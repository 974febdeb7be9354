"""The reference's training scripts as modules, without leaving traces for tests of other submissions."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

REFERENCE = Path(__file__).resolve().parents[2] / "reference"


def hw3_train() -> ModuleType:
    """HW3's script of deliverables 4 and 5."""
    return _train(REFERENCE / "hw3" / "deliverable3_5")


def eee7331_train() -> ModuleType:
    """EEE7331's script of assignment 1, question 1."""
    return _train(REFERENCE / "eee7331" / "assignment1" / "question1")


def _train(folder: Path) -> ModuleType:
    """A folder's train.py, freshly imported beside its own `model`.

    Its names `train` and `model` are those of every submission, so they are given back after.
    """
    others = {name: sys.modules.pop(name) for name in ("train", "model") if name in sys.modules}
    sys.path.insert(0, str(folder))
    try:
        spec = importlib.util.spec_from_file_location("train", folder / "train.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["train"] = module  # where dataclasses look for it
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(folder))
        for name in ("train", "model"):
            sys.modules.pop(name, None)
        sys.modules.update(others)

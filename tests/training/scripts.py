"""HW3's training script as a module, without leaving traces for tests of other submissions."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

FOLDER = Path(__file__).resolve().parents[2] / "reference" / "hw3" / "deliverable3_5"


def hw3_train() -> ModuleType:
    """reference/hw3/deliverable3_5/train.py, freshly imported beside its own `model`.

    Its names `train` and `model` are those of every submission, so they are given back after.
    """
    others = {name: sys.modules.pop(name) for name in ("train", "model") if name in sys.modules}
    sys.path.insert(0, str(FOLDER))
    try:
        spec = importlib.util.spec_from_file_location("train", FOLDER / "train.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules["train"] = module  # where dataclasses look for it
        spec.loader.exec_module(module)
        return module
    finally:
        sys.path.remove(str(FOLDER))
        for name in ("train", "model"):
            sys.modules.pop(name, None)
        sys.modules.update(others)

"""Data sets on disk, checked: `load` from Python, `python -m data_scripts.fetch` and its siblings by hand.

    from data_scripts import load
    mnist = load("mnist", data="real")
    mnist.train_images.shape  # (60000, 28, 28), uint8, memory-mapped
"""

from data_scripts.dataset import Dataset
from data_scripts.errors import DataError
from data_scripts.loading import load

__all__ = ["DataError", "Dataset", "load"]

import numpy as np
from data_scripts.dataset import Arrays
def generate(seed, train_count, test_count):
    raise NotImplementedError
CLASSES = tuple("abcdefghij")

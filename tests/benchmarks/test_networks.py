"""Whole networks on our layers and on torch's: `pytest --benchmark-only tests/benchmarks/test_networks.py`."""

import pytest
import torch

from tests.benchmarks.networks import LAYERS, SUBJECTS, WORK

CASES = [(name, batch) for name, subject in SUBJECTS.items() for batch in subject.batches]


@pytest.mark.parametrize("layers", LAYERS)
@pytest.mark.parametrize("work", WORK)
@pytest.mark.parametrize("name, batch", CASES)
def test_network(benchmark, name, batch, work, layers):
    benchmark.group = f"{name}, batch {batch}, {work}"
    subject, (convolution, pooling, layout) = SUBJECTS[name], LAYERS[layers]
    net = subject.build(convolution, pooling).to(memory_format=layout)
    images = torch.randn(batch, *subject.image).contiguous(memory_format=layout)
    benchmark.pedantic(WORK[work](net, images), rounds=5, warmup_rounds=2)

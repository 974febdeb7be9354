"""Deliverable 2's whole training step, ours beside torch's: `pytest --benchmark-only tests/benchmarks`."""

import pytest

from tests.benchmarks.deliverable2 import BATCHES, NETWORKS, WARM_UP, training_step


@pytest.mark.parametrize("peer", NETWORKS)
@pytest.mark.parametrize("batch", BATCHES)
def test_training_step(benchmark, batch, peer):
    benchmark.group = f"deliverable 2, training step, batch {batch}"
    step = training_step(NETWORKS[peer](), batch)
    benchmark.pedantic(step, rounds=50, warmup_rounds=WARM_UP)

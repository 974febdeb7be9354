"""Every convolution of the suite beside torch's two layouts: `pytest --benchmark-only tests/benchmarks/test_conv.py`.

One group per shape, batch and direction, so that the rows to compare stand together. The peers run one after the
other here; for ratios of calls in turns, and rates, run `python -m tests.benchmarks.table`.
"""

import pytest

from tests.benchmarks.peers import FORWARD, PEERS, directions, step, work
from tests.benchmarks.suite import BATCHES, CONVOLUTIONS, INFERENCE_BATCHES
from tests.benchmarks.timing import WARM_UP

CASES = [
    *((shape, batch, direction) for shape in CONVOLUTIONS for batch in BATCHES for direction in directions(shape)),
    *((shape, batch, FORWARD) for shape in CONVOLUTIONS for batch in INFERENCE_BATCHES),
]
ROUNDS = 7


@pytest.mark.parametrize("peer", PEERS, ids=lambda peer: peer.name)
@pytest.mark.parametrize(
    "shape, batch, direction", CASES, ids=[f"{shape.name}, {batch}, {way.name}" for shape, batch, way in CASES]
)
def test_convolution(benchmark, shape, batch, direction, peer):
    benchmark.group = f"convolution {shape.name}, batch {batch}, {direction.name}"
    benchmark.extra_info["operations"] = work(shape, batch, direction)
    benchmark.pedantic(step(peer, shape, batch, direction), rounds=ROUNDS, warmup_rounds=WARM_UP)

"""The layers of the suite on a GPU: our torch path and our Triton kernels beside torch's own, cuDNN for convolution.

    python -m tests.benchmarks.cuda [--only REGEX] [--batches N ...] [--precisions NAME ...] [--seconds T] [--json FILE]

Every layer is timed forward, and forward with backward (input, weight and bias gradients; a pooling has the first
alone), in float32 with TF32 on for all, in float32 without it, and in bfloat16. Ours and torch get the same numbers in
channels_last, and torch in NCHW as well; cuDNN may search for its best algorithm, as ours for its best tile, before the
clock starts. A turn is a burst of calls between two CUDA events, contender after contender; what is told is the median
over the turns. The ratio is the faster of torch's layouts over the faster of ours.

Without a GPU this says so and ends with status 2.
"""

from __future__ import annotations

import argparse
import json
import re
import statistics
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
import torch.nn.functional as F
from rich.console import Console
from rich.table import Table

from reference.kernels import avg_pool2d, conv2d, max_pool2d
from reference.kernels.pooling import registry
from reference.kernels.conv import ALGORITHMS
from tests.benchmarks.results import geometric_mean
from tests.benchmarks.suite import CONVOLUTIONS, POOLINGS, ConvShape, PoolShape

# What a tensor's numbers are, and how float32 factors are multiplied: by cuDNN and by our matrix products alike.
PRECISIONS = {
    "TF32": (torch.float32, "tf32"), "float32": (torch.float32, "ieee"), "bfloat16": (torch.bfloat16, "ieee")
}  # fmt: skip
THEIRS = {"torch NCHW": torch.contiguous_format, "torch channels_last": torch.channels_last}
BURST_SECONDS = 1e-3  # of calls between two events, whose own resolution is about a microsecond
WARM_UP = 3
TURNS = (7, 50)  # at least, at most


@dataclass(frozen=True)
class Measured:
    """One layer in one precision and direction, with every contender's milliseconds per call."""

    layer: str
    batch: int
    precision: str
    direction: str
    milliseconds: dict[str, float]

    @property
    def ratio(self) -> float:
        """The faster of torch's layouts / the faster of ours; above 1 we are faster."""
        theirs = min(self.milliseconds[name] for name in THEIRS)
        return theirs / min(time for name, time in self.milliseconds.items() if name not in THEIRS)


def contenders(shape: ConvShape | PoolShape, batch: int, dtype: torch.dtype, *, gradients: bool,
               device: str = "cuda") -> dict[str, Callable[[], object]]:  # fmt: skip
    """One call of the layer by each contender that takes it, as functions without arguments."""
    found = {}
    known = registry.ALGORITHMS if isinstance(shape, PoolShape) else ALGORITHMS
    for name in ("cuda", "unfold", "triton"):
        if name in known and known[name].supports(torch.empty(0, dtype=dtype, device=device)):
            found[name] = _call(shape, batch, dtype, gradients, device, torch.channels_last, name)
    for name, layout in THEIRS.items():
        found[name] = _call(shape, batch, dtype, gradients, device, layout, None)
    return found


def _call(shape, batch: int, dtype, gradients: bool, device: str, layout, algorithm: str | None):
    generator = torch.Generator().manual_seed(0)

    def noise(*size: int) -> torch.Tensor:
        tensor = torch.randn(size, generator=generator).to(device, dtype)
        return tensor.contiguous(memory_format=layout) if len(size) == 4 else tensor

    ours = {} if algorithm is None else {"algorithm": algorithm}
    input, upstream = noise(batch, *shape.input), noise(batch, *shape.output)
    if isinstance(shape, PoolShape):
        pooling = {"max": (F.max_pool2d, max_pool2d), "average": (F.avg_pool2d, avg_pool2d)}[shape.kind][bool(ours)]
        operands = [input]

        def layer() -> torch.Tensor:
            return pooling(input, shape.kernel_size, shape.stride, shape.padding, **ours)

    else:
        convolution = conv2d if ours else F.conv2d
        operands = [input, noise(*shape.weight), noise(shape.weight[0])]

        def layer() -> torch.Tensor:
            return convolution(*operands, stride=shape.stride, padding=shape.padding, groups=shape.groups, **ours)

    if not gradients:
        return layer
    leaves = [operand.requires_grad_() for operand in operands]
    return lambda: torch.autograd.grad(layer(), leaves, upstream)


def in_turns(functions: dict[str, Callable[[], object]], seconds: float) -> dict[str, float]:
    """Median milliseconds of one call of each function, all timed in turns for about `seconds` in all."""
    calls = {}
    for name, function in functions.items():
        for _ in range(WARM_UP):
            function()
        calls[name] = max(1, round(1e3 * BURST_SECONDS / max(_milliseconds(function, 1), 1e-3)))
    times: dict[str, list[float]] = {name: [] for name in functions}
    turn = sum(_milliseconds(function, calls[name]) * calls[name] for name, function in functions.items())
    for _ in range(min(TURNS[1], max(TURNS[0], int(1e3 * seconds / turn)))):
        for name, function in functions.items():
            times[name].append(_milliseconds(function, calls[name]))
    return {name: statistics.median(values) for name, values in times.items()}


def _milliseconds(function: Callable[[], object], calls: int) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    torch.cuda.synchronize()
    start.record()
    for _ in range(calls):
        function()
    end.record()
    torch.cuda.synchronize()
    return start.elapsed_time(end) / calls


def measure(shapes, batches: list[int], precision: str, seconds: float) -> list[Measured]:
    """Every shape at every batch size, forward and with gradients, in one precision."""
    dtype, factors = PRECISIONS[precision]
    torch.backends.cuda.matmul.fp32_precision = factors
    torch.backends.cudnn.conv.fp32_precision = factors
    torch.backends.cudnn.benchmark = True
    rows = []
    for shape in shapes:
        for batch in batches:
            for gradients in (False, True):
                functions = contenders(shape, batch, dtype, gradients=gradients)
                direction = "forward and backward" if gradients else "forward"
                rows.append(Measured(shape.name, batch, precision, direction, in_turns(functions, seconds)))
    return rows


def table(rows: list[Measured], title: str) -> Table:
    names = list(dict.fromkeys(name for row in rows for name in row.milliseconds))
    sheet = Table("layer", "batch", "direction", *names, "ratio", title=f"{title}, milliseconds")
    for row in rows:
        times = (f"{row.milliseconds[name]:.3f}" if name in row.milliseconds else "" for name in names)
        sheet.add_row(row.layer, str(row.batch), row.direction, *times, f"{row.ratio:.2f}")
    for direction in dict.fromkeys(row.direction for row in rows):
        ratios = [row.ratio for row in rows if row.direction == direction]
        mean = f"{geometric_mean(ratios):.2f}"
        sheet.add_row("geometric mean", "", direction, *[""] * len(names), f"{mean} (least {min(ratios):.2f})")
    return sheet


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", type=re.compile, default="", metavar="REGEX", help="layers whose name has this")
    parser.add_argument("--batches", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--precisions", nargs="+", choices=PRECISIONS, default=list(PRECISIONS))
    parser.add_argument("--seconds", type=float, default=0.3, help="per row (default: %(default)s)")
    parser.add_argument("--json", type=Path, help="also write the numbers to this file")
    asked = parser.parse_args()
    if not torch.cuda.is_available():
        print("tests.benchmarks.cuda needs a GPU that torch can use; there is none here", file=sys.stderr)
        sys.exit(2)
    console = Console()
    console.print(f"{torch.cuda.get_device_name()}, torch {torch.__version__}, cuDNN {torch.backends.cudnn.version()}")
    written = []
    for precision in asked.precisions:
        for kind, shapes in (("convolution", CONVOLUTIONS), ("pooling", POOLINGS)):
            chosen = [shape for shape in shapes if re.search(asked.only, shape.name)]
            rows = measure(chosen, asked.batches, precision, asked.seconds)
            if rows:
                console.print(table(rows, f"{kind}, {precision}"))
            written += [asdict(row) | {"kind": kind, "ratio": row.ratio} for row in rows]
    if asked.json:
        asked.json.write_text(json.dumps(written, indent=1))


if __name__ == "__main__":
    main()

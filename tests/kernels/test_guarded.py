"""No kernel touches memory that is not its own: operands, results and working memory lie beside protected pages."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

CONVOLUTION = """
import faulthandler, sys
import torch, torch.nn.functional as F
from reference.kernels import conv2d
from tests.kernels import guarded
from tests.kernels.conv_cases import CASES, NAMES, draw, takes

faulthandler.enable()
side = sys.argv[1]
# Besides: sizes at which vectors, tiles and blocks come out even, or just not.
CASES |= {
    f"{n} images, {c} to {o} channels, {size}x{size}, kernel {k}, stride {s}, padding {p}":
        ((n, c, size, size), (o, c, k, k), {"stride": s, "padding": p})
    for n, c, o, size, k, s, p in (
        (3, 3, 5, 16, 3, 1, 1), (2, 16, 17, 16, 3, 1, 1), (17, 3, 16, 8, 3, 1, 1), (16, 4, 4, 4, 3, 1, 1),
        (2, 16, 32, 16, 3, 2, 1), (5, 3, 33, 15, 3, 2, 1), (3, 5, 18, 16, 1, 1, 0), (3, 5, 18, 15, 1, 2, 0),
        (2, 31, 14, 15, 1, 1, 0), (4, 1, 32, 12, 5, 1, 2), (3, 3, 40, 14, 5, 1, 2), (2, 16, 8, 12, 5, 1, 2),
        (2, 3, 5, 13, 11, 1, 0), (1, 16, 24, 7, 3, 1, 1), (1, 9, 40, 16, 3, 2, 1),
    )
}
CASES |= {f"depthwise of {c} channels, {n} images, {size}x{size}, stride {s}":
              ((n, c, size, size), (c, 1, 3, 3), {"groups": c, "stride": s, "padding": 1})
          for n, c, size, s in ((2, 16, 7, 1), (3, 17, 7, 2), (2, 5, 15, 1), (1, 3, 16, 1), (2, 33, 4, 1))}
guarded.guard_all(side)
for dtype in (torch.float32, torch.float64):
    for case in CASES:
        *tensors, keywords = draw(case, dtype)
        tensors = [guarded.tensor(values, side).requires_grad_() for values in tensors]
        expected = F.conv2d(*tensors, **keywords)
        upstream = torch.linspace(-1, 2, expected.numel(), dtype=dtype).view(expected.shape)
        upstream, torchs = guarded.tensor(upstream, side), torch.autograd.grad(expected, tensors, upstream)
        for name in NAMES:
            if takes(name, case) and name != "naive":
                print(f"{name}, {case}, {dtype}", flush=True)
                found = conv2d(*tensors, **keywords, algorithm=name)
                ours = torch.autograd.grad(found, tensors, upstream)
                bound = 1e-10 if dtype == torch.float64 else 1e-3
                torch.testing.assert_close([found, *ours], [expected, *torchs], rtol=bound, atol=bound)
print("agrees")
"""

POOLING = """
import faulthandler, sys
import torch, torch.nn.functional as F
from reference.kernels import avg_pool2d, max_pool2d
from tests.kernels import guarded
from tests.kernels.pool_cases import ALGORITHMS, SIZES

faulthandler.enable()
side = sys.argv[1]
names = [name for name in ALGORITHMS if name != "naive"]  # plain Python checks its own indices
guarded.guard_all(side)
for dtype in (torch.float32, torch.float64):
    for planes in ((1, 1), (2, 3), (4, 16)):
        for size in (*SIZES, (4, 4), (16, 16), (32, 32), (2, 3)):
            for window in ((2,), (3, 2), (3, 2, 1), (3, 3), (2, 1), size):
                if max(window) > 3 and window != size or window[0] > min(size) and window != size:
                    continue
                for ours, theirs in ((max_pool2d, F.max_pool2d), (avg_pool2d, F.avg_pool2d)):
                    arguments = (window,) if window == size else window
                    image = guarded.tensor(torch.randn(*planes, *size, dtype=dtype), side).requires_grad_()
                    expected = theirs(image, *arguments)
                    upstream = guarded.tensor(torch.randn(expected.shape, dtype=dtype), side)
                    (torchs,) = torch.autograd.grad(expected, [image], upstream)
                    for name in names:
                        print(f"{ours.__name__}, {name}, {planes}, {size}, {window}, {dtype}", flush=True)
                        found = ours(image, *arguments, algorithm=name)
                        (gradient,) = torch.autograd.grad(found, [image], upstream)
                        torch.testing.assert_close([found, gradient], [expected, torchs])
                        with torch.no_grad():
                            torch.testing.assert_close(ours(image, *arguments, algorithm=name), expected)
print("agrees")
"""

# A script that must not come to its end: what it reads lies one number behind the array.
BEYOND = """
import sys
from tests.kernels import guarded
from numpy.lib.stride_tricks import as_strided
numbers = guarded.array((5,), "float32", sys.argv[1])
print(float(numbers.sum() != 0), flush=True)
shifted = numbers[1:] if sys.argv[1] == "after" else numbers[::-1][1:]
print(as_strided(shifted, (5,), shifted.strides)[4])
"""


def run(script: str, side: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-c", script, side], cwd=ROOT, capture_output=True, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )  # fmt: skip


pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="pages are protected with mprotect")


@pytest.mark.parametrize("side", ["after", "before"])
def test_a_number_too_many_ends_the_process(side):
    done = run(BEYOND, side)
    assert done.returncode < 0 and done.stdout == "1.0\n"


@pytest.mark.slow
@pytest.mark.parametrize("side", ["after", "before"])
@pytest.mark.parametrize("kernels", [CONVOLUTION, POOLING], ids=["convolution", "pooling"])
def test_kernels_keep_to_their_own_memory(kernels, side):
    done = run(kernels, side)
    last = done.stdout.rstrip().rpartition("\n")[2]
    assert (done.returncode, last) == (0, "agrees"), f"after {last!r}: {done.stderr[-3000:]}"

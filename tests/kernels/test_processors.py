"""Every kernel is right on processors with narrower vectors than this one's, and with none.

numba compiles for the processor that `NUMBA_CPU_NAME` and `NUMBA_CPU_FEATURES` name, in a process of its own.
"""

import os
import platform
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from reference.kernels.vectors import VECTOR_BYTES, register_bytes

ROOT = Path(__file__).resolve().parents[2]

# A processor's name for LLVM, its features, its registers in bytes, where it can be imitated, and the types to compile
# for, which takes a minute each: together they have 8, 4, 2 numbers in a register, and one.
PROCESSORS = {
    "AVX2": ("haswell", "+sse2,+avx,+avx2,+fma", 32, "x86_64", ["float32", "float64"]),
    "SSE2": ("x86-64", "+sse2", 16, "x86_64", ["float64"]),
    "NEON": ("generic", "+neon", 16, "aarch64", ["float32", "float64"]),
    "without vectors": ("generic", "", 8, "", ["float64"]),
}
KERNELS = ("convolution", "pooling")

SCRIPT = """
import sys
import torch, torch.nn.functional as F
from reference.kernels import avg_pool2d, conv2d, max_pool2d, parallel
from reference.kernels.pooling.direct_kernels import averages_2x2
from reference.kernels.vectors import VECTOR_BYTES
from tests.kernels.conv_cases import NAMES, draw, takes

TOLERANCE = {torch.float64: dict(rtol=1e-12, atol=1e-12), torch.float32: dict(rtol=1e-4, atol=1e-4)}
WIDER = {8: ["%ymm", "%zmm"], 16: ["%ymm", "%zmm"], 32: ["%zmm"], 64: []}
assert VECTOR_BYTES == int(sys.argv[1]), VECTOR_BYTES


def check(ours, theirs, tensors, dtype, what):
    results = []
    for function in (ours, theirs):
        leaves = [tensor.detach().clone().requires_grad_() for tensor in tensors]
        output = function(*leaves)
        upstream = torch.linspace(-1, 2, output.numel(), dtype=dtype).view(output.shape)
        results.append([output, *torch.autograd.grad(output, leaves, upstream)])
    torch.testing.assert_close(*results, **TOLERANCE[dtype], msg=lambda message: f"{what}, {dtype}: {message}")


for dtype in (getattr(torch, name) for name in sys.argv[3:]):
    if sys.argv[2] == "convolution":
        for case in ("padding", "stride", "depthwise", "one by one", "one by one with stride", "three by three",
                     "three by three in steps of two", "five by five", "a vector of images", "wider than a vector",
                     "many taps, many outputs"):
            *tensors, keywords = draw(case, dtype)
            for name in NAMES:
                if takes(name, case):
                    check(lambda x, w, b: conv2d(x, w, b, **keywords, algorithm=name),
                          lambda x, w, b: F.conv2d(x, w, b, **keywords), tensors, dtype, f"{name}, {case}")
    else:
        for size in ((7, 9), (6, 70), (5, 7)):
            image = torch.randn(2, 3, *size, dtype=dtype)
            for window in ((2,), (3, 2), (3, 2, 1), (3, 3), (2, 1), size):
                check(lambda x: max_pool2d(x, *window), lambda x: F.max_pool2d(x, *window), [image], dtype, window)
                check(lambda x: avg_pool2d(x, *window), lambda x: F.avg_pool2d(x, *window), [image], dtype, window)
if sys.argv[2] == "pooling":
    code = "".join(parallel._launcher_at(averages_2x2).inspect_asm().values())
    assert code and not any(register in code for register in WIDER[VECTOR_BYTES]), "compiled for another processor"
print("agrees")
"""


@pytest.fixture(scope="module")
def runs(request):
    """What each (processor, kernels) that is asked for printed: run side by side, since one compiles on one core."""
    asked = [item.callspec.params for item in request.session.items if "runs" in getattr(item, "fixturenames", ())]
    pairs = [(params["processor"], params["kernels"]) for params in asked if not not_imitated(params["processor"])]
    pool = ThreadPoolExecutor(os.cpu_count())
    yield {pair: pool.submit(run, *pair) for pair in pairs}
    pool.shutdown(cancel_futures=True)


def not_imitated(processor: str) -> str:
    """Why it is not, or ""."""
    _, _, width, machine, _ = PROCESSORS[processor]
    if machine not in ("", platform.machine()):
        return f"imitated on {machine} only"
    return "registers are as wide here, so that all other tests are on it" if width == VECTOR_BYTES else ""


def run(processor: str, kernels: str) -> subprocess.CompletedProcess:
    name, features, width, _, dtypes = PROCESSORS[processor]
    environment = {
        **os.environ, "PYTHONPATH": str(ROOT), "NUMBA_CPU_NAME": name, "NUMBA_CPU_FEATURES": features
    }  # fmt: skip
    command = [sys.executable, "-c", SCRIPT, str(width), kernels, *dtypes]
    return subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)


@pytest.mark.slow
@pytest.mark.parametrize("kernels", KERNELS)
@pytest.mark.parametrize("processor", PROCESSORS)
def test_values_and_gradients_are_torchs_on(runs, processor, kernels):
    if reason := not_imitated(processor):
        pytest.skip(reason)
    done = runs[processor, kernels].result()
    assert (done.returncode, done.stdout.strip()) == (0, "agrees"), done.stderr


@pytest.mark.parametrize(
    "features, width",
    [
        ("+avx,+avx2,+avx512f,+sse2", 64),
        ("+avx,+avx2,-avx512f,+sse2", 32),
        ("-avx,-avx512f,+sse2", 16),
        ("+fp-armv8,+neon", 16),
        ("-avx,-neon", 8),
        ("", 8),
        (None, 16),
    ],
)
def test_a_processors_features_say_how_wide_its_registers_are(features, width):
    assert register_bytes(features) == width

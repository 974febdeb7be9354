"""The Triton kernels: their plan on its own, their products by Triton's interpreter, and on a GPU where there is one.

With `TRITON_INTERPRET=1` the kernels run in numpy, slowly. That is decided when Triton is imported, so it takes a
process of its own.
"""

import os
import random
import subprocess
import sys
from itertools import product
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F

from reference.kernels import conv2d
from reference.kernels.triton import conv as triton_conv, pool as triton_pool
from reference.kernels.convolution.geometry import Geometry
from reference.kernels.pooling.geometry import PoolGeometry
from reference.kernels.triton.plan import forward_plan, input_grad_plan
from tests.kernels.conv_cases import CASES, draw

ROOT = Path(__file__).resolve().parents[2]
GPU = torch.cuda.is_available() and triton_conv.supports(torch.empty(0, device="cuda"))

# What `CASES` are too small for: a tile with channels of one tap, several steps of a sum, sums in parts.
LARGER = {
    "many channels": ((2, 32, 5, 6), (17, 32, 3, 3), {"padding": 1}),
    "many channels in groups": ((1, 64, 4, 5), (36, 32, 2, 2), {"groups": 2, "stride": 2, "padding": 1}),
    "channels that fill no step": ((1, 70, 4, 5), (3, 70, 2, 2), {"dilation": 2, "padding": 1}),
    "pixels in parts": ((3, 2, 13, 12), (4, 2, 2, 2), {}),
    "depthwise in parts": ((3, 5, 9, 10), (5, 1, 2, 3), {"groups": 5, "stride": (1, 2), "padding": 1}),
}


def gathered(axis, image, weight, length):
    """The sum in `plan`'s docstring, number by number, and how often each was written."""
    output, written = [0.0] * length, [0] * length
    for phase in axis.phases:
        for m in range(phase.count):
            place = phase.first + axis.output_step * m
            written[place] += 1
            for a in range(phase.taps):
                pixel = phase.image_first + axis.image_step * m + axis.tap_step * a
                if 0 <= pixel < len(image):
                    output[place] += weight[phase.weight_first + axis.weight_step * a] * image[pixel]
    return output, written


@pytest.mark.parametrize("stride, dilation", list(product((1, 2, 3, 4, 6), repeat=2)))
def test_plan_writes_every_number_once_and_its_two_products_are_adjoint(stride, dilation):
    draws = random.Random(stride * 10 + dilation)
    for _ in range(20):
        kernel, near, far = draws.randint(1, 4), draws.randint(0, 5), draws.randint(0, 5)
        length = max(1, (kernel - 1) * dilation + 1 - near - far) + draws.randint(0, 9)
        geometry = Geometry((stride, 1), (near, far, 0, 0), (dilation, 1))
        (count, _) = geometry.output_size((length, 1), (kernel, 1))
        image, weight, grad = ([draws.randint(-9, 9) for _ in range(n)] for n in (length, kernel, count))
        output, written = gathered(forward_plan(geometry, (kernel, 1), (length, 1)).rows, image, weight, count)
        padded = [0] * near + image + [0] * far
        windows = [padded[y * stride :: dilation] for y in range(count)]
        assert output == [sum(map(int.__mul__, weight, window)) for window in windows]
        assert set(written) == {1}
        back, written = gathered(input_grad_plan(geometry, (kernel, 1), (length, 1)).rows, grad, weight, length)
        assert sum(map(float.__mul__, back, map(float, image))) == sum(map(float.__mul__, output, map(float, grad)))
        assert set(written) == {1}


def test_tensors_on_the_cpu_are_left_to_others(monkeypatch):
    monkeypatch.delenv("TRITON_INTERPRET", raising=False)
    image = torch.zeros(1, 1, 3, 3)
    assert not triton_conv.supports(image) and not triton_pool.supports(image)
    with pytest.raises(ValueError, match="'triton' does not take torch.float32 on cpu"):
        conv2d(image, image, algorithm="triton")


def run(script: str, **environment: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, "-c", script], env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_nothing_is_supported_where_triton_is_missing():
    script = (
        "import sys; sys.modules['triton'] = None\n"
        "import torch\n"
        "from reference.kernels import conv2d\n"
        "from reference.kernels.triton import conv\n"
        "print(conv.supports(torch.zeros(1)), conv2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2)).item())"
    )
    assert run(script, TRITON_INTERPRET="1") == "False 4.0"


PREPARED = """
import torch
import torch.nn.functional as F
from reference.kernels import avg_pool2d, conv2d, max_pool2d
from reference.kernels.pooling.registry import ALGORITHMS
from reference.kernels.triton.pool import TRITON
from tests.kernels.test_triton import differences, pooled

ALGORITHMS["triton"] = TRITON

def check(found, expected, what, **bounds):
    torch.testing.assert_close(found, expected, **bounds, msg=lambda message: f"{what}: {message}")
"""


def differences(case: str, algorithm: str, dtype=torch.float64, device="cpu", layout=torch.contiguous_format):
    """Value and gradients of a case by us and by torch, as two lists; torch's from the same numbers in float64."""
    cases = {**CASES, **LARGER}
    *tensors, keywords = draw(case, dtype) if case in CASES else (*_noise(cases[case], dtype), cases[case][2])
    images, weight, bias = (t.to(device) for t in tensors)
    bias = torch.stack([bias, -bias], -1)[:, 0]  # every second number
    tensors = [images.to(memory_format=layout), weight.to(memory_format=layout), bias]
    ours, theirs = ([t.detach().to(to).requires_grad_() for t in tensors] for to in (dtype, torch.float64))
    found, expected = conv2d(*ours, **keywords, algorithm=algorithm), F.conv2d(*theirs, **keywords)
    upstream = torch.linspace(-1, 2, found.numel(), dtype=dtype, device=device).view(found.shape)
    return (
        [found, *torch.autograd.grad(found, ours, upstream)],
        [expected, *torch.autograd.grad(expected, theirs, upstream.double())],
    )


def _noise(case, dtype):
    generator = torch.Generator().manual_seed(0)
    return [torch.randn(shape, generator=generator).to(dtype) for shape in (case[0], case[1], case[1][:1])]


def pooled(function, image, **arguments):
    """Output (and indices) of a pooling, and the image's gradient under an upstream one of distinct numbers."""
    image = image.detach().requires_grad_()
    results = function(image, **arguments)
    results = results if isinstance(results, tuple) else (results,)
    upstream = torch.linspace(1, 2, results[0].numel(), dtype=image.dtype, device=image.device).view(results[0].shape)
    return *(result.detach() for result in results), *torch.autograd.grad(results[0], image, upstream)


CONVOLUTION = """
for case in %s:
    for layout in (torch.contiguous_format, torch.channels_last):
        check(*differences(case, "triton", layout=layout), f"{case}, {layout}", rtol=1e-12, atol=1e-12)
print("agrees")
"""


@pytest.mark.parametrize(
    "cases",
    [
        pytest.param(["stride", "many channels"], id="two cases"),
        pytest.param(["stride and dilation share a factor", "depthwise", *LARGER], id="larger", marks=pytest.mark.slow),
    ],
)
def test_products_agree_with_torch_by_the_interpreter(cases):
    assert run(PREPARED + CONVOLUTION % cases, TRITON_INTERPRET="1") == "agrees"


POOLING = """
NUMBERS = torch.randint(-9, 3, (2, 3, 9, 8), generator=torch.Generator().manual_seed(0)) / 4.0  # ties everywhere
NUMBERS[0, 0, 4, 4], NUMBERS[0, 1, 2] = float("nan"), -float("inf")
WINDOWS = (
    {"kernel_size": 2},
    {"kernel_size": 3, "stride": 2, "padding": 1, "ceil_mode": True},
    {"kernel_size": (2, 3), "stride": (3, 1), "dilation": (3, 2), "padding": (1, 1)},
    {"kernel_size": (9, 8)},
)
for dtype in (torch.float64, torch.float32):
    for layout in (torch.contiguous_format, torch.channels_last):
        image = NUMBERS.to(dtype, memory_format=layout)
        for window in WINDOWS:
            what = f"{window}, {dtype}, {layout}"
            found, expected = (pooled(function, image, **window, return_indices=True, **name) for function, name in
                               ((max_pool2d, {"algorithm": "triton"}), (F.max_pool2d, {})))
            check(found, expected, what, equal_nan=True)
            assert found[0].stride() == expected[0].stride(), what
            if "dilation" in window:
                continue
            for divisor in ({}, {"count_include_pad": False}, {"divisor_override": 3}):
                found, expected = (pooled(function, image, **window, **divisor, **name) for function, name in
                                   ((avg_pool2d, {"algorithm": "triton"}), (F.avg_pool2d, {})))
                check(found, expected, f"average, {what}, {divisor}", equal_nan=True)
print("agrees")
"""


@pytest.mark.slow
def test_pooling_agrees_with_torch_by_the_interpreter():
    assert run(PREPARED + POOLING, TRITON_INTERPRET="1") == "agrees"


@pytest.mark.slow
def test_properties_of_every_algorithm_hold_by_the_interpreter():
    """All that tests/kernels/test_conv.py asks of an algorithm, finite differences aside: those take minutes here.

    Rounding of 13 images and 5×5 weights is the same loops for as long again as that of 3×3.
    """
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/kernels/test_conv.py"]
    command += ["-k", "triton and not finite_differences and not 13-5"]
    environment = {**os.environ, "TRITON_INTERPRET": "1"}
    done = subprocess.run(command, env=environment, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0 and "passed" in done.stdout, done.stdout + done.stderr


SUMS = {"ONE_TAP": True, "PRECISION": "tf32", "BLOCK_K": 32, "BLOCK_M": 64, "BLOCK_N": 32}
SPOTS = {"INNERMOST": True, "BLOCK": 512, "STRIDE_H": 2, "STRIDE_W": 2, "PAD_H": 1, "PAD_W": 1}
WINDOW = {"KH": 3, "KW": 3}
KERNELS = {
    "gathered_product": {**SUMS, "HAS_BIAS": True},
    "weight_product": SUMS,
    "_gathered_sum": {"HAS_BIAS": True, "PIXELS": 32, "CHANNELS": 32},
    "_weight_sum": {"PIXELS": 32, "CHANNELS": 32},
    "maxima": {**SPOTS, **WINDOW, "DILATION_H": 1, "DILATION_W": 1, "WINNERS": True},
    "scatter": {**SPOTS, "REACH_H": 2, "REACH_W": 2},
    "averages": {**SPOTS, **WINDOW},
    "spread": {**SPOTS, **WINDOW, "REACH_H": 2, "REACH_W": 2},
}
NUMBERS = {"image", "weight", "bias", "output", "grad", "result"}
OTHER_POINTERS = {"partial": "*fp32", "phases": "*i32", "winners": "*i32", "row_divisors": "*fp32",
                  "column_divisors": "*fp32"}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", KERNELS)
def test_kernels_compile_for_gpus_that_are_not_here(name, monkeypatch, tmp_path):
    """The interpreter takes much that the compiler refuses: types, shapes, what is known when it compiles."""
    pytest.importorskip("triton")
    monkeypatch.setenv("TRITON_CACHE_DIR", str(tmp_path))
    import triton
    from triton import language as tl
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    from reference.kernels.triton import depthwise as triton_depthwise, kernels as triton_kernels, pool_kernels as triton_pool_kernels

    kernel = next(vars(m)[name] for m in (triton_kernels, triton_depthwise, triton_pool_kernels) if name in vars(m))
    kernel = kernel.fn if isinstance(kernel, triton.runtime.Autotuner) else kernel
    constants = KERNELS[name] | ({"SUM": tl.float32} if "SUM" in kernel.arg_names else {})
    for numbers, capability in (("fp32", 80), ("bf16", 90)):
        pointers = OTHER_POINTERS | dict.fromkeys(NUMBERS, f"*{numbers}") | dict.fromkeys(constants, "constexpr")
        signature = {argument: pointers.get(argument, "i32") for argument in kernel.arg_names}
        source = ASTSource(fn=kernel, signature=signature, constexprs=constants)
        target = GPUTarget("cuda", capability, 32)
        assert triton.compile(source, target=target, options={"enable_fp_fusion": True}).asm["cubin"]


needs_gpu = pytest.mark.skipif(not GPU, reason="needs a GPU with Triton")


@pytest.mark.cuda
@needs_gpu
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32, torch.bfloat16, torch.float16], ids=str)
@pytest.mark.parametrize("case", [*CASES, *LARGER])
def test_products_agree_with_torch_on_the_gpu(case, dtype):
    eps = torch.finfo(dtype).eps
    for layout in (torch.contiguous_format, torch.channels_last):
        for found, expected in zip(*differences(case, "triton", dtype, "cuda", layout)):
            assert found.dtype == dtype
            torch.testing.assert_close(found.double(), expected, rtol=4 * eps, atol=64 * eps)


@pytest.mark.cuda
@needs_gpu
def test_tf32_is_used_when_torch_is_told_so():
    before = torch.backends.cuda.matmul.fp32_precision
    worst = {}
    try:
        for precision in ("ieee", "tf32"):
            torch.backends.cuda.matmul.fp32_precision = precision
            found, expected = differences("many channels", "triton", torch.float32, "cuda")
            worst[precision] = max((a - b).abs().max().item() for a, b in zip(found, expected))
    finally:
        torch.backends.cuda.matmul.fp32_precision = before
    assert 10 * worst["ieee"] < worst["tf32"]


@pytest.mark.cuda
@needs_gpu
def test_two_runs_on_the_gpu_give_the_same_bits():
    runs = [differences("pixels in parts", "triton", torch.float32, "cuda")[0] for _ in range(2)]
    assert all(torch.equal(*both) for both in zip(*runs))


@pytest.mark.cuda
@needs_gpu
@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last], ids=str)
def test_pooling_agrees_with_torch_on_the_gpu(layout):
    generator = torch.Generator().manual_seed(0)
    image = torch.randn(4, 6, 15, 14, generator=generator).to("cuda", memory_format=layout)
    geometry = PoolGeometry.parse(3, 2, 1, 1, False)
    counts = geometry.output_size((15, 14))
    leaf = image.detach().requires_grad_()
    expected, indices = F.max_pool2d(leaf, 3, 2, 1, return_indices=True)
    upstream = torch.randn(expected.shape, generator=generator).cuda()
    output, winners = triton_pool.maxima(image, geometry, True)
    assert output.shape[2:] == counts and torch.equal(output, expected) and torch.equal(winners.long(), indices)
    torch.testing.assert_close(
        triton_pool.scatter(upstream, winners, geometry, (15, 14)), torch.autograd.grad(expected, leaf, upstream)[0]
    )

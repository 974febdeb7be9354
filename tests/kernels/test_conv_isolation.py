"""Convolution stands on its own: no torch convolution, no compiler where there is none, no writable source."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from reference.kernels import conv2d
from tests.kernels.conv_cases import NAMES, case_for, draw

ROOT = Path(__file__).resolve().parents[2]


class Recorder(TorchDispatchMode):
    """Keeps the name of every operator that is dispatched."""

    def __init__(self):
        super().__init__()
        self.names = set()

    def __torch_dispatch__(self, operator, types, args=(), kwargs=None):
        self.names.add(operator.name())
        return operator(*args, **(kwargs or {}))


def forbidden(names):
    return {name for name in names if "conv" in name or "pool" in name}


@pytest.mark.parametrize("algorithm", NAMES)
def test_no_torch_convolution_is_reached(algorithm):
    input, weight, bias, keywords = draw(case_for(algorithm, "groups"))
    leaves = [tensor.requires_grad_() for tensor in (input, weight, bias)]
    with Recorder() as recorder:
        output = conv2d(*leaves, **keywords, algorithm=algorithm)
        gradients = torch.autograd.grad(output.square().sum(), leaves, create_graph=True)
        torch.autograd.grad(sum(gradient.square().sum() for gradient in gradients), leaves)
    assert recorder.names and not forbidden(recorder.names)


def test_the_recorder_sees_a_torch_convolution():
    with Recorder() as recorder:
        torch.nn.functional.conv2d(*draw("plain")[:3])
    assert forbidden(recorder.names) == {"aten::convolution"}


PLAIN = """
import torch, numba
from reference.kernels import conv2d
assert {expectation}
generator = torch.Generator().manual_seed(0)
for dtype in (torch.float64, torch.float32):
    x = torch.randn(2, 4, 5, 6, generator=generator).to(dtype).requires_grad_()
    w = torch.randn(7, 2, 3, 2, generator=generator).to(dtype).requires_grad_()
    keywords = dict(stride=(1, 2), padding=1, groups=1 if w.shape[1] == 4 else 2)
    w = w[:6].detach().requires_grad_()
    expected = torch.nn.functional.conv2d(x, w, **keywords)
    for algorithm in ("naive", "direct"):
        found = conv2d(x, w, **keywords, algorithm=algorithm)
        torch.testing.assert_close(found, expected)
        torch.testing.assert_close(
            torch.autograd.grad(found.square().sum(), (x, w)),
            torch.autograd.grad(torch.nn.functional.conv2d(x, w, **keywords).square().sum(), (x, w)),
            rtol=1e-4, atol=1e-3,
        )
print("agrees")
"""


def run(script: str, **environment: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), **environment}
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_small_sizes_agree_without_the_compiler():
    assert run(PLAIN.format(expectation="numba.config.DISABLE_JIT"), NUMBA_DISABLE_JIT="1") == "agrees"


def test_importing_starts_no_thread_and_compiles_nothing():
    script = (
        "import threading, torch, numba\n"
        "import reference.kernels, reference.nn\n"
        "from reference.kernels.convolution.direct_kernels import shifted_sums_compiled as kernel\n"
        "print(threading.active_count(), len(kernel.signatures))"
    )
    assert run(script) == "1 0"


@pytest.mark.slow
def test_without_a_folder_to_cache_in_the_kernels_are_compiled_per_process():
    script = (
        "import numba.core.caching as caching\n"
        "(getattr(caching, 'CacheImpl', None) or caching._CacheImpl)._locator_classes = []\n"
        "import torch\n"
        "from reference.kernels import conv2d\n"
        "print(conv2d(torch.ones(1, 1, 3, 3), torch.ones(1, 1, 3, 3), algorithm='direct').item())"
    )
    assert run(script) == "9.0"

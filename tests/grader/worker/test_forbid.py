"""Forbidden operators are denied by every road, and allowed ones are left alone."""

import threading
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from grader.worker import ForbiddenOperator, forbidden

from .conftest import RULES

X, W = torch.randn(1, 2, 8, 8), torch.randn(3, 2, 3, 3)
HERE = Path(__file__).parent


def _quantized() -> torch.Tensor:
    return torch.quantize_per_tensor(X, 0.1, 0, torch.quint8)


ROADS = {
    "functional": lambda: F.conv2d(X, W),
    "torch": lambda: torch.conv2d(X, W),
    "getattr": lambda: getattr(F, "conv" + "2d")(X, W),
    "module": lambda: nn.Conv2d(2, 3, 3)(X),
    "aten": lambda: torch.ops.aten.convolution(X, W, None, [1, 1], [0, 0], [1, 1], False, [0, 0], 1),
    "aten-overload": lambda: torch.ops.aten.max_pool2d_with_indices.default(X, [2, 2]),
    "internal": lambda: torch._C._nn.thnn_conv2d(X, W, (3, 3)),
    "mkldnn-operator": lambda: torch.mkldnn_convolution(X, W, None, [0, 0], [1, 1], [1, 1], 1),
    "mkldnn-tensor": lambda: F.conv2d(X.to_mkldnn(), W),
    "mkldnn-pooling": lambda: F.max_pool2d(X.to_mkldnn(), 2),
    "quantized-pooling": lambda: F.max_pool2d(_quantized(), 2),
    "pointwise": lambda: torch.ops.mkldnn._convolution_pointwise(
        X, W, None, [0, 0], [1, 1], [1, 1], 1, "none", [], ""
    ),
    "one-dimension": lambda: F.conv1d(X[0], W[0]),
    "three-dimensions": lambda: F.conv3d(X[None], W[:, None]),
    "transposed": lambda: F.conv_transpose2d(X, W.transpose(0, 1)),
    "weight-gradient": lambda: nn.grad.conv2d_weight(X, W.shape, torch.ones(1, 3, 6, 6)),
    "autograd": lambda: F.conv2d(X.clone().requires_grad_(), W),
    "inference-mode": lambda: torch.inference_mode()(F.conv2d)(X, W),
    "float64": lambda: F.conv2d(X.double(), W.double()),
    "bfloat16": lambda: F.conv2d(X.bfloat16(), W.bfloat16()),
    "vmap": lambda: torch.vmap(lambda x: F.conv2d(x, W))(X[None]),
    "jacobian": lambda: torch.func.jacrev(lambda x: F.conv2d(x, W))(X),
    "max-pool-1d": lambda: F.max_pool1d(X[0], 2),
    "adaptive": lambda: F.adaptive_avg_pool2d(X, 2),
    "adaptive-max": lambda: nn.AdaptiveMaxPool2d(2)(X),
    "average": lambda: F.avg_pool2d(X, 2),
    "power-average": lambda: F.lp_pool2d(X, 2.0, 2),
    "fractional": lambda: F.fractional_max_pool2d(X, 2, output_size=2),
    "unpool": lambda: F.max_unpool2d(X, torch.zeros_like(X, dtype=torch.long), 2),
    "fft": lambda: torch.fft.rfft2(X),
    "prims": lambda: torch.ops.prims.fft_r2c(X, dim=(2,), onesided=True),
}


@pytest.fixture(scope="module")
def hits():
    with forbidden(RULES, [HERE]) as found:
        yield found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("road", ROADS)
def test_every_road_is_closed_and_the_line_is_named(hits, road: str):
    hits.clear()
    with pytest.raises(ForbiddenOperator) as caught:
        ROADS[road]()
    (hit,) = hits
    assert hit.file == "test_forbid.py" and hit.source and str(hit) in str(caught.value)


@pytest.mark.filterwarnings("ignore")
def test_script_is_closed_too(hits):
    hits.clear()
    with pytest.raises(Exception, match="not allowed"):
        torch.jit.script(nn.Conv2d(2, 3, 3))(X)
    assert hits


def test_another_thread_and_a_swallowed_exception_are_recorded(hits):
    hits.clear()

    def sneak() -> None:
        try:
            F.conv2d(X, W)
        except Exception:
            pass

    thread = threading.Thread(target=sneak)
    thread.start()
    thread.join()
    assert [hit.operator for hit in hits] == ["aten::conv2d"]


def test_the_backward_of_a_convolution_is_closed(hits):
    hits.clear()
    x = X.clone().requires_grad_()

    class Hidden(torch.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x.sum()

        @staticmethod
        def backward(ctx, gradient):
            return torch.ops.aten.avg_pool2d_backward(X, X, [1, 1], [1, 1], [0, 0], False, True, None)

    with pytest.raises(ForbiddenOperator, match="avg_pool2d_backward"):
        Hidden.apply(x).backward()


ALLOWED = {
    "linear": lambda: nn.Linear(8, 3)(X.clone().requires_grad_()).sum().backward(),
    "linear-bfloat16": lambda: nn.Linear(8, 3).bfloat16()(X.bfloat16()),
    "unfold": lambda: F.unfold(X.clone().requires_grad_(), 3).sum().backward(),
    "fold": lambda: F.fold(F.unfold(X, 3), (8, 8), 3),
    "tensor-unfold": lambda: X.clone().requires_grad_().unfold(2, 3, 1).sum().backward(),
    "as-strided": lambda: X.clone().requires_grad_().as_strided((2, 2), (1, 1)).sum().backward(),
    "einsum": lambda: torch.einsum("nchw,ocij->no", X, W),
    "matmul": lambda: X @ X,
    "amax": lambda: X.amax((2, 3)),
    "pad": lambda: F.pad(X, (1, 1, 1, 1), mode="reflect"),
    "batch-norm": lambda: F.batch_norm(X, None, None, training=True),
    "cross-entropy": lambda: F.cross_entropy(X.flatten(1), torch.tensor([1])),
    "interpolate": lambda: F.interpolate(X, scale_factor=2),
    "convert": lambda: X.to(torch.float64).to_sparse_csr() if X.dim() == 2 else X[0, 0].to_sparse_csr(),
    "dropout": lambda: F.dropout(X),
}


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("operation", ALLOWED)
def test_what_a_student_builds_with_still_works(hits, operation: str):
    hits.clear()
    ALLOWED[operation]()
    assert hits == []

"""PyTorch's own samples and error inputs for the operators that the kernels replace."""

import sys
import types
import unittest

import pytest
import torch

from reference.kernels.avg_pool import avg_pool2d
from reference.kernels.conv import conv2d
from reference.kernels.max_pool import max_pool2d

OURS = {
    "nn.functional.conv2d": conv2d,
    "nn.functional.max_pool2d": max_pool2d,
    "nn.functional.avg_pool2d": avg_pool2d,
}
# Sums in another order: one rounding of the result, times the few dozen terms of these small samples.
TOLERANCE = {torch.float32: {"rtol": 1e-5, "atol": 1e-5}, torch.float64: {"rtol": 1e-12, "atol": 1e-12}}


@pytest.fixture(scope="module")
def operators():
    """{operator's name: its OpInfo}, from torch's internal test suite."""
    before = sys.modules.get("expecttest")
    if before is None:
        # torch's test suite derives its TestCase from this package's, which does not come with torch.
        # The samples do not use it.
        stand_in = types.ModuleType("expecttest")
        stand_in.TestCase = unittest.TestCase
        sys.modules["expecttest"] = stand_in
    try:
        from torch.testing._internal.common_methods_invocations import op_db
    except ImportError as error:
        pytest.skip(f"torch's internal test suite cannot be imported here: {error}")
    finally:
        if before is None:
            del sys.modules["expecttest"]
    return {operator.name: operator for operator in op_db if operator.name in OURS and not operator.variant_test_name}


def outputs_and_gradients(function, sample):
    """What `function` gives for a sample, and the gradient for each of its tensors under a fixed upstream one."""
    arguments = [a.detach().clone().requires_grad_() if isinstance(a, torch.Tensor) else a
                 for a in (sample.input, *sample.args)]  # fmt: skip
    outputs = function(*arguments, **sample.kwargs)
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    wanted = [a for a in arguments if isinstance(a, torch.Tensor)]
    upstream = torch.linspace(1, 2, outputs[0].numel(), dtype=outputs[0].dtype).view(outputs[0].shape)
    return outputs, torch.autograd.grad(outputs[0], wanted, upstream)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even kernel")
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("name", OURS)
def test_every_sample_agrees_in_value_and_gradients(operators, name, dtype):
    count = 0
    for sample in operators[name].sample_inputs("cpu", dtype, requires_grad=True):
        found, expected = (outputs_and_gradients(function, sample) for function in (OURS[name], operators[name].op))
        torch.testing.assert_close(
            found, expected, **TOLERANCE[dtype], msg=lambda text, sample=sample: f"{sample.summary()}\n{text}"
        )
        count += 1
    assert count >= 7


@pytest.mark.parametrize("name", OURS)
def test_every_error_input_is_refused_by_name(operators, name):
    count = 0
    for error in operators[name].error_inputs("cpu"):
        sample = error.sample_input
        with pytest.raises((ValueError, TypeError)):
            result = OURS[name](sample.input, *sample.args, **sample.kwargs)
            pytest.fail(f"{sample.summary()} should be refused ({error.error_regex}), returned {result}")
        count += 1
    assert count >= 5

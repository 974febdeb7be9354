"""What `conv2d` refuses, and that it says what was expected and what was found."""

import pytest
import torch

from reference.kernels import conv2d

IMAGE, KERNEL = torch.zeros(2, 4, 6, 7), torch.zeros(6, 4, 3, 3)

REFUSED = {
    "input is not a tensor": (([[1.0]], KERNEL), {}, TypeError, "input must be a torch.Tensor, found list"),
    "input has two dimensions": ((IMAGE[0, 0], KERNEL), {}, ValueError, r"input .*found shape \(6, 7\)"),
    "weight has three dimensions": ((IMAGE, KERNEL[0]), {}, ValueError, r"weight .*found shape \(4, 3, 3\)"),
    "integer input": ((IMAGE.long(), KERNEL.long()), {}, TypeError, "input .*floating-point.*int64"),
    "dtypes differ": ((IMAGE, KERNEL.double()), {}, TypeError, "weight and input .*float64 and torch.float32"),
    "bias has another dtype": ((IMAGE, KERNEL, torch.zeros(6).double()), {}, TypeError, "bias and input"),
    "devices differ": ((IMAGE, KERNEL.to("meta")), {}, ValueError, "weight and input .*meta and cpu"),
    "channels differ": ((IMAGE[:, :3], KERNEL), {}, ValueError, r"input has 3 channels \(shape \(2, 3, 6, 7\)\)"),
    "channels differ with groups": ((IMAGE, KERNEL), {"groups": 2}, ValueError, "groups=2 needs 8"),
    "groups do not divide": ((IMAGE, KERNEL[:, :1]), {"groups": 4}, ValueError, "groups=4 must divide"),
    "no groups": ((IMAGE, KERNEL), {"groups": 0}, ValueError, "groups must be at least 1, found 0"),
    "bias too long": ((IMAGE, KERNEL, torch.zeros(7)), {}, ValueError, r"bias .*\(6,\).*found shape \(7,\)"),
    "bias has two dimensions": ((IMAGE, KERNEL, torch.zeros(6, 1)), {}, ValueError, "bias must have shape"),
    "zero stride": ((IMAGE, KERNEL), {"stride": 0}, ValueError, "stride must be at least 1, found 0"),
    "negative padding": ((IMAGE, KERNEL), {"padding": (0, -1)}, ValueError, r"padding .*found \(0, -1\)"),
    "zero dilation": ((IMAGE, KERNEL), {"dilation": (1, 0)}, ValueError, "dilation must be at least 1"),
    "three strides": ((IMAGE, KERNEL), {"stride": (1, 1, 1)}, ValueError, "stride .*3 entries"),
    "half a stride": ((IMAGE, KERNEL), {"stride": 1.5}, TypeError, "stride must be an int .*found 1.5"),
    "true as a stride": ((IMAGE, KERNEL), {"stride": True}, TypeError, "stride must be an int"),
    "unknown padding": ((IMAGE, KERNEL), {"padding": "full"}, ValueError, "padding must be 'valid', 'same' or"),
    "same with a stride": ((IMAGE, KERNEL), {"padding": "same", "stride": 2}, ValueError, "needs stride 1"),
    "kernel larger than the image": ((IMAGE[..., :2], KERNEL), {}, ValueError, r"\(3, 3\).*padded image of \(6, 2\)"),
    "dilated kernel larger than the image": ((IMAGE, KERNEL), {"dilation": 3}, ValueError, r"\(7, 7\) pixels"),
    "kernel without taps": ((IMAGE, KERNEL[..., :0]), {}, ValueError, "at least one channel and one tap"),
    "unknown algorithm": ((IMAGE, KERNEL), {"algorithm": "fft"}, ValueError, "'direct', .*'im2col'.*found 'fft'"),
    "algorithm of other dtypes": ((IMAGE.half(), KERNEL.half()), {"algorithm": "direct"}, ValueError, "float16 on cpu"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_impossible_arguments_are_refused_by_name(case):
    arguments, keywords, error, message = REFUSED[case]
    with pytest.raises(error, match=message):
        conv2d(*arguments, **keywords)

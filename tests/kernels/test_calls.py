"""Calls that were checked once: one like them passes, one that only looks like them is still refused."""

import gc

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import forward_ad

from reference.kernels import avg_pool2d, calls, conv2d, max_pool2d
from reference.kernels.calls import Known, recorded

IMAGE, KERNEL, BIAS = torch.randn(2, 3, 6, 7), torch.randn(4, 3, 2, 2), torch.randn(4)
LAYERS = {
    "convolution": lambda image, **keywords: conv2d(image, KERNEL, BIAS, **keywords),
    "max-pooling": lambda image, **keywords: max_pool2d(image, 2, **keywords),
    "average-pooling": lambda image, **keywords: avg_pool2d(image, 2, **keywords),
}
TORCHS = {
    "convolution": lambda image, **keywords: F.conv2d(image, KERNEL, BIAS, **keywords),
    "max-pooling": lambda image, **keywords: F.max_pool2d(image, 2, **keywords),
    "average-pooling": lambda image, **keywords: F.avg_pool2d(image, 2, **keywords),
}


def known(monkeypatch):
    """The calls that the convolution remembers, none at first."""
    fresh = Known()
    monkeypatch.setattr("reference.kernels.conv._known", fresh)
    return fresh._calls


@pytest.mark.parametrize("layer", LAYERS)
def test_a_second_call_gives_what_the_first_gave(layer):
    for keywords in ({"stride": 1}, {"stride": (1, 2)}, {"stride": 2, "padding": 1}):
        expected = TORCHS[layer](IMAGE, **keywords)
        for _ in range(3):
            torch.testing.assert_close(LAYERS[layer](IMAGE, **keywords), expected)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("stride", [True, 1.0, (True, 1), (1.0, 1), "1"])
def test_what_equals_a_known_argument_and_is_none_is_refused_all_the_same(layer, stride):
    for known in (1, (1, 1)):
        LAYERS[layer](IMAGE, stride=known), LAYERS[layer](IMAGE, stride=known)
    with pytest.raises((TypeError, ValueError), match="stride"):
        LAYERS[layer](IMAGE, stride=stride)


@pytest.mark.parametrize("layer", LAYERS)
@pytest.mark.parametrize("image", [[[1.0]], IMAGE.numpy(), None], ids=["list", "array", "nothing"])
def test_what_is_no_tensor_is_refused_by_name(layer, image):
    with pytest.raises(TypeError, match="input must be a torch.Tensor"):
        LAYERS[layer](image, stride=1)


def test_tensors_of_another_kind_are_checked_again():
    conv2d(IMAGE, KERNEL, BIAS), conv2d(IMAGE, KERNEL, BIAS)
    with pytest.raises(TypeError, match="weight and input must have one dtype"):
        conv2d(IMAGE, KERNEL.double(), BIAS)
    with pytest.raises(TypeError, match="bias and input must have one dtype"):
        conv2d(IMAGE, KERNEL, BIAS.double())
    with pytest.raises(ValueError, match=r"bias must have shape \(4,\)"):
        conv2d(IMAGE, KERNEL, BIAS[:3])
    with pytest.raises(ValueError, match="one device"):
        conv2d(IMAGE, KERNEL.to("meta"), BIAS)


def test_a_list_that_changes_is_read_at_every_call(monkeypatch):
    remembered, stride = known(monkeypatch), [1, 1]
    assert conv2d(IMAGE, KERNEL, stride=stride).shape == (2, 4, 5, 6)
    stride[:] = 2, 3
    assert conv2d(IMAGE, KERNEL, stride=stride).shape == (2, 4, 3, 2)
    assert not remembered


def test_an_argument_that_is_gone_lends_its_identity_to_no_other(monkeypatch):
    remembered = known(monkeypatch)
    for height in range(1, 5):
        for width in range(1, 5):
            stride = tuple([height, width])  # a new object, at an address that may have been another's
            found, expected = (layer(IMAGE, KERNEL, stride=stride) for layer in (conv2d, F.conv2d))
            assert found.shape == expected.shape
            del stride
            gc.collect()
    assert len(remembered) == 16


def test_no_more_calls_are_remembered_than_agreed(monkeypatch):
    remembered = known(monkeypatch)
    monkeypatch.setattr(calls, "_MOST", 3)
    for size in range(3, 12):
        conv2d(torch.ones(1, 3, size, 3), KERNEL)
        assert len(remembered) <= 3
    assert remembered


@pytest.mark.parametrize("layer", LAYERS)
def test_a_gradient_is_recorded_where_one_is_wanted_and_nowhere_else(layer):
    leaf = IMAGE.clone().requires_grad_()
    for _ in range(2):
        with torch.no_grad():
            assert LAYERS[layer](leaf).grad_fn is None
        with torch.inference_mode():
            assert LAYERS[layer](leaf).is_inference()
        assert LAYERS[layer](IMAGE).grad_fn is None
        output = LAYERS[layer](leaf)
        (found,) = torch.autograd.grad(output.sum(), leaf)
        (expected,) = torch.autograd.grad(TORCHS[layer](leaf).sum(), leaf)
        torch.testing.assert_close(found, expected)


@pytest.mark.parametrize("layer", LAYERS)
def test_derivatives_that_there_are_none_of_are_refused_not_zero(layer):
    for _ in range(2):  # the second call is known
        LAYERS[layer](IMAGE)
        with forward_ad.dual_level(), pytest.raises((NotImplementedError, RuntimeError), match="forward|jvp"):
            LAYERS[layer](forward_ad.make_dual(IMAGE, torch.ones_like(IMAGE)))
        with pytest.raises(RuntimeError, match="functorch|setup_context"):
            torch.func.vmap(LAYERS[layer])(IMAGE[None])


def test_only_a_tensor_that_needs_a_gradient_is_recorded():
    leaf = torch.ones(1, requires_grad=True)
    assert recorded(leaf, None) and recorded(torch.ones(1), leaf)
    assert not recorded(torch.ones(1), None)
    with torch.no_grad():
        assert not recorded(leaf)

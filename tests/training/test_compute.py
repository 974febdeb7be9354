"""The choice of device and number format, and how networks and images are laid out for it."""

import pytest
import torch

from reference.training.compute import FLOAT32_CPU, Compute, fastest


def on_cpu(monkeypatch, features: dict):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: features, raising=False)


@pytest.mark.parametrize("feature", ["avx512_bf16", "amx_bf16"])
def test_a_cpu_with_instructions_for_bfloat16_uses_it(monkeypatch, feature):
    on_cpu(monkeypatch, {"avx512_f": True, feature: True})
    assert fastest() == Compute(torch.device("cpu"), torch.bfloat16)


@pytest.mark.parametrize(
    "features", [{}, {"avx512_f": True}, {"avx512_bf16": False, "amx_bf16": False, "avx512_fp16": True}]
)
def test_a_cpu_without_them_computes_in_float32(monkeypatch, features):
    on_cpu(monkeypatch, features)
    assert fastest() == FLOAT32_CPU


def test_where_torch_cannot_tell_float32_is_taken(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.delattr(torch.cpu, "get_capabilities", raising=False)
    assert fastest() == FLOAT32_CPU


@pytest.mark.parametrize(("native", "dtype"), [(True, torch.bfloat16), (False, torch.float32)])
def test_a_gpu_is_preferred_and_emulated_bfloat16_is_not(monkeypatch, native, dtype):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(
        torch.cuda, "is_bf16_supported", lambda including_emulation=True: including_emulation or native
    )
    assert fastest() == Compute(torch.device("cuda"), dtype)


def test_convolutions_run_in_the_chosen_format_on_parameters_of_float32(small_net, device):
    for dtype in (torch.bfloat16, torch.float32):
        compute = Compute(device, dtype)
        net, images = compute.place(small_net), compute.images(torch.zeros(2, 3, 8, 8))
        with compute.autocast():
            assert net[0](images).dtype == dtype
        assert net[0].weight.dtype == torch.float32


def test_images_and_kernels_are_laid_out_channels_last_and_stay_so_through_the_net(small_net, device):
    compute = Compute(device, torch.float32)
    net, images = compute.place(small_net), compute.images(torch.rand(2, 3, 8, 6))
    features = net[:3](images)
    for tensor in (net[0].weight, images, features):
        assert tensor.is_contiguous(memory_format=torch.channels_last)
        assert tensor.device.type == device.type


def test_a_compute_of_the_contiguous_layout_makes_everything_contiguous(small_net, device):
    compute = Compute(device, torch.float32, torch.contiguous_format)
    last = small_net.to(memory_format=torch.channels_last)
    images = compute.images(torch.rand(2, 3, 8, 6).contiguous(memory_format=torch.channels_last))
    for tensor in (compute.place(last)[0].weight, images):
        assert tensor.is_contiguous() and not tensor.is_contiguous(memory_format=torch.channels_last)


def test_the_layout_does_not_change_what_is_computed(small_net):
    images = torch.rand(2, 3, 8, 6)
    expected = small_net.eval()(images)
    torch.testing.assert_close(FLOAT32_CPU.place(small_net)(FLOAT32_CPU.images(images)), expected)


def test_it_names_itself_in_words():
    assert str(Compute(torch.device("cpu"), torch.bfloat16)) == "cpu, bfloat16"

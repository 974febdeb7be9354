"""Recycled memory: used again when its tensor is gone, never before, and never more of it than agreed."""

import gc
import threading

import pytest
import torch

from reference.kernels import memory


@pytest.fixture(autouse=True)
def nothing_waiting(monkeypatch):
    monkeypatch.setattr(memory, "_waiting", memory._Waiting())
    monkeypatch.setattr(memory, "SMALL_BYTES", 1 << 14)  # the blocks of these tests need not be large


def test_a_block_is_used_again_once_no_view_of_it_is_left():
    tensor = memory.empty((512, 256), torch.float32)
    place, view = tensor.data_ptr(), tensor[3].sum
    del tensor
    assert memory.empty((512, 256), torch.float32).data_ptr() != place
    del view
    assert memory.empty((512, 256), torch.float32).data_ptr() == place


def test_a_block_is_not_used_again_while_an_array_over_it_is():
    tensor, array = memory.result((512, 256), torch.float32)
    place = tensor.data_ptr()
    assert array.ctypes.data == place and array.shape == (512, 256)
    del tensor
    assert memory.empty((512, 256), torch.float32).data_ptr() != place
    del array
    assert memory.empty((512, 256), torch.float32).data_ptr() == place


def test_no_two_tensors_of_any_thread_have_one_block():
    gc.collect()
    failures, lent = [], set(memory._lent)

    def work(number):
        for turn in range(300):
            shapes = (3, 3, 3000, 1 << 11 + turn % 5)
            tensors = [memory.empty((shape,), torch.float64).fill_(number) for shape in shapes]
            failures.extend(number for tensor in tensors if not (tensor == number).all())

    workers = [threading.Thread(target=work, args=(number,)) for number in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert not failures and memory._lent <= lent


def test_a_block_may_come_back_while_another_is_taken_in():
    class Blocks(dict):
        def pop(self, *arguments):
            found = super().pop(*arguments)
            gc.collect()
            return found

    def circle():
        held = [memory.empty((1 << 13,), torch.float32)]
        held.append(held)

    gc.collect()
    memory._waiting.blocks = Blocks()
    tensor = memory.empty((1 << 13,), torch.float32)
    circle()
    del tensor
    waiting = memory._waiting
    assert waiting.bytes == sum(size * len(blocks) for size, blocks in waiting.blocks.items()) == 2 << 15


def test_nobody_waits_for_another():
    memory.empty((1 << 13,), torch.float32)
    with memory._waiting.lock:
        tensor = memory.empty((1 << 13,), torch.float32)
        del tensor
    assert memory._waiting.bytes == 1 << 15 and len(memory._waiting.returned) == 1
    memory.empty((1 << 14,), torch.float32)
    assert not memory._waiting.returned


def test_what_is_small_is_left_to_the_c_library():
    tensor, array = memory.result((memory.SMALL_BYTES // 4,), torch.float32)
    assert array.ctypes.data == tensor.data_ptr() and not memory._lent
    del tensor, array
    assert not memory._waiting.blocks
    kept = memory.empty((memory.SMALL_BYTES // 4 + 1,), torch.float32)
    assert len(memory._lent) == 1
    del kept
    assert memory._waiting.blocks


def test_a_gradient_keeps_its_block():
    input = torch.ones(64, 16, 32, 32, requires_grad=True)
    upstream = memory.empty((64, 16, 32, 32), torch.float32).fill_(2)
    (input * 1).backward(upstream)
    del upstream
    memory.empty((64, 16, 32, 32), torch.float32).fill_(7)
    assert torch.equal(input.grad, torch.full_like(input, 2))


def test_a_smaller_last_batch_uses_what_a_whole_one_left():
    place = memory.empty((128, 1024), torch.float64).data_ptr()
    assert memory.empty((127, 1024), torch.float64).data_ptr() == place


def test_no_more_waits_than_agreed(monkeypatch):
    monkeypatch.setattr(memory, "WAITING_BYTES", 3 << 20)
    tensors = [memory.empty((size, 1 << 18), torch.float32) for size in (1, 1, 2)]
    del tensors
    waiting = sum(size * len(blocks) for size, blocks in memory._waiting.blocks.items())
    assert 0 < waiting == memory._waiting.bytes <= 3 << 20


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.uint8, torch.int16])
@pytest.mark.parametrize("shape", [(0, 3), (5, 7), (512, 1024)])
def test_shape_and_type_are_those_asked_for_and_what_is_large_starts_on_a_cache_line(shape, dtype):
    tensor = memory.empty(shape, dtype)
    assert tuple(tensor.shape) == shape and tensor.dtype == dtype and tensor.is_contiguous()
    assert tensor.nbytes <= memory.SMALL_BYTES or tensor.data_ptr() % memory.ALIGNMENT == 0
    tensor.fill_(1)
    assert tensor.sum() == tensor.numel()

"""Work that is split among threads: all of it is done once, failures arrive, and a fork is survived."""

import os
import signal
import threading

import numpy as np
import pytest
import torch

from reference.kernels import conv2d, parallel
from reference.kernels.compiled import compiled
from reference.kernels.team import share
from tests.kernels.test_conv_isolation import run as run_process


@pytest.fixture(params=["torch's team", "threads of Python"])
def threads(request, monkeypatch):
    if request.param == "threads of Python":
        monkeypatch.setattr(parallel, "_team", lambda: 0)
    elif not parallel._team():
        pytest.skip("torch brings no OpenMP library of its own here")


def note(done, scale, nothing, part, first, end):
    """Write down which range a part was, and how often."""
    done[part, 0] += 1
    done[part, 1], done[part, 2] = scale[0] * first, scale[0] * end
    if nothing is not None:
        done[part, 0] += 100


def fill(cells, value, first, end):
    for i in range(first, end):
        cells[i] += value


def fail(done, failing, part, first, end):
    done[part] = end - first
    if part == failing:
        raise ArithmeticError("no such part")


def scale(source, target, factor, part, first, end):
    for i in range(first, end):
        for j in range(source.shape[1]):
            target[j, i] = factor[0] * source[i, j] + part


note_compiled, fill_compiled, fail_compiled = compiled(note), compiled(fill), compiled(fail)
scale_compiled = compiled(scale)


def nest(cells, start, value, first, end):
    for i in range(first, end):
        share(fill_compiled, start, 2, 3, cells.shape[1], (cells[i], value))


nest_compiled = compiled(nest)


@pytest.mark.parametrize("count, parts", [(1, 1), (2, 2), (10, 3), (10, 7), (3, 3), (1000, 64)])
def test_every_part_is_done_once(threads, count, parts):
    done = np.zeros((parts, 3), np.int64)
    parallel.run(note_compiled, parts, count, done, (1, 2.5), None)
    cuts = [count * part // parts for part in range(parts + 1)]
    assert done.tolist() == [[1, *cut] for cut in zip(cuts, cuts[1:])]


def test_a_kernel_that_asks_for_no_part_is_given_its_range(threads):
    cells = np.zeros((5, 8), np.float32)[:, 3]  # not contiguous
    parallel.run(fill_compiled, 2, 5, cells, 2)
    assert cells.tolist() == [2] * 5


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("parts", [1, 2, 3])
def test_arrays_at_places_are_those_of_the_tensors_there(threads, parts, dtype):
    source, target = torch.arange(12, dtype=dtype).view(4, 3), torch.full((3, 4), -1, dtype=dtype)
    places = (source.data_ptr(), 4, 3), (target.data_ptr(), 3, 4)
    parallel.run_at(scale_compiled, parts, 4, np.empty(0, target.numpy().dtype), places, (2.0,))
    number = torch.tensor([part for part in range(parts) for _ in range(4 * part // parts, 4 * (part + 1) // parts)])
    assert torch.equal(target, 2 * source.T + number)


@pytest.mark.parametrize("parts", [1, 2, 5])
def test_a_failure_in_any_part_reaches_the_caller_when_all_others_are_done(threads, parts):
    for failing in range(parts):
        done = np.zeros(parts, np.int64)
        with pytest.raises(ArithmeticError, match="no such part"):
            parallel.run(fail_compiled, parts, 3 * parts, done, failing)
        assert done.tolist() == [3] * parts
    parallel.run(fail_compiled, parts, parts, done, -1)  # and is forgotten afterwards
    assert done.tolist() == [1] * parts


def test_callers_at_once_do_not_mix_their_parts(threads):
    cells = np.zeros((4, 1000), np.int64)

    def call(own):
        for _ in range(200):
            parallel.run(fill_compiled, 3, 1000, own, 1)

    callers = [threading.Thread(target=call, args=(own,)) for own in cells]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert (cells == 200).all()


def test_a_team_that_is_started_by_a_member_of_another_does_its_parts():
    cells = np.zeros((6, 50), np.int64)
    parallel.run(nest_compiled, 4, 6, cells, parallel._team(), 7)
    assert (cells == 7).all()


def test_more_threads_than_cores_do_all_parts():
    before, cells = torch.get_num_threads(), np.zeros(100, np.int64)
    torch.set_num_threads(2 * (os.cpu_count() or 1) + 1)
    try:
        parallel.run(fill_compiled, parallel.parts(100, 1 << 40), 100, cells, 1)
    finally:
        torch.set_num_threads(before)
    assert (cells == 1).all()


@pytest.mark.parametrize("operations, count, expected", [(0, 9, 1), (1 << 40, 1, 1), (1 << 40, 9, 2)])
def test_there_are_as_many_parts_as_threads_items_and_work_allow(operations, count, expected):
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        assert parallel.parts(count, operations) == expected
    finally:
        torch.set_num_threads(before)


def test_without_the_compiler_kernels_are_called_as_they_are():
    script = (
        "import numpy as np, numba\n"
        "from reference.kernels import parallel\n"
        "from reference.kernels.compiled import compiled\n"
        "assert numba.config.DISABLE_JIT\n"
        "def kernel(done, part, first, end):\n"
        "    done[part] += end - first\n"
        "done = np.zeros(3, int)\n"
        "parallel.run(compiled(kernel), 3, 10, done)\n"
        "parallel.run_at(compiled(kernel), 2, 4, done[:0], ((done.ctypes.data, 3),))\n"
        "print(*done)"
    )
    assert run_process(script, NUMBA_DISABLE_JIT="1") == "5 5 4"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_child_that_is_forked_while_the_team_runs_computes_too(monkeypatch):
    monkeypatch.setattr(parallel, "OPERATIONS_PER_THREAD", 1)
    input, weight = torch.ones(4, 2, 8, 8), torch.ones(3, 2, 3, 3)
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        expected = conv2d(input, weight, algorithm="direct")
        child = os.fork()
        if child == 0:
            signal.alarm(30)  # a child that hangs dies of this signal
            found = conv2d(input, weight, algorithm="direct").numpy()
            os._exit(0 if (found == 18).all() else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert (expected == 18).all()
    finally:
        torch.set_num_threads(before)

"""Work that is split among threads: all of it is done once, failures arrive, and a fork is survived."""

import os
import signal
import threading

import pytest
import torch

from reference.kernels import conv2d, parallel


@pytest.fixture(params=["torch's team", "threads of Python"])
def threads(request, monkeypatch):
    if request.param == "threads of Python":
        monkeypatch.setattr(parallel, "_team", lambda: None)
    elif parallel._team() is None:
        pytest.skip("torch brings no OpenMP library of its own here")


@pytest.mark.parametrize("count", [1, 2, 3, 7])
def test_every_part_is_done_once(threads, count):
    done, lock = [], threading.Lock()

    def work(part, first, end):
        with lock:
            done.append((part, first, end))

    parts = [(10 * part, 10 * part + 10) for part in range(count)]
    parallel.run(work, parts)
    assert sorted(done) == [(part, *parts[part]) for part in range(count)]


@pytest.mark.parametrize("failing", [0, 1])
def test_a_failure_in_any_part_reaches_the_caller(threads, failing):
    def work(part, first, end):
        if part == failing:
            raise ArithmeticError("no such part")

    with pytest.raises(ArithmeticError, match="no such part"):
        parallel.run(work, [(0, 1), (1, 2)])


def test_two_callers_at_once_do_not_mix_their_parts(threads):
    found = {name: [] for name in "ab"}

    def call(name):
        for _ in range(50):
            parallel.run(lambda part, first, end: found[name].append((part, first, end)), [(0, 1), (1, 2)])

    callers = [threading.Thread(target=call, args=(name,)) for name in "ab"]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join()
    assert all(sorted(found[name]) == sorted([(0, 0, 1), (1, 1, 2)] * 50) for name in "ab")


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

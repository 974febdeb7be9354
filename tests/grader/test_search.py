"""The search for a wrong case: it finds, shrinks, keeps time and passes errors on."""

import subprocess
import sys
import time
from pathlib import Path

import pytest
from hypothesis import strategies as st

from grader.search import search

NUMBERS = st.integers(0, 1000)


def later(seconds: float = 20.0) -> float:
    return time.monotonic() + seconds


def test_a_wrong_case_is_shrunk_to_the_simplest():
    found = search(
        NUMBERS, lambda n: "too large" if n > 10 else None, seed=1, examples=50, until=later()
    )
    assert (found.case, found.reason) == (11, "too large")


def test_all_right_cases_are_counted():
    found = search(NUMBERS, lambda n: None, seed=1, examples=50, until=later(), first=[1, 2])
    assert found.case is None
    assert not found.exhausted
    assert found.tried == 52


def test_the_given_cases_are_tried_before_any_drawn_one():
    seen = []
    found = search(NUMBERS, seen.append, seed=1, examples=5, until=later(), first=[77, 78])
    assert seen[:2] == [77, 78]
    assert found.tried == 7


def test_a_given_case_that_is_wrong_gives_way_to_a_simpler_one():
    found = search(
        NUMBERS, lambda n: "wrong" if n > 10 else None,
        seed=1, examples=50, until=later(), first=[777],
    )  # fmt: skip
    assert found.case == 11


def test_a_given_case_stays_where_no_drawn_one_is_wrong():
    found = search(
        NUMBERS, lambda n: "wrong" if n == 5000 else None,
        seed=1, examples=50, until=later(), first=[5000],
    )  # fmt: skip
    assert found.case == 5000


def test_the_same_seed_draws_the_same_cases():
    def drawn(seed: int) -> list[int]:
        seen: list[int] = []
        search(NUMBERS, seen.append, seed=seed, examples=20, until=later())
        return seen

    assert drawn(5) == drawn(5)
    assert drawn(5) != drawn(6)


def test_time_that_is_up_is_not_a_pass():
    found = search(NUMBERS, lambda n: None, seed=1, examples=50, until=time.monotonic() - 1)
    assert found.exhausted
    assert found.tried == 0


def test_a_wrong_case_survives_a_worker_that_dies_while_shrinking():
    calls = 0

    def judge(n):
        nonlocal calls
        calls += 1
        if calls > 1:
            raise OSError("the worker died")
        return "wrong"

    found = search(NUMBERS, judge, seed=1, examples=50, until=later())
    assert found.reason == "wrong"


def test_an_error_before_any_wrong_case_is_passed_on():
    def judge(n):
        raise OSError("the worker died")

    with pytest.raises(OSError, match="the worker died"):
        search(NUMBERS, judge, seed=1, examples=50, until=later())


def test_a_judge_that_fails_in_another_way_each_time_ends_the_search_with_its_first_word():
    words = iter(["killed: 59 processes", "timeout"])

    def judge(number):
        raise RuntimeError(next(words))

    with pytest.raises(RuntimeError, match="59 processes"):
        search(NUMBERS, judge, seed=1, examples=50, until=later())


def test_a_case_that_is_wrong_only_once_is_still_wrong():
    answers = iter(["too large"])
    found = search(NUMBERS, lambda number: next(answers, None), seed=1, examples=50, until=later())
    assert found.reason == "too large"


def test_a_seed_draws_the_same_whatever_else_is_imported(tmp_path):
    """Hypothesis would draw constants of modules that are neither installed nor Python's own."""
    (tmp_path / "another.py").write_text(f"NUMBERS = {list(range(100_000, 100_400))}\n")
    script = (
        "import sys, time; from hypothesis import strategies as st\n"
        "from grader.search import search\n"
        f"sys.path.insert(0, {str(tmp_path)!r})\n"
        "if sys.argv[1:]: import another\n"
        "drawn = []\n"
        "for seed in range(5):\n"
        "    search(st.integers(0, 10**6), drawn.append, seed=seed, examples=40, until=time.monotonic() + 60)\n"
        "print(drawn)\n"
    )
    root = Path(__file__).parents[2]
    few, more = (
        subprocess.run([sys.executable, "-c", script, *given], cwd=root, capture_output=True, check=True).stdout
        for given in ((), ("more",))
    )
    assert few == more != b""


def test_a_release_of_hypothesis_with_other_internals_is_searched_with():
    script = (
        "import sys, time, types; from hypothesis import strategies as st\n"
        "import hypothesis.internal.conjecture.providers\n"
        "sys.modules['hypothesis.internal.constants_ast'] = types.ModuleType('moved')\n"
        "from grader.search import search\n"
        "until = time.monotonic() + 60\n"
        "wrong = lambda n: 'too large' if n > 10 else None\n"
        "print(search(st.integers(0, 1000), wrong, seed=1, examples=50, until=until).case)\n"
    )
    root = Path(__file__).parents[2]
    ended = subprocess.run([sys.executable, "-c", script], cwd=root, capture_output=True, check=True, text=True)
    assert ended.stdout == "11\n"

"""One worker for the jobs of a process: kept behind walls, and never after something went wrong."""

import pytest

from grader.classroom.workers import Workers
from grader.worker import Limits
from grader.worker.isolation import choose

TERMS = {"threads": 1, "limits": Limits(), "isolation": "auto"}
walled = pytest.mark.skipif(not choose().sandboxed, reason="no walls on this machine")


@pytest.fixture
def workers():
    with Workers() as workers:
        yield workers


def lent(workers: Workers, **changed):
    with workers.lend(**TERMS | changed) as worker:
        return worker


@walled
def test_the_next_job_gets_the_same_one(workers):
    assert lent(workers) is lent(workers)


@walled
def test_other_terms_get_another(workers):
    assert lent(workers) is not lent(workers, threads=2)


def test_without_walls_every_submission_gets_its_own(workers):
    assert lent(workers, isolation="process") is not lent(workers, isolation="process")


@walled
def test_after_a_job_that_went_wrong_the_next_gets_another(workers):
    first = lent(workers)
    with pytest.raises(ZeroDivisionError), workers.lend(**TERMS):
        raise ZeroDivisionError
    assert lent(workers) is not first
    assert not first._folder.exists()


def test_at_the_end_none_is_left(workers):
    kept = lent(workers)
    workers.close()
    assert kept._process.poll() is not None and not kept._folder.exists()

"""Grade mutants, in one process or side by side."""

import multiprocessing
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager

import torch
from rich.console import Console

from grader.progress import Progress
from grader.result import DeliverableResult
from grader.runner import Options, grade
from grader.selfcheck.equivalent import EQUIVALENT
from grader.selfcheck.findings import Finding, judge
from grader.selfcheck.mutant import Base, Mutant, write
from grader.selfcheck.terms import TERMS
from grader.worker import Worker

SHARE = 8  # mutants that a process grades with one worker, which takes two seconds to start


def graded(files: Base | Mutant, worker: Worker, *, seed: int) -> DeliverableResult:
    """Grade a submission on the terms of the self-check.

    Args:
        files: a correct submission, or one with a fault.
        worker: where its code runs.
        seed: of the draws.
    """
    base = files.base if isinstance(files, Mutant) else files
    terms = TERMS[base.assignment][base.deliverable]
    with (
        tempfile.TemporaryDirectory(prefix="chalkbench-selfcheck-") as folder,
        Progress(Console(quiet=True)) as silent,
    ):
        write(files.files, folder)
        # The stand-in: our own models are attacked, and no data set is looked for. Nothing is kept.
        options = Options((base.deliverable,), seed=seed, data="synthetic", fresh=True)
        result = grade(terms.assignment, folder, options, worker, silent, datasets=terms.dataset)
    return result.deliverables[0]


def examine(mutant: Mutant, worker: Worker, *, seed: int) -> Finding:
    """Grade one mutant, and say whether it loses what it must.

    Args:
        mutant: to be graded.
        worker: where its code runs.
        seed: of the draws.
    """
    began = time.monotonic()
    checks = graded(mutant, worker, seed=seed).checks
    return judge(mutant, checks, round(time.monotonic() - began, 2), EQUIVALENT.get(mutant.name, ""))


def examine_all(mutants: Sequence[Mutant], *, seed: int, jobs: int, isolation: str = "auto") -> Iterator[Finding]:
    """Grade mutants; findings come as they are found.

    Args:
        mutants: to be graded.
        seed: of the draws.
        jobs: processes side by side, each with a worker and one thread.
        isolation: tier that the mutants run in.
    """
    if jobs == 1:
        with _one_thread(), Worker(threads=1, isolation=isolation) as worker:
            for mutant in mutants:
                yield examine(mutant, worker, seed=seed)
        return
    shares = [mutants[start : start + SHARE] for start in range(0, len(mutants), SHARE)]
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(jobs, len(shares)) or 1, context) as pool:
        waiting = [pool.submit(_share, share, seed, isolation) for share in shares]
        try:
            for done in as_completed(waiting):
                yield from done.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


@contextmanager
def _one_thread():
    """Images of 8×8 pixels gain nothing from threads, and on a busy machine wait for them."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


def _share(mutants: Sequence[Mutant], seed: int, isolation: str) -> list[Finding]:
    return list(examine_all(mutants, seed=seed, jobs=1, isolation=isolation))

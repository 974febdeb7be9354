"""Jobs on a Dask cluster: `pip install 'chalkbench[cluster]'`, `--scheduler tcp://HOST:8786`.

The submissions travel with their jobs, so the machines need no common disk; they need the same
version of this project, and the data sets where `--data-root` says. A job whose worker is lost goes
to another one, without anything to be done here.
"""

import itertools
import logging
import uuid
from collections.abc import Iterator
from dataclasses import replace

from grader.classroom.events import ATTEMPTS, Ended, Event, Said, Started
from grader.classroom.jobs import Job, Task, grader_digest
from grader.classroom.workers import Workers

CONNECT = 30.0  # seconds for the scheduler to answer
LOOK = 2.0  # seconds between two looks at who is there
# Beyond the workers' own number, so that none of them waits for its next job to travel.
AHEAD = 2


class ClusterError(ValueError):
    """There is no cluster to use; the message says what is missing."""


def run_all(jobs: Iterator[Job], task: Task, *, address: str) -> Iterator[Event]:
    """Run jobs on a cluster, and tell what happens to them. Closing the iterator cancels them.

    Args:
        jobs: asked for the next one when a worker is about to be free.
        task: what is done with each; a function that the workers can import.
        address: of the scheduler, "tcp://host:8786".

    Raises:
        ClusterError: distributed is not installed, or no scheduler answers.
    """
    try:
        import distributed
    except ImportError:
        raise ClusterError("--scheduler needs Dask: pip install 'chalkbench[cluster]'") from None
    # A job carries its submission. Dask warns of what it thinks should be spread beforehand, but
    # what was spread is lost with its worker, and a job's own arguments are not.
    logging.getLogger("distributed").setLevel(logging.ERROR)
    try:
        client = distributed.Client(address, timeout=CONNECT)
    except (OSError, ValueError) as error:
        raise ClusterError(f"--scheduler {address}: no Dask scheduler answers there ({error})") from None
    known = grader_digest()
    running: dict = {}  # future → job
    numbers = itertools.count()
    with client:
        try:
            jobs, last = iter(jobs), False
            while running or not last:
                while not last and len(running) < _room(client):
                    job = next(jobs, None)
                    if job is None:
                        last = True
                        break
                    sent = replace(job, archive=job.archive.read_bytes())
                    key = f"{job.slug}-{next(numbers)}-{uuid.uuid4().hex}"  # the scheduler may know others' jobs
                    future = client.submit(_run, task, sent, known, key=key, pure=False, retries=ATTEMPTS - 1)
                    running[future] = job
                    yield Started(job)
                if running:
                    yield from _finished(distributed, client, running)
        finally:
            client.cancel(list(running), force=True)


def _room(client) -> int:
    """How many jobs may be under way: one per thread of the workers, and a few to come."""
    threads = sum(worker["nthreads"] for worker in client.scheduler_info(n_workers=-1)["workers"].values())
    return threads + AHEAD


def _finished(distributed, client, running: dict) -> Iterator[Event]:
    """What has ended since the last look, or a word on who is missing."""
    try:
        ended = distributed.wait(list(running), timeout=LOOK, return_when="FIRST_COMPLETED").done
    except (TimeoutError, distributed.TimeoutError):
        if _room(client) == AHEAD:
            yield from (Said(job, "waiting: the cluster has no worker") for job in running.values())
        return
    for future in ended:
        job = running.pop(future)
        if future.status == "finished":
            yield Ended(job, future.result())
        else:
            error = future.exception() if future.status == "error" else None
            told = f"{type(error).__name__}: {error}" if error else f"the job was {future.status}"
            yield Ended(job, None, told[-2000:], ATTEMPTS)


def _run(task: Task, job: Job, known: str) -> bytes:
    """On a worker: the same job, by the same version of the grader."""
    if known != (found := grader_digest()):
        raise RuntimeError(
            f"this machine's grader is another one ({found[:12]}, expected {known[:12]}); "
            "bring all machines to the same version of this project, torch and numpy"
        )
    with Workers() as workers:
        return task(job, lambda text: None, workers)

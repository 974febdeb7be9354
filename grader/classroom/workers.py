"""The worker of a job's process, kept for its next job: torch is imported once, and not for every submission."""

from collections.abc import Iterator
from contextlib import contextmanager

from grader.classroom.meter import MeteredWorker
from grader.worker import Limits


class Workers:
    """Lends a worker to one job after the other.

    A worker serves further submissions where walls stand between its sessions and itself. Without them, and
    after a job that went wrong in any way, the next one gets another.
    """

    def __init__(self) -> None:
        self._kept: MeteredWorker | None = None
        self._made_for: tuple[int, Limits, str] | None = None

    @contextmanager
    def lend(self, *, threads: int, limits: Limits, isolation: str) -> Iterator[MeteredWorker]:
        """A worker for one submission.

        Args:
            threads: that torch and numba use in a session.
            limits: ceilings for each session.
            isolation: tier, as `grader.worker.isolation.choose` takes it.

        Raises:
            IsolationError: the tier does not hold here.
        """
        wanted = threads, limits, isolation
        if self._made_for != wanted:
            self.close()
            self._kept = MeteredWorker(threads=threads, limits=limits, isolation=isolation)
            self._made_for = wanted
        worker, well = self._kept, False
        try:
            yield worker
            well = True
        finally:
            if not (well and worker.isolation.sandboxed):
                self.close()

    def close(self) -> None:
        """End the worker that is kept."""
        kept, self._kept, self._made_for = self._kept, None, None
        if kept is not None:
            kept.close()

    def __enter__(self) -> "Workers":
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

"""How long the grader waited for submitted code: what of a class's time is the students' own."""

import time
from collections.abc import Callable, Iterator

from grader.worker import Session, Worker
from grader.worker.session import Reply


class MeteredWorker(Worker):
    """A worker whose sessions are timed.

    Attributes:
        waited: seconds between requests and their replies, over all sessions. The submission's code
            ran in them, and the values travelled.
    """

    waited = 0.0

    def session(self, *args, **kwargs) -> Session:
        session = super().session(*args, **kwargs)
        session.stream = self._timed(session.stream)  # `request` goes through it, too
        return session

    def _timed(self, stream: Callable[..., Iterator[Reply]]) -> Callable[..., Iterator[Reply]]:
        def timed(*args, **kwargs) -> Iterator[Reply]:
            replies = stream(*args, **kwargs)
            try:
                while True:
                    began = time.monotonic()
                    try:
                        reply = next(replies, None)
                    finally:
                        self.waited += time.monotonic() - began
                    if reply is None:
                        return
                    yield reply
            finally:
                replies.close()

        return timed

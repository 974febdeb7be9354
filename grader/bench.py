"""The bench: one deliverable's files in a worker, and what its checks need to examine them.

One session serves all checks until it dies or is spoilt; the next check then gets a fresh one.
A file that cannot be imported is tried once, or once more where its time may have been the machine's
(`imports`), and every check that needs it says why.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import torch

from data_scripts import Dataset
from data_scripts.hw3_models import TargetModels
from grader.declaration import Budget, Check, Deliverable, Outcome
from grader.imports import Imports, may_be_the_machines
from grader.patience import Patience
from grader.result import Training
from grader.submission import WEIGHTS
from grader.worker import Code, Reply, Session, Worker, WorkerFailure, messages

# Importing torch's siblings and a student's own helpers takes a few seconds on a busy machine;
# training at import takes longer and belongs under `if __name__ == "__main__"`.
IMPORT_SECONDS = 30.0
# The largest honest reply of a check is a gradient of a few kilobytes.
REPLY_BYTES = 16 << 20
# The course's largest network takes 19 MB in float32.
LARGEST_WEIGHTS = 100_000_000


class Judged(Exception):
    """Ends a check with its outcome, from however deep."""

    def __init__(self, outcome: Outcome):
        super().__init__(outcome.reason)
        self.outcome = outcome


class Bench:
    """One deliverable of one submission, ready to be examined.

    Args:
        deliverable: what is judged.
        code: the files that a session can import; absent modules are left out.
        worker: where sessions are opened.
        seed: the run's secret.
        epochs: passes over the training images.
        whole_training: what a training that takes an hour may take; None to do without it.
        weights: files that hold a trained network.
        documents: name → file, of those that the grader reads itself.
        data: gives the deliverable's data set, loaded at the first call.
        models: gives the models that are attacked, loaded at the first call.
        imports: what is known of this code's imports from deliverables before.
        report: takes a line about what is going on.
    """

    def __init__(
        self,
        deliverable: Deliverable,
        *,
        code: Code,
        worker: Worker,
        seed: int,
        epochs: int,
        whole_training: Budget | None = None,
        weights: Sequence[Path] = (),
        documents: Mapping[str, Path] | None = None,
        data: Callable[[], Dataset],
        models: Callable[[], TargetModels],
        imports: Imports,
        report: Callable[[str], None],
    ):
        self.deliverable, self.code, self.worker = deliverable, code, worker
        self.seed, self.epochs, self.report = seed, epochs, report
        self.whole_training, self._weights = whole_training, weights
        self._documents = documents or {}
        self.data, self.models = data, models
        self.until = 0.0  # time.monotonic() at which the running check ends
        self.training: Training | None = None  # what the training check measured
        self.shared: dict[str, Any] = {}  # what one check measured and another judges by
        self._patience, self._imports = Patience(small=deliverable.small), imports
        self._session: Session | None = None
        self._loaded: dict[str, messages.Loaded] = {}  # in the running session
        self._unloadable: dict[str, Outcome] = {}

    def __enter__(self) -> "Bench":
        return self

    def __exit__(self, *exception: object) -> None:
        self._end_session()

    def judge(self, check: Check) -> Outcome:
        """Run one check; whatever happens, it ends in exactly one outcome."""
        self.until = time.monotonic() + check.seconds
        threads = torch.get_num_threads()
        if self.deliverable.small:  # expected values are, too: threads would only wait for each other
            torch.set_num_threads(1)
        try:
            return check.run(self)
        except Judged as judged:
            return judged.outcome
        except WorkerFailure as failure:
            return Outcome(failure.verdict, failure.reason)
        finally:
            torch.set_num_threads(threads)

    def check_seed(self, purpose: str) -> int:
        """A seed for one purpose, drawn from the run's secret: checks do not share numbers."""
        return random.Random(f"{self.seed} {purpose}").getrandbits(31)

    @property
    def seconds_left(self) -> float:
        """What remains of the running check's time, never quite zero."""
        return max(self.until - time.monotonic(), 0.01)

    def grant(self, seconds: float) -> None:
        """Let the running check take so long, from now on."""
        self.until = time.monotonic() + seconds

    def weights(self) -> Path:
        """The file with the trained network; ends the check where there is not one."""
        name, folder = self.deliverable.weights, self.deliverable.folder
        if not self._weights:
            endings = " or ".join(f"{name}{ending}" for ending in WEIGHTS)
            raise Judged(
                Outcome(
                    "not-run",
                    f"there is no checkpoint: expected {folder}/{endings}; without one the network "
                    "is only judged in a whole training, --train",
                )
            )
        if len(self._weights) > 1:
            found = " and ".join(path.name for path in self._weights)
            raise Judged(Outcome("fail", f"found {found} in {folder}/; keep one of them"))
        (path,) = self._weights
        size = path.stat().st_size
        if size > LARGEST_WEIGHTS:
            raise Judged(
                Outcome(
                    "fail",
                    f"{path.name} has {size / 1e6:.0f} MB; expected at most {LARGEST_WEIGHTS / 1e6:.0f} "
                    "MB: save the network's state dict, without the optimiser's",
                )
            )
        return path

    def document(self, name: str) -> Path:
        """A file that the grader reads itself; ends the check where the submission does not have it."""
        if name not in self._documents:
            raise Judged(Outcome("fail", f"there is no {name}: expected {self.deliverable.folder}/{name}"))
        return self._documents[name]

    def load(self, module: str) -> messages.Loaded:
        """Import a module of the submission, once; ends the check where that fails."""
        if module in self._unloadable:
            raise Judged(self._unloadable[module])
        if module not in self.code.files:
            folder = self.deliverable.folder
            self._fail_loading(
                module, "error", f"{folder}/{module}.py is missing (hyphens in names are fine)"
            )
        if module in self._loaded:
            return self._loaded[module]
        before = self._imports.ran_out(self.deliverable, self.code, module)
        if before is not None:
            self._fail_loading(module, "timeout", before)
        try:
            reply = self._import(module)
        except WorkerFailure as failure:
            reason = f"{module}.py could not be imported: {failure.reason}"
            if failure.verdict == "timeout":
                self._imports.note(self.deliverable, self.code, module, reason)
            self._fail_loading(module, failure.verdict, reason)
        if isinstance(reply.message, messages.Raised):
            verdict = "invalid" if reply.hits else "error"
            self._fail_loading(module, verdict, f"importing {module}.py raised {reply.message}")
        self._loaded[module] = reply.message
        return reply.message

    def _import(self, module: str) -> Reply:
        """Ask for a module, and again if its time may have gone to other programs than the submission."""
        granted = self.seconds_left  # the import has a limit of its own, so that no check pays for it
        try:
            return self._request(messages.Load(module), (), IMPORT_SECONDS)
        except WorkerFailure as failure:
            if not may_be_the_machines(failure, IMPORT_SECONDS):
                raise
            self.report(f"{module}.py was not imported within {IMPORT_SECONDS:g} s; it is tried once more")
            return self._request(messages.Load(module), (), IMPORT_SECONDS)
        finally:
            self.until = time.monotonic() + granted

    def ask(self, module: str, request: msgspec.Struct, arrays: Sequence = ()) -> Reply:
        """Send one request to the session that has `module` loaded.

        Raises:
            Judged: a forbidden operator was reached, or the module cannot be loaded.
            WorkerFailure: the worker died, ran out of time, or broke the protocol.
        """
        self.load(module)
        began, wall = time.monotonic(), self._patience.allowed(request, self.seconds_left)
        try:
            reply = self._request(request, arrays, wall)
        except WorkerFailure as failure:
            if failure.verdict != "timeout":
                raise
            less = self._patience.ran_out(request, wall, failure.computed)
            raise WorkerFailure("timeout", failure.reason + less) from None
        self._patience.answered(request, time.monotonic() - began)
        self._refuse_hits(reply)
        return reply

    def stream(
        self, module: str, request: msgspec.Struct, arrays: Sequence, reply_bytes: int
    ) -> Iterator[Reply]:
        """Like `ask`, for a request that is answered many times."""
        self.load(module)
        with self._replaced_if_it_dies():
            for reply in self._live_session().stream(
                request, arrays, wall=self.seconds_left, reply_bytes=reply_bytes
            ):
                self._refuse_hits(reply)
                yield reply

    def _request(self, request: msgspec.Struct, arrays: Sequence, wall: float) -> Reply:
        with self._replaced_if_it_dies():
            return self._live_session().request(request, arrays, wall=wall, reply_bytes=REPLY_BYTES)

    @contextmanager
    def _replaced_if_it_dies(self) -> Iterator[None]:
        """Whoever asks after a session that died, or whose stream was left, gets a new one."""
        try:
            yield
        except (WorkerFailure, GeneratorExit):
            self._end_session()
            raise

    def _refuse_hits(self, reply: Reply) -> None:
        if reply.hits:
            # What the session computed from here on may rest on the operator.
            self._end_session()
            listed = "; ".join(dict.fromkeys(str(hit) for hit in reply.hits[:3]))
            raise Judged(Outcome("invalid", f"forbidden operator: {listed}"))

    def _live_session(self) -> Session:
        if self._session is None:
            self._session = self.worker.session(
                self.code, rules=self.deliverable.rules, seed=self.check_seed("worker")
            )
        return self._session

    def _end_session(self) -> None:
        if self._session is not None:
            self._session.close()
        self._session = None
        self._loaded.clear()

    def _fail_loading(self, module: str, verdict: str, reason: str) -> None:
        self._unloadable[module] = Outcome(verdict, reason)
        raise Judged(self._unloadable[module])

"""Grade one submission: every declared check once, each with one verdict, into one result."""

import secrets
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cache
from pathlib import Path

import msgspec

from data_scripts import Dataset, load, machine
from data_scripts.hw3_models import TargetModels, load_models
from grader import jit_cache, result_cache
from grader.declaration import Assignment, Budget, Check, Deliverable, Outcome
from grader.bench import Bench
from grader.conditions import beside_code, conditions, file_digest
from grader.digest import versions
from grader.exhibits.gather import gather
from grader.imports import Imports
from grader.progress import Progress
from grader.result import CheckResult, DeliverableResult, Result
from grader.submission import Submission, find
from grader.worker import Code, Limits, Worker
from grader.worker.scratch import Scratch

# The reference is found as a folder and graded like any other; it is never imported here.
REFERENCE = Path(__file__).resolve().parent.parent / "reference"


@dataclass(frozen=True)
class Options:
    """How to grade.

    Args:
        deliverables: numbers, in order.
        swaps: deliverable number → folder of the submission whose files stand in for it.
        seed: None for a fresh secret one.
        epochs: passes over the training images where a network is trained.
        whole_training: for networks that take an hour; None to verify their checkpoints instead.
        fresh: whether to grade anew what an earlier run has kept.
        exhibits: whether to gather what a report shows beside the checks.
        data: "auto", "real" or "synthetic", as `data_scripts.load` takes it.
        data_root: folder of the data sets, None for the usual places.
        mirrors: folders with copies of them.
        isolation: tier that submitted code runs in, as `grader.worker.isolation.choose` takes it.
    """

    deliverables: tuple[int, ...]
    swaps: dict[int, str] = field(default_factory=dict)
    seed: int | None = None
    epochs: int = 5
    whole_training: Budget | None = None
    fresh: bool = False
    exhibits: bool = False
    data: str = "auto"
    data_root: Path | None = None
    mirrors: tuple[Path, ...] = ()
    isolation: str = "auto"


def stand_ins(assignment: Assignment, options: Options) -> dict[int, Submission]:
    """Number of a deliverable → the submission whose files stand in for it.

    Raises:
        SubmissionError: there is none in that folder.
        ValueError: a swap of something that nothing rests on.
    """
    rested_on = {assignment.deliverable(number).rests_on for number in options.deliverables}
    for number in options.swaps:
        if number not in rested_on:
            raise ValueError(f"--swap deliverable{number}=…: no graded deliverable rests on it")
    return {number: locate(assignment, place) for number, place in options.swaps.items()}


def for_one(assignment: Assignment, options: Options, number: int) -> Options:
    """The options of a grade of one deliverable alone, of the swaps only the one that it rests on."""
    rests_on = assignment.deliverable(number).rests_on
    swaps = {foundation: folder for foundation, folder in options.swaps.items() if foundation == rests_on}
    return replace(options, deliverables=(number,), swaps=swaps)


def limits_for(options: Options, threads: int) -> Limits:
    """What a worker may use for such a run."""
    limits = Limits()
    if options.whole_training is None:
        return limits
    # The clock of the check ends such a training; this limit only has to lie beyond it.
    seconds = int(2 * 60 * options.whole_training.minutes * threads)
    return replace(limits, cpu_seconds=max(limits.cpu_seconds, seconds))


def grade(
    assignment: Assignment,
    given: str,
    options: Options,
    worker: Worker,
    progress: Progress,
    *,
    datasets: Callable[[str], Dataset] | None = None,
) -> Result:
    """Grade a submission.

    Args:
        assignment: what is asked for.
        given: the submission's folder.
        options: how to grade.
        worker: where its code runs; serves one submission after the other.
        progress: shows what is going on.
        datasets: gives a data set by its name, in place of those on disk.

    Raises:
        SubmissionError: the folder, or one that is swapped in, cannot be graded at all.
        DataError: data is needed and cannot be had on these terms.
        ValueError: a swap of something that nothing rests on.
    """
    began, started = time.monotonic(), datetime.now(UTC)
    submission = locate(assignment, given)
    chosen = [assignment.deliverable(number) for number in options.deliverables]
    swapped_in = stand_ins(assignment, options)
    seed = secrets.randbits(53) if options.seed is None else options.seed  # exact in JSON

    @cache
    def data(name: str) -> Dataset:
        if datasets is not None:
            return datasets(name)
        return load(name, root=options.data_root, mirrors=options.mirrors, data=options.data)

    @cache
    def models() -> TargetModels:
        return load_models(root=options.data_root, mirrors=options.mirrors, data=options.data)

    # Before anything is graded: without data on these terms there is nothing to begin.
    sets = {deliverable.data: data(deliverable.data) for deliverable in chosen if deliverable.data}

    handed_in = submission.files | beside_code(submission, chosen)  # as they are now, before any of it runs
    stood_in: dict[str, str] = {}
    imports = Imports()
    results: list[DeliverableResult] = []

    def run(deliverable: Deliverable, swap: tuple[int, Submission] | None, *, counted: bool):
        if swap is not None:
            stood_in[swap_label(*swap)] = swap[1].digest
        return _grade_deliverable(
            assignment, deliverable, submission, swap, worker,
            counted=counted, seed=seed, options=options,
            data=lambda: data(deliverable.data), models=models, imports=imports, progress=progress,
        )  # fmt: skip

    for deliverable in chosen:
        foundation = deliverable.rests_on
        swap = (foundation, swapped_in[foundation]) if foundation in swapped_in else None
        results.append(run(deliverable, swap, counted=True))
        if not swap and _foundation_fails(assignment, deliverable, results) and _has_reference(submission):
            swap = (foundation, locate(assignment, str(REFERENCE)))
            results.append(run(deliverable, swap, counted=False))
    used = list({id(dataset): dataset for dataset in sets.values()}.values())
    attacked = models().digest if models.cache_info().currsize else ""
    return Result(
        assignment=assignment.name,
        submission=submission.given,
        digest=submission.digest,
        data=_kind(used),
        data_source="; ".join(dataset.source for dataset in used),
        data_digest="; ".join(dataset.digest for dataset in used),
        seed=seed,
        isolation=worker.isolation.name,
        started=started.isoformat(timespec="seconds"),
        seconds=time.monotonic() - began,
        versions=versions(),
        hardware=machine.hardware(),
        deliverables=results,
        conditions=conditions(options, files=handed_in, stand_ins=stood_in, models=attacked),
    )


def swap_label(number: int, stand_in: Submission) -> str:
    """How a run with another submission's files for a deliverable is called: "deliverable1=reference"."""
    return f"deliverable{number}={stand_in.root.name}"


def _kind(used: list[Dataset]) -> str:
    """Of all data together: one stand-in makes the whole result one that must say so."""
    if not used:
        return "none"
    return "real" if all(dataset.kind == "real" for dataset in used) else "synthetic"


def locate(assignment: Assignment, given: str) -> Submission:
    """Find an assignment's files in a folder.

    Raises:
        SubmissionError: it cannot be graded at all.
    """
    return find(given, assignment=assignment.name, folders=assignment.folders, home=assignment.home)


def _has_reference(submission: Submission) -> bool:
    return REFERENCE.is_dir() and submission.root != REFERENCE


def _foundation_fails(
    assignment: Assignment, deliverable: Deliverable, results: list[DeliverableResult]
) -> bool:
    """Whether what the deliverable rests on failed; where that was not graded, whether it did."""
    if deliverable.rests_on is None:
        return False
    graded = [result for result in results if result.number == deliverable.rests_on]
    bears = {check.id: check.bears for check in assignment.deliverable(deliverable.rests_on).checks}
    checks = (graded or results[-1:])[-1].checks
    return any(check.verdict != "pass" and bears.get(check.id, True) for check in checks)


def _grade_deliverable(
    assignment: Assignment,
    deliverable: Deliverable,
    submission: Submission,
    swap: tuple[int, Submission] | None,
    worker: Worker,
    *,
    counted: bool,
    seed: int,
    options: Options,
    data: Callable[[], Dataset],
    models: Callable[[], TargetModels],
    imports: Imports,
    progress: Progress,
) -> DeliverableResult:
    files = _files(deliverable, submission)
    packages = {submission.root.name: submission.root}
    label, sources = "", [submission]
    if swap is not None:
        number, other = swap
        files |= _files(assignment.deliverable(number), other)
        packages[other.root.name] = other.root
        label = swap_label(number, other)
        sources.append(other)
    title = f"deliverable {deliverable.number}: {deliverable.title}" + (f" [{label}]" if label else "")
    gatherings = deliverable.exhibits if options.exhibits and counted else ()
    progress.deliverable(title, len(deliverable.checks) + len(gatherings))
    weights = submission.weights(deliverable.folder, deliverable.weights) if deliverable.weights else []
    given = {name: submission.document(deliverable.folder, name) for name in deliverable.documents}
    documents = {name: path for name, path in given.items() if path is not None}
    key = ""
    if deliverable.cached and not options.fresh and not gatherings:  # exhibits are never kept
        key = result_cache.key(
            assignment=assignment.name, deliverable=deliverable.number,
            checks=[(check.id, check.points, check.seconds) for check in deliverable.checks],
            sources=[source.digest for source in sources], counted=counted,
            weights={path.name: file_digest(path) for path in weights},
            documents={path.name: file_digest(path) for path in documents.values()},
            data=data().digest if deliverable.data else "", seed=seed, epochs=options.epochs,
            training=options.whole_training, isolation=worker.isolation.name, versions=versions(),
        )  # fmt: skip
        kept = result_cache.restore(key)
        if kept is not None:
            progress.line(f"kept from {kept.kept}: same files, data, seed and versions (--fresh grades anew)")
            return kept
    checks = []
    ours = all(source.root == REFERENCE for source in sources)
    with Scratch("jit") as folder:
        compiled = Path(folder, "jit")
        compiled.mkdir()
        for source in sources:
            if source.root == REFERENCE:
                jit_cache.restore(source.digest, compiled)
        with Bench(
            deliverable, code=Code(files, packages, compiled, keeps_jit_cache=ours), worker=worker, seed=seed,
            epochs=options.epochs, whole_training=options.whole_training, weights=weights, documents=documents,
            data=data, models=models, imports=imports, report=progress.line,
        ) as bench:  # fmt: skip
            for check in deliverable.checks:
                progress.check(check.hidden or check.title)
                checks.append(_judge(bench, check))
                progress.checked(checks[-1])
            training = bench.training
            exhibits = gather(bench, gatherings, progress)
        if ours:
            jit_cache.keep(submission.digest, compiled)
    result = DeliverableResult(
        deliverable.number, deliverable.title, checks, label, counted, training, exhibits
    )
    if key:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        result_cache.keep(key, msgspec.structs.replace(result, kept=now))
    return result


def _files(deliverable: Deliverable, submission: Submission) -> dict[str, Path]:
    found = {name: submission.file(deliverable.folder, name) for name in deliverable.files}
    return {name: path for name, path in found.items() if path is not None}


def _judge(bench: Bench, check: Check) -> CheckResult:
    """One check's outcome as it goes into the result."""
    began = time.monotonic()
    try:
        outcome = bench.judge(check)
    except Exception as error:
        # A fault of ours must cost neither the other checks nor an undeserved point.
        traceback.print_exc(file=sys.stderr)
        outcome = Outcome("error", f"the grader itself failed: {type(error).__name__}: {error}")
    return CheckResult(
        id=check.id,
        title=check.title,
        points=check.points,
        earned=check.points if outcome.verdict == "pass" else 0.0,
        verdict=outcome.verdict,
        reason=outcome.reason,
        seconds=round(time.monotonic() - began, 3),
        scores=outcome.scores,
        hidden=check.hidden,
    )

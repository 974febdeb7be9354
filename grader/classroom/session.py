"""A class graded: from its export to the gradebook, going on where an earlier run was stopped."""

import contextlib
import hashlib
import json
import math
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import filelock
import msgspec
import psutil
from rich.console import Console

from data_scripts import DataError, load
from data_scripts.hw3_models import load_models
from grader.classroom import cluster, gradebook, local, material, page, roster
from grader.classroom.events import Ended, Event, Said, Started
from grader.classroom.jobs import Job, Report, grader_digest, run
from grader.classroom.members import Unreadable, opened
from grader.classroom.roster import HandIn
from grader.classroom.store import Round, Row, Store
from grader.classroom.table import ClassTable
from grader.declaration import Assignment, Budget
from grader.result import Result
from grader.runner import Options, for_one, stand_ins

AUDIT_MINUTES = 360.0  # that a training anew may take where nothing else is said
MEMORY = 2 << 30  # bytes for a job: torch twice, the data sets and the submission's own
# Beyond the checks' own limits: starting, importing, a deliverable graded twice.
SLACK, TWICE = 600.0, 2.0


class _Failed(Exception):
    """A job that ended without a report."""


class ClassError(ValueError):
    """The class cannot be graded; the message says what to do."""


@dataclass(frozen=True)
class Setup:
    """How a class is graded, beside what holds for each submission.

    Args:
        given: the export, a folder or an archive.
        folder: where results are kept.
        at_once: submissions side by side on this machine; None for what it can bear.
        scheduler: address of a Dask cluster in place of this machine, or None.
        audit: share of the verified checkpoints that are trained anew, from 0 to 1.
        audit_training: what such a training may take; None for as many epochs as the assignment asks for.
        pages: whether class.html and a page for each student are written.
    """

    given: Path
    folder: Path
    at_once: int | None = None
    scheduler: str | None = None
    audit: float = 0.0
    audit_training: Budget | None = None
    pages: bool = True

    @property
    def processes(self) -> int:
        """Submissions side by side on this machine."""
        return self.at_once or max(1, min(_cores(), psutil.virtual_memory().available // MEMORY))

    @property
    def threads(self) -> int:
        """That each of them computes with; a cluster's workers get one each, as they are started."""
        return 1 if self.scheduler else max(1, _cores() // self.processes)


@dataclass(frozen=True)
class Graded:
    """What a class's run ended in."""

    counts: dict[str, int]  # state → hand-ins, those of earlier runs included
    written: list[Path]
    passed_over: list[str]  # of the export

    @property
    def everybody(self) -> bool:
        """Whether every hand-in has points."""
        return self.counts["refused"] == self.counts["failed"] == 0


def grade_class(assignment: Assignment, options: Options, setup: Setup, console: Console) -> Graded:
    """Grade every submission that has no result yet, and write the gradebook.

    Args:
        assignment: what is asked for.
        options: how to grade each; a seed of None is drawn once for all, and kept.
        setup: the class.
        console: where progress is shown.

    Raises:
        ClassError: the export cannot be read, or another run is using the same folder.
        DataError: data is needed and cannot be had on these terms.
        SubmissionError: what is swapped in cannot be graded with.
        KeyboardInterrupt: it was stopped; what was graded is kept.
    """
    if not setup.given.exists():
        raise ClassError(f"--submissions {setup.given}: there is no such folder or archive")
    setup.folder.mkdir(parents=True, exist_ok=True)
    lock = filelock.FileLock(setup.folder / "class.lock", timeout=0)
    try:
        lock.acquire()
    except filelock.Timeout:
        raise ClassError(f"{setup.folder}: another run is grading this class; wait for it, or stop it") from None
    with lock, Store(setup.folder / "class.sqlite") as store, contextlib.ExitStack() as stack:
        try:
            members = stack.enter_context(opened(setup.given))
            folders = list(assignment.folders)
            hand_ins, passed_over = roster.read(members, folders=folders)
        except (Unreadable, OSError) as error:
            raise ClassError(f"--submissions {setup.given}: {error}") from None
        if not hand_ins:
            raise ClassError(f"--submissions {setup.given}: expected a folder or an archive per student, found none")
        whole = _Run(assignment, options, setup, store, console)
        stack.callback(shutil.rmtree, whole.spool, ignore_errors=True)
        rows = whole.grade(hand_ins, options, "")
        written = [gradebook.write(hand_ins, rows, assignment, options.deliverables, setup.folder)]
        written += filter(None, [gradebook.leaderboard(hand_ins, rows, setup.folder)])
        if setup.pages:
            with console.status("writing the pages"):
                name = setup.given.resolve().name
                written += [page.write(hand_ins, rows, assignment, options.deliverables, setup.folder, name)]
        else:
            page.remove(hand_ins, setup.folder)
        written += whole.audit(hand_ins, rows)
    counts = {state: sum(row.state == state for row in rows.values()) for state in ("graded", "refused", "failed")}
    return Graded(counts, written, passed_over)


class _Run:
    """One run over a class, and what it needs all along."""

    def __init__(self, assignment: Assignment, options: Options, setup: Setup, store: Store, console: Console):
        self.assignment, self.setup, self.store, self.console = assignment, setup, store, console
        self.spool = setup.folder / "spool"  # what a killed run has left is of no use
        shutil.rmtree(self.spool, ignore_errors=True)
        self.options = options
        self._rests_on = _rests_on(assignment, options)

    def grade(self, hand_ins: list[HandIn], options: Options, purpose: str) -> dict[str, Row]:
        """Key → result of everybody, graded now or before."""
        conditions = self._conditions(options)
        round = self.store.round(options.seed) if options.fresh else None
        rows: dict[str, Row] = {}
        pending: dict[str, str] = {}  # key → digest
        refused: list[tuple[HandIn, str]] = []
        for hand_in in hand_ins:
            try:
                digest = material.look(hand_in).digest
            except (Unreadable, OSError) as error:
                refused.append((hand_in, str(error)))
                continue
            row = self.store.find(hand_in.key, digest, conditions)
            if row and row.state != "failed" and (round is None or row.round == round.id):
                rows[hand_in.key] = row
            else:
                pending[hand_in.key] = digest
        if pending or refused:
            round = round or self.store.round(options.seed)
        with ClassTable(self.console, total=len(hand_ins), kept=len(rows), purpose=purpose) as table:

            def settle(row: Row, text: str) -> None:
                row = self.store.keep(row)  # first, so that nothing is told that could still be lost
                rows[row.student] = row
                table.ended(row.student, row.state, text, row.seconds)

            other = sum(self.store.otherwise(student, digest) for student, digest in pending.items())
            if other and not options.fresh and not purpose:
                table.line(f"{other} were graded by another grader, with other options or on other data: graded anew")
            for hand_in, reason in refused:
                settle(Row(hand_in.key, "", conditions, "refused", reason, [], None, round.id), f"refused: {reason}")
            if pending:
                waiting = [hand_in for hand_in in hand_ins if hand_in.key in pending]
                self._run(waiting, pending, conditions, replace(options, seed=round.seed), round, table, settle)
        self.store.end_rounds()
        return rows

    def _run(
        self,
        hand_ins: list[HandIn],
        digests: dict[str, str],
        conditions: str,
        options: Options,
        round: Round,
        table: ClassTable,
        settle: Callable[[Row, str], None],
    ) -> None:
        notes: dict[str, tuple[str, ...]] = {}
        unpacked: list[tuple[HandIn, str]] = []

        def jobs() -> Iterator[Job]:
            self.spool.mkdir(exist_ok=True)
            for hand_in in hand_ins:
                archive = self.spool / f"{hand_in.slug}.tar"
                try:
                    packed = material.pack(hand_in, archive)
                except (Unreadable, OSError) as error:
                    unpacked.append((hand_in, str(error)))
                    continue
                # What is graded is what was packed, should it have changed since it was looked at.
                digests[hand_in.key], notes[hand_in.key] = packed.digest, packed.notes
                yield Job(hand_in.key, hand_in.slug, self.assignment.name, archive, options, self.setup.threads)

        with contextlib.closing(self._events(jobs(), options)) as events:
            for event in events:
                match event:
                    case Started():
                        table.started(event)
                    case Said():
                        table.said(event.job.student, event.text)
                    case Ended():
                        student = event.job.student
                        row, text = _row(event, digests[student], conditions, round, notes[student])
                        settle(row, text)
                        event.job.archive.unlink(missing_ok=True)
        for hand_in, reason in unpacked:
            settle(
                Row(hand_in.key, digests[hand_in.key], conditions, "failed", reason, [], None, round.id),
                f"not graded: {reason}",
            )

    def _events(self, jobs: Iterator[Job], options: Options) -> Iterator[Event]:
        if self.setup.scheduler:
            return cluster.run_all(jobs, run, address=self.setup.scheduler)
        checks = [check for n in options.deliverables for check in self.assignment.deliverable(n).checks]
        seconds = SLACK + TWICE * sum(check.seconds for check in checks)
        if options.whole_training:
            seconds += TWICE * 60 * options.whole_training.minutes
        return local.run_all(jobs, run, at_once=self.setup.processes, seconds=seconds)

    def audit(self, hand_ins: list[HandIn], rows: dict[str, Row]) -> list[Path]:
        """Train a random share of the verified checkpoints anew; the files written."""
        numbers = [n for n in self.options.deliverables if self.assignment.deliverable(n).weights]
        if not self.setup.audit or not numbers or self.options.whole_training:
            return []
        keys = [hand_in.key for hand_in in hand_ins]
        verified = [(key, number) for key in keys for number in numbers if _is_verified(rows[key], number)]
        if not verified:
            listed = " or ".join(map(str, numbers))
            said = f"no checkpoint of deliverable {listed} was verified, so none is trained anew"
            self.console.print(f"--audit: {said}")
            return []
        # Kept with the last round, so that a run that goes on, or is repeated, audits the same checkpoints.
        latest = Round(max(rows[key].round for key, _ in verified), 0)
        drawn = self.store.audited(latest)
        if not drawn:
            drawn = random.SystemRandom().sample(verified, math.ceil(self.setup.audit * len(verified)))
            self.store.draw_audit(latest, drawn)
        chosen = [pair for pair in verified if pair in drawn]
        training = self.setup.audit_training or Budget(self.assignment.training_epochs, AUDIT_MINUTES)
        trained: dict[int, dict[str, Row]] = {}
        for number in sorted({number for _, number in chosen}):
            whose = [hand_in for hand_in in hand_ins if (hand_in.key, number) in chosen]
            options = replace(for_one(self.assignment, self.options, number), whole_training=training)
            trained[number] = self.grade(whose, options, "audit")
        return [gradebook.audit(chosen, rows, trained, self.setup.folder)]

    def _conditions(self, options: Options) -> str:
        """The digest of all that a result rests on beside the submission."""
        # Data and swaps count by what is in them, and not by where they lie.
        places = dict.fromkeys(("fresh", "data", "data_root", "mirrors", "swaps"))
        counted = asdict(options) | places | {"rests on": self._rests_on, "grader": grader_digest()}
        text = json.dumps([self.assignment.name, counted], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()


def _rests_on(assignment: Assignment, options: Options) -> dict[str, str]:
    """Digests of the data and of what is swapped in; before anything is graded, so that what is missing is told."""
    deliverables = [assignment.deliverable(number) for number in options.deliverables]
    wanted = {"root": options.data_root, "mirrors": options.mirrors, "data": options.data}
    digests = {name: load(name, **wanted).digest for name in {d.data for d in deliverables} if name}
    if any(deliverable.attacks for deliverable in deliverables):
        with contextlib.suppress(DataError):  # then whoever needs the models says so
            digests["models"] = load_models(**wanted).digest
    try:
        swapped_in = stand_ins(assignment, options)
    except ValueError as error:
        raise ClassError(str(error)) from None
    return digests | {f"swap {number}": submission.digest for number, submission in swapped_in.items()}


def _row(ended: Ended, digest: str, conditions: str, round: Round, notes: tuple[str, ...]) -> tuple[Row, str]:
    """A job's end as it is kept, and in one line."""
    student = ended.job.student
    try:
        if ended.report is None:
            raise _Failed(ended.reason)
        report = msgspec.json.decode(ended.report, type=Report)
        if report.state == "graded":
            msgspec.json.decode(report.result, type=Result)
    except (_Failed, msgspec.MsgspecError) as error:
        failed = Row(student, digest, conditions, "failed", str(error), list(notes), None, round.id, ended.attempts)
        return failed, f"not graded: {error}"
    row = Row(
        student, digest, conditions, report.state, report.reason, [*notes, *report.notes],
        None if report.state == "refused" else bytes(report.result),
        round.id, ended.attempts, report.seconds, report.waited, report.processor,
    )  # fmt: skip
    result = gradebook.decoded(row)
    return row, f"refused: {row.reason}" if result is None else f"{result.earned:g} of {result.points:g} points"


def _is_verified(row: Row, number: int) -> bool:
    """Whether a checkpoint has earned points; without one, what rests on it was not run."""
    result = gradebook.decoded(row)
    runs = [run for run in result.counted if run.number == number] if result else []
    not_run = any(check.verdict == "not-run" for run in runs for check in run.checks)
    return not not_run and sum(run.earned for run in runs) > 0


def _cores() -> int:
    """Cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1

"""The loop of `--watch`: look, grade what is affected, wait for the next save.

A save interrupts whatever is being graded. What it has a part in comes first, the quick deliverables
before those with a training; what was interrupted, or was waiting, is graded after that from its start.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from rich.console import Console

from grader.declaration import Assignment
from grader.runner import Options, for_one, grade, limits_for, stand_ins
from grader.submission import SubmissionError
from grader.watch.affected import Snapshot, affected, changed, quick_first, snapshot
from grader.watch.saves import Saves
from grader.watch.screen import Screen
from grader.worker import Rules, Worker
from grader.worker.sources import scan


class _Saved(BaseException):
    """Ends a grade from inside, since files have changed; no `Exception`, which a check would catch."""


def watch(assignment: Assignment, given: str, options: Options, console: Console) -> int:
    """Grade a submission, and again what a save has a part in, until Ctrl-C.

    Args:
        assignment: what is asked for.
        given: the submission's folder.
        options: as of a grade. Their deliverables are watched; every grade draws a seed of its own.
        console: where the verdicts go.

    Returns:
        0 after Ctrl-C, 2 where the folder has gone.

    Raises:
        SubmissionError: the folder, or one that is swapped in, cannot be graded at all.
        DataError: data is needed and cannot be had on these terms.
        ValueError: a swap of something that nothing rests on.
    """
    first = snapshot(assignment, given)
    stand_ins(assignment, options)  # refused now, as a grade would; each one is graded with what concerns it
    loop = _Loop(assignment, given, options, first)
    threads = torch.get_num_threads()
    limits = limits_for(options, threads)
    try:
        with (
            Saves(first.submission.root) as saves,
            Worker(threads=threads, limits=limits, isolation=options.isolation, pulse=loop.pulse) as worker,
            Screen(console, loop.pulse) as screen,
        ):
            screen.opening(assignment, given)
            return loop.run(saves, worker, screen)
    except KeyboardInterrupt:
        console.print("ended")
        return 0


class _Loop:
    """What is known of the submission, and what is still to be graded of it."""

    def __init__(self, assignment: Assignment, given: str, options: Options, first: Snapshot):
        self._assignment, self._given, self._options = assignment, given, options
        self._known = first
        self._waiting = quick_first(assignment, set(options.deliverables))
        self._saves: Saves | None = None

    def pulse(self) -> None:
        """Called while something is graded: end it if a file has changed."""
        if self._saves is not None and self._saves.taken() and self._has_news():
            raise _Saved

    def run(self, saves: Saves, worker: Worker, screen: Screen) -> int:
        """Go on until the folder has gone; the exit status."""
        self._saves = saves
        while True:
            try:
                self._take_news(screen)
                if not self._waiting:
                    saves.wait()
                    saves.taken()
                    continue
                self._grade(self._waiting[0], worker, screen)
                self._waiting.pop(0)
                if not self._waiting:
                    screen.idle()
            except _Saved:
                screen.trouble("interrupted by a save")
            except SubmissionError as error:
                if not self._known.submission.root.is_dir():
                    screen.trouble(f"{self._given} does not exist any more: nothing is left to watch")
                    return 2
                screen.trouble(str(error))
                saves.wait()
                saves.taken()

    def _has_news(self) -> bool:
        try:
            return bool(self._affected(snapshot(self._assignment, self._given)))
        except SubmissionError:
            return True

    def _affected(self, now: Snapshot) -> set[int]:
        return affected(self._assignment, self._known, now) & set(self._options.deliverables)

    def _take_news(self, screen: Screen) -> None:
        """Look at the submission, and put first what a change has a part in.

        Raises:
            SubmissionError: it cannot be graded as it is now.
        """
        now = snapshot(self._assignment, self._given)
        names, numbers = changed(self._known, now), self._affected(now)
        self._known = now
        if numbers:
            screen.saved(names)
            still = [number for number in self._waiting if number not in numbers]
            self._waiting = quick_first(self._assignment, numbers) + still

    def _grade(self, number: int, worker: Worker, screen: Screen) -> None:
        deliverable = self._assignment.deliverable(number)
        files = [self._known.submission.file(deliverable.folder, module) for module in deliverable.files]
        unreadable = scan(filter(None, files), Rules())
        if unreadable:  # every check would say so; a file that is saved half-written is soon saved again
            screen.trouble(f"deliverable {number} waits: {unreadable[0]}")
            return
        options = replace(for_one(self._assignment, self._options, number), seed=None)
        screen.graded(grade(self._assignment, self._given, options, worker, screen))

"""What an assignment's file declares: a closed list of deliverables and their checks."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from grader.exhibits.kinds import Exhibit
from grader.result import Verdict
from grader.worker.forbid import Rules


@dataclass(frozen=True)
class Outcome:
    """What a check found.

    Args:
        verdict: only "pass" earns points.
        reason: what was expected, what was found; may add a word to a pass.
        scores: measured numbers that submissions may be ranked by, larger is better.
    """

    verdict: Verdict
    reason: str = ""
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Budget:
    """What a whole training may take.

    Args:
        epochs: passes over the training images.
        minutes: by the grader's clock.
    """

    epochs: int
    minutes: float


@dataclass(frozen=True)
class Check:
    """One declared check.

    Args:
        id: unique within the assignment, "conv2d.stride"; stays when titles change.
        title: one line for a student.
        points: what a pass earns; 0 for a check that only informs.
        run: takes the `grader.bench.Bench`, examines what is on it; raises `WorkerFailure` where the worker gave out.
        seconds: wall-clock limit of the whole check.
        bears: whether what is built on the deliverable rests on this, too; a table that was
            written down carries no network.
        hidden: what students see it called in place of its title, with its verdict and without a
            reason ("MyFConv2D: a further check"); "" for a check that tells them everything.
    """

    id: str
    title: str
    points: float
    run: Callable[[Any], Outcome]
    seconds: float = 30.0
    bears: bool = True
    hidden: str = ""


@dataclass(frozen=True)
class Gathering:
    """How exhibits for a report come about. They earn no points, and no verdict hangs on them.

    Args:
        title: one line; stands where they could not be had.
        run: takes the `grader.bench.Bench` after all checks; raises like a check's.
        seconds: wall-clock limit of the whole.
    """

    title: str
    run: Callable[[Any], list[Exhibit]]
    seconds: float = 300.0


@dataclass(frozen=True)
class Deliverable:
    """One deliverable of an assignment.

    Args:
        number: as the assignment counts.
        title: one line.
        folder: where its files lie, spelled with underscores; hyphens are accepted.
        files: the module names that the assignment gives, "mytorch" for `mytorch.py`.
        judged: the one of these files that this deliverable is about.
        rules: operators that its code may not reach.
        checks: the closed list.
        exhibits: what a report shows beside them.
        data: the data set that its checks need, "" for none.
        weights: name, without its ending, of the file with a trained network; "" for none.
        documents: names of further files that are handed in and read by the grader itself, "part_a.csv".
        epochs: the fewest of a training that every grade runs; 0 where there is none.
        attacks: whether its checks attack HW3's models A and B.
        cached: whether its result is kept for a run that would repeat it exactly.
        rests_on: number of the deliverable whose layers it is built on; may be swapped.
        small: whether all that it asks for is small: it is judged on one thread, and who stays silent soon given up.
    """

    number: int
    title: str
    folder: str
    files: tuple[str, ...]
    judged: str
    rules: Rules
    checks: tuple[Check, ...]
    exhibits: tuple[Gathering, ...] = ()
    data: str = ""
    weights: str = ""
    documents: tuple[str, ...] = ()
    epochs: int = 0
    attacks: bool = False
    cached: bool = False
    rests_on: int | None = None
    small: bool = False


@dataclass(frozen=True)
class Assignment:
    """One assignment: `python -m grader NAME`.

    Args:
        name: as it is called on the command line.
        title: one line.
        deliverables: in the order in which they are graded.
        home: the folders that it lies under in `reference/` and `student/`, outermost first; a
            submission's folder below them goes before others of its name.
        remark: what has to be known before its accuracies are read.
        training_epochs: of a whole training that is asked for without a number.
    """

    name: str
    title: str
    deliverables: tuple[Deliverable, ...]
    home: tuple[str, ...] = ()
    remark: str = ""
    training_epochs: int = 30

    @property
    def folders(self) -> dict[str, tuple[str, ...]]:
        """Folder of a deliverable → the modules that belong in it."""
        folders: dict[str, tuple[str, ...]] = {}
        for deliverable in self.deliverables:
            folders[deliverable.folder] = folders.get(deliverable.folder, ()) + deliverable.files
        return folders

    def deliverable(self, number: int) -> Deliverable:
        for deliverable in self.deliverables:
            if deliverable.number == number:
                return deliverable
        known = ", ".join(str(deliverable.number) for deliverable in self.deliverables)
        raise ValueError(f"{self.name} has no deliverable {number}; it has {known}")

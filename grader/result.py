"""What a grading run ends in: one result, which every report is written from.

Every declared check has exactly one outcome with exactly one verdict, and only a
`pass` earns points (ARCHITECTURE, rule 2).
"""

from typing import Literal

import msgspec

from grader.exhibits.kinds import Exhibit

Verdict = Literal["pass", "fail", "error", "timeout", "killed", "not-run", "invalid"]

SCHEMA = "chalkbench/result/1"


class CheckResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One declared check and what became of it."""

    id: str  # "conv2d.stride"
    title: str  # "stride other than 1"
    points: float  # what the check is worth
    earned: float
    verdict: Verdict
    reason: str  # empty for a pass that needs no word
    seconds: float
    scores: dict[str, float] = {}  # what a leaderboard ranks by, larger is better; most checks have none
    hidden: str = ""  # what students see it called, without its reason; "" for most, which hide nothing


class Epoch(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One epoch of a training, measured by the grader from logits.

    `reported_*` are the submission's own words about its training pass; they earn nothing of what the
    network has learnt, and are compared with the batches that the worker saw.
    """

    epoch: int  # from 1
    train_loss: float  # mean cross-entropy on the grader's sample of the training images
    train_accuracy: float  # fraction in [0, 1]
    val_loss: float  # on all validation images
    val_accuracy: float
    reported_loss: float
    reported_accuracy: float
    seconds: float  # since the training began


class Training(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A training that the worker ran on the submission's own handle."""

    epochs: list[Epoch]
    seconds: float
    train_size: int
    train_sample: int  # training images that the grader's own curve is measured on
    val_size: int
    required_accuracy: float  # fraction in [0, 1]
    source: str = ""  # one line: the images, of all that the run had
    synthetic: bool = False  # whether they are a stand-in


class DeliverableResult(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One deliverable, graded once; a swapped run is a second one of the same number."""

    number: int
    title: str
    checks: list[CheckResult]
    swap: str = ""  # "" on the submission's own files, else e.g. "deliverable1=reference"
    counted: bool = True  # False: shown beside the counted run, adds nothing to the total
    training: Training | None = None
    exhibits: list[Exhibit] = []  # what a report shows beside the checks; earns nothing
    kept: str = ""  # "" if graded in this run, else when (ISO 8601, UTC): an exact repetition

    @property
    def points(self) -> float:
        return sum(check.points for check in self.checks)

    @property
    def earned(self) -> float:
        return sum(check.earned for check in self.checks)

    @property
    def passed(self) -> bool:
        return all(check.verdict == "pass" for check in self.checks)


class Conditions(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a run was asked for and what it rested on, beside a result's own fields: what a repetition needs."""

    deliverables: list[int]
    swaps: dict[str, str]  # number of a deliverable → folder whose files stood in for it, as given
    data: Literal["auto", "real", "synthetic"]  # as asked for
    epochs: int
    train: int | None  # epochs of a whole training; None where checkpoints were verified
    minutes: float | None  # what such a training could take
    threads: int  # that the grader and the submission's process each computed with
    files: dict[str, str]  # path in the submission → SHA-256; Python files (the first 1,000), checkpoints, documents
    stand_ins: dict[str, str]  # "deliverable1=reference" → digest of the files that stood in
    models: str  # digest of the models that were attacked, "" if none were
    grader: dict[str, str]  # part of the grader → SHA-256 of its files


class Result(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Everything a grade rests on, in one file."""

    assignment: str  # "hw3"
    submission: str  # the folder as given
    digest: str  # SHA-256 over the submission's files: same digest, same code
    data: Literal["real", "synthetic", "none"]  # "none": no graded check needed any
    data_source: str  # one line: what the numbers were measured on
    data_digest: str
    seed: int  # secret until now: repeats this run with --seed
    isolation: str  # tier: "bwrap", "unshare" or "process"; with "+user", under another user's id
    started: str  # ISO 8601, UTC
    seconds: float
    versions: dict[str, str]  # python, torch, …, platform
    hardware: str
    deliverables: list[DeliverableResult]
    conditions: Conditions | None = None  # None: put together from several runs, or older than this field
    schema: str = SCHEMA

    @property
    def counted(self) -> list[DeliverableResult]:
        return [deliverable for deliverable in self.deliverables if deliverable.counted]

    @property
    def points(self) -> float:
        return sum(deliverable.points for deliverable in self.counted)

    @property
    def earned(self) -> float:
        return sum(deliverable.earned for deliverable in self.counted)

    @property
    def passed(self) -> bool:
        """Whether all declared checks of the counted runs passed (exit status 0)."""
        return bool(self.counted) and all(deliverable.passed for deliverable in self.counted)

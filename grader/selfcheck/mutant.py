"""A mutant: a correct submission with a single fault, and what the grader must say of it.

A catalogue is a tuple of them, one per deliverable, in `grader/selfcheck/catalogue/`; the correct submissions
lie in `grader/selfcheck/submissions/`. On which data and with how small a
network a deliverable's mutants are graded is written in `grader.selfcheck.terms`::

    UNFOLD = Base("unfold", 1, {"deliverable1_2/mytorch.py": "import torch …"})

    Mutant("bias subtracted", UNFOLD, "output + bias", "output - bias",
           lost=("conv2d.bias", *TOGETHER), hint="the bias subtracted")
    Mutant("no checkpoint", TILES, lost=("resnet_training.network", …), instead={"deliverable3_5/resnet.pt": None})
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Base:
    """A correct submission to one deliverable.

    Args:
        name: unique among the deliverable's.
        deliverable: its number.
        files: path in the submission, with slashes, to what is in it; bytes for a trained network.
            The first of them is the one that faults are made in.
        assignment: which the deliverable is of.
    """

    name: str
    deliverable: int
    files: Mapping[str, str | bytes] = field(hash=False)
    assignment: str = "hw3"

    @property
    def text(self) -> str:
        """The file that faults are made in."""
        return next(iter(self.files.values()))


@dataclass(frozen=True)
class Mutant:
    """A correct submission with one fault.

    Args:
        name: of the fault; unique in its catalogue.
        base: the correct submission.
        before, after: what is replaced, everywhere in `file`; "" if the fault is in `instead` alone.
        lost: checks that it must lose; the first of them names the fault.
        hint: part of the hint that the first of them gives; "" where no specific one is known.
        may: checks that it loses or keeps, depending on what they draw.
        also: parts of other hints that are true of it, in other checks.
        file: path in the submission; "" for the base's first.
        instead: path to what stands there in place of the base's file; None where none does.
        mechanical: whether it was made by an operator, so that nobody wrote down what it must lose:
            one check that bears points, any.
    """

    name: str
    base: Base
    before: str = ""
    after: str = ""
    lost: tuple[str, ...] = ()
    hint: str = ""
    may: tuple[str, ...] = ()
    also: tuple[str, ...] = ()
    file: str = ""
    instead: Mapping[str, str | bytes | None] = field(default_factory=dict, hash=False)
    mechanical: bool = False

    @property
    def deliverable(self) -> int:
        """The number of the deliverable that it is graded as."""
        return self.base.deliverable

    @property
    def files(self) -> dict[str, str | bytes]:
        """The whole submission: path → what is in it.

        Raises:
            ValueError: there is nothing to replace, or nothing would be another one.
        """
        files = {**self.base.files, **self.instead}
        if self.before:
            place = self.file or next(iter(self.base.files))
            text = files[place]
            if self.before not in text:
                raise ValueError(f"{self.name}: expected {self.before!r} in {place} of {self.base.name}, found it not")
            files[place] = text.replace(self.before, self.after)
        if files == dict(self.base.files):
            raise ValueError(f"{self.name}: expected a fault, found the files of {self.base.name} as they are")
        return {path: content for path, content in files.items() if content is not None}

    @property
    def text(self) -> str:
        """The file with the fault, as it is graded."""
        return self.files[self.file or next(iter(self.base.files))]


def write(files: Mapping[str, str | bytes], folder: Path) -> None:
    """Lay a submission out in a folder that holds none yet."""
    for name, content in files.items():
        path = Path(folder, name)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

"""Faults that are made in several places of a file."""

from grader.selfcheck.mutant import Base


def several(base: Base, *edits: tuple[str, str], file: str = "") -> dict[str, str]:
    """What stands in place of the base's file, for `Mutant.instead`.

    Args:
        base: the correct submission.
        edits: (before, after), each of them replaced everywhere.
        file: path in the submission; "" for the base's first.

    Raises:
        ValueError: there is nothing to replace.
    """
    place = file or next(iter(base.files))
    text = base.files[place]
    for before, after in edits:
        if before not in text:
            raise ValueError(f"expected {before!r} in {place} of {base.name}, found it not")
        text = text.replace(before, after)
    return {place: text}
